package protocol

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider/browser"
	"github.com/exeunt-id/exeunt/provider/identity"
	"github.com/exeunt-id/exeunt/provider/signout"
)

const testIssuer = "https://id.example.com"

var testNow = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// fakeKeys signs with one key and knows its public half.
type fakeKeys struct {
	private ed25519.PrivateKey
	public  jose.JSONWebKey
	signed  []string // every token
}

func newFakeKeys(t testing.TB) *fakeKeys {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &fakeKeys{private: private, public: jose.JSONWebKey{Key: public, KeyID: "k1", Algorithm: "EdDSA", Use: "sig"}}
}

// PublicKey implements PublicKey.
func (k *fakeKeys) PublicKey(_ context.Context, kid string) (*jose.JSONWebKey, error) {
	if kid != k.public.KeyID {
		return nil, errors.New("no such key")
	}
	return &k.public, nil
}

// sign makes a JWS with any header, for whatever claims.
func (k *fakeKeys) sign(t testing.TB, typ string, claims map[string]any) string {
	t.Helper()
	options := (&jose.SignerOptions{}).WithHeader("kid", "k1")
	if typ != "" {
		options = options.WithType(jose.ContentType(typ))
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.EdDSA, Key: k.private}, options)
	if err != nil {
		t.Fatal(err)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	return k.serialize(t, signer, payload)
}

// signRaw makes a JWS of any payload.
func (k *fakeKeys) signRaw(t testing.TB, payload string) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.EdDSA, Key: k.private}, (&jose.SignerOptions{}).WithHeader("kid", "k1"))
	if err != nil {
		t.Fatal(err)
	}
	return k.serialize(t, signer, []byte(payload))
}

func (k *fakeKeys) serialize(t testing.TB, signer jose.Signer, payload []byte) string {
	t.Helper()
	jws, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	token, err := jws.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	k.signed = append(k.signed, token)
	return token
}

// idTokenClaims are those of a good hint, changed: nil takes a claim away.
func idTokenClaims(changes map[string]any) map[string]any {
	claims := map[string]any{
		"iss": testIssuer, "sub": "alice", "aud": []string{"shop"}, "azp": "shop", "exp": testNow.Unix() - 100, "iat": testNow.Unix() - 700,
		"auth_time": testNow.Unix() - 800, "sid": "sid-1", "acr": ACR,
	}
	for name, value := range changes {
		if claims[name] = value; value == nil {
			delete(claims, name)
		}
	}
	return claims
}

// fakeStore knows two clients and one session.
type fakeStore struct{ clients map[string]identity.Client }

func newFakeStore() *fakeStore {
	sum := sha256.Sum256([]byte("secret"))
	shop := identity.Client{
		ID: "shop", SecretHash: sum[:], TokenEndpointAuthMethod: identity.AuthBasic, ApplicationType: "web", Scope: "openid profile offline_access",
		GrantTypes: []string{identity.GrantAuthorizationCode}, RedirectURIs: []string{"https://shop.example.com/cb"},
		PostLogoutRedirectURIs: []string{"https://shop.example.com/bye"},
	}
	app := shop
	app.ID, app.SecretHash, app.TokenEndpointAuthMethod = "app", nil, identity.AuthNone
	return &fakeStore{clients: map[string]identity.Client{"shop": shop, "app": app}}
}

// Client implements identity.Clients.
func (s *fakeStore) Client(_ context.Context, id string) (identity.Client, error) {
	c, ok := s.clients[id]
	if !ok {
		return identity.Client{}, identity.ErrNoClient
	}
	return c, nil
}

// Participations implements participationReader.
func (s *fakeStore) Participations(context.Context, string) ([]logout.Participation, error) {
	return nil, nil
}

// FindSID implements sessionReader.
func (s *fakeStore) FindSID(_ context.Context, sid string) (logout.Participation, logout.Session, error) {
	if sid != "sid-1" {
		return logout.Participation{}, logout.Session{}, logout.ErrNoSession
	}
	return logout.Participation{SID: sid, SessionID: "s1", ClientID: "shop", Subject: "alice"},
		logout.Session{ID: "s1", Subject: "alice", IdleUntil: testNow.Add(time.Hour), ExpiresAt: testNow.Add(time.Hour)}, nil
}

func newEndSession(t testing.TB) (*EndSession, *fakeKeys) {
	t.Helper()
	store, keys := newFakeStore(), newFakeKeys(t)
	settings := Settings{Issuer: testIssuer, Now: func() time.Time { return testNow }}
	return &EndSession{
		SignOut: SignOut{
			Settings: settings, Sessions: store, Clients: store, Cookies: browser.NewCookies(testIssuer),
			Leaver: &signout.Leaver{Cookies: browser.NewCookies(testIssuer)},
		},
		Hints: Hints{Issuer: testIssuer, Keys: keys},
	}, keys
}
