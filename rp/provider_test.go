package rp_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/exeunt-id/exeunt/rp"
)

const clientID = "shop"

// start is the time at which every test begins.
var start = time.Date(2026, 4, 23, 12, 0, 0, 0, time.UTC)

// testKeys are made once: RSA keys are slow to make.
var testKeys = sync.OnceValue(func() map[string]crypto.Signer {
	rsaKey, err1 := rsa.GenerateKey(rand.Reader, 2048)
	ecKey, err2 := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	stranger, err3 := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	for _, err := range []error{err1, err2, err3} {
		if err != nil {
			panic(err)
		}
	}
	// Fixed, because the processes of one fuzzing run must agree on what is valid.
	edKey := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	return map[string]crypto.Signer{"RS256": rsaKey, "ES256": ecKey, "EdDSA": edKey, "stranger": stranger}
})

// provider is an OpenID Provider as far as logout tokens need one.
type provider struct {
	*httptest.Server
	clock   atomic.Int64 // seconds after start
	down    atomic.Bool  // answers 500 to everything
	fetches atomic.Int64 // of the keys

	mu   sync.Mutex
	keys []any // JSON of each published key

	op *openProvider // nil where logout tokens are all that matters
}

// newProvider starts a provider that publishes the keys under the kids "RS256", "ES256" and "EdDSA".
func newProvider(t testing.TB) *provider {
	p := &provider{}
	p.Server = httptest.NewServer(p)
	t.Cleanup(p.Close)
	for _, kid := range []string{"RS256", "ES256", "EdDSA"} {
		p.publish(jose.JSONWebKey{Key: testKeys()[kid].Public(), KeyID: kid, Use: "sig"})
	}
	p.publish(map[string]string{"kty": "XYZ", "kid": "from the future"})
	return p
}

func (p *provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case p.down.Load():
		http.Error(w, "down", http.StatusInternalServerError)
	case r.URL.Path == "/.well-known/openid-configuration":
		document := object{"issuer": p.URL, "jwks_uri": p.URL + "/keys"}
		if p.op != nil {
			p.op.describe(document)
		}
		writeJSON(w, document)
	case r.URL.Path == "/keys":
		p.fetches.Add(1)
		p.mu.Lock()
		defer p.mu.Unlock()
		writeJSON(w, map[string]any{"keys": p.keys})
	case p.op != nil:
		p.op.ServeHTTP(w, r)
	default:
		http.NotFound(w, r)
	}
}

// RoundTrip lets p answer its clients without a listener.
func (p *provider) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	p.ServeHTTP(w, r)
	return w.Result(), nil
}

func (p *provider) publish(key any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keys = append(p.keys, key)
}

func (p *provider) now() time.Time { return start.Add(time.Duration(p.clock.Load()) * time.Second) }

func (p *provider) advance(d time.Duration) { p.clock.Add(int64(d / time.Second)) }

// verifier accepts this provider's tokens for clientID, by its clock.
func (p *provider) verifier(t testing.TB) *rp.LogoutTokenVerifier {
	client := &http.Client{Transport: p} // without a listener; see RoundTrip
	v, err := rp.NewLogoutTokenVerifier(rp.VerifierConfig{
		Issuer: p.URL, ClientID: clientID, Algorithms: []string{"RS256", "ES256", "EdDSA"}, Now: p.now, HTTPClient: client,
	})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

type object = map[string]any

// draft is a logout token before it is signed: good, until a test changes it.
type draft struct {
	header, claims object
	key            any    // signs; by default the provider's key for the alg
	alg            string // that really signs; by default the header's
}

func (p *provider) draft() *draft {
	return &draft{
		header: object{"alg": "ES256", "kid": "ES256", "typ": "logout+jwt"},
		claims: object{
			"iss": p.URL, "aud": clientID, "iat": p.now().Unix(), "exp": p.now().Add(2 * time.Minute).Unix(),
			"jti": rand.Text(), "sub": "alice", "sid": "s-1", "events": object{rp.BackchannelEvent: object{}},
		},
	}
}

func (d *draft) sign() string {
	payload, err := json.Marshal(d.claims)
	if err != nil {
		panic(err)
	}
	return d.signPayload(payload)
}

// signPayload signs payload with the draft's header, which may be any nonsense.
func (d *draft) signPayload(payload []byte) string {
	alg, key := d.alg, d.key
	if alg == "" {
		alg, _ = d.header["alg"].(string)
	}
	if key == nil {
		key = testKeys()[alg]
	}
	header, err := json.Marshal(d.header)
	if err != nil {
		panic(err)
	}
	// Signed by hand: the library's signer would not make some of these headers.
	input := base64.RawURLEncoding.EncodeToString(header) + "." + base64.RawURLEncoding.EncodeToString(payload)
	return input + "." + base64.RawURLEncoding.EncodeToString(rawSignature(alg, key, []byte(input)))
}

func rawSignature(alg string, key any, input []byte) []byte {
	sum := sha256.Sum256(input)
	switch alg {
	case "HS256":
		mac := hmac.New(sha256.New, key.([]byte))
		mac.Write(input)
		return mac.Sum(nil)
	case "EdDSA":
		return ed25519.Sign(key.(ed25519.PrivateKey), input)
	case "RS256":
		sig, err := rsa.SignPKCS1v15(nil, key.(*rsa.PrivateKey), crypto.SHA256, sum[:])
		if err != nil {
			panic(err)
		}
		return sig
	case "ES256":
		r, s, err := ecdsa.Sign(rand.Reader, key.(*ecdsa.PrivateKey), sum[:])
		if err != nil {
			panic(err)
		}
		return append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	}
	return nil // none
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(v); err != nil {
		panic(err)
	}
}

// quiet is a logger for tests in which refusals are expected.
func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }
