package config_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/exeunt-id/exeunt/config"
)

// FuzzParse checks that no input makes the reader panic, that what is refused is refused with problems of one line each, and that what is
// accepted passes the check again.
func FuzzParse(f *testing.F) {
	f.Add([]byte(complete), "EXEUNT_LOGOUT_WAIT=1s")
	f.Add([]byte(production), "EXEUNT_SECRETS=a,b")
	f.Add([]byte(`{"users": [{"username": "\ud83d\ude00", "claims": {"a": [1, 2.5, null, {}]}}]}`), "EXEUNT_USERS=")
	f.Add([]byte("users: &a [*a]\nclients: [{jwks: &b {c: *b}}]\n? [x]\n: y\n"), "EXEUNT_")
	f.Add([]byte("a: 'x\n- \"y\n"), "EXEUNT_LISTEN")
	f.Fuzz(func(t *testing.T, data []byte, variable string) {
		c, _, err := config.Parse(data, []string{variable})
		if err == nil {
			if err := c.Validate(); err != nil {
				t.Errorf("accepted, then: %v", err)
			}
			return
		}
		var invalid *config.Error
		if !errors.As(err, &invalid) || len(invalid.Problems) == 0 {
			t.Fatalf("%T: %v", err, err)
		}
		for _, p := range invalid.Problems {
			if p.Message == "" || strings.ContainsAny(p.Path+p.Message, "\n\r") {
				t.Errorf("not a line: %q", p)
			}
		}
	})
}
