package logout_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/database/databasetest"
	"github.com/exeunt-id/exeunt/logout"
)

// post is a notifier that fails until it is told to work.
type post struct {
	mu   sync.Mutex
	down bool
	got  []logout.Delivery
}

func (p *post) Notify(_ context.Context, d logout.Delivery) (logout.Answer, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.down {
		return logout.Answer{Status: 503}, errors.New("down")
	}
	p.got = append(p.got, d)
	return logout.Answer{Status: 204}, nil
}

func (p *post) set(down bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = down
}

func (p *post) told() []logout.Delivery {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.got)
}

// An event that ends no session is durable, told at once, retried and redelivered like a logout; it happens with its transaction or not at
// all, and costs nothing when nobody wants it.
func TestAnnounce(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		office := &post{}
		s := newStage(t, db, 3, func(c *logout.Config) {
			c.ClientsOf = func(_ context.Context, subject string) ([]string, error) {
				if subject != "alice" {
					t.Errorf("asked for the clients of %q", subject)
				}
				return []string{"rp-1", "rp-0", "rp-1", "gone"}, nil
			}
		})
		s.Add(logout.Messenger{Notifier: office, Name: "test", Wants: func(e logout.Event, c logout.Client) bool {
			return e.Type != logout.EventUserUpdated && c.ID != "rp-1" || e.Type == logout.EventUserDisabled
		}})
		event := logout.Event{Type: logout.EventUserPasswordChanged, Subject: "alice", Data: map[string]any{"by": "admin"}}
		list := func() []logout.Delivery {
			all, err := s.store.List(t.Context(), logout.Filter{})
			if err != nil {
				t.Fatal(err)
			}
			return all
		}

		boom := errors.New("boom")
		err := db.Tx(t.Context(), func(ctx context.Context) error {
			return errors.Join(s.Announce(ctx, event), boom)
		})
		if !errors.Is(err, boom) || len(list()) != 0 {
			t.Fatalf("after a rollback: %v, %d deliveries", err, len(list()))
		}
		if err := s.Announce(t.Context(), logout.Event{Type: logout.EventUserUpdated, Subject: "alice"}); err != nil || count(t, db, "logouts") != 0 {
			t.Fatalf("an event that nobody wants: %v, %d records", err, count(t, db, "logouts"))
		}

		if err := s.Announce(t.Context(), event); err != nil {
			t.Fatal(err)
		}
		until(t, 5*time.Second, "the client that wants it is told, and no job is left", func() bool { return len(office.told()) == 1 && jobs(t, db) == 0 })
		d := list()[0]
		if d.ClientID != "rp-0" || d.Event != event.Type || d.Cause != logout.CauseAnnounced || d.Subject != "alice" || d.SID != "" || d.State != logout.StateDelivered {
			t.Errorf("delivery %+v", d)
		}

		office.set(true)
		event.ClientIDs, event.SID, event.Type = []string{"rp-2"}, "sid-2", logout.EventTokenRevoked
		if err := s.Announce(t.Context(), event); err != nil {
			t.Fatal(err)
		}
		until(t, 5*time.Second, "the failure is recorded", func() bool { d = list()[0]; return d.State == logout.StateRetrying })
		office.set(false)
		if n, err := s.Redeliver(t.Context(), logout.Filter{DeliveryID: d.ID}); n != 1 || err != nil {
			t.Fatalf("redelivered %d, %v", n, err)
		}
		until(t, 10*time.Second, "it is told after all", func() bool { return len(office.told()) == 2 })
		if got := office.told()[1]; got.ID != d.ID || got.SID != "sid-2" || got.ClientID != "rp-2" {
			t.Errorf("told %+v", got)
		}
	})
}

func count(t *testing.T, db *database.DB, table string) int {
	t.Helper()
	var n int
	if err := db.Reader(t.Context()).Raw("SELECT count(*) FROM " + table).Scan(&n).Error; err != nil {
		t.Fatal(err)
	}
	return n
}

func TestAnnounceRefuses(t *testing.T) {
	s := newStage(t, databasetest.Open(t, databasetest.SQLiteURL(t)), 1, nil)
	for name, event := range map[string]logout.Event{
		"no type":             {Subject: "alice", ClientIDs: []string{"rp-0"}},
		"a logout's":          {Type: logout.EventSessionEnded, Subject: "alice", ClientIDs: []string{"rp-0"}},
		"nobody's":            {Type: logout.EventUserUpdated, ClientIDs: []string{"rp-0"}},
		"a sid for two":       {Type: logout.EventTokenRevoked, Subject: "alice", SID: "s", ClientIDs: []string{"rp-0", "rp-1"}},
		"clients to be found": {Type: logout.EventUserUpdated, Subject: "alice"},
	} {
		if err := s.Announce(t.Context(), event); !errors.Is(err, logout.ErrInvalidEvent) {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := s.End(t.Context(), logout.Request{Cause: logout.CauseAnnounced, Target: logout.Target{SessionID: "s"}})
	if !errors.Is(err, logout.ErrInvalidRequest) {
		t.Errorf("a logout with the cause of an event: %v", err)
	}
}
