package provider_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/logout/logouttest"
	"github.com/exeunt-id/exeunt/provider"
	"github.com/exeunt-id/exeunt/provider/identity"
	"github.com/exeunt-id/exeunt/provider/protocol"
	"github.com/exeunt-id/exeunt/provider/signout"
)

// clock is real time, which a test can move forward.
type clock struct{ ahead atomic.Int64 }

func (c *clock) Now() time.Time          { return time.Now().Add(time.Duration(c.ahead.Load())) }
func (c *clock) Advance(d time.Duration) { c.ahead.Add(int64(d)) }

// world is a whole provider behind a real listener, with relying parties that listen for logout tokens.
type world struct {
	*testing.T
	url      string
	clock    *clock
	provider *provider.Provider
	rps      map[string]*logouttest.RP
}

const (
	secret   = "a-secret-of-at-least-32-characters+/%"
	verifier = "a-code-verifier-that-is-long-enough-0123456789"
)

func challenge() string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func newWorld(t *testing.T, db *database.DB, changes ...func(*provider.Config)) *world {
	t.Helper()
	w := &world{T: t, clock: &clock{}, rps: map[string]*logouttest.RP{}}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { w.provider.ServeHTTP(rw, r) }))
	w.url = "http://" + server.Listener.Addr().String()
	outgoing, err := logout.NewOutgoing(logout.OutgoingConfig{AllowPrivateNetworks: true})
	if err != nil {
		t.Fatal(err)
	}
	cfg := provider.Config{
		Issuer: w.url, DB: db, Secrets: [][32]byte{{1}}, Algorithms: []string{"RS256", "ES256", "EdDSA"}, Outgoing: outgoing,
		Tokens:   protocol.Lifetimes{Code: time.Minute, Access: 10 * time.Minute, ID: 10 * time.Minute, Refresh: 720 * time.Hour},
		Sessions: signout.Lifetimes{Idle: 12 * time.Hour, Absolute: 720 * time.Hour},
		Login:    identity.Limits{MaxFailures: 10, Window: 15 * time.Minute, MaxFailuresPerAddress: 100},
		Password: identity.PasswordParams{MemoryKiB: 8, Iterations: 1, Parallelism: 1},
		Logout:   provider.Logout{Wait: 2 * time.Second, AttemptTimeout: 5 * time.Second, RetryFor: time.Hour, Workers: 8},
		Users: []provider.User{
			{Username: "alice", Password: "wonderland", Email: "alice@example.com", Claims: map[string]any{
				"name": "Alice Doe", "given_name": "Alice", "middle_name": "", "phone_number": "+1 555 0100", "phone_number_verified": false,
				"address": map[string]any{"locality": "Oxford", "region": ""}, "email_verified": true, "locale": "en-GB",
			}},
			{Username: "bob", Password: "builder"},
		},
		Clients: w.clients(),
		Now:     w.clock.Now,
		Logger:  slog.New(slog.NewTextHandler(logWriter{t}, &slog.HandlerOptions{Level: slog.LevelWarn})),
	}
	for _, change := range changes {
		change(&cfg)
	}
	if w.provider, err = provider.New(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	if err := w.provider.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	server.Start()
	t.Cleanup(func() {
		server.Close()
		if err := w.provider.Stop(t.Context()); err != nil && t.Context().Err() == nil {
			t.Error(err)
		}
	})
	return w
}

// logWriter sends the log to the test.
type logWriter struct{ t *testing.T }

func (l logWriter) Write(p []byte) (int, error) {
	if l.t.Context().Err() == nil {
		l.t.Log(strings.TrimSpace(string(p)))
	}
	return len(p), nil
}

// clients are those of every test. Each that can be told has its own relying party.
func (w *world) clients() []identity.Client {
	sum := sha256.Sum256([]byte(secret))
	client := func(id string, change func(*identity.Client)) identity.Client {
		w.rps[id] = logouttest.NewRP(w, id)
		c := identity.Client{
			ID: id, SecretHash: sum[:], Name: "The " + id, ApplicationType: "web", TokenEndpointAuthMethod: identity.AuthBasic,
			GrantTypes:    []string{identity.GrantAuthorizationCode, identity.GrantRefreshToken},
			ResponseTypes: []string{"code"}, Scope: "openid profile email address phone offline_access",
			RedirectURIs:           []string{"https://" + id + ".example.com/callback", "https://" + id + ".example.com/other?kept=a%20b"},
			PostLogoutRedirectURIs: []string{"https://" + id + ".example.com/bye"},
			IDTokenSigningAlg:      "RS256", BackchannelLogoutURI: w.rps[id].URL, SkipConsent: true,
		}
		if change != nil {
			change(&c)
		}
		return c
	}
	public := func(c *identity.Client) { c.TokenEndpointAuthMethod, c.SecretHash = identity.AuthNone, nil }
	return []identity.Client{
		client("shop", nil),
		client("wiki", func(c *identity.Client) { c.IDTokenSigningAlg = "ES256" }),
		client("mail", func(c *identity.Client) {
			c.IDTokenSigningAlg, c.TokenEndpointAuthMethod = "EdDSA", identity.AuthPost
		}),
		client("app", public),
		client("strict", func(c *identity.Client) { c.SkipConsent, c.RedirectLogout = false, "confirm" }),
		client("batch", func(c *identity.Client) { c.HintLogout = true }),
		client("plain", func(c *identity.Client) { c.GrantTypes = []string{identity.GrantAuthorizationCode} }),
	}
}

// claims reads an ID token without verifying it.
func claims(t *testing.T, idToken string) map[string]any {
	t.Helper()
	parts := strings.Split(idToken, ".")
	if len(parts) != 3 {
		t.Fatalf("no ID token: %q", idToken)
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(payload, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// told returns the sids of the logout tokens that a client got.
func (w *world) told(client string) []string {
	var sids []string
	for _, token := range w.rps[client].Acknowledged() {
		sids = append(sids, token.SID)
	}
	return sids
}

// eventually waits until something is so.
func (w *world) eventually(what string, so func() bool) {
	w.Helper()
	for deadline := time.Now().Add(10 * time.Second); !so(); {
		if time.Now().After(deadline) {
			w.Fatalf("not within ten seconds: %s", what)
		}
		w.program().get("/healthz", nil)
	}
}

// eventuallyTold waits until a client has had so many logout tokens.
func (w *world) eventuallyTold(client string, n int) {
	w.Helper()
	w.eventually(client+" is told", func() bool { return len(w.told(client)) >= n })
}
