// Package logouttest tests stores of the logout package and whatever is built on it: a conformance suite that every store passes, relying
// parties that behave well, badly or not at all, and the little that an engine needs besides.
package logouttest

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/exeunt-id/exeunt/logout"
)

// RP is a relying party's back-channel endpoint that records what it is told.
type RP struct {
	ClientID string
	URL      string

	mu     sync.Mutex
	answer http.HandlerFunc
	tokens []Claims
	ids    []string // delivery ids, as the header said
	server *httptest.Server
	hang   chan struct{}
}

// Claims are those of a logout token that tests look at.
type Claims struct {
	Issuer   string         `json:"iss"`
	Subject  string         `json:"sub"`
	Audience string         `json:"aud"`
	SID      string         `json:"sid"`
	ID       string         `json:"jti"`
	Expires  int64          `json:"exp"`
	IssuedAt int64          `json:"iat"`
	Events   map[string]any `json:"events"`
	Nonce    *string        `json:"nonce"`
}

// Ready-made answers of an RP.
var (
	OK          = Status(http.StatusOK)
	Unavailable = Status(http.StatusServiceUnavailable)
	Invalid     = func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"error":"invalid_request"}`)
	}
)

// Status answers with a status and no body.
func Status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

// NewRP starts a relying party that answers 200.
func NewRP(t testing.TB, clientID string) *RP {
	t.Helper()
	rp := &RP{ClientID: clientID, answer: OK, hang: make(chan struct{})}
	rp.server = httptest.NewServer(http.HandlerFunc(rp.serve))
	rp.URL = rp.server.URL + "/backchannel"
	t.Cleanup(func() {
		close(rp.hang)
		rp.server.Close()
	})
	return rp
}

func (rp *RP) serve(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	claims := decode(r.PostForm.Get("logout_token"))
	rp.mu.Lock()
	answer := rp.answer
	rp.mu.Unlock()
	rec := httptest.NewRecorder()
	answer(rec, r)
	rp.mu.Lock()
	rp.ids = append(rp.ids, r.Header.Get(logout.DeliveryIDHeader))
	if rec.Code >= 200 && rec.Code < 300 {
		rp.tokens = append(rp.tokens, claims)
	}
	rp.mu.Unlock()
	for name, values := range rec.Header() {
		w.Header()[name] = values
	}
	w.WriteHeader(rec.Code)
	_, _ = w.Write(rec.Body.Bytes())
}

func decode(token string) Claims {
	var c Claims
	if parts := strings.Split(token, "."); len(parts) == 3 {
		if payload, err := base64.RawURLEncoding.DecodeString(parts[1]); err == nil {
			_ = json.Unmarshal(payload, &c) // an unreadable token has no claims, and the test sees that
		}
	}
	return c
}

// Answer changes how the RP answers from now on.
func (rp *RP) Answer(h http.HandlerFunc) {
	rp.mu.Lock()
	defer rp.mu.Unlock()
	rp.answer = h
}

// Hang makes the RP accept and never answer until the test ends.
func (rp *RP) Hang() {
	rp.Answer(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-rp.hang:
		case <-r.Context().Done():
		}
	})
}

// Acknowledged returns the tokens that were answered with 2xx.
func (rp *RP) Acknowledged() []Claims {
	rp.mu.Lock()
	defer rp.mu.Unlock()
	return append([]Claims(nil), rp.tokens...)
}

// Asked returns the delivery ids of all requests, answered well or not.
func (rp *RP) Asked() []string {
	rp.mu.Lock()
	defer rp.mu.Unlock()
	return append([]string(nil), rp.ids...)
}

// Client returns the RP's registration.
func (rp *RP) Client() logout.Client {
	return logout.Client{ID: rp.ClientID, Name: rp.ClientID, BackchannelLogoutURI: rp.URL, SigningAlg: "ES256", AllowPrivateNetwork: true}
}

// Refused returns the URL of a port where nobody listens.
func Refused(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return "http://" + l.Addr().String() + "/backchannel"
}

// Clients is a registry in memory.
type Clients struct {
	mu  sync.Mutex
	all map[string]logout.Client
}

// Put adds or replaces a client.
func (c *Clients) Put(clients ...logout.Client) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.all == nil {
		c.all = make(map[string]logout.Client)
	}
	for _, client := range clients {
		c.all[client.ID] = client
	}
}

// Delete removes a client.
func (c *Clients) Delete(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.all, id)
}

// LogoutClient implements logout.Clients.
func (c *Clients) LogoutClient(_ context.Context, id string) (logout.Client, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	client, ok := c.all[id]
	if !ok {
		return logout.Client{}, logout.ErrNoClient
	}
	return client, nil
}

// Signer signs with a key that it makes.
type Signer struct{ key *ecdsa.PrivateKey }

// NewSigner makes a signer.
func NewSigner(t testing.TB) *Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &Signer{key: key}
}

// Sign implements logout.Signer; it always uses ES256.
func (s *Signer) Sign(_ context.Context, _, typ string, payload []byte) (string, error) {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: s.key}, (&jose.SignerOptions{}).WithType(jose.ContentType(typ)))
	if err != nil {
		return "", err
	}
	jws, err := signer.Sign(payload)
	if err != nil {
		return "", err
	}
	return jws.CompactSerialize()
}
