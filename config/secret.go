package config

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"strings"
)

const redacted = "[redacted]"

// Secret is a value that must not be seen. Printed with any verb, logged or encoded as JSON or YAML it is "[redacted]", or
// empty when it is empty; also inside another value.
type Secret string

// Reveal returns the value itself.
func (s Secret) Reveal() string { return string(s) }

// String returns the placeholder.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return redacted
}

// GoString returns the placeholder.
func (s Secret) GoString() string { return fmt.Sprintf("config.Secret(%q)", s.String()) }

// Format writes the placeholder for every verb, those included that do not ask for String, such as %d.
func (s Secret) Format(f fmt.State, verb rune) { format(f, verb, s.String(), s.GoString()) }

// LogValue returns the placeholder.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalJSON encodes the placeholder.
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + s.String() + `"`), nil }

// MarshalYAML encodes the placeholder.
func (s Secret) MarshalYAML() (any, error) { return s.String(), nil }

// SecretURL is a URL that may carry a password. Printed, logged or encoded, everything that may be one is "[redacted]", also when the
// URL is malformed.
type SecretURL string

// Reveal returns the URL itself.
func (u SecretURL) Reveal() string { return string(u) }

// String returns the URL without its password.
func (u SecretURL) String() string { return redactURL(string(u)) }

// GoString returns the URL without its password.
func (u SecretURL) GoString() string { return fmt.Sprintf("config.SecretURL(%q)", u.String()) }

// Format writes the URL without its password for every verb.
func (u SecretURL) Format(f fmt.State, verb rune) { format(f, verb, u.String(), u.GoString()) }

// LogValue returns the URL without its password.
func (u SecretURL) LogValue() slog.Value { return slog.StringValue(u.String()) }

// MarshalJSON encodes the URL without its password.
func (u SecretURL) MarshalJSON() ([]byte, error) { return json.Marshal(u.String()) }

// MarshalYAML encodes the URL without its password.
func (u SecretURL) MarshalYAML() (any, error) { return u.String(), nil }

func format(f fmt.State, verb rune, text, goSyntax string) {
	switch {
	case verb == 'q':
		text = fmt.Sprintf("%q", text)
	case verb == 'v' && f.Flag('#'):
		text = goSyntax
	}
	_, _ = io.WriteString(f, text) // a fmt.State keeps its own error
}

// redactURL works on text, not on a parsed URL: a password that breaks the URL must not show either. What stands before the last @
// is taken for user and password.
func redactURL(s string) string {
	if path, ok := strings.CutPrefix(s, "sqlite:"); ok && !strings.HasPrefix(path, "//") {
		return s
	}
	scheme, rest, ok := strings.Cut(s, "://")
	if !ok {
		return Secret(s).String()
	}
	if i := strings.LastIndexByte(rest, '@'); i >= 0 {
		user, _, hasPassword := strings.Cut(rest[:i], ":")
		if hasPassword {
			user += ":" + redacted
		}
		return scheme + "://" + user + "@" + redactQuery(rest[i+1:])
	}
	authority, tail := rest, ""
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		authority, tail = rest[:i], rest[i:]
	}
	// user:password without a host
	if i := strings.LastIndexByte(authority, ':'); i >= 0 && strings.Trim(authority[i+1:], "0123456789]") != "" {
		return scheme + "://" + authority[:i+1] + redacted
	}
	return scheme + "://" + authority + redactQuery(tail)
}

// redactQuery hides what libpq takes as a parameter: password, sslpassword.
func redactQuery(s string) string {
	path, query, ok := strings.Cut(s, "?")
	if !ok {
		return s
	}
	params := strings.Split(query, "&")
	for i, p := range params {
		if name, _, ok := strings.Cut(p, "="); ok && !publicParameter[name] {
			params[i] = name + "=" + redacted
		}
	}
	return path + "?" + strings.Join(params, "&")
}

// publicParameter names the connection parameters that are worth seeing in a log and cannot hold a secret.
var publicParameter = map[string]bool{
	"sslmode": true, "host": true, "port": true, "dbname": true, "application_name": true, "connect_timeout": true,
	"search_path": true, "target_session_attrs": true, "pool_max_conns": true, "sslrootcert": true,
}
