package conformance

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

// metadata is that of a client, by name.
type metadata map[string]any

// with returns the metadata changed; pairs of name and value, where nil takes a member away.
func (m metadata) with(pairs ...any) metadata {
	changed := maps.Clone(m)
	for i := 0; i < len(pairs); i += 2 {
		name, _ := pairs[i].(string)
		if changed[name] = pairs[i+1]; pairs[i+1] == nil {
			delete(changed, name)
		}
	}
	return changed
}

// merge adds members that are not there.
func (m metadata) merge(more metadata) metadata {
	merged := more.with()
	for name, value := range m {
		merged[name] = value
	}
	return merged
}

// registration is the metadata of a relying party that can be told of logouts by its name.
func (w *world) registration(name string) metadata {
	return metadata{
		"client_name": "The " + name, "redirect_uris": []string{callback(name)}, "post_logout_redirect_uris": []string{bye(name)},
		"grant_types": []string{"authorization_code", "refresh_token"}, "backchannel_logout_uri": w.receiver.server.URL + "/" + name,
	}
}

// party is a client that registered itself.
type party struct {
	*world
	name       string // of its redirect URI and its logout endpoint
	id, secret string
	token, uri string // of its registration
}

// tell makes a request with JSON and a bearer token; an empty token sends none.
func (a *agent) tell(method, target, token string, body any) answer {
	a.Helper()
	data, err := json.Marshal(body)
	if err != nil {
		a.Fatal(err)
	}
	caller := a
	if token != "" {
		caller = a.with("Authorization", "Bearer "+token)
	}
	if body == nil {
		return caller.send(method, target, "", "")
	}
	return caller.send(method, target, "application/json", string(data))
}

func (w *world) register(m metadata) answer {
	w.Helper()
	return w.program().tell(http.MethodPost, "/register", initialAccessToken, m)
}

// registered reads the answer to a registration.
func (a answer) registered(w *world, name string) *party {
	a.t.Helper()
	m := a.want(http.StatusCreated).json()
	text := func(name string) string { s, _ := m[name].(string); return s }
	return &party{
		world: w, name: name, id: text("client_id"), secret: text("client_secret"), token: text("registration_access_token"), uri: text("registration_client_uri"),
	}
}

// join registers a relying party.
func (w *world) join(name string) *party {
	w.Helper()
	return w.register(w.registration(name)).registered(w, name)
}

// manage calls the client configuration endpoint with the client's own token.
func (p *party) manage(method string, body any) answer {
	p.Helper()
	return p.program().tell(method, p.uri, p.token, body)
}

// at authenticates by Basic.
func (p *party) at(path string, form url.Values) answer {
	p.Helper()
	return p.program().with("Authorization", basic(p.id, p.secret)).post(path, form)
}

// ask is its authorization request.
func (p *party) ask(pairs ...string) url.Values {
	return request(p.name, append([]string{"client_id", p.id}, pairs...)...)
}

// signOn runs its whole flow in a browser, whose user logs in and agrees where that is asked.
func (p *party) signOn(a *agent, username string, pairs ...string) tokens {
	p.Helper()
	page := a.get("/authorize", p.ask(pairs...))
	if strings.Contains(page.body, `name="password"`) {
		page = a.logIn(page, username)
	}
	if strings.Contains(page.body, "consent-form") {
		page = a.submit(page, "decision", "allow")
	}
	return p.at("/token", codeForm(p.name, page.code())).tokens()
}

// clientKeys is a client's key pair and the server of its jwks_uri.
type clientKeys struct {
	mu      sync.Mutex
	private ed25519.PrivateKey
	kid     string
}

func newClientKeys(t *testing.T) *clientKeys {
	k := &clientKeys{}
	k.rotate(t)
	return k
}

func (k *clientKeys) rotate(t *testing.T) {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.private, k.kid = private, k.kid+"k"
}

func (k *clientKeys) document() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	public, _ := k.private.Public().(ed25519.PublicKey)
	return fmt.Sprintf(`{"keys":[{"kty":"OKP","crv":"Ed25519","use":"sig","alg":"EdDSA","kid":%q,"x":%q}]}`, k.kid, base64.RawURLEncoding.EncodeToString(public))
}

func (k *clientKeys) ServeHTTP(rw http.ResponseWriter, _ *http.Request) {
	rw.Header().Set("Content-Type", "application/jwk-set+json")
	_, _ = rw.Write([]byte(k.document())) // who does not read it has no keys
}

func (k *clientKeys) assertion(t *testing.T, w *world, client string) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.EdDSA, Key: k.private}, (&jose.SignerOptions{}).WithHeader("kid", k.kid))
	if err != nil {
		t.Fatal(err)
	}
	now := w.clock.Now().Unix()
	claims, err := json.Marshal(map[string]any{"iss": client, "sub": client, "aud": w.issuer, "iat": now, "exp": now + 60, "jti": rand.Text()})
	if err != nil {
		t.Fatal(err)
	}
	jws, err := signer.Sign(claims)
	if err != nil {
		t.Fatal(err)
	}
	compact, err := jws.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return compact
}
