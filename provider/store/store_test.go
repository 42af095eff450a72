package store_test

import (
	"crypto/sha256"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/database/databasetest"
	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/logout/logoutstore"
	"github.com/exeunt-id/exeunt/provider/identity"
	"github.com/exeunt-id/exeunt/provider/store"
)

// parallel is how many callers race for what only one may have.
const parallel = 20

// fixture is a store on a fresh database, with a clock that the test moves.
type fixture struct {
	*store.Store
	db       *database.DB
	sessions *logoutstore.Store
	us       atomic.Int64
}

func each(t *testing.T, test func(t *testing.T, f *fixture)) {
	t.Helper()
	databasetest.Each(t, func(t *testing.T, db *database.DB) { test(t, newFixture(db)) })
}

func newFixture(db *database.DB) *fixture {
	f := &fixture{db: db, sessions: logoutstore.New(db)}
	f.us.Store(time.Date(2026, 1, 2, 3, 4, 5, 678_000, time.UTC).UnixMicro())
	f.Store = store.New(db, f.now)
	return f
}

func (f *fixture) now() time.Time          { return time.UnixMicro(f.us.Load()).UTC() }
func (f *fixture) advance(d time.Duration) { f.us.Add(d.Microseconds()) }

func hash(s string) []byte {
	sum := sha256.Sum256([]byte(s))
	return sum[:]
}

// session starts a session of a subject in which clients take part and returns its id and their SIDs.
func (f *fixture) session(t testing.TB, subject string, clients ...string) (id string, sids []string) {
	t.Helper()
	ctx, now := t.Context(), f.now()
	id = logout.NewID()
	must(t, f.sessions.Start(ctx, logout.Session{
		ID: id, Subject: subject, SecretHash: hash(id), AuthTime: now, CreatedAt: now, SeenAt: now,
		IdleUntil: now.Add(time.Hour), ExpiresAt: now.Add(24 * time.Hour),
	}))
	for _, client := range clients {
		part, err := f.sessions.Join(ctx, id, client, subject, now)
		must(t, err)
		sids = append(sids, part.SID)
	}
	return id, sids
}

// grant stores a grant with an access token "<id>/a" and a refresh token "<id>/r" and returns it.
func (f *fixture) grant(t testing.TB, g identity.Grant) identity.Grant {
	t.Helper()
	g.ID, g.AuthTime, g.CreatedAt = logout.NewID(), f.now().Add(-time.Minute), f.now()
	if g.Scopes == nil {
		g.Scopes = []string{"openid", "email"}
	}
	must(t, f.Grants.Create(t.Context(), g, f.token(g, identity.KindAccess, "a", 10*time.Minute), f.token(g, identity.KindRefresh, "r", 720*time.Hour)))
	return g
}

func (f *fixture) token(g identity.Grant, kind, name string, life time.Duration) identity.Token {
	return identity.Token{
		Hash: hash(g.ID + "/" + name), Kind: kind, GrantID: g.ID, ClientID: g.ClientID, Scopes: g.Scopes, IssuedAt: f.now(), ExpiresAt: f.now().Add(life),
	}
}

func (f *fixture) state(t testing.TB, g identity.Grant, name string) identity.TokenState {
	t.Helper()
	state, err := f.Grants.Token(t.Context(), hash(g.ID+"/"+name))
	must(t, err)
	return state
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// race calls fn from many goroutines at once and returns how many calls succeeded. Every other call must fail with the given error.
func race(t *testing.T, loser error, fn func(i int) error) int {
	t.Helper()
	var (
		start sync.WaitGroup
		done  sync.WaitGroup
		won   atomic.Int64
	)
	start.Add(1)
	for i := range parallel {
		done.Go(func() {
			start.Wait()
			switch err := fn(i); {
			case err == nil:
				won.Add(1)
			case !errors.Is(err, loser):
				t.Errorf("racer %d: %v; want %v", i, err, loser)
			}
		})
	}
	start.Done()
	done.Wait()
	return int(won.Load())
}
