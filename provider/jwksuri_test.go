package provider_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider"
	"github.com/exeunt-id/exeunt/provider/identity"
)

// keyServer is a client's jwks_uri.
type keyServer struct {
	*httptest.Server
	asked  atomic.Int32
	answer atomic.Pointer[http.HandlerFunc]
}

func newKeyServer(t *testing.T) *keyServer {
	s := &keyServer{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.asked.Add(1)
		(*s.answer.Load())(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *keyServer) serve(status int, body string) {
	handler := answering(status, body)
	s.answer.Store(&handler)
}

func answering(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

func TestJWKSURI(t *testing.T) {
	keys, server := newKeys(), newKeyServer(t)
	w := newWorld(t, openDB(t), keyed(func(c *identity.Client) { c.JWKSURI = server.URL }))
	step := func(what, alg string, status int, asked int32) {
		t.Helper()
		if got := w.introspectAs(keys[alg].sign(t, w.assertion("keyed"))); got.status != status {
			t.Fatalf("%s: status %d, want %d", what, got.status, status)
		}
		if got := server.asked.Load(); got != asked {
			t.Fatalf("%s: asked %d times, want %d", what, got, asked)
		}
	}
	server.serve(http.StatusOK, string(keySet(t, keys["RS256"])))
	step("first", "RS256", 200, 1)
	step("cached", "RS256", 200, 1)
	server.serve(http.StatusOK, string(keySet(t, keys["RS256"], keys["EdDSA"])))
	step("rotated", "EdDSA", 200, 2)
	step("the old one in the overlap", "RS256", 200, 2)
	step("an unknown kid", "other", 401, 2)
	w.clock.Advance(31 * time.Second)
	step("an unknown kid later", "other", 401, 3)
	step("an unknown kid again", "other", 401, 3)
	server.serve(http.StatusOK, string(keySet(t, keys["EdDSA"])))
	w.clock.Advance(5 * time.Minute)
	step("withdrawn", "RS256", 401, 5) // old, and then the kid is unknown

	server.serve(http.StatusInternalServerError, "")
	w.clock.Advance(6 * time.Minute)
	step("failing", "EdDSA", 200, 6)
	step("failing, not asked again at once", "EdDSA", 200, 6)
	w.clock.Advance(11 * time.Second)
	step("still failing", "EdDSA", 200, 7)
	w.clock.Advance(time.Hour)
	step("failing for too long", "EdDSA", 401, 8)
	server.serve(http.StatusOK, string(keySet(t, keys["EdDSA"])))
	w.clock.Advance(11 * time.Second)
	step("back", "EdDSA", 200, 9)
}

// Many at once cause one fetch, be the keys new to us or the kid.
func TestJWKSURIStampede(t *testing.T) {
	keys, server := newKeys(), newKeyServer(t)
	w := newWorld(t, openDB(t), keyed(func(c *identity.Client) { c.JWKSURI = server.URL }))
	for round, alg := range []string{"RS256", "EdDSA"} {
		server.serve(http.StatusOK, string(keySet(t, keys[alg])))
		var group sync.WaitGroup
		for range 8 {
			group.Go(func() {
				if a := w.introspectAs(keys[alg].sign(t, w.assertion("keyed"))); a.status != http.StatusOK {
					t.Errorf("%s: status %d", alg, a.status)
				}
			})
		}
		group.Wait()
		if asked := server.asked.Load(); asked != int32(round+1) {
			t.Errorf("%s: asked %d times", alg, asked)
		}
	}
}

func TestJWKSURIRefused(t *testing.T) {
	keys, server := newKeys(), newKeyServer(t)
	good := string(keySet(t, keys["EdDSA"]))
	private, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: keys["EdDSA"].private, KeyID: "ed"}}})
	if err != nil {
		t.Fatal(err)
	}
	document := func(body string) http.HandlerFunc { return answering(http.StatusOK, body) }
	tests := map[string]struct {
		serve http.HandlerFunc
		good  bool
	}{
		"unknown keys beside": {serve: document(strings.Replace(good, `[`, `[{"kty":"AKP","kid":"pq"},`, 1)), good: true},
		"not found":           {serve: answering(http.StatusNotFound, good)},
		"too large":           {serve: document(good + strings.Repeat(" ", 64<<10))},
		"no JSON":             {serve: document("<html>")},
		"no keys":             {serve: document(`{"keys":[]}`)},
		"private keys":        {serve: document(string(private))},
		"symmetric":           {serve: document(`{"keys":[{"kty":"oct","k":"AAAA","kid":"ed"}]}`)},
		"for encryption":      {serve: document(strings.Replace(good, `"sig"`, `"enc"`, 1))},
		"another's alg":       {serve: document(strings.Replace(good, `"use"`, `"alg":"ES256","use"`, 1))},
		"redirected away":     {serve: func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) }},
	}
	// Each case has a client with an address of its own, since what was fetched is kept.
	var clients []func(*provider.Config)
	client := func(name string) string { return strings.ReplaceAll(name, " ", "-") }
	for name := range tests {
		clients = append(clients, keyed(func(c *identity.Client) { c.ID, c.JWKSURI = client(name), server.URL+"/"+client(name) }))
	}
	w := newWorld(t, openDB(t), clients...)
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if server.answer.Store(&test.serve); test.good {
				w.introspectAs(keys["EdDSA"].sign(t, w.assertion(client(name)))).want(http.StatusOK)
				return
			}
			w.introspectAs(keys["EdDSA"].sign(t, w.assertion(client(name)))).wantError(http.StatusUnauthorized, "invalid_client")
		})
	}
}

// A jwks_uri inside the network is reached only for a client that is allowed to.
func TestJWKSURIGuarded(t *testing.T) {
	keys, server := newKeys(), newKeyServer(t)
	server.serve(http.StatusOK, string(keySet(t, keys["EdDSA"])))
	w := newWorld(t, openDB(t),
		keyed(func(c *identity.Client) { c.JWKSURI = server.URL }),
		keyed(func(c *identity.Client) { c.ID, c.JWKSURI, c.AllowPrivateNetwork = "inside", server.URL, true }),
		func(cfg *provider.Config) {
			var err error
			if cfg.Outgoing, err = logout.NewOutgoing(logout.OutgoingConfig{}); err != nil {
				t.Fatal(err)
			}
		})
	w.introspectAs(keys["EdDSA"].sign(t, w.assertion("inside"))).want(http.StatusOK)
	if server.asked.Load() != 1 {
		t.Fatalf("asked %d times", server.asked.Load())
	}
	w.introspectAs(keys["EdDSA"].sign(t, w.assertion("keyed"))).wantError(http.StatusUnauthorized, "invalid_client")
	if server.asked.Load() != 1 {
		t.Error("the guard let a request pass")
	}
}
