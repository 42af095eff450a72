package logout_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/database/databasetest"
	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/logout/logouttest"
)

// witness keeps what the engine says.
type witness struct {
	mu       sync.Mutex
	attempts []logout.Delivery
	breakers []logout.BreakerChange
}

func (w *witness) Attempted(_ context.Context, d logout.Delivery, _ logout.Attempt) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.attempts = append(w.attempts, d)
}

func (w *witness) Breaker(_ context.Context, change logout.BreakerChange) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.breakers = append(w.breakers, change)
}

func (w *witness) attempted() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.attempts)
}

func (w *witness) changes() []logout.BreakerChange {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]logout.BreakerChange(nil), w.breakers...)
}

func TestHealth(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		w := &witness{}
		s := newStage(t, db, 2, func(c *logout.Config) { c.Observe = w })
		s.rps[0].Answer(logouttest.Unavailable)
		s.rps[1].Hang()
		s.end(t, s.login(t, "alice"))
		until(t, 5*time.Second, "one has failed and one is in flight", func() bool {
			all, err := s.Health(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return w.attempted() == 1 && len(all) == 2 && all[0].ClientID == "rp-0" && all[0].Backlog == 1 && all[0].InFlight == 0 && all[1].InFlight == 1 && all[1].Backlog == 1
		})
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.attempts[0].ClientID != "rp-0" || w.attempts[0].State != logout.StateRetrying || w.attempts[0].LastStatus != 503 {
			t.Errorf("observed %+v, want the one attempt", w.attempts)
		}
	})
}
