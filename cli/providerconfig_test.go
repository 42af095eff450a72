package cli

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"

	"github.com/exeunt-id/exeunt/config"
	"github.com/exeunt-id/exeunt/provider/identity"
)

func TestNewClientMayReachItsOwnMachine(t *testing.T) {
	for _, test := range []struct {
		issuer, logoutURI string
		allowed, want     bool
		jwksURI           string
	}{
		{"http://localhost:8080", "http://127.0.0.1:9101/logout", false, true, ""},
		{"http://localhost:8080", "http://shop.localhost/logout", false, true, ""},
		{"http://localhost:8080", "http://10.0.0.1/logout", false, false, ""},
		{"http://localhost:8080", "http://10.0.0.1/logout", true, true, ""},
		{"https://id.example.com", "https://localhost/logout", false, false, ""},
		{"https://id.example.com", "https://localhost/logout", true, true, ""},
		{"http://localhost:8080", "", false, false, ""},
		{"http://localhost:8080", "", false, true, "http://127.0.0.1:9101/keys"},
		{"https://id.example.com", "", false, false, "https://127.0.0.1:9101/keys"},
	} {
		cfg := &config.Config{Issuer: test.issuer}
		c := client(t, cfg, config.Client{BackchannelLogoutURI: test.logoutURI, AllowPrivateNetwork: test.allowed, JWKSURI: test.jwksURI})
		if c.AllowPrivateNetwork != test.want {
			t.Errorf("issuer %s, %s, allowed %v: %v", test.issuer, test.logoutURI, test.allowed, c.AllowPrivateNetwork)
		}
	}
}

func TestNewClientKeepsNoSecret(t *testing.T) {
	c := client(t, config.Default(), config.Client{ClientID: "shop", ClientSecret: "hunter2"})
	if sum := sha256.Sum256([]byte("hunter2")); string(c.SecretHash) != string(sum[:]) || strings.Contains(fmt.Sprintf("%+v", c), "hunter2") {
		t.Errorf("%+v", c)
	}
	if public := client(t, config.Default(), config.Client{ClientID: "app"}); len(public.SecretHash) != 0 {
		t.Errorf("a client without a secret has the hash %x", public.SecretHash)
	}
}

func TestNewClientHasItsKeys(t *testing.T) {
	jwks := map[string]any{"keys": []any{map[string]any{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "kid": "a"}}}
	c := client(t, config.Default(), config.Client{ClientID: "shop", JWKS: jwks, TokenEndpointAuthSigningAlg: "EdDSA"})
	want := `{"keys":[{"crv":"Ed25519","kid":"a","kty":"OKP","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`
	if string(c.JWKS) != want || c.TokenEndpointAuthSigningAlg != "EdDSA" {
		t.Errorf("%s, %s", c.JWKS, c.TokenEndpointAuthSigningAlg)
	}
	if c := client(t, config.Default(), config.Client{ClientID: "shop", JWKS: map[string]any{}}); c.JWKS != nil {
		t.Errorf("no keys became %s", c.JWKS)
	}
}

func client(t *testing.T, cfg *config.Config, c config.Client) identity.Client {
	t.Helper()
	made, err := newClient(cfg, c)
	if err != nil {
		t.Fatal(err)
	}
	return made
}
