package protocol

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"
)

// A hint is an ID token of ours and nothing else that we sign.
func TestHints(t *testing.T) {
	keys := newFakeKeys(t)
	h := Hints{Issuer: testIssuer, Keys: keys}
	with := func(name string, value any) map[string]any { return idTokenClaims(map[string]any{name: value}) }
	tests := map[string]struct {
		token string
		good  bool
	}{
		"expired":           {keys.sign(t, "JWT", idTokenClaims(nil)), true},
		"no typ":            {keys.sign(t, "", idTokenClaims(nil)), true},
		"one aud, no azp":   {keys.sign(t, "JWT", with("azp", nil)), true},
		"aud is a string":   {keys.sign(t, "JWT", with("aud", "shop")), true},
		"after its session": {keys.sign(t, "JWT", with("sid", nil)), true},
		"two aud, no azp":   {keys.sign(t, "JWT", idTokenClaims(map[string]any{"azp": nil, "aud": []string{"shop", "wiki"}})), false},
		"logout token":      {keys.sign(t, "logout+jwt", idTokenClaims(nil)), false},
		"access token":      {keys.sign(t, "at+jwt", idTokenClaims(nil)), false},
		"events":            {keys.sign(t, "JWT", with("events", map[string]any{})), false},
		"scope":             {keys.sign(t, "JWT", with("scope", "openid")), false},
		"client_id":         {keys.sign(t, "JWT", with("client_id", "shop")), false},
		"another issuer":    {keys.sign(t, "JWT", with("iss", testIssuer+"/")), false},
		"no sub":            {keys.sign(t, "JWT", with("sub", nil)), false},
		"no exp":            {keys.sign(t, "JWT", with("exp", nil)), false},
		"no iat":            {keys.sign(t, "JWT", with("iat", nil)), false},
		"no auth_time":      {keys.sign(t, "JWT", with("auth_time", nil)), false},
		"another key":       {newFakeKeys(t).sign(t, "JWT", idTokenClaims(nil)), false},
		"alg none":          {base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","kid":"k1"}`)) + ".e30.", false},
		"HMAC":              {base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256","kid":"k1"}`)) + ".e30.AA", false},
		"cut":               {strings.TrimSuffix(keys.sign(t, "JWT", idTokenClaims(nil)), "A")[:40], false},
		"nothing":           {"", false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			hint, err := h.Verify(t.Context(), test.token)
			if (err == nil) != test.good || err != nil && !errors.Is(err, errHint) {
				t.Fatalf("error %v", err)
			}
			if test.good && (hint.ClientID != "shop" || hint.Subject != "alice") {
				t.Errorf("hint %+v", hint)
			}
		})
	}
}

func FuzzHints(f *testing.F) {
	keys := newFakeKeys(f)
	h := Hints{Issuer: testIssuer, Keys: keys}
	good := keys.sign(f, "JWT", idTokenClaims(nil))
	parts := strings.Split(good, ".")
	f.Add(good)
	f.Add(parts[0] + "." + parts[1] + ".")
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	f.Fuzz(func(t *testing.T, token string) {
		hint, err := h.Verify(t.Context(), token)
		if err != nil {
			return
		}
		// Only what was signed passes: a JWS of the same bytes, however it is encoded.
		if got := strings.Split(token, "."); len(got) != 3 || got[0] != parts[0] || got[1] != parts[1] || hint.Subject != "alice" {
			t.Errorf("accepted %q as %+v", token, hint)
		}
	})
}
