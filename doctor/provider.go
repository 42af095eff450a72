package doctor

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// ProviderConfig describes the small provider.
type ProviderConfig struct {
	// Issuer is where relying parties reach it. Required.
	Issuer string
	// ClientID and ClientSecret are those of the only client. ClientID is
	// required; without a secret any will do, or none.
	ClientID, ClientSecret string
	// Now is the clock. Defaults to time.Now.
	Now func() time.Time
}

// Provider is a small OpenID Provider for one relying party under examination.
// Whoever comes is logged in, without a password, as a person who does not
// exist: never let anything trust it but what is examined.
//
// It signs with RS256, and implements [Signer].
type Provider struct {
	cfg  ProviderConfig
	keys map[string]crypto.Signer // by algorithm
	name string                   // a part of their kids, since those who knew the keys of another run must fetch these
	mux  *http.ServeMux

	mu     sync.Mutex
	codes  map[string]*Login
	tokens map[string]*Login // by access token
	logins []*Login
	ends   []url.Values
	delay  func(*Login) // called before the token endpoint answers
}

// Login is one login at the provider.
type Login struct {
	// Subject and SID are the claims sub and sid of its ID token.
	Subject, SID string
	// At is when it began.
	At time.Time
	// Exchanged says that the relying party has exchanged the code, Ended that a
	// logout token has been accepted for it.
	Exchanged, Ended bool
	// IDToken is what the relying party got.
	IDToken string

	request url.Values
}

// maxLogins bounds what the provider remembers; the oldest of more are forgotten.
const maxLogins = 1000

// NewProvider returns a provider with new keys.
func NewProvider(cfg ProviderConfig) (*Provider, error) {
	if cfg.Issuer == "" || cfg.ClientID == "" {
		return nil, errors.New("doctor: ProviderConfig.Issuer and ProviderConfig.ClientID are required")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	cfg.Issuer = strings.TrimSuffix(cfg.Issuer, "/")
	p := &Provider{cfg: cfg, keys: newKeys(), name: rand.Text()[:8], codes: map[string]*Login{}, tokens: map[string]*Login{}}
	p.mux = http.NewServeMux()
	p.mux.HandleFunc("GET /.well-known/openid-configuration", p.discovery)
	p.mux.HandleFunc("GET /keys", p.jwks)
	p.mux.HandleFunc("GET /authorize", p.authorize)
	p.mux.HandleFunc("POST /token", p.token)
	p.mux.HandleFunc("GET /userinfo", p.userinfo)
	p.mux.HandleFunc("GET /end_session", p.endSession)
	p.mux.HandleFunc("POST /end_session", p.endSession)
	return p, nil
}

// ServeHTTP answers the relying party and its browsers.
func (p *Provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	r.Body = http.MaxBytesReader(w, r.Body, maxAnswer)
	p.mux.ServeHTTP(w, r)
}

// Sign implements [Signer] for RS256 and ES256.
func (p *Provider) Sign(_ context.Context, alg, typ string, payload []byte) (string, error) {
	options := (&jose.SignerOptions{}).WithHeader("kid", p.keyID(alg))
	if typ != "" {
		options = options.WithType(jose.ContentType(typ))
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(alg), Key: p.keys[alg]}, options)
	if err != nil {
		return "", err
	}
	jws, err := signer.Sign(payload)
	if err != nil {
		return "", err
	}
	return jws.CompactSerialize()
}

func (p *Provider) keyID(alg string) string { return "doctor-" + p.name + "-" + alg }

// Config returns what [Examine] needs to examine url as this provider would.
func (p *Provider) Config(url string) Config {
	return Config{
		URL: url, Issuer: p.cfg.Issuer, ClientID: p.cfg.ClientID, Signer: p, Algorithm: "RS256", OtherAlgorithm: "ES256",
		PublicKey: p.keys["RS256"].Public(), Now: p.cfg.Now,
	}
}

// Logins returns the logins so far, oldest first.
func (p *Provider) Logins() []Login {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := make([]Login, len(p.logins))
	for i, l := range p.logins {
		all[i] = *l
	}
	return all
}

func answerJSON(w http.ResponseWriter, status int, document object) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(document) // a relying party that does not read it has gone
}

func (p *Provider) discovery(w http.ResponseWriter, _ *http.Request) {
	at := func(path string) string { return p.cfg.Issuer + path }
	answerJSON(w, http.StatusOK, object{
		"issuer": p.cfg.Issuer, "jwks_uri": at("/keys"), "authorization_endpoint": at("/authorize"), "token_endpoint": at("/token"),
		"userinfo_endpoint": at("/userinfo"), "end_session_endpoint": at("/end_session"), "response_types_supported": []string{"code"},
		"subject_types_supported": []string{"public"}, "id_token_signing_alg_values_supported": []string{"RS256"},
		"scopes_supported": []string{"openid", "profile", "email"}, "claims_supported": []string{"sub", "sid", "name", "email"},
		"token_endpoint_auth_methods_supported": []string{"client_secret_basic", "client_secret_post", "none"},
		"code_challenge_methods_supported":      []string{"S256"}, "grant_types_supported": []string{"authorization_code"},
		"authorization_response_iss_parameter_supported": true, "request_uri_parameter_supported": false,
		"backchannel_logout_supported": true, "backchannel_logout_session_supported": true,
	})
}

func (p *Provider) jwks(w http.ResponseWriter, _ *http.Request) {
	set := jose.JSONWebKeySet{}
	for alg, key := range p.keys {
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: key.Public(), KeyID: p.keyID(alg), Algorithm: alg, Use: "sig"})
	}
	answerJSON(w, http.StatusOK, object{"keys": set.Keys})
}

// authorize logs in whoever comes.
func (p *Provider) authorize(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	back, err := url.Parse(query.Get("redirect_uri"))
	switch {
	case query.Get("client_id") != p.cfg.ClientID:
		http.Error(w, "client_id is not "+p.cfg.ClientID+", the one that the doctor was started with.", http.StatusBadRequest)
		return
	case err != nil || back.Host == "" || back.Scheme != "http" && back.Scheme != "https":
		http.Error(w, "redirect_uri is no absolute http or https URL.", http.StatusBadRequest)
		return
	}
	answer := url.Values{"iss": {p.cfg.Issuer}}
	if query.Has("state") {
		answer.Set("state", query.Get("state"))
	}
	switch {
	case query.Get("response_type") != "code":
		answer.Set("error", "unsupported_response_type")
	case query.Get("prompt") == "none":
		answer.Set("error", "login_required")
	default:
		answer.Set("code", p.begin(query))
	}
	kept := back.Query()
	for name := range answer {
		kept.Set(name, answer.Get(name))
	}
	back.RawQuery = kept.Encode()
	http.Redirect(w, r, back.String(), http.StatusSeeOther)
}

func (p *Provider) begin(request url.Values) (code string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	begun := &Login{Subject: "doctor-" + rand.Text(), SID: "doctor-" + rand.Text(), At: p.cfg.Now().UTC(), request: request}
	if p.logins = append(p.logins, begun); len(p.logins) > maxLogins {
		p.logins = p.logins[1:]
	}
	code = rand.Text()
	p.codes[code] = begun
	return code
}

// token exchanges a code (RFC 6749, 4.1.3; RFC 7636, 4.6).
func (p *Provider) token(w http.ResponseWriter, r *http.Request) {
	refuse := func(status int, reason string) { answerJSON(w, status, object{"error": reason}) }
	if err := r.ParseForm(); err != nil {
		refuse(http.StatusBadRequest, "invalid_request")
		return
	}
	if !p.authenticated(r) {
		w.Header().Set("WWW-Authenticate", "Basic")
		refuse(http.StatusUnauthorized, "invalid_client")
		return
	}
	p.mu.Lock()
	login, known := p.codes[r.PostForm.Get("code")]
	delete(p.codes, r.PostForm.Get("code"))
	delay := p.delay
	p.mu.Unlock()
	if !known || r.PostForm.Get("redirect_uri") != login.request.Get("redirect_uri") || !challengeFits(login.request, r.PostForm.Get("code_verifier")) {
		refuse(http.StatusBadRequest, "invalid_grant")
		return
	}
	now := p.cfg.Now()
	claims := object{
		"iss": p.cfg.Issuer, "aud": p.cfg.ClientID, "sub": login.Subject, "sid": login.SID, "iat": now.Unix(), "exp": now.Unix() + 600,
		"auth_time": login.At.Unix(),
	}
	if login.request.Has("nonce") {
		claims["nonce"] = login.request.Get("nonce")
	}
	payload, err := jsonOf(claims)
	if err == nil {
		var token string
		if token, err = p.Sign(r.Context(), "RS256", "JWT", payload); err == nil {
			access := rand.Text()
			p.mu.Lock()
			login.Exchanged, login.IDToken, p.tokens[access] = true, token, login
			p.mu.Unlock()
			if delay != nil {
				delay(login)
			}
			answerJSON(w, http.StatusOK, object{"access_token": access, "token_type": "Bearer", "expires_in": 600, "id_token": token})
			return
		}
	}
	refuse(http.StatusInternalServerError, "server_error")
}

func (p *Provider) authenticated(r *http.Request) bool {
	id, secret, basic := r.BasicAuth()
	if basic {
		id, secret = unescaped(id), unescaped(secret) // RFC 6749, 2.3.1
	} else {
		id, secret = r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")
	}
	return id == p.cfg.ClientID && (p.cfg.ClientSecret == "" || subtle.ConstantTimeCompare([]byte(secret), []byte(p.cfg.ClientSecret)) == 1)
}

func unescaped(text string) string {
	plain, err := url.QueryUnescape(text)
	if err != nil {
		return ""
	}
	return plain
}

func challengeFits(request url.Values, verifier string) bool {
	challenge := request.Get("code_challenge")
	if challenge == "" {
		return verifier == ""
	}
	sum := sha256.Sum256([]byte(verifier))
	return request.Get("code_challenge_method") == "S256" && base64.RawURLEncoding.EncodeToString(sum[:]) == challenge
}

func (p *Provider) userinfo(w http.ResponseWriter, r *http.Request) {
	_, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	p.mu.Lock()
	login, known := p.tokens[token]
	p.mu.Unlock()
	if !known {
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
		answerJSON(w, http.StatusUnauthorized, object{"error": "invalid_token"})
		return
	}
	answerJSON(w, http.StatusOK, object{"sub": login.Subject, "name": "Doctor's Patient", "email": "patient@doctor.invalid"})
}

// endSession takes note of an RP-initiated logout and sends the browser back.
func (p *Provider) endSession(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		http.Error(w, "The parameters cannot be read.", http.StatusBadRequest)
		return
	}
	p.mu.Lock()
	p.ends = append(p.ends, r.Form)
	p.mu.Unlock()
	back, err := url.Parse(r.Form.Get("post_logout_redirect_uri"))
	if err != nil || back.Host == "" || back.Scheme != "http" && back.Scheme != "https" {
		_, _ = w.Write([]byte("You are logged out.\n"))
		return
	}
	if r.Form.Has("state") {
		query := back.Query()
		query.Set("state", r.Form.Get("state"))
		back.RawQuery = query.Encode()
	}
	http.Redirect(w, r, back.String(), http.StatusSeeOther)
}
