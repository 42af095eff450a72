package rp_test

import (
	"encoding/json"
	"errors"
	"net/http/httptest"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/exeunt-id/exeunt/rp"
)

// fixedProvider has the same address and key in every process of a fuzzing run.
func fixedProvider() *provider {
	p := &provider{Server: &httptest.Server{URL: "https://id.example.com"}}
	p.publish(jose.JSONWebKey{Key: testKeys()["EdDSA"].Public(), KeyID: "EdDSA", Use: "sig"})
	return p
}

func (p *provider) fixedDraft() *draft {
	d := p.draft()
	d.header["alg"], d.header["kid"], d.claims["jti"] = "EdDSA", "EdDSA", "j-1"
	return d
}

// FuzzVerify gives the verifier anything at all: it must refuse with a typed
// error or accept, and nothing that the provider did not sign is accepted.
func FuzzVerify(f *testing.F) {
	p := fixedProvider()
	v := p.verifier(f)
	good := p.fixedDraft().sign()
	f.Add(good)
	f.Add("")
	f.Add("..")
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	f.Fuzz(func(t *testing.T, raw string) {
		token, err := v.Verify(t.Context(), raw)
		var refused *rp.TokenError
		var temporary *rp.TemporaryError
		switch {
		case err == nil && token.JTI != "j-1": // base64 may spell the good token in several ways
			t.Fatalf("accepted %q", raw)
		case err != nil && !errors.As(err, &refused) && !errors.As(err, &temporary):
			t.Fatalf("untyped error %v", err)
		}
	})
}

// FuzzClaims signs whatever comes, so that the claims are read: what is
// accepted must keep the rules when another JSON library reads it.
func FuzzClaims(f *testing.F) {
	p := fixedProvider()
	v := p.verifier(f)
	for _, change := range []func(object){
		func(object) {},
		func(c object) { delete(c, "sid") },
		func(c object) { c["nonce"] = 1 },
		func(c object) { c["aud"] = []string{clientID} },
		func(c object) { c["events"] = object{} },
	} {
		d := p.fixedDraft()
		change(d.claims)
		payload, err := json.Marshal(d.claims)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(payload)
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		d := p.fixedDraft()
		token, err := v.Verify(t.Context(), d.signPayload(payload))
		if err != nil {
			var refused *rp.TokenError
			if !errors.As(err, &refused) {
				t.Fatalf("untyped error %v", err)
			}
			return
		}
		var claims map[string]any
		if err := json.Unmarshal(payload, &claims); err != nil {
			t.Fatalf("accepted %q, which is no JSON object: %v", payload, err)
		}
		events, _ := claims["events"].(map[string]any)
		_, isObject := events[rp.BackchannelEvent].(map[string]any)
		_, hasNonce := claims["nonce"]
		if claims["iss"] != p.URL || !isObject || hasNonce || claims["jti"] != token.JTI || token.JTI == "" ||
			(token.Subject == "" && token.SID == "") {
			t.Fatalf("accepted %s", payload)
		}
	})
}
