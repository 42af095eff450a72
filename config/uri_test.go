package config_test

import (
	"encoding/base64"
	"testing"

	"github.com/exeunt-id/exeunt/config"
)

func developmentSecret() string {
	key := config.DevelopmentSecret()
	return base64.StdEncoding.EncodeToString(key[:])
}

func TestIssuer(t *testing.T) {
	for issuer, want := range map[string]string{
		"https://id.example.com":         "",
		"https://id.example.com:8443":    "",
		"http://localhost:8080":          "",
		"https://localhost":              "",
		"http://id.localhost:8080":       "",
		"http://127.0.0.53":              "",
		"http://[::1]:8080":              "",
		"":                               "issuer: is empty",
		"id.example.com":                 "issuer: is not absolute",
		"localhost:8080":                 "issuer: has the scheme localhost",
		"http://id.example.com":          "issuer: uses http, which is for loopback hosts only",
		"http://localhost.example.com":   "issuer: uses http",
		"http://10.0.0.1":                "issuer: uses http",
		"https://id.example.com/":        "issuer: ends with a slash",
		"https://id.example.com?":        "issuer: has a query",
		"https://id.example.com#":        "issuer: has a fragment",
		"https://u:hunter2@example.com":  "issuer: holds a user",
		"https://ID.example.com":         "issuer: upper-case",
		"HTTPS://id.example.com":         "issuer: upper-case",
		"https://id.example.com:443":     "issuer: default port",
		"http://localhost:80":            "issuer: default port",
		"https://id.example.com:":        "issuer: has no valid port",
		"https://id.example.com:99999":   "issuer: has no valid port",
		"https://:8080":                  "issuer: has no host",
		"https://*.example.com":          "issuer: has a wildcard",
		"https://exämple.com":            "issuer: has a character",
		"https://id.example.com/a/":      "issuer: ends with a slash",
		"https://id.example.com/tenant1": "",
		"http://localhost:8080/a/b.c_~-": "",
		"https://id.example.com//a":      "issuer: has a path that not everybody writes",
		"https://id.example.com/a/../b":  "issuer: has a path that not everybody writes",
		"https://id.example.com/.":       "issuer: has a path that not everybody writes",
		"https://id.example.com/a%2Fb":   "issuer: has a path that not everybody writes",
		"https://id.example.com/a:b":     "issuer: has a path that not everybody writes",
		"https://id.example.com/a;b":     "issuer: has a path that not everybody writes",
	} {
		t.Run(issuer, func(t *testing.T) {
			c := config.Default()
			c.Issuer, c.Secrets = issuer, []config.Secret{secret32}
			var problems []string
			if want != "" {
				problems = []string{want}
			}
			checkProblems(t, c.Validate(), problems)
		})
	}
}

func TestRedirectURIs(t *testing.T) {
	const local, public = "http://localhost:8080", "https://id.example.com"
	for _, tt := range []struct{ issuer, kind, uri, want string }{
		{local, "web", "http://shop.example.com/cb", ""},
		{local, "web", "http://127.0.0.1:3000/cb?x=y", ""},
		{local, "web", "com.example.app:/cb", "set application_type: native"},
		{public, "web", "https://shop.example.com/cb?x=y", ""},
		{public, "web", "http://localhost/cb", "uses http"},
		{public, "web", "https://shop.example.com/cb#x", "has a fragment"},
		{public, "web", "https://shop.example.com/cb#", "has a fragment"},
		{public, "web", "/cb", "is not absolute"},
		{public, "web", "https:///cb", "has no host"},
		{public, "web", "https:cb", "has no host"},
		{public, "web", "https://*.example.com/cb", "wildcard"},
		{public, "web", "https://shop.example.com/a b", "percent-encode"},
		{public, "web", `https://shop.example.com\@evil.example`, "percent-encode"},
		{public, "web", "https://shop.example.com/%zz", "is not a URI"},
		{public, "web", "https://shop.example.com@evil.example/", "holds a user"},
		{public, "web", "javascript:alert(1)", "has the scheme javascript"},
		{public, "native", "https://app.example.com/cb", ""},
		{public, "native", "http://127.0.0.1/cb", ""},
		{public, "native", "http://app.localhost/cb", ""},
		{public, "native", "http://app.example.com/cb", "uses http"},
		{public, "native", "com.example.app:/cb", ""},
		{public, "native", "com.example.app://cb", ""},
		{public, "native", "com.example.app:cb", "has no / after the scheme"},
		{public, "native", "myapp://cb", "domain name in reverse"},
		{public, "native", "data:text/html,x", "has no / after the scheme"},
		{public, "native", "javascript://x.y/%0aalert(1)", "domain name in reverse"},
		{public, "native", "file:///etc/passwd", "domain name in reverse"},
	} {
		t.Run(tt.kind+" "+tt.uri, func(t *testing.T) {
			c := config.Default()
			c.Issuer, c.Secrets = tt.issuer, []config.Secret{secret32}
			c.Clients = []config.Client{{
				ClientID: "app", ApplicationType: tt.kind, TokenEndpointAuthMethod: config.AuthNone,
				RedirectURIs: []string{tt.uri}, PostLogoutRedirectURIs: []string{tt.uri},
			}}
			var problems []string
			if tt.want != "" {
				problems = []string{"clients[0].redirect_uris[0]: " + tt.want, "clients[0].post_logout_redirect_uris[0]: " + tt.want}
			}
			checkProblems(t, c.Validate(), problems)
		})
	}
}

func TestWarnings(t *testing.T) {
	const local, public = "http://localhost:8080", "https://id.example.com"
	for _, tt := range []struct {
		issuer, uri      string
		client, everyone bool
		warned           bool
	}{
		{issuer: public, uri: "https://shop.example.com/bc"},
		{issuer: public, uri: "https://8.8.8.8/bc"},
		{issuer: public, uri: "https://10.1.2.3/bc", warned: true},
		{issuer: public, uri: "https://localhost/bc", warned: true},
		{issuer: public, uri: "https://[fd00::1]/bc", warned: true},
		{issuer: public, uri: "https://[::ffff:192.168.0.1]/bc", warned: true},
		{issuer: public, uri: "https://100.64.0.1/bc", warned: true},
		{issuer: public, uri: "https://169.254.169.254/bc", warned: true},
		{issuer: public, uri: "https://10.1.2.3/bc", client: true},
		{issuer: public, uri: "https://10.1.2.3/bc", everyone: true},
		{issuer: local, uri: "http://shop.localhost:3000/bc"},
		{issuer: local, uri: "http://127.0.0.1:3000/bc"},
		{issuer: local, uri: "http://10.1.2.3/bc", warned: true},
	} {
		t.Run(tt.issuer+" "+tt.uri, func(t *testing.T) {
			c := config.Default()
			c.Issuer, c.Secrets, c.Outgoing.AllowPrivateNetworks = tt.issuer, []config.Secret{secret32}, tt.everyone
			c.Clients = []config.Client{{
				ClientID: "shop", ClientSecret: "0123456789abcdef0123456789abcdef", RedirectURIs: []string{"https://shop.example.com/cb"},
				BackchannelLogoutURI: tt.uri, AllowPrivateNetwork: tt.client,
			}}
			if err := c.Validate(); err != nil {
				t.Fatal(err)
			}
			warnings := c.Warnings()
			if warned := len(warnings) == 1 && warnings[0].Path == "clients[0].backchannel_logout_uri"; warned != tt.warned || len(warnings) > 1 {
				t.Errorf("warnings = %v", warnings)
			}
		})
	}
	_, inside, err := config.Parse([]byte(shop("jwks_uri: 'https://10.1.2.3/keys'")), nil)
	if err != nil || len(inside) != 1 || inside[0].Path != "clients[0].jwks_uri" {
		t.Errorf("private jwks_uri: %v, %v", inside, err)
	}
	_, warnings, err := config.Parse([]byte(withClient(redirects+"}\n- {client_id: weak, client_secret: hunter2, "+redirects)), nil)
	if err != nil || len(warnings) != 1 || warnings[0].Path != "clients[1].client_secret" {
		t.Errorf("short secret: %v, %v", warnings, err)
	}
}
