package conformance

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/exeunt-id/exeunt/cli"
	"github.com/exeunt-id/exeunt/config"
	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider"
	"github.com/exeunt-id/exeunt/provider/identity"
	"github.com/exeunt-id/exeunt/provider/protocol"
	"github.com/exeunt-id/exeunt/provider/signing"
	"github.com/exeunt-id/exeunt/provider/signout"
	"github.com/exeunt-id/exeunt/provider/store"
)

// clock is real time, which a test can move forward.
type clock struct{ ahead atomic.Int64 }

func (c *clock) Now() time.Time          { return time.Now().Add(time.Duration(c.ahead.Load())) }
func (c *clock) Advance(d time.Duration) { c.ahead.Add(int64(d)) }

// place is a whole provider behind a real listener, and what receives its logout tokens.
type place struct {
	issuer    string
	base      string // the issuer's path
	transport http.RoundTripper
	clock     *clock
	db        *database.DB
	config    provider.Config
	provider  *provider.Provider
	keyring   *signing.Keyring // signs with the provider's own keys
	receiver  *receiver
	log       *journal
	close     func() error
}

// world is a place as one test sees it.
type world struct {
	*testing.T
	*place
}

const (
	secret   = "a-secret-of-at-least-32-characters+/%:"
	verifier = "a-code-verifier-that-is-long-enough-0123456789"
)

func challenge() string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// The provider that most tests share.
var (
	sharedOnce  sync.Once
	sharedPlace *place
	errShared   error
)

func TestMain(m *testing.M) {
	status := m.Run()
	if sharedPlace != nil {
		if err := sharedPlace.close(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			status = 1
		}
	}
	os.Exit(status)
}

// open returns the shared provider.
func open(t *testing.T) *world {
	t.Helper()
	sharedOnce.Do(func() { sharedPlace, errShared = openShared() })
	if errShared != nil {
		t.Fatal(errShared)
	}
	w := &world{T: t, place: sharedPlace}
	seen := w.log.mark()
	t.Cleanup(func() { w.log.check(t, seen) })
	return w
}

func openShared() (*place, error) {
	dir, err := os.MkdirTemp("", "exeunt-conformance-")
	if err != nil {
		return nil, err
	}
	ctx := context.Background()
	db, err := database.Open(ctx, "sqlite:"+filepath.Join(dir, "exeunt.db"), database.Options{NoSync: true})
	if err != nil {
		return nil, err
	}
	if err := db.Migrate(ctx); err != nil {
		return nil, err
	}
	p, err := newPlace(ctx, db, "http")
	if err != nil {
		return nil, err
	}
	closePlace := p.close
	p.close = func() error { return errors.Join(closePlace(), db.Close(), os.RemoveAll(dir)) }
	return p, nil
}

// openOn starts a provider of its own on a database, http or https.
func openOn(t *testing.T, db *database.DB, scheme string, changes ...func(*provider.Config)) *world {
	t.Helper()
	p, err := newPlace(t.Context(), db, scheme, changes...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.close(); err != nil {
			t.Error(err)
		}
		p.log.check(t, 0)
	})
	return &world{T: t, place: p}
}

func newPlace(ctx context.Context, db *database.DB, scheme string, changes ...func(*provider.Config)) (*place, error) {
	p := &place{base: issuerPath, clock: &clock{}, db: db, receiver: newReceiver(), log: &journal{}}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { p.provider.ServeHTTP(w, r) }))
	server.Config.ErrorLog = slog.NewLogLogger(p.log.handler(), slog.LevelWarn)
	address := server.Listener.Addr().String()
	p.issuer = "http://" + address
	if scheme == "https" {
		p.issuer = "https://example.com" // the name in httptest's certificate
		server.StartTLS()
	} else {
		server.Start()
	}
	transport, _ := server.Client().Transport.(*http.Transport)
	transport = transport.Clone()
	transport.MaxIdleConnsPerHost = 32
	transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}
	p.issuer += p.base
	p.transport = &fence{place: p, next: transport}

	outgoing, err := logout.NewOutgoing(logout.OutgoingConfig{AllowPrivateNetworks: true})
	if err != nil {
		return nil, err
	}
	cfg := provider.Config{
		Issuer: p.issuer, DB: db, Secrets: [][32]byte{{1}}, Algorithms: []string{"RS256", "ES256", "EdDSA"}, Outgoing: outgoing,
		Tokens:       protocol.Lifetimes{Code: time.Minute, Access: 10 * time.Minute, ID: 10 * time.Minute, Refresh: 720 * time.Hour},
		Sessions:     signout.Lifetimes{Idle: 12 * time.Hour, Absolute: 720 * time.Hour},
		Login:        identity.Limits{MaxFailures: 10, Window: 15 * time.Minute},
		Password:     identity.PasswordParams{MemoryKiB: 8, Iterations: 1, Parallelism: 1},
		Logout:       provider.Logout{Wait: 2 * time.Second, AttemptTimeout: 5 * time.Second, RetryFor: time.Hour, Workers: 8},
		Registration: cli.Registration(registering(p.issuer)),
		Users:        users(), Clients: clients(p.receiver.server.URL), Now: p.clock.Now, Logger: slog.New(p.log.handler()),
	}
	for _, change := range changes {
		change(&cfg)
	}
	p.config = cfg
	if p.provider, err = provider.New(ctx, cfg); err != nil {
		return nil, err
	}
	if err := p.provider.Start(ctx); err != nil {
		return nil, err
	}
	p.keyring = signing.NewKeyring(signing.Options{
		Keys: store.New(db, p.clock.Now).Keys, Secrets: cfg.Secrets, Algorithms: cfg.Algorithms, Now: p.clock.Now, Logger: cfg.Logger,
	})
	p.close = func() error {
		transport.CloseIdleConnections()
		server.Close()
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		err := p.provider.Stop(ctx)
		p.receiver.server.Close()
		return err
	}
	return p, nil
}

// initialAccessToken lets its bearer register clients.
const initialAccessToken = "an-initial-access-token-of-at-least-32-characters"

// registering is the configuration by whose rules clients register themselves.
func registering(issuer string) *config.Config {
	c := config.Default()
	c.Issuer, c.Registration.InitialAccessTokens = issuer, []config.Secret{"another-one", initialAccessToken}
	return c
}

// users: alice has a value for every claim, bob has empty ones, carol none.
func users() []provider.User {
	return []provider.User{
		{Username: "alice", Password: "wonderland", Email: "alice@example.com", Claims: map[string]any{
			"name": "Alice Doe", "given_name": "Alice", "family_name": "Doe", "middle_name": "Pleasance", "nickname": "Ally",
			"profile": "https://example.com/alice", "picture": "https://example.com/alice.png", "website": "https://alice.example.com",
			"gender": "female", "birthdate": "1852-05-04", "zoneinfo": "Europe/London", "locale": "en-GB", "email_verified": true,
			"phone_number": "+44 1865 000000", "phone_number_verified": true,
			"address": map[string]any{
				"formatted": "Tom Quad\nOxford", "street_address": "Tom Quad", "locality": "Oxford", "region": "Oxfordshire",
				"postal_code": "OX1 1DP", "country": "GB",
			},
		}},
		{Username: "bob", Password: "builder", Claims: map[string]any{
			"name": "", "nickname": nil, "phone_number": "", "phone_number_verified": true, "email_verified": true,
			"address": map[string]any{"locality": "", "region": nil},
		}},
		{Username: "carol", Password: "singer"},
	}
}

// clients are those of every test: shop RS256 and Basic, wiki ES256, mail EdDSA and post, app public, strict with consent and
// confirmation, batch with hint_logout, phone public and native with hint_logout, plain without refresh tokens, quiet without a logout endpoint, pushed and polled receivers of shared signals.
func clients(receiver string) []identity.Client {
	sum := sha256.Sum256([]byte(secret))
	client := func(id string, change func(*identity.Client)) identity.Client {
		c := identity.Client{
			ID: id, SecretHash: sum[:], Name: "The " + id, ApplicationType: "web", TokenEndpointAuthMethod: identity.AuthBasic,
			GrantTypes:    []string{identity.GrantAuthorizationCode, identity.GrantRefreshToken},
			ResponseTypes: []string{"code"}, Scope: "openid profile email address phone offline_access",
			RedirectURIs: []string{
				callback(id), "https://" + id + ".example.com/other?kept=a%20b", "https://" + id + ".example.com/a%2Fb", "https://" + id + ".example.com/slash/",
			},
			PostLogoutRedirectURIs: []string{bye(id), "https://" + id + ".example.com/bye?kept=a%20b"},
			IDTokenSigningAlg:      "RS256", BackchannelLogoutURI: receiver + "/" + id, SkipConsent: true,
		}
		if change != nil {
			change(&c)
		}
		return c
	}
	public := func(c *identity.Client) { c.TokenEndpointAuthMethod, c.SecretHash = identity.AuthNone, nil }
	signals := func(c *identity.Client) {
		c.BackchannelLogoutURI, c.IDTokenSigningAlg = "", "ES256"
		c.GrantTypes = append(c.GrantTypes, identity.GrantClientCredentials)
		c.Scope += " ssf.read ssf.manage"
	}
	return []identity.Client{
		client("shop", nil),
		client("wiki", func(c *identity.Client) { c.IDTokenSigningAlg = "ES256" }),
		client("mail", func(c *identity.Client) {
			c.IDTokenSigningAlg, c.TokenEndpointAuthMethod = "EdDSA", identity.AuthPost
		}),
		client("app", public),
		client("phone", func(c *identity.Client) {
			public(c)
			c.ApplicationType, c.HintLogout = "native", true
			c.RedirectURIs = append(c.RedirectURIs, "http://127.0.0.1/callback?kept=1", "http://[::1]:1/callback", "http://localhost:7777/callback", "com.example.phone:/callback")
		}),
		client("strict", func(c *identity.Client) { c.SkipConsent, c.RedirectLogout = false, "confirm" }),
		client("batch", func(c *identity.Client) { c.HintLogout = true }),
		client("plain", func(c *identity.Client) { c.GrantTypes = []string{identity.GrantAuthorizationCode} }),
		client("quiet", func(c *identity.Client) { c.BackchannelLogoutURI = "" }),
		client("pushed", signals),
		client("polled", signals),
	}
}

func callback(client string) string { return "https://" + client + ".example.com/callback" }
func bye(client string) string      { return "https://" + client + ".example.com/bye" }

// journal keeps what the provider logs as an error: no test may cause one, unless it takes it out.
type journal struct {
	mu     sync.Mutex
	errors []string
}

func (j *journal) handler() slog.Handler {
	return slog.NewTextHandler(j, &slog.HandlerOptions{Level: slog.LevelWarn})
}

func (j *journal) Write(line []byte) (int, error) {
	text := string(line)
	if strings.Contains(text, "level=ERROR") || strings.Contains(text, "panic") {
		j.mu.Lock()
		defer j.mu.Unlock()
		j.errors = append(j.errors, strings.TrimSpace(text))
	}
	return len(line), nil
}

func (j *journal) mark() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.errors)
}

func (j *journal) check(t *testing.T, from int) {
	t.Helper()
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, line := range j.errors[min(from, len(j.errors)):] {
		t.Errorf("the provider logged an error: %s", line)
	}
}

// receiver takes the logout tokens of all clients, each at the path of its client_id.
type receiver struct {
	server *httptest.Server
	mu     sync.Mutex
	got    map[string][]delivered
	answer map[string]http.HandlerFunc // by sid; nil: 200
}

// delivered is one request to a back-channel endpoint, as it came.
type delivered struct {
	header http.Header
	body   string
	token  jwt
}

func newReceiver() *receiver {
	r := &receiver{got: map[string][]delivered{}, answer: map[string]http.HandlerFunc{}}
	r.server = httptest.NewServer(r)
	return r
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	d := delivered{header: req.Header.Clone(), body: string(body), token: readJWT(formValue(string(body), "logout_token"))}
	sid, _ := d.token.claims["sid"].(string)
	r.mu.Lock()
	client := strings.TrimPrefix(req.URL.RequestURI(), "/")
	r.got[client] = append(r.got[client], d)
	answer := r.answer[sid]
	r.mu.Unlock()
	if answer != nil {
		answer(w, req)
	}
}

// to returns what a client was sent about one sid.
func (r *receiver) to(client, sid string) []delivered {
	r.mu.Lock()
	defer r.mu.Unlock()
	var found []delivered
	for _, d := range r.got[client] {
		if d.token.claims["sid"] == sid {
			found = append(found, d)
		}
	}
	return found
}

// answers sets how the endpoint answers about one sid from now on.
func (r *receiver) answers(sid string, h http.HandlerFunc) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer[sid] = h
}

// told reports how many logout tokens the client of an ID token got for it.
func (w *world) told(idToken string) int {
	w.Helper()
	claims := readJWT(idToken).claims
	client, _ := claims["azp"].(string)
	sid, _ := claims["sid"].(string)
	return len(w.receiver.to(client, sid))
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
