package rp_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/exeunt-id/exeunt/rp"
)

// rotate publishes a new ES256 key and returns a signer of tokens with it.
func (p *provider) rotate(t *testing.T, kid string) func() string {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p.publish(jose.JSONWebKey{Key: key.Public(), KeyID: kid, Use: "sig", Algorithm: "ES256"})
	return func() string {
		d := p.draft()
		d.header["kid"], d.key = kid, key
		return d.sign()
	}
}

func wantTemporary(t *testing.T, v *rp.LogoutTokenVerifier, raw string) {
	t.Helper()
	var temporary *rp.TemporaryError
	if _, err := v.Verify(t.Context(), raw); !errors.As(err, &temporary) {
		t.Fatalf("got %v, want a TemporaryError", err)
	}
}

func wantValid(t *testing.T, v *rp.LogoutTokenVerifier, raw string) {
	t.Helper()
	if _, err := v.Verify(t.Context(), raw); err != nil {
		t.Fatal(err)
	}
}

func wantFetches(t *testing.T, p *provider, n int64) {
	t.Helper()
	if got := p.fetches.Load(); got != n {
		t.Fatalf("the keys were fetched %d times, want %d", got, n)
	}
}

func TestKeyRotation(t *testing.T) {
	p := newProvider(t)
	v := p.verifier(t)
	wantValid(t, v, p.draft().sign())
	wantValid(t, v, p.draft().sign())
	wantFetches(t, p, 1)

	next := p.rotate(t, "next")
	wantValid(t, v, next()) // unknown kid: fetched at once
	wantValid(t, v, next())
	wantFetches(t, p, 2)

	after := p.rotate(t, "after-next")
	wantTemporary(t, v, after()) // asked a moment ago: we cannot know, which is no refusal
	wantFetches(t, p, 2)
	p.advance(11 * time.Second)
	wantValid(t, v, after())
	wantFetches(t, p, 3)

	// Invented kids cannot make us ask more than once per interval.
	d := p.draft()
	d.header["kid"] = "invented"
	p.advance(11 * time.Second)
	wantCheck(t, v, d.sign(), rp.CheckKey)
	for range 20 {
		wantTemporary(t, v, d.sign())
	}
	wantFetches(t, p, 4)
}

func TestWithdrawnKeyIsForgotten(t *testing.T) {
	p := newProvider(t)
	v := p.verifier(t)
	wantValid(t, v, p.draft().sign())
	p.mu.Lock()
	p.keys = p.keys[:1] // RS256 alone remains
	p.mu.Unlock()
	p.advance(59 * time.Minute)
	wantValid(t, v, p.draft().sign())
	p.advance(2 * time.Minute)
	wantCheck(t, v, p.draft().sign(), rp.CheckKey)
}

func TestKeysDown(t *testing.T) {
	p := newProvider(t)
	v := p.verifier(t)
	p.down.Store(true)
	wantTemporary(t, v, p.draft().sign())
	p.down.Store(false)
	wantTemporary(t, v, p.draft().sign()) // a failed fetch pauses for a second
	p.advance(time.Second)
	wantValid(t, v, p.draft().sign())

	// Known keys go on serving through an outage, even when they are due for refreshing.
	p.down.Store(true)
	p.advance(2 * time.Hour)
	wantValid(t, v, p.draft().sign())
	d := p.draft()
	d.header["kid"] = "new"
	wantTemporary(t, v, d.sign())
}

func TestKeysAreFetchedOnceForMany(t *testing.T) {
	p := newProvider(t)
	v := p.verifier(t)
	raw := p.draft().sign()
	var group sync.WaitGroup
	for range 50 {
		group.Go(func() {
			if _, err := v.Verify(t.Context(), raw); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	wantFetches(t, p, 1)
}

func TestTokenWithoutKidNeedsOneKey(t *testing.T) {
	p := newProvider(t)
	v := p.verifier(t)
	p.rotate(t, "second")
	d := p.draft()
	delete(d.header, "kid")
	wantCheck(t, v, d.sign(), rp.CheckKey)
}

func TestDiscoveryOfAnotherIssuer(t *testing.T) {
	p := newProvider(t)
	liar := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, object{"issuer": "https://other.example", "jwks_uri": p.URL + "/keys"})
	}))
	defer liar.Close()
	cfg := rp.VerifierConfig{Issuer: liar.URL, ClientID: clientID, Algorithms: []string{"ES256"}, Now: p.now}
	v, err := rp.NewLogoutTokenVerifier(cfg)
	if err != nil {
		t.Fatal(err)
	}
	d := p.draft()
	d.claims["iss"] = liar.URL
	wantTemporary(t, v, d.sign())

	// With JWKSURI configured discovery is not asked at all.
	cfg.JWKSURI = p.URL + "/keys"
	if v, err = rp.NewLogoutTokenVerifier(cfg); err != nil {
		t.Fatal(err)
	}
	wantValid(t, v, d.sign())
}
