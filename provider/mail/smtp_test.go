package mail_test

import (
	"errors"
	"io"
	"mime"
	"mime/quotedprintable"
	"net/mail"
	"strings"
	"testing"
	"time"

	. "github.com/exeunt-id/exeunt/provider/mail"
	"github.com/exeunt-id/exeunt/provider/mail/mailtest"
)

var message = Message{
	ID: "0192f3c4-5b6a-7c8d", At: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), To: "ops@example.com", Subject: "Größe zählt", Text: "Zeile eins – mit Strich\n.\nende\n",
}

// sender is a client of the server; change alters its configuration.
func sender(t *testing.T, s *mailtest.Server, change func(*Config)) *SMTP {
	t.Helper()
	cfg := Config{Address: s.Address, From: "Exeunt <exeunt@id.example.com>", TLS: STARTTLS, RootCAs: s.RootCAs}
	if change != nil {
		change(&cfg)
	}
	client, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func TestSend(t *testing.T) {
	for name, test := range map[string]struct {
		server mailtest.Options
		change func(*Config)
		err    string // part of the error; empty: it is sent
	}{
		"STARTTLS":                {},
		"implicit TLS":            {server: mailtest.Options{Implicit: true}, change: func(c *Config) { c.TLS = Implicit }},
		"no TLS":                  {server: mailtest.Options{Plain: true}, change: func(c *Config) { c.TLS = None }},
		"with a password":         {server: mailtest.Options{Username: "exeunt", Password: "s3cret"}, change: func(c *Config) { c.Username, c.Password = "exeunt", "s3cret" }},
		"wrong password":          {server: mailtest.Options{Username: "exeunt", Password: "s3cret"}, change: func(c *Config) { c.Username, c.Password = "exeunt", "wrong" }, err: "535"},
		"password wanted":         {server: mailtest.Options{Username: "exeunt", Password: "s3cret"}, err: "502"},
		"server without STARTTLS": {server: mailtest.Options{Plain: true}, err: "STARTTLS"},
		"unknown certificate":     {change: func(c *Config) { c.RootCAs = nil }, err: "certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			s := mailtest.Start(t, test.server)
			err := sender(t, s, test.change).Send(t.Context(), message)
			got := s.Mails()
			if test.err != "" {
				var refused *RefusedError
				if err == nil || !strings.Contains(err.Error(), test.err) || errors.As(err, &refused) || len(got) != 0 || strings.Contains(err.Error(), "s3cret") {
					t.Fatalf("%v, %d mails; want an error with %q that may be mended", err, len(got), test.err)
				}
				return
			}
			if err != nil || len(got) != 1 {
				t.Fatalf("%v, %d mails", err, len(got))
			}
			m := got[0]
			if m.TLS == test.server.Plain || m.User != test.server.Username || m.From != "exeunt@id.example.com" || m.To != message.To {
				t.Errorf("envelope %+v", m)
			}
			want := map[string]string{
				"From": `"Exeunt" <exeunt@id.example.com>`, "To": "<ops@example.com>", "Date": "Fri, 02 Jan 2026 03:04:05 +0000", "Message-Id": "<0192f3c4-5b6a-7c8d@id.example.com>",
				"Auto-Submitted": "auto-generated", "Mime-Version": "1.0", "Content-Type": "text/plain; charset=UTF-8", "Content-Transfer-Encoding": "quoted-printable",
			}
			for name, value := range want {
				if got := m.Header[name]; len(got) != 1 || got[0] != value {
					t.Errorf("%s: %q, want %q", name, got, value)
				}
			}
			if subject, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject")); err != nil || subject != message.Subject {
				t.Errorf("subject %q, %v", subject, err)
			}
			text, err := io.ReadAll(quotedprintable.NewReader(strings.NewReader(m.Text)))
			if got := strings.ReplaceAll(string(text), "\r\n", "\n"); err != nil || strings.TrimRight(got, "\n") != strings.TrimRight(message.Text, "\n") {
				t.Errorf("text %q, %v", got, err)
			}
		})
	}
}

func TestSendRefused(t *testing.T) {
	s := mailtest.Start(t, mailtest.Options{})
	client := sender(t, s, nil)
	var refused *RefusedError
	s.Refuse(message.To, 550)
	if err := client.Send(t.Context(), message); !errors.As(err, &refused) || !strings.Contains(err.Error(), "550") {
		t.Errorf("refused for good: %v", err)
	}
	s.Refuse(message.To, 451)
	if err := client.Send(t.Context(), message); err == nil || errors.As(err, &refused) {
		t.Errorf("refused for now: %v", err)
	}
	s.Refuse(message.To, 0)
	s.Down()
	if err := client.Send(t.Context(), message); err == nil || errors.As(err, &refused) {
		t.Errorf("nobody there: %v", err)
	}
	s.Up()
	if err := client.Send(t.Context(), message); err != nil || len(s.Mails()) != 1 {
		t.Errorf("back again: %v, %d mails", err, len(s.Mails()))
	}
}

// Whatever stands in a name or an address, it adds neither headers nor recipients.
func TestInjection(t *testing.T) {
	s := mailtest.Start(t, mailtest.Options{})
	client := sender(t, s, nil)
	m := message
	m.Subject = "Shop\r\nBcc: everybody@example.com\r\n\r\nBuy\x00 now\u2028!"
	m.Text = "a\n.\nQUIT\nRCPT TO:<x@example.com>\n"
	if err := client.Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	got := s.Mails()
	if len(got) != 1 || got[0].Header.Get("Bcc") != "" || strings.Contains(got[0].Text, "Buy") {
		t.Errorf("%d mails: %s", len(got), got[0].Raw)
	}
	if subject, _ := new(mime.WordDecoder).DecodeHeader(got[0].Header.Get("Subject")); subject != "Shop Bcc: everybody@example.com Buy now !" {
		t.Errorf("subject %q", subject)
	}
	for _, to := range []string{"", "ops", "a@example.com, b@example.com", "a@example.com\r\nDATA", "<a@example.com>", `"a b"@example.com`, "a@example.com>\r\nRCPT TO:<b@example.com"} {
		m.To = to
		var refused *RefusedError
		if err := client.Send(t.Context(), m); !errors.As(err, &refused) {
			t.Errorf("to %q: %v", to, err)
		}
	}
	m = message
	m.ID = "x>\r\nBcc: y"
	if err := client.Send(t.Context(), m); err == nil || len(s.Mails()) != 1 {
		t.Errorf("id: %v", err)
	}
}

func TestNewRefuses(t *testing.T) {
	good := Config{Address: "mail.example.com:587", From: "a@example.com", TLS: STARTTLS}
	for part, change := range map[string]func(*Config){
		"Address": func(c *Config) { c.Address = "mail.example.com" }, "Address: \"mail:0\"": func(c *Config) { c.Address = "mail:0" },
		"From": func(c *Config) { c.From = "nobody" }, "TLS": func(c *Config) { c.TLS = "ssl" },
	} {
		cfg := good
		change(&cfg)
		if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%v, want %q", err, part)
		}
	}
	if _, err := New(good); err != nil {
		t.Error(err)
	}
}

func FuzzParseAddress(f *testing.F) {
	for _, seed := range []string{"ops@example.com", "mailto:ops@example.com?subject=x", "Ops <ops@example.com>", "a@b, c@d", "\"a\\\"b\"@c", "x@y\r\nz"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		address, err := ParseAddress(text)
		if err != nil {
			return
		}
		if strings.ContainsAny(address, "\r\n\x00 <>,\"") {
			t.Errorf("%q became %q", text, address)
		}
		parsed, err := mail.ParseAddress(address)
		if err != nil || parsed.Address != address {
			t.Errorf("%q became %q, which is read as %+v, %v", text, address, parsed, err)
		}
	})
}
