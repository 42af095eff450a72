package config_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/exeunt-id/exeunt/config"
)

const (
	publicJSON  = `{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`
	privateJSON = `{"kty": "OKP", "crv": "Ed25519", "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`
)

func registering(issuer string) *config.Config {
	c := config.Default()
	c.Issuer = issuer
	return c
}

func TestParseRegistration(t *testing.T) {
	const callback = `"redirect_uris": ["https://rp.example.com/cb"]`
	for name, test := range map[string]struct {
		issuer string // default: https://id.example.com
		data   string
		want   []string // problems
	}{
		"the least":                {data: `{` + callback + `}`},
		"unknown members":          {data: `{` + callback + `, "colour": {"deep": [1, null]}, "client_name#ja": "x", "": 1, "a b": 2, "<": 3}`},
		"what the provider issues": {data: `{` + callback + `, "client_id": "shop", "client_secret": "hunter2", "registration_access_token": 7, "client_secret_expires_at": 1}`},
		"request objects":          {data: `{` + callback + `, "request_uris": ["https://rp.example.com/r"], "request_object_signing_alg": "RS256"}`},
		"everything": {data: `{` + callback + `, "application_type": "web", "client_name": "Café 🙂", "contacts": ["ops@example.com"], "logo_uri": "https://rp.example.com/l",
			"policy_uri": "https://rp.example.com/p", "tos_uri": "https://rp.example.com/t", "client_uri": "https://rp.example.com/", "subject_type": "public",
			"grant_types": ["authorization_code", "refresh_token"], "response_types": ["code"], "scope": "openid email", "default_max_age": 5, "require_auth_time": true,
			"default_acr_values": ["1"], "initiate_login_uri": "https://rp.example.com/i", "post_logout_redirect_uris": ["https://rp.example.com/bye"],
			"backchannel_logout_uri": "https://rp.example.com/b", "backchannel_logout_session_required": true, "frontchannel_logout_uri": "https://rp.example.com/f",
			"frontchannel_logout_session_required": true, "id_token_signed_response_alg": "ES256", "token_endpoint_auth_method": "private_key_jwt",
			"token_endpoint_auth_signing_alg": "EdDSA", "jwks": {"keys": [` + publicJSON + `]}, "software_id": "s", "software_version": "1"}`},
		"keys of unknown types":    {data: `{` + callback + `, "token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [{"kty": "AKP", "alg": "ML-DSA-44"}, 7, ` + publicJSON + `]}}`},
		"keys for something else":  {data: `{` + callback + `, "jwks": {"keys": [{"kty": "AKP"}]}}`},
		"emptiness":                {data: `{` + callback + `, "skip_consent": false, "allowed_origins": [ ], "redirect_logout": "", "access_token_format": null, "sector_identifier_uri": ""}`},
		"loopback over http":       {issuer: "http://localhost:8080", data: `{"redirect_uris": ["http://127.0.0.1:9/cb"], "backchannel_logout_uri": "http://127.0.0.1:9/b", "jwks_uri": "http://127.0.0.1:9/j"}`},
		"a native app":             {data: `{"redirect_uris": ["http://127.0.0.1/cb", "com.example.app:/cb"], "application_type": "native", "token_endpoint_auth_method": "none"}`},
		"no redirect URI":          {data: `{}`, want: []string{"redirect_uris: is missing"}},
		"bad redirect URIs":        {data: `{"redirect_uris": ["https://rp.example.com/#x", "http://rp.example.com/", "javascript:alert(1)", "/x"]}`, want: []string{"redirect_uris[0]: has a fragment", "redirect_uris[1]: uses http; use https", "redirect_uris[2]: has the scheme javascript", "redirect_uris[3]: is not absolute"}},
		"what the operator sets":   {data: `{` + callback + `, "skip_consent": true, "allow_private_network": true, "hint_logout": true, "redirect_logout": "confirm", "access_token_format": "jwt", "allowed_origins": ["https://x"], "idle": "none", "on_token_reuse": "end_session", "global_token_revocation_domains": ["*"]}`, want: []string{"access_token_format: for the operator to set", "skip_consent: for the operator", "allow_private_network: for the operator", "allowed_origins: for the operator", "redirect_logout: for the operator", "hint_logout: for the operator", "idle: for the operator", "on_token_reuse: for the operator", "global_token_revocation_domains: for the operator"}},
		"what it does not become":  {data: `{` + callback + `, "scope": "openid exeunt.admin", "grant_types": ["authorization_code", "client_credentials"]}`, want: []string{`grant_types[1]: "client_credentials" is for clients that the operator creates`, `scope: "exeunt.admin" is for clients that the operator creates`}},
		"what we do not do":        {data: `{` + callback + `, "sector_identifier_uri": "https://rp.example.com/s", "software_statement": "e30.e30.", "userinfo_signed_response_alg": "RS256", "dpop_bound_access_tokens": true}`, want: []string{"sector_identifier_uri: pairwise", "software_statement: not read", "userinfo_signed_response_alg: plain JSON", "dpop_bound_access_tokens: not bound"}},
		"words":                    {data: `{` + callback + `, "subject_type": "pairwise", "response_types": ["token"], "grant_types": ["implicit"], "token_endpoint_auth_method": "client_secret_jwt", "id_token_signed_response_alg": "none", "application_type": "toy"}`, want: []string{`subject_type: "pairwise"`, `response_types[0]: "token"`, `grant_types[0]: "implicit"`, `token_endpoint_auth_method: "client_secret_jwt"`, `id_token_signed_response_alg: "none"`, `application_type: "toy"`}},
		"kinds":                    {data: `{"redirect_uris": "https://rp.example.com/cb", "client_name": ["x"], "default_max_age": "5", "require_auth_time": "true", "jwks": [], "contacts": [{}]}`, want: []string{"redirect_uris: write a list", "client_name: is a list", "default_max_age: is text", "require_auth_time: is text", "jwks: is a list", "contacts[0]: a mapping"}},
		"a frame of somebody else": {data: `{` + callback + `, "frontchannel_logout_uri": "https://evil.example.com/f"}`, want: []string{"frontchannel_logout_uri: where the client has no redirect_uri"}},
		"private keys":             {data: `{` + callback + `, "jwks": {"keys": [` + privateJSON + `, {"kty": "oct", "k": "aHVudGVyMg"}]}}`, want: []string{"jwks.keys[0]: is not a public key", "jwks.keys[1]: is not a public key"}},
		"both kinds of keys":       {data: `{` + callback + `, "jwks_uri": "https://rp.example.com/j", "jwks": {"keys": [` + publicJSON + `]}}`, want: []string{"jwks: contradicts jwks_uri"}},
		"no keys":                  {data: `{` + callback + `, "token_endpoint_auth_method": "private_key_jwt"}`, want: []string{"jwks_uri: is missing"}},
		"useless keys":             {data: `{` + callback + `, "token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [{"kty": "AKP"}]}}`, want: []string{"jwks: has no key for RS256, ES256 or EdDSA"}},
		"twice":                    {data: `{` + callback + `, ` + callback + `, "key hunter2": 1, "key hunter2": 2}`, want: []string{"redirect_uris: is given twice", `"key...": is given twice`}},
		"no object":                {data: `[]`, want: []string{": the metadata is not a JSON object"}},
		"nothing":                  {data: ``, want: []string{": the metadata is not a JSON object"}},
		"two objects":              {data: `{` + callback + `}{}`, want: []string{": the metadata is not a JSON object"}},
		"YAML":                     {data: "redirect_uris: [https://rp.example.com/cb]", want: []string{": the metadata is not a JSON object"}},
		"bytes":                    {data: "{\"client_name\": \"\xff\"}", want: []string{": the metadata is not a JSON object"}},
		"half a character":         {data: `{` + callback + `, "client_name": "\ud800"}`, want: []string{": half a surrogate pair"}},
		"NUL":                      {data: `{` + callback + `, "client_name": "a\u0000b"}`, want: []string{"client_name: has U+0000"}},
		"an abyss":                 {data: `{` + callback + `, "jwks": {"keys": ` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + `}}`, want: []string{"jwks.keys" + strings.Repeat("[0]", 31) + ": deeper than"}},
	} {
		t.Run(name, func(t *testing.T) {
			if test.issuer == "" {
				test.issuer = "https://id.example.com"
			}
			client, err := registering(test.issuer).ParseRegistration("an-id", []byte(test.data))
			checkProblems(t, err, test.want)
			if err == nil && (client.ClientID != "an-id" || client.ClientSecret != "" || client.SkipConsent) {
				t.Errorf("%+v", client)
			}
		})
	}
}

// Whatever is accepted is complete, holds nothing of the operator's, and is accepted again as it was understood.
func FuzzParseRegistration(f *testing.F) {
	f.Add([]byte(`{"redirect_uris": ["https://rp.example.com/cb"], "contacts": ["a"], "jwks": {"keys": [` + publicJSON + `]}}`))
	f.Add([]byte(`{"redirect_uris": ["https://rp.example.com/cb"], "skip_consent": true, "scope": "openid admin"}`))
	f.Add([]byte(`{"redirect_uris":["com.example:/"],"application_type":"native","client_name":"\ud83d\ude00","default_max_age":1}`))
	f.Add([]byte(`{"a":{"b":[[[{}]]]},"a":1}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		cfg := registering("https://id.example.com")
		c, err := cfg.ParseRegistration("an-id", data)
		if err != nil {
			var invalid *config.Error
			if !errors.As(err, &invalid) || len(invalid.Problems) == 0 {
				t.Fatalf("%T: %v", err, err)
			}
			for _, p := range invalid.Problems {
				if p.Message == "" || strings.ContainsAny(p.Path+p.Message, "\n\r") || p.Line != 0 {
					t.Errorf("not a line: %q", p)
				}
			}
			return
		}
		if c.SkipConsent || c.AllowPrivateNetwork || c.HintLogout || len(c.AllowedOrigins) > 0 || len(c.GlobalTokenRevocationDomains) > 0 ||
			c.AccessTokenFormat != config.AccessTokenOpaque || c.RedirectLogout != config.RedirectLogoutImmediate || c.Idle != "" || c.ClientSecret != "" || len(c.RedirectURIs) == 0 {
			t.Errorf("accepted: %+v", c)
		}
		if !json.Valid(data) {
			t.Errorf("accepted, but not JSON: %q", data)
		}
		again, err := cfg.ParseRegistration("an-id", data)
		if err != nil || !reflect.DeepEqual(c, again) {
			t.Errorf("the same again: %+v, %v", again, err)
		}
	})
}
