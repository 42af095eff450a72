package cli

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"

	"github.com/exeunt-id/exeunt/config"
)

func TestNewClientMayReachItsOwnMachine(t *testing.T) {
	for _, test := range []struct {
		issuer, logoutURI string
		allowed, want     bool
	}{
		{"http://localhost:8080", "http://127.0.0.1:9101/logout", false, true},
		{"http://localhost:8080", "http://shop.localhost/logout", false, true},
		{"http://localhost:8080", "http://10.0.0.1/logout", false, false},
		{"http://localhost:8080", "http://10.0.0.1/logout", true, true},
		{"https://id.example.com", "https://localhost/logout", false, false},
		{"https://id.example.com", "https://localhost/logout", true, true},
		{"http://localhost:8080", "", false, false},
	} {
		cfg := &config.Config{Issuer: test.issuer}
		c := newClient(cfg, config.Client{BackchannelLogoutURI: test.logoutURI, AllowPrivateNetwork: test.allowed})
		if c.AllowPrivateNetwork != test.want {
			t.Errorf("issuer %s, %s, allowed %v: %v", test.issuer, test.logoutURI, test.allowed, c.AllowPrivateNetwork)
		}
	}
}

func TestNewClientKeepsNoSecret(t *testing.T) {
	c := newClient(config.Default(), config.Client{ClientID: "shop", ClientSecret: "hunter2"})
	if sum := sha256.Sum256([]byte("hunter2")); string(c.SecretHash) != string(sum[:]) || strings.Contains(fmt.Sprintf("%+v", c), "hunter2") {
		t.Errorf("%+v", c)
	}
	if public := newClient(config.Default(), config.Client{ClientID: "app"}); len(public.SecretHash) != 0 {
		t.Errorf("a client without a secret has the hash %x", public.SecretHash)
	}
}
