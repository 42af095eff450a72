package main

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/op"

	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/logout/logoutstore"
)

const (
	attemptTimeout = 10 * time.Second
	workers        = 16
	sweepEvery     = 30 * time.Second
	rescueEvery    = 5 * time.Second
)

// Config describes the provider.
type Config struct {
	Issuer  string
	DB      *database.DB
	Clients []Client
}

// Provider is the team's OpenID Provider, with the engine in it.
type Provider struct {
	op       op.OpenIDProvider
	db       *database.DB
	storage  *extended
	sessions *logoutstore.Store
	engine   *logout.Engine
	mux      *http.ServeMux
	end      context.CancelFunc
	swept    chan struct{}
	rescued  chan struct{}
}

// New makes the provider and starts what works in the background; see Stop.
func New(ctx context.Context, cfg Config) (*Provider, error) {
	// 1. The tables. The engine's and the queue's live in this database; the
	// team's own tables may live beside them.
	if err := cfg.DB.Migrate(ctx); err != nil {
		return nil, err
	}
	users := storage.NewUserStore(cfg.Issuer)
	p := &Provider{db: cfg.DB, sessions: logoutstore.New(cfg.DB), mux: http.NewServeMux(), swept: make(chan struct{}), rescued: make(chan struct{})}
	known, theirs := clients{}, map[string]*storage.Client{}
	for _, c := range cfg.Clients {
		known[c.ID] = newClient(c)
		theirs[c.ID] = known[c.ID].Client.(*storage.Client)
	}
	p.storage = newExtended(storage.NewStorageWithClients(users, theirs), p.db, p.sessions, known)

	// 2. The engine: it needs the store, the clients, a signer, and a guarded way out.
	outgoing, err := logout.NewOutgoing(logout.OutgoingConfig{})
	if err != nil {
		return nil, err
	}
	p.engine, err = logout.New(logout.Config{
		Issuer: cfg.Issuer, Store: p.sessions, Clients: known, Signer: signer{p.storage}, Outgoing: outgoing,
		AttemptTimeout: attemptTimeout, Workers: workers,
	})
	if err != nil {
		return nil, err
	}

	// 3. zitadel/oidc, with an end_session endpoint of our own.
	var key [32]byte
	_, _ = rand.Read(key[:]) // opaque tokens of before a restart are dead with the example's storage anyway
	p.op, err = op.NewProvider(&op.Config{
		CryptoKey: key, CodeMethodS256: true, AuthMethodPost: true, GrantTypeRefreshToken: true, DefaultLogoutRedirectURI: "/logged-out",
		BackChannelLogoutSupported: true, BackChannelLogoutSessionSupported: true,
	}, p.storage, op.StaticIssuer(cfg.Issuer), op.WithAllowInsecure(), op.WithCustomEndSessionEndpoint(op.NewEndpoint("end_session")))
	if err != nil {
		return nil, err
	}
	p.mux.HandleFunc("/end_session", p.endSession)
	p.mux.HandleFunc("POST /leave", p.leave)
	p.mux.HandleFunc("POST /leave-everywhere", p.leaveEverywhere)
	p.mux.HandleFunc("GET /logged-out", loggedOut)
	p.mux.HandleFunc("GET /login", p.showLogin)
	p.mux.Handle("POST /login", op.NewIssuerInterceptor(p.op.IssuerFromRequest).Handler(http.HandlerFunc(p.login)))
	p.mux.Handle("/", p.op)

	// 4. The jobs that insure and retry deliveries, and the end of sessions that
	// nobody ends: both run on every node.
	if err := cfg.DB.StartQueue(ctx, logoutstore.Work(p.engine, workers, attemptTimeout)); err != nil {
		return nil, err
	}
	ctx, p.end = context.WithCancel(context.WithoutCancel(ctx))
	go p.sweep(ctx)
	go p.rescue(ctx)
	return p, nil
}

// ServeHTTP implements http.Handler.
func (p *Provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 1<<20)
	p.mux.ServeHTTP(w, r)
}

// Stop lets what runs finish until ctx is done. What does not finish is rescued,
// here after the next start or on another node.
func (p *Provider) Stop(ctx context.Context) error {
	p.end()
	<-p.swept
	<-p.rescued
	return errors.Join(p.engine.Stop(ctx), p.db.StopQueue(ctx))
}

// sweep ends sessions that have passed a lifetime, so that their applications are told.
func (p *Provider) sweep(ctx context.Context) {
	defer close(p.swept)
	every(ctx, sweepEvery, "sweeping", p.engine.Sweep)
}

// rescue sees to logouts of which a node that died was to tell the applications.
func (p *Provider) rescue(ctx context.Context) {
	defer close(p.rescued)
	every(ctx, rescueEvery, "rescuing", p.engine.Rescue)
}

func every(ctx context.Context, interval time.Duration, what string, fn func(context.Context) (int, error)) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		if _, err := fn(ctx); err != nil && ctx.Err() == nil {
			slog.ErrorContext(ctx, what+" failed; it is tried again", "error", err)
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}
