package store_test

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/exeunt-id/exeunt/database/databasetest"
	"github.com/exeunt-id/exeunt/provider/identity"
)

// What one node changes the other knows at once: its clock stands still, so nothing that it keeps in memory grows old.
func TestChangesReachOtherNodes(t *testing.T) {
	databasetest.EachURL(t, func(t *testing.T, url string) {
		here, there := newFixture(databasetest.Open(t, url)), newFixture(databasetest.Open(t, url))
		var keys atomic.Int64
		must(t, there.Listen(t.Context(), func() { keys.Add(1) }))
		ctx := t.Context()
		known := func() string {
			c, err := there.Clients.Client(ctx, "shop")
			if errors.Is(err, identity.ErrNoClient) {
				return "unknown"
			}
			must(t, err)
			return c.Name
		}
		becomes := func(want string) {
			t.Helper()
			eventually(t, want, func() bool { return known() == want })
		}
		becomes("unknown")
		eventually(t, "it listens", func() bool { return keys.Load() == 1 })
		must(t, here.Clients.Create(ctx, identity.Client{ID: "shop", Name: "first"}))
		becomes("first")
		must(t, here.Clients.Update(ctx, identity.Client{ID: "shop", Name: "second"}))
		becomes("second")
		_, err := here.SyncClients(ctx, []identity.Client{{ID: "shop", Name: "third"}})
		must(t, err)
		becomes("third")
		must(t, here.Clients.Delete(ctx, "shop"))
		becomes("unknown")

		now := here.now()
		heard := int64(1)
		changed := func(what string, happened bool, err error) {
			t.Helper()
			if must(t, err); !happened {
				t.Errorf("%s: nothing happened", what)
			}
			heard++
			eventually(t, what+" is heard of", func() bool { return keys.Load() == heard })
		}
		first := identity.SigningKey{ID: "a", Algorithm: "RS256", Sealed: []byte("x"), Public: []byte("{}"), CreatedAt: now, ActivatedAt: now}
		added, err := here.Keys.AddIfNone(ctx, first)
		changed("an active key", added, err)
		next := identity.SigningKey{ID: "b", Algorithm: "RS256", Sealed: []byte("x"), Public: []byte("{}"), CreatedAt: now, ActivateAt: now.Add(time.Hour)}
		added, err = here.Keys.AddNext(ctx, next)
		changed("a next key", added, err)
		advanced, err := here.Keys.Advance(ctx, "b", now.Add(time.Minute))
		changed("an advanced key", advanced, err)
		activated, err := here.Keys.Activate(ctx, "b", now)
		changed("an activated key", activated, err)
		if added, err := here.Keys.AddIfNone(ctx, first); added || err != nil {
			t.Errorf("a second active key: %t, %v", added, err)
		}
		removed, err := here.Keys.RemoveRetired(ctx, now.Add(time.Second))
		changed("a removed key, and the attempt before it not,", removed == 1, err)
	})
}

// On PostgreSQL a node that could not hear drops all that it had in memory when it can again.
func TestChangesWhileDeaf(t *testing.T) {
	url := databasetest.PostgresURL(t)
	here, there := newFixture(databasetest.Open(t, url)), newFixture(databasetest.Open(t, url))
	must(t, here.Clients.Create(t.Context(), identity.Client{ID: "shop", Name: "first"})) // before anybody could be told of it
	var keys atomic.Int64
	must(t, there.Listen(t.Context(), func() { keys.Add(1) }))
	eventually(t, "it listens", func() bool { return keys.Load() == 1 })
	name := func() string {
		c, err := there.Clients.Client(t.Context(), "shop")
		if err != nil {
			return ""
		}
		return c.Name
	}
	must(t, here.db.Notify(t.Context(), "keys", ""))
	eventually(t, "all that was told so far is heard", func() bool { return keys.Load() == 2 })
	if name() != "first" {
		t.Error("the client is not known")
	}
	// As a change whose notification was lost.
	must(t, here.db.Writer(t.Context()).Exec(`UPDATE clients SET metadata = '{"client_name":"second"}'`).Error)
	if name() != "first" {
		t.Error("the client was not in memory")
	}
	must(t, here.db.Writer(t.Context()).Exec(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
		WHERE datname = current_database() AND query LIKE 'LISTEN %'`).Error)
	eventually(t, "it listens again", func() bool { return keys.Load() == 3 })
	eventually(t, "the change is known", func() bool { return name() == "second" })
}

func eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	ticker := time.NewTicker(2 * time.Millisecond)
	defer ticker.Stop()
	deadline := time.After(10 * time.Second)
	for !so() {
		select {
		case <-ticker.C:
		case <-deadline:
			t.Fatalf("not within ten seconds: %s", what)
		}
	}
}
