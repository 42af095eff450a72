package conformance

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"testing"
)

func texts(t *testing.T, v any) []string {
	t.Helper()
	list, ok := v.([]any)
	if !ok {
		t.Fatalf("no list: %v", v)
	}
	var out []string
	for _, item := range list {
		s, _ := item.(string)
		out = append(out, s)
	}
	return out
}

func TestDiscovery_4_Document(t *testing.T) {
	w := open(t)
	a := w.program().with("Origin", "https://spa.example.com").get("/.well-known/openid-configuration", nil).want(200)
	if got := a.header.Get("Content-Type"); got != "application/json" {
		t.Errorf("Content-Type %q", got)
	}
	if a.header.Get("Access-Control-Allow-Origin") != "*" || a.header.Get("Access-Control-Allow-Credentials") != "" {
		t.Errorf("headers %v", a.header)
	}
	doc := a.json()
	if doc["issuer"] != w.issuer {
		t.Errorf("issuer %v", doc["issuer"])
	}
	for name, value := range doc {
		switch v := value.(type) {
		case []any:
			if len(v) == 0 {
				t.Errorf("%s is empty", name)
			}
		case string:
			if v == "" {
				t.Errorf("%s is empty", name)
			}
			if strings.HasSuffix(name, "_endpoint") || name == "jwks_uri" {
				if u, err := url.Parse(v); err != nil || !strings.HasPrefix(v, w.issuer+"/") || u.RawQuery != "" || u.Fragment != "" {
					t.Errorf("%s is %s", name, v)
				}
			}
		case nil:
			t.Errorf("%s is null", name)
		}
	}
	for name, least := range map[string][]string{
		"scopes_supported":                      {"openid", "profile", "email", "address", "phone", "offline_access"},
		"response_types_supported":              {"code"},
		"response_modes_supported":              {"query", "form_post"},
		"grant_types_supported":                 {"authorization_code", "refresh_token"},
		"acr_values_supported":                  nil,
		"subject_types_supported":               {"public"},
		"id_token_signing_alg_values_supported": {"RS256", "ES256", "EdDSA"},
		"token_endpoint_auth_methods_supported": {"client_secret_basic", "client_secret_post", "none"},
		"code_challenge_methods_supported":      {"S256"},
		"claims_supported": {
			"sub", "iss", "aud", "exp", "iat", "auth_time", "nonce", "acr", "sid", "name", "given_name", "family_name", "middle_name", "nickname",
			"preferred_username", "profile", "picture", "website", "gender", "birthdate", "zoneinfo", "locale", "updated_at", "email",
			"email_verified", "address", "phone_number", "phone_number_verified",
		},
	} {
		got := texts(t, doc[name])
		for _, value := range least {
			if !slices.Contains(got, value) {
				t.Errorf("%s lacks %s: %v", name, value, got)
			}
		}
		if len(slices.Compact(slices.Sorted(slices.Values(got)))) != len(got) {
			t.Errorf("%s says something twice: %v", name, got)
		}
	}
	for _, never := range []string{"plain", "none", "HS256"} {
		if slices.Contains(texts(t, doc["code_challenge_methods_supported"]), never) || slices.Contains(texts(t, doc["id_token_signing_alg_values_supported"]), never) {
			t.Errorf("%s is advertised", never)
		}
	}
	// What is absent may mean yes: all of these are said.
	for _, name := range []string{
		"request_parameter_supported", "request_uri_parameter_supported", "claims_parameter_supported", "authorization_response_iss_parameter_supported",
		"backchannel_logout_supported", "backchannel_logout_session_supported", "frontchannel_logout_supported", "frontchannel_logout_session_supported",
	} {
		if _, ok := doc[name].(bool); !ok {
			t.Errorf("%s is %v", name, doc[name])
		}
	}
	for name, want := range map[string]bool{
		"request_parameter_supported": false, "request_uri_parameter_supported": false, "authorization_response_iss_parameter_supported": true,
		"backchannel_logout_supported": true, "backchannel_logout_session_supported": true,
	} {
		if doc[name] != want {
			t.Errorf("%s is %v", name, doc[name])
		}
	}
}

// What is advertised answers, and nothing is redirected.
func TestDiscovery_3_EndpointsAnswer(t *testing.T) {
	w := open(t)
	for name, value := range w.program().get("/.well-known/openid-configuration", nil).json() {
		address, _ := value.(string)
		if !strings.HasSuffix(name, "_endpoint") && name != "jwks_uri" && name != "check_session_iframe" {
			continue
		}
		for _, a := range []answer{w.browser().get(strings.TrimPrefix(address, w.issuer), nil), w.browser().post(strings.TrimPrefix(address, w.issuer), nil)} {
			if a.status == 404 || a.status >= 500 {
				t.Errorf("%s answers %d", name, a.status)
			}
		}
	}
	for _, path := range []string{"/.well-known/openid-configuration/", "/.well-known/openid-configuration/x", "/.well-known/oauth"} {
		if a := w.program().get(path, nil); a.status != 404 {
			t.Errorf("%s answers %d", path, a.status)
		}
	}
	if a := w.program().send("HEAD", "/.well-known/openid-configuration", "", "").want(200); a.body != "" {
		t.Error("HEAD has a body")
	}
}

// RFC 7517: public keys only, a distinct kid each, cacheable.
func TestDiscovery_3_JWKS(t *testing.T) {
	w := open(t)
	a := w.program().get("/keys", nil).want(200)
	if !strings.Contains(a.header.Get("Cache-Control"), "max-age=") || a.header.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("headers %v", a.header)
	}
	var set struct {
		Keys []map[string]any `json:"keys"`
	}
	if err := json.Unmarshal([]byte(a.body), &set); err != nil {
		t.Fatal(err)
	}
	kids, algs := map[any]bool{}, map[any]bool{}
	for _, key := range set.Keys {
		if kids[key["kid"]] || key["kid"] == nil || key["use"] != "sig" {
			t.Errorf("key %v", key)
		}
		kids[key["kid"]], algs[key["alg"]] = true, true
		for _, private := range []string{"d", "p", "q", "dp", "dq", "qi", "k", "oth"} {
			if _, ok := key[private]; ok {
				t.Errorf("private member %s", private)
			}
		}
		if n, _ := key["n"].(string); key["kty"] == "RSA" && len(n) < 342 { // 2048 bits
			t.Errorf("a short RSA key: %d characters", len(n))
		}
	}
	for _, alg := range []string{"RS256", "ES256", "EdDSA"} {
		if !algs[alg] {
			t.Errorf("no key for %s", alg)
		}
	}
	retired := w.retiredKey()
	w.clock.Advance(31e9)
	if len(w.keys().Key(retired.kid)) != 1 {
		t.Error("a retired key is not published")
	}
}
