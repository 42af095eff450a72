package demo_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/exeunt-id/exeunt/demo"
)

// provider is a small OpenID Provider at which alice is always signed in. It
// insists on what an app must send.
type provider struct {
	*httptest.Server
	t    *testing.T
	app  demo.Registration
	keys map[string]crypto.Signer

	mu          sync.Mutex
	down        bool
	nonce       string // what the next ID token carries, instead of the right one
	beforeToken func() // runs before the token endpoint answers
	codes       map[string]url.Values
	revoked     []string // bearer tokens at /api/logout
	ended       []url.Values
}

func newProvider(t *testing.T) *provider {
	rsaKey, err1 := rsa.GenerateKey(rand.Reader, 2048)
	ecKey, err2 := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	_, edKey, err3 := ed25519.GenerateKey(rand.Reader)
	if err1 != nil || err2 != nil || err3 != nil {
		t.Fatal(err1, err2, err3)
	}
	p := &provider{t: t, codes: map[string]url.Values{}, keys: map[string]crypto.Signer{"RS256": rsaKey, "ES256": ecKey, "EdDSA": edKey}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		p.json(w, object{
			"issuer": p.URL, "jwks_uri": p.URL + "/keys", "authorization_endpoint": p.URL + "/authorize", "token_endpoint": p.URL + "/token",
			"userinfo_endpoint": p.URL + "/userinfo", "end_session_endpoint": p.URL + "/end_session",
		})
	})
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		var keys []jose.JSONWebKey
		for alg, key := range p.keys {
			keys = append(keys, jose.JSONWebKey{Key: key.Public(), KeyID: alg, Algorithm: alg, Use: "sig"})
		}
		p.json(w, object{"keys": keys})
	})
	mux.HandleFunc("GET /authorize", p.authorize)
	mux.HandleFunc("POST /token", p.token)
	mux.HandleFunc("GET /userinfo", func(w http.ResponseWriter, _ *http.Request) {
		p.json(w, object{"sub": "u-1", "name": "Alice <Doe>", "preferred_username": "alice"})
	})
	mux.HandleFunc("GET /end_session", p.endSession)
	mux.HandleFunc("GET /logout", p.endSession)
	mux.HandleFunc("POST /api/logout", func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.revoked = append(p.revoked, r.Header.Get("Authorization"))
		p.json(w, object{"revoked": true})
	})
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		down := p.down
		p.mu.Unlock()
		if down {
			http.Error(w, "down", http.StatusServiceUnavailable)
			return
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(p.Close)
	return p
}

type object = map[string]any

func (p *provider) json(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(v); err != nil {
		p.t.Error(err)
	}
}

func (p *provider) set(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
}

func (p *provider) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if q.Get("client_id") != p.app.ClientID || q.Get("redirect_uri") != p.app.RedirectURIs[0] || q.Get("response_type") != "code" ||
		q.Get("code_challenge_method") != "S256" || q.Get("nonce") == "" || q.Get("state") == "" || q.Get("scope") != p.app.Scope {
		p.t.Errorf("bad authorization request %v", q)
	}
	code := rand.Text()
	p.set(func() { p.codes[code] = q })
	http.Redirect(w, r, q.Get("redirect_uri")+"?"+url.Values{"code": {code}, "state": {q.Get("state")}, "iss": {p.URL}}.Encode(), http.StatusSeeOther)
}

func (p *provider) token(w http.ResponseWriter, r *http.Request) {
	id, secret, _ := r.BasicAuth()
	var request url.Values
	nonce, before := "", func() {}
	p.set(func() {
		request = p.codes[r.PostFormValue("code")]
		delete(p.codes, r.PostFormValue("code"))
		nonce = request.Get("nonce")
		if p.nonce != "" {
			nonce = p.nonce
		}
		if p.beforeToken != nil {
			before = p.beforeToken
		}
	})
	challenge := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
	if id != p.app.ClientID || secret != p.app.ClientSecret || request == nil ||
		base64.RawURLEncoding.EncodeToString(challenge[:]) != request.Get("code_challenge") {
		w.WriteHeader(http.StatusBadRequest)
		p.json(w, object{"error": "invalid_grant"})
		return
	}
	before()
	idToken := p.sign("JWT", object{
		"iss": p.URL, "aud": p.app.ClientID, "sub": "u-1", "sid": "s-1", "nonce": nonce, "auth_time": time.Now().Unix(),
		"iat": time.Now().Unix(), "exp": time.Now().Add(time.Minute).Unix(),
	})
	p.json(w, object{"access_token": "at-1", "token_type": "Bearer", "expires_in": 600, "id_token": idToken})
}

// endSession ends nothing, but goes back where it came from.
func (p *provider) endSession(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	p.set(func() { p.ended = append(p.ended, q) })
	http.Redirect(w, r, p.app.PostLogoutRedirectURIs[0]+"?state="+url.QueryEscape(q.Get("state")), http.StatusSeeOther)
}

// sign makes a token with the algorithm of the app.
func (p *provider) sign(typ string, claims object) string {
	alg := p.app.IDTokenSignedResponseAlg
	signer, err := jose.NewSigner(
		jose.SigningKey{Algorithm: jose.SignatureAlgorithm(alg), Key: jose.JSONWebKey{Key: p.keys[alg], KeyID: alg}},
		(&jose.SignerOptions{}).WithType(jose.ContentType(typ)))
	if err != nil {
		p.t.Fatal(err)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		p.t.Fatal(err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		p.t.Fatal(err)
	}
	raw, err := signed.CompactSerialize()
	if err != nil {
		p.t.Fatal(err)
	}
	return raw
}

// tell sends the app a logout token, with more claims, and returns the status.
func (p *provider) tell(jti string, more object) int {
	claims := object{
		"iss": p.URL, "aud": p.app.ClientID, "jti": jti, "iat": time.Now().Unix(), "exp": time.Now().Add(2 * time.Minute).Unix(),
		"events": object{"http://schemas.openid.net/event/backchannel-logout": object{}},
	}
	for name, value := range more {
		claims[name] = value
	}
	form := url.Values{"logout_token": {p.sign("logout+jwt", claims)}}
	req, err := http.NewRequestWithContext(p.t.Context(), http.MethodPost, p.app.BackchannelLogoutURI, strings.NewReader(form.Encode()))
	if err != nil {
		p.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	if err := res.Body.Close(); err != nil {
		p.t.Fatal(err)
	}
	return res.StatusCode
}
