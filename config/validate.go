package config

import (
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Validate fills what the clients leave empty with the defaults of OpenID registration and checks everything. The error is an *Error
// with all problems. [Load] has done it already; it is for configurations that are made in code.
func (c *Config) Validate() error {
	r := newReport()
	c.check(r)
	return r.err("")
}

func (c *Config) check(r *report) {
	for i := range c.Clients {
		c.Clients[i].complete()
	}
	c.refuseLater(r)
	if err := checkIssuer(c.Issuer); err != nil {
		r.add("issuer", "%v", err)
	}
	c.checkListeners(r)
	c.checkTLS(r)
	c.checkProxies(r)
	checkDatabase(c.Database, r)
	c.checkSecrets(r)
	c.checkAlgorithms(r)
	c.checkNumbers(r)
	oneOf(r, "logout.fanout", c.Logout.Fanout, FanoutParticipating, FanoutAll)
	oneOf(r, "log.level", c.Log.Level, "debug", "info", "warn", "error")
	oneOf(r, "log.format", c.Log.Format, "json", "text")
	checkProxy(c.Outgoing.Proxy, r)
	c.SMTP.check(r)
	c.Traces.check(r)
	c.checkRegistration(r)
	c.Devices.check(r)
	c.checkUsers(r)
	c.checkClients(r)
}

func (c *Config) checkListeners(r *report) {
	listener := func(path, address string) {
		_, port, err := net.SplitHostPort(address)
		if err == nil {
			_, err = strconv.ParseUint(port, 10, 16)
		}
		if err != nil {
			r.add(path, "%s is not an address to listen on; write host:port or :port, such as :8080", quote(address))
		}
	}
	listener("listen", c.Listen)
	if c.AdminListen != "" {
		listener("admin_listen", c.AdminListen)
	}
}

func (c *Config) checkTLS(r *report) {
	switch {
	case c.TLS.CertFile != "" && c.TLS.KeyFile == "":
		r.add("tls.cert_file", "is given without tls.key_file; set that too, to the file of the certificate's private key")
	case c.TLS.KeyFile != "" && c.TLS.CertFile == "":
		r.add("tls.key_file", "is given without tls.cert_file; set that too, to the file of the certificate")
	}
}

// checkDatabase never shows the value: a URL that is malformed may be so because of its password.
func checkDatabase(database SecretURL, r *report) {
	const forms = "write sqlite:path, such as sqlite:exeunt.db, or postgres://user:password@host/name"
	value := database.Reveal()
	scheme, rest, ok := strings.Cut(value, ":")
	switch {
	case value == "":
		r.add("database", "is empty; %s", forms)
	case !ok:
		r.add("database", "has no scheme; %s", forms)
	case scheme == "sqlite":
		switch {
		case rest == "":
			r.add("database", "has no path after sqlite:; %s", forms)
		case strings.HasPrefix(rest, "//"):
			r.add("database", "%s has // after sqlite:; write sqlite:exeunt.db, or sqlite:/var/lib/exeunt/exeunt.db for an absolute path", quote(value))
		case strings.ContainsAny(rest, "?#"), strings.HasPrefix(rest, "file:"), rest == ":memory:":
			r.add("database", "%s is not the path of a file; write it without parameters, such as sqlite:exeunt.db", quote(value))
		}
	case scheme == "postgres", scheme == "postgresql":
		u, err := url.Parse(value)
		switch {
		case err != nil || u.Fragment != "" || strings.Contains(u.Host, "@"):
			r.add("database", "is not a valid URL; percent-encode special characters in the password (# as %%23, / as %%2F, @ as %%40)")
		case u.Opaque != "" || !strings.HasPrefix(rest, "//"):
			r.add("database", "has no // after %s:; %s", scheme, forms)
		}
	default:
		r.add("database", "has an unknown scheme; %s", forms)
	}
}

func checkProxy(proxy SecretURL, r *report) {
	if proxy == "" {
		return
	}
	u, err := url.Parse(proxy.Reveal())
	if err != nil || u.Hostname() == "" || !slices.Contains([]string{"http", "https", "socks5"}, u.Scheme) {
		r.add("outgoing.proxy", "is not the URL of a proxy; write it like http://proxy.example.com:3128 (or https, socks5), special characters of a password percent-encoded")
	}
}

func (c *Config) checkAlgorithms(r *report) {
	const path = "signing_algorithms"
	for i, alg := range c.SigningAlgorithms {
		item := fmt.Sprintf("%s[%d]", path, i)
		oneOf(r, item, alg, RS256, ES256, EdDSA)
		if slices.Index(c.SigningAlgorithms, alg) < i {
			r.add(item, "%s is given twice; keep one", quote(alg))
		}
	}
	// OpenID Connect Core 1.0, 15.1
	if !slices.Contains(c.SigningAlgorithms, RS256) {
		r.add(path, "lacks RS256, which every OpenID Provider must have; add it")
	}
}

func (c *Config) checkNumbers(r *report) {
	positive := func(path string, d time.Duration) {
		if d <= 0 {
			r.add(path, "%v is too short; write a duration above 0", d)
		}
	}
	notNegative := func(path string, d time.Duration) {
		if d < 0 {
			r.add(path, "%v is negative; write a duration from 0 (0 turns it off)", d)
		}
	}
	count := func(path string, n, least, most int) {
		if n < least || n > most {
			r.add(path, "%d is out of range; write a number from %d to %d", n, least, most)
		}
	}
	const many = 1 << 30
	positive("tokens.code", c.Tokens.Code)
	if c.Tokens.Code > 10*time.Minute {
		r.add("tokens.code", "%v is too long; codes live 10m at most (RFC 6749, 4.1.2)", c.Tokens.Code)
	}
	positive("tokens.access", c.Tokens.Access)
	positive("tokens.id", c.Tokens.ID)
	positive("tokens.refresh", c.Tokens.Refresh)
	notNegative("keys.rotate_every", c.Keys.RotateEvery)
	if every := c.Keys.RotateEvery; every > 0 && every < time.Hour {
		r.add("keys.rotate_every", "%v is too short: a key is published before it signs; write 1h or more (0 never rotates)", every)
	}
	notNegative("keys.keep_retired", c.Keys.KeepRetired)
	if keep := c.Keys.KeepRetired; keep > 0 && keep < c.Tokens.ID {
		r.add("keys.keep_retired", "%v is shorter than tokens.id, %v: ID tokens would outlive their key; raise it", keep, c.Tokens.ID)
	}
	notNegative("sessions.idle", c.Sessions.Idle)
	notNegative("sessions.absolute", c.Sessions.Absolute)
	count("login.max_failures", c.Login.MaxFailures, 0, many)
	notNegative("login.window", c.Login.Window)
	count("login.max_failures_per_address", c.Login.MaxFailuresPerAddress, 0, many)
	notNegative("logout.wait", c.Logout.Wait)
	positive("logout.attempt_timeout", c.Logout.AttemptTimeout)
	notNegative("logout.retry_for", c.Logout.RetryFor)
	count("logout.workers", c.Logout.Workers, 1, 65536)
	notNegative("retention", c.Retention)
	notNegative("audit_retention", c.AuditRetention)
	if keep := c.AuditRetention; keep > 0 && keep < 24*time.Hour {
		r.add("audit_retention", "%v is too short; write 24h or more (0 keeps the audit trail for ever)", keep)
	}
	count("passwords.iterations", c.Passwords.Iterations, 1, 1000)
	count("passwords.parallelism", c.Passwords.Parallelism, 1, 255)
	// RFC 9106, 3.1: at least 8 KiB for each lane
	least := 8 * KiB * Size(min(max(c.Passwords.Parallelism, 1), 255))
	if m := c.Passwords.Memory; m < least || m > 4*GiB || m%KiB != 0 {
		r.add("passwords.memory", "%v is out of range; write whole KiB from %v (8KiB for each lane of parallelism) to 4GiB", m, least)
	}
}

// oneOf reports a value that is not among the allowed ones.
func oneOf(r *report, path, value string, allowed ...string) {
	if !slices.Contains(allowed, value) {
		r.add(path, "%s is not known here; use %s", quote(value), strings.Join(allowed, ", "))
	}
}
