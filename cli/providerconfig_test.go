package cli

import (
	"crypto/sha256"
	"errors"
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

// A client that registered itself reaches this machine in development, if nothing of it is anywhere else, and no private network ever.
func TestRegisteredClientAndTheNetwork(t *testing.T) {
	for _, test := range []struct {
		issuer, members string
		want            bool
	}{
		{"http://localhost:8080", `"backchannel_logout_uri": "http://127.0.0.1:9101/logout"`, true},
		{"http://localhost:8080", `"backchannel_logout_uri": "http://shop.localhost/logout", "jwks_uri": "http://[::1]/keys"`, true},
		{"http://localhost:8080", `"jwks_uri": "http://127.0.0.1:9101/keys"`, true},
		{"http://localhost:8080", `"backchannel_logout_uri": "http://10.0.0.1/logout"`, false},
		{"http://localhost:8080", `"backchannel_logout_uri": "http://127.0.0.1:9101/logout", "jwks_uri": "http://10.0.0.1/keys"`, false},
		{"http://localhost:8080", `"backchannel_logout_uri": "http://inside.example.com/logout", "jwks_uri": "http://127.0.0.1/keys"`, false},
		{"http://localhost:8080", `"client_name": "x"`, false},
		{"https://id.example.com", `"backchannel_logout_uri": "https://localhost/logout"`, false},
		{"https://id.example.com", `"jwks_uri": "https://127.0.0.1:9101/keys"`, false},
	} {
		cfg := config.Default()
		cfg.Issuer = test.issuer
		c, err := Registration(cfg).Check("an-id", []byte(`{"redirect_uris": ["https://shop.example.com/callback"], `+test.members+`}`))
		if err != nil || c.AllowPrivateNetwork != test.want || c.ID != "an-id" || c.SkipConsent {
			t.Errorf("issuer %s, %s: %v, %+v", test.issuer, test.members, err, c)
		}
	}
	_, err := Registration(config.Default()).Check("an-id", []byte(`{"redirect_uris": ["x"]}`))
	var refused *identity.MetadataError
	if !errors.As(err, &refused) || len(refused.Problems) != 1 || refused.Problems[0].Member != "redirect_uris[0]" {
		t.Errorf("%T: %v", err, err)
	}
}
