package store_test

import (
	"testing"
	"time"

	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/database/databasetest"
	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/logout/logoutstore"
	"github.com/exeunt-id/exeunt/provider/store"
)

// A departure is remembered until the person comes back, or until no session of that time is left.
func TestDepartures(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		now := time.Date(2026, 3, 1, 12, 0, 0, 123000, time.UTC)
		s := store.New(db, func() time.Time { return now })
		d := s.Departures
		want := func(subject, client string, at time.Time) {
			t.Helper()
			if got, err := d.LeftAt(t.Context(), subject, client); err != nil || !got.Equal(at) {
				t.Errorf("%s left %s at %v, want %v (%v)", subject, client, got, at, err)
			}
		}
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		want("alice", "shop", time.Time{})
		must(d.Return(t.Context(), "alice", "shop"))
		must(d.Leave(t.Context(), "alice", "shop", now))
		must(d.Leave(t.Context(), "alice", "wiki", now))
		must(d.Leave(t.Context(), "alice", "shop", now.Add(time.Second)))
		want("alice", "shop", now.Add(time.Second))
		want("bob", "shop", time.Time{})
		must(d.Return(t.Context(), "alice", "wiki"))
		want("alice", "wiki", time.Time{})

		must(d.Leave(t.Context(), "bob", "shop", now.Add(-time.Second))) // his session began later
		for _, subject := range []string{"alice", "bob"} {
			must(logoutstore.New(db).Start(t.Context(), logout.Session{
				ID: logout.NewID(), Subject: subject, AuthTime: now, CreatedAt: now, SeenAt: now, IdleUntil: now.Add(time.Hour), ExpiresAt: now.Add(time.Hour),
			}))
		}
		must(s.Sweep(t.Context(), now))
		want("alice", "shop", now.Add(time.Second))
		want("bob", "shop", time.Time{})
	})
}
