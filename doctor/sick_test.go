package doctor_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/exeunt-id/exeunt/doctor"
)

const event = "http://schemas.openid.net/event/backchannel-logout"

// patient is a logout endpoint that does everything right but for one fault,
// which it is named after.
type patient struct {
	provider *doctor.Provider
	config   doctor.Config
	keys     jose.JSONWebKeySet
	fault    string
	mu       sync.Mutex
	seen     map[string]bool // jti
	sids     map[string]bool
}

func newPatient(t *testing.T, fault string) (*patient, doctor.Config) {
	t.Helper()
	provider := physician()
	p := &patient{provider: provider, config: provider.Config("x"), fault: fault, seen: map[string]bool{}, sids: map[string]bool{}}
	w := httptest.NewRecorder()
	provider.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/keys", http.NoBody))
	if err := json.Unmarshal(w.Body.Bytes(), &p.keys); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(p)
	t.Cleanup(server.Close)
	cfg := provider.Config(server.URL + "/logout")
	cfg.Slow = 5 * time.Second
	if fault == "slow" {
		cfg.Slow = 1 // every answer is
	}
	return p, cfg
}

// physician is shared by the patients: keys take their time.
var physician = sync.OnceValue(func() *doctor.Provider {
	provider, err := doctor.NewProvider(doctor.ProviderConfig{Issuer: "https://id.example.com", ClientID: "shop"})
	if err != nil {
		panic(err)
	}
	return provider
})

func newProvider(t *testing.T, issuer string) *doctor.Provider {
	t.Helper()
	provider, err := doctor.NewProvider(doctor.ProviderConfig{Issuer: issuer, ClientID: "shop", ClientSecret: "s3cret+/%"})
	if err != nil {
		t.Fatal(err)
	}
	return provider
}

func (p *patient) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if p.fault != "cacheable" {
		w.Header().Set("Cache-Control", "no-store")
	}
	body, _ := io.ReadAll(r.Body)
	status := p.judge(r, body)
	switch {
	case p.fault == "login page in front":
		http.Redirect(w, r, "/login", http.StatusFound)
	case p.fault == "crashes on garbage" && status == 400 && !bytes.Contains(body, []byte(".")):
		w.WriteHeader(500)
	case p.fault == "says 403" && status == 400:
		w.WriteHeader(403)
	case p.fault == "says 204" && status == 200:
		w.WriteHeader(204)
	case p.fault == "bare 400" && status == 400:
		w.WriteHeader(400)
	case status == 400:
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(400)
		_, _ = io.WriteString(w, `{"error":"invalid_request"}`)
	default:
		w.WriteHeader(status)
	}
}

func (p *patient) judge(r *http.Request, body []byte) int {
	has := func(fault string) bool { return p.fault == fault }
	if r.Method != http.MethodPost && !has("accepts GET") {
		return 405
	}
	if len(body) > 1<<20 && !has("reads everything") {
		return 413
	} else if len(body) > 1<<20 {
		return 200
	}
	form, err := url.ParseQuery(string(body))
	var fromJSON struct {
		Token string `json:"logout_token"`
	}
	token := form.Get("logout_token")
	if has("accepts JSON") && json.Unmarshal(body, &fromJSON) == nil {
		token = fromJSON.Token
	} else if r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" && !has("accepts GET") || err != nil {
		return 400
	}
	if has("accepts GET") && r.Method == http.MethodGet || has("reads the query") && token == "" {
		token = r.URL.Query().Get("logout_token")
	}
	if has("refuses unknown fields") && len(form) > 1 {
		return 400
	}
	if token == "" {
		if has("takes nothing for a logout") {
			return 200
		}
		return 400
	}
	header, claims, ok := p.open(token)
	if !ok {
		return 400
	}
	return p.judgeClaims(header, claims)
}

// open checks form and signature.
func (p *patient) open(token string) (header jose.Header, claims map[string]any, ok bool) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return header, nil, false
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || json.Unmarshal(payload, &claims) != nil {
		return header, nil, false
	}
	if p.fault == "accepts alg none" && strings.HasSuffix(token, ".") {
		return header, claims, true
	}
	algorithms := []jose.SignatureAlgorithm{jose.RS256}
	if p.fault == "accepts any alg" {
		algorithms = append(algorithms, jose.ES256)
	}
	if p.fault == "confuses algorithms" {
		algorithms = append(algorithms, jose.HS256)
	}
	jws, err := jose.ParseSignedCompact(token, algorithms)
	if err != nil {
		return header, nil, false
	}
	header = jws.Signatures[0].Protected
	if header.Algorithm == "HS256" {
		der, _ := x509.MarshalPKIXPublicKey(p.config.PublicKey)
		mac := hmac.New(sha256.New, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
		mac.Write([]byte(parts[0] + "." + parts[1]))
		return header, claims, base64.RawURLEncoding.EncodeToString(mac.Sum(nil)) == parts[2]
	}
	if p.fault == "verifies no signature" {
		return header, claims, true
	}
	if p.fault == "trusts unknown keys" && len(p.keys.Key(header.KeyID)) == 0 {
		return header, claims, true
	}
	for _, key := range p.keys.Key(header.KeyID) {
		if _, err := jws.Verify(key.Key); err == nil {
			return header, claims, true
		}
	}
	return header, nil, false
}

func (p *patient) judgeClaims(header jose.Header, claims map[string]any) int {
	checks := func(rule string) bool { return p.fault != "does not check "+rule }
	text := func(name string) string { s, _ := claims[name].(string); return s }
	number := func(name string) float64 { n, _ := claims[name].(float64); return n }
	now := float64(time.Now().Unix())
	typ, _ := header.ExtraHeaders[jose.HeaderType].(string)
	list, isList := claims["aud"].([]any)
	aud := text("aud") == "shop" || isList && p.fault != "knows no lists" && len(list) == 1 && list[0] == "shop"
	events, _ := claims["events"].(map[string]any)
	value, named := events[event]
	_, isObject := value.(map[string]any)
	_, known := claims["https://example.com/trace"]
	_, hasNonce := claims["nonce"]
	_, hasExp := claims["exp"]
	_, hasIat := claims["iat"]
	idToken := p.fault == "takes ID tokens" && typ == "JWT"
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case typ != "" && typ != "logout+jwt" && checks("typ") && !idToken, typ == "" && p.fault == "demands typ":
	case text("iss") != "https://id.example.com" && checks("iss"):
	case !aud && checks("aud"):
	case hasExp && number("exp") < now && checks("exp"):
	case !hasExp && checks("that exp is there"):
	case number("iat") > now+300 && checks("the future"):
	case !hasIat && checks("that iat is there"):
	case text("jti") == "" && checks("jti") && !idToken:
	case events == nil && checks("events") && !idToken:
	case events != nil && !named && checks("the event"):
	case named && !isObject && checks("the event's value"):
	case text("sub") == "" && text("sid") == "" && checks("sub and sid"), text("sid") == "" && p.fault == "demands sid" && text("sub") != "", text("sub") == "" && p.fault == "demands sub" && text("sid") != "":
	case hasNonce && checks("nonce") && !idToken:
	case known && p.fault == "refuses unknown claims":
	case p.seen[text("jti")] && checks("replays") && text("jti") != "":
	case p.sids[text("sid")] && p.fault == "refuses what is gone" && text("sid") != "":
	case p.fault == "refuses unknown sessions":
	default:
		p.seen[text("jti")], p.sids[text("sid")] = true, true
		return 200
	}
	return 400
}
