package config_test

import (
	"strings"
	"testing"

	"github.com/exeunt-id/exeunt/config"
)

func TestReference(t *testing.T) {
	defaults := map[string]string{}
	for _, key := range config.Reference() {
		if key.Description == "" || !strings.HasSuffix(key.Description, ".") || strings.Contains(key.Description, "|") {
			t.Errorf("%s has no description that fits a table: %q", key.Path, key.Description)
		}
		if _, twice := defaults[key.Path]; twice || key.Path == "" || strings.HasSuffix(key.Path, ".") {
			t.Errorf("%q is not a key of its own", key.Path)
		}
		defaults[key.Path] = key.Default
	}
	for path, want := range map[string]string{
		"issuer": "http://localhost:8080", "tokens.code": "1m", "keys.rotate_every": "2160h", "logout.wait": "800ms", "passwords.memory": "19MiB",
		"signing_algorithms": "[RS256, ES256, EdDSA]", "smtp.password": "", "users": "", "users[].admin": "false",
		"clients[].grant_types": "[authorization_code]", "clients[].default_max_age": "", "clients[].scope": "openid profile email address phone offline_access",
	} {
		if got, ok := defaults[path]; !ok || got != want {
			t.Errorf("%s: default %q, want %q", path, got, want)
		}
	}
}

func TestSize(t *testing.T) {
	for text, want := range map[string]config.Size{"0B": 0, "19MiB": 19 * config.MiB, "1 GiB": config.GiB, "1536KiB": 1536 * config.KiB, "7B": 7} {
		if got, err := config.ParseSize(text); err != nil || got != want || got.String() != strings.ReplaceAll(text, " ", "") {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "19", "MiB", "-1MiB", "1.5MiB", "19MB", "9223372036854775807KiB", "99999999999999999999B"} {
		if got, err := config.ParseSize(text); err == nil {
			t.Errorf("%q: %v", text, got)
		}
	}
}
