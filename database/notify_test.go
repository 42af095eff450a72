package database_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/database/databasetest"
)

// ear keeps what one listener was told; a missed one is "?".
type ear struct {
	mu    sync.Mutex
	heard []string
}

func (e *ear) hear(s string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.heard = append(e.heard, s)
}

func (e *ear) all() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.heard)
}

func (e *ear) forget() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.heard = nil
}

// until waits for the listener to have heard exactly this.
func (e *ear) until(t *testing.T, want ...string) {
	t.Helper()
	eventually(t, func() error {
		if got := e.all(); !slices.Equal(got, want) {
			return fmt.Errorf("heard %q, want %q", got, want)
		}
		return nil
	})
}

func eventually(t *testing.T, so func() error) {
	t.Helper()
	ticker := time.NewTicker(2 * time.Millisecond)
	defer ticker.Stop()
	deadline := time.After(10 * time.Second)
	for {
		err := so()
		if err == nil {
			return
		}
		select {
		case <-ticker.C:
		case <-deadline:
			t.Fatal(err)
		}
	}
}

func listen(t *testing.T, ctx context.Context, db *database.DB, channel string) *ear {
	t.Helper()
	e := &ear{}
	if err := db.Listen(ctx, channel, e.hear, func() { e.hear("?") }); err != nil {
		t.Fatal(err)
	}
	return e
}

func notify(t *testing.T, db *database.DB, channel, payload string) {
	t.Helper()
	if err := db.Notify(t.Context(), channel, payload); err != nil {
		t.Fatal(err)
	}
}

// nodes runs a test with two handles on one database.
func nodes(t *testing.T, test func(t *testing.T, one, two *database.DB)) {
	t.Helper()
	databasetest.EachURL(t, func(t *testing.T, url string) {
		test(t, databasetest.Open(t, url), databasetest.Open(t, url))
	})
}

// Every node hears what was committed, in that order, and nothing that was not; each listener its own channel.
func TestNotify(t *testing.T) {
	nodes(t, func(t *testing.T, one, two *database.DB) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		here, there := listen(t, ctx, one, "colours"), listen(t, ctx, two, "colours")
		here.until(t, "?")
		there.until(t, "?")
		// A channel more, on a connection that waits already.
		shapes := listen(t, t.Context(), two, "shapes")
		shapes.until(t, "?")

		err := one.Tx(t.Context(), func(ctx context.Context) error {
			if err := one.Notify(ctx, "colours", "red"); err != nil {
				return err
			}
			notify(t, two, "shapes", "square") // outside of it: at once
			shapes.until(t, "?", "square")
			return one.Notify(ctx, "colours", "")
		})
		if err != nil {
			t.Fatal(err)
		}
		err = two.Tx(t.Context(), func(ctx context.Context) error {
			return errors.Join(two.Notify(ctx, "colours", "undone"), errBoom)
		})
		if !errors.Is(err, errBoom) {
			t.Fatal(err)
		}
		long := strings.Repeat("ü", 3999)
		notify(t, two, "colours", long)
		for _, e := range []*ear{here, there} {
			e.until(t, "?", "red", "", long)
		}

		// Whoever is done hears nothing more; the others do.
		cancel()
		later := listen(t, t.Context(), two, "colours")
		later.until(t, "?")
		notify(t, one, "colours", "green")
		later.until(t, "?", "green")
		here.until(t, "?", "red", "", long)
		there.until(t, "?", "red", "", long)
		shapes.until(t, "?", "square")
	})
}

func TestNotifyRefuses(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		for channel, payload := range map[string]string{
			"": "", "Clients": "", "a b": "", "a;b": "", strings.Repeat("a", 41): "",
			"long": strings.Repeat("x", 8000), "nul": "a\x00", "bytes": "\xff",
		} {
			if err := db.Notify(t.Context(), channel, payload); err == nil {
				t.Errorf("a notification on %q of %d bytes was sent", channel, len(payload))
			}
		}
		if err := db.Listen(t.Context(), "a b", func(string) {}, func() {}); err == nil {
			t.Error("somebody listens to a channel that cannot be")
		}
	})
}

// A broken connection is made anew, and whoever listens is told that something may have been lost.
func TestListenReconnects(t *testing.T) {
	url := databasetest.PostgresURL(t)
	one, two := databasetest.Open(t, url), databasetest.Open(t, url)
	colours, shapes := listen(t, t.Context(), two, "colours"), listen(t, t.Context(), two, "shapes")
	colours.until(t, "?")
	shapes.until(t, "?")
	for range 2 { // the second one made anew
		var ended int
		err := one.Reader(t.Context()).Raw(`SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
			WHERE datname = current_database() AND query LIKE 'LISTEN %'`).Scan(&ended).Error
		if err != nil || ended != 1 {
			t.Fatalf("%d listening connections were ended, %v; want the only one", ended, err)
		}
		eventually(t, func() error {
			if n := strings.Count(strings.Join(shapes.all(), ""), "?"); n < 2 {
				return fmt.Errorf("told %d times that something may be missing", n)
			}
			return nil
		})
		notify(t, one, "colours", "red")
		eventually(t, func() error {
			if got := colours.all(); len(got) < 2 || got[len(got)-1] != "red" {
				return fmt.Errorf("heard %q", got)
			}
			return nil
		})
		colours.forget()
		shapes.forget()
		shapes.hear("?")
	}
}

func TestListenEndsWithClose(t *testing.T) {
	databasetest.EachURL(t, func(t *testing.T, url string) {
		one := databasetest.Open(t, url)
		two, err := database.Open(t.Context(), url, database.Options{NoSync: true})
		if err != nil {
			t.Fatal(err)
		}
		e := listen(t, t.Context(), two, "colours")
		e.until(t, "?")
		if err := two.Close(); err != nil {
			t.Fatal(err)
		}
		notify(t, one, "colours", "red")
		e.until(t, "?")
		if err := two.Listen(t.Context(), "colours", func(string) {}, func() {}); !errors.Is(err, database.ErrClosed) {
			t.Errorf("Listen on a closed database = %v, want ErrClosed", err)
		}
	})
}
