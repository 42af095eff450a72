package config_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"github.com/exeunt-id/exeunt/config"
)

func TestSecretsDoNotShow(t *testing.T) {
	c := config.Default()
	c.Database = "postgres://u:hunter2@h/db?password=hunter2&sslmode=disable"
	c.Secrets = []config.Secret{"hunter2"}
	c.Outgoing.Proxy = "http://u:hunter2@proxy"
	c.SMTP.Password = "hunter2"
	c.Registration.InitialAccessTokens = []config.Secret{"hunter2"}
	c.Users = []config.User{{Username: "alice", Password: "hunter2", PasswordHash: "hunter2"}}
	c.Clients = []config.Client{{ClientID: "shop", ClientSecret: "hunter2"}}

	var shown bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x", "%X", "%t", "%10.3s"} {
		for _, value := range []any{*c, c, c.Users, c.Clients[0], c.Secrets[0], &c.Secrets[0], c.Database, &c.Database} {
			fmt.Fprintf(&shown, verb+"\n", value)
		}
	}
	for _, h := range []slog.Handler{slog.NewTextHandler(&shown, nil), slog.NewJSONHandler(&shown, nil)} {
		slog.New(h).Info("x", "config", c, "user", c.Users[0], "secret", c.Secrets[0], "database", c.Database)
	}
	for _, encode := range []func(any) ([]byte, error){json.Marshal, yaml.Marshal} {
		for _, value := range []any{c, c.Secrets[0], c.Database} {
			text, err := encode(value)
			if err != nil {
				t.Error(err)
			}
			shown.Write(text)
		}
	}
	hex := fmt.Sprintf("%x", "hunter2")
	if s := shown.String(); strings.Contains(s, "hunter2") || strings.Contains(strings.ToLower(s), hex) || !strings.Contains(s, "[redacted]") {
		t.Errorf("shown: %s", s)
	}
	if c.Secrets[0].Reveal() != "hunter2" || !strings.Contains(c.Database.Reveal(), "hunter2") {
		t.Error("Reveal does not reveal")
	}
}

func TestSecretURL(t *testing.T) {
	for url, want := range map[string]string{
		"":                                     "",
		"sqlite:exeunt.db":                     "sqlite:exeunt.db",
		"sqlite:/data/a@b.db":                  "sqlite:/data/a@b.db",
		"postgres://u@h:5432/db":               "postgres://u@h:5432/db",
		"postgres://h:5432/db?sslmode=disable": "postgres://h:5432/db?sslmode=disable",
		"postgres://[::1]:5432/db":             "postgres://[::1]:5432/db",
		"postgres://[::1]/db":                  "postgres://[::1]/db",
		"postgres://u:hunter2@h/db":            "postgres://u:[redacted]@h/db",
		"postgres://u:hunt@er/2?#@h/db":        "postgres://u:[redacted]@h/db",
		"postgres://u:hunter2":                 "postgres://u:[redacted]",
		"postgres:///db?password=hunter2":      "postgres:///db?password=[redacted]",
		"postgres:u:hunter2@h":                 "[redacted]",
		"host=h password=hunter2":              "[redacted]",
	} {
		if got := config.SecretURL(url).String(); got != want {
			t.Errorf("%s: got %s, want %s", url, got, want)
		}
	}
}

func TestSecretKeys(t *testing.T) {
	c, _, err := config.Parse(nil, []string{"EXEUNT_SECRETS= " + secret32 + " ,_-" + strings.Repeat("A", 41)})
	if err != nil {
		t.Fatal(err)
	}
	keys := c.SecretKeys()
	if len(keys) != 2 || string(keys[0][:]) != "0123456789abcdef0123456789abcdef" || keys[1][0] != 0xff {
		t.Errorf("keys = %x", keys)
	}
}
