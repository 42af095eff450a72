package config

import (
	"net"
	"net/mail"
	"strconv"
	"strings"
)

func (s SMTP) check(r *report) {
	oneOf(r, "smtp.tls", s.TLS, SMTPStartTLS, SMTPImplicit, SMTPNone)
	if s.Address == "" {
		for _, k := range []struct {
			key string
			set bool
		}{{"smtp.from", s.From != ""}, {"smtp.username", s.Username != ""}, {"smtp.password", s.Password != ""}, {"smtp.operator", s.Operator != ""}} {
			if k.set {
				r.add(k.key, "has no effect without smtp.address; set that too, to host:port of the mail server")
			}
		}
		return
	}
	host, port, err := net.SplitHostPort(s.Address)
	number, portErr := strconv.ParseUint(port, 10, 16)
	if err != nil || portErr != nil || host == "" || number == 0 {
		r.add("smtp.address", "%s is not the address of a mail server; write host:port, such as mail.example.com:587", quote(s.Address))
	}
	if s.From == "" {
		r.add("smtp.from", "is missing, smtp.address needs it; write the sender's address")
	} else if parsed, err := mail.ParseAddress(s.From); err != nil || !plainAddress(parsed.Address) {
		r.add("smtp.from", "%s is not an e-mail address; write it like exeunt@id.example.com", quote(s.From))
	}
	if s.Operator != "" {
		if parsed, err := mail.ParseAddress(s.Operator); err != nil || parsed.Address != s.Operator || !plainAddress(s.Operator) {
			r.add("smtp.operator", "%s is not an e-mail address; write it like ops@example.com", quote(s.Operator))
		}
	}
	switch {
	case s.Username == "" && s.Password != "":
		r.add("smtp.password", "is given without smtp.username; set that too")
	case s.Username != "" && s.Password == "":
		r.add("smtp.username", "is given without smtp.password; set that too")
	case s.TLS == SMTPNone && s.Username != "" && !isLoopback(host):
		r.add("smtp.tls", "none would send smtp.password in clear; use starttls or implicit")
	}
}

// plainAddress refuses what only a quoted local part could hold.
func plainAddress(address string) bool { return !strings.ContainsAny(address, "\" <>(),:;\\[]\r\n\t") }
