package logout_test

import (
	"fmt"
	"net/http"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/database/databasetest"
	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/logout/logouttest"
)

func (s *stage) list(t *testing.T, clientID string, state logout.State) []logout.Delivery {
	t.Helper()
	all, err := s.store.List(t.Context(), logout.Filter{ClientID: clientID, States: []logout.State{state}, Limit: 10_000})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// A receiver that fails is left alone but for probes: its backlog waits without jobs, everybody else is told meanwhile, and once it answers
// it hears of everything.
func TestBreaker(t *testing.T) {
	t.Parallel() // it waits more than it works
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		const logouts = 60
		w := &witness{}
		s := newStage(t, db, 2, func(c *logout.Config) { c.Observe = w })
		down := s.rps[0]
		down.Answer(logouttest.Unavailable)
		for i := range logouts {
			s.end(t, s.login(t, fmt.Sprintf("user-%d", i)))
		}
		until(t, 10*time.Second, "the healthy party is told of all", func() bool { return len(s.rps[1].Acknowledged()) == logouts })
		until(t, 20*time.Second, "everything for the other is parked", func() bool {
			parked := 0
			for _, d := range s.list(t, down.ClientID, logout.StateRetrying) {
				if d.Parked {
					parked++
				}
			}
			return parked == logouts
		})
		until(t, 5*time.Second, "no job of its own is left for what is parked", func() bool { return jobsOf(t, db, "logout_retry") == 0 })
		if n := len(down.Asked()); n > logouts/2 {
			t.Errorf("the dead party was asked %d times for %d logouts", n, logouts)
		}
		if all, err := s.Health(t.Context()); err != nil || !all[0].Open || all[0].Backlog != logouts || all[0].Reason == "" || all[1].Open {
			t.Errorf("health = %+v, %v", all, err)
		}
		down.Answer(logouttest.OK)
		until(t, 30*time.Second, "it has heard of everything", func() bool { return len(down.Acknowledged()) == logouts })
		until(t, 5*time.Second, "no turn is left", func() bool { return jobsOf(t, db, "logout_receiver") == 0 })
		changes := w.changes()
		if len(changes) != 2 || !changes[0].Open || changes[0].ClientID != down.ClientID || changes[0].Reason == "" || changes[1].Open {
			t.Errorf("breaker changes %+v, want one opening and one closing", changes)
		}
	})
}

func jobsOf(t *testing.T, db *database.DB, kind string) int {
	t.Helper()
	var n int
	if err := db.Reader(t.Context()).Raw("SELECT count(*) FROM river_job WHERE kind = ? AND state NOT IN ('completed', 'cancelled')", kind).Scan(&n).Error; err != nil {
		t.Fatal(err)
	}
	return n
}

// Two nodes: what one learns of a receiver both go by, one of them probes at a time, and each change is told once.
func TestBreakerOfTwoNodes(t *testing.T) {
	t.Parallel() // it waits more than it works
	url := databasetest.PostgresURL(t)
	const logouts = 40
	w := &witness{}
	first := newStage(t, databasetest.Open(t, url), 1, func(c *logout.Config) { c.Observe = w })
	second := newStage(t, databasetest.Open(t, url), 0, func(c *logout.Config) { c.Observe, c.Clients = w, first.clients })
	second.rps = first.rps
	down := first.rps[0]
	var inFlight, most atomic.Int64
	down.Answer(func(rw http.ResponseWriter, _ *http.Request) {
		n := inFlight.Add(1)
		defer inFlight.Add(-1)
		for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
		}
		rw.WriteHeader(http.StatusBadGateway)
	})
	nodes := []*stage{first, second}
	for i := range logouts {
		nodes[i%2].end(t, nodes[i%2].login(t, fmt.Sprintf("user-%d", i)))
	}
	until(t, 20*time.Second, "everything is parked", func() bool {
		all := first.list(t, down.ClientID, logout.StateRetrying)
		for _, d := range all {
			if !d.Parked {
				return false
			}
		}
		return len(all) == logouts
	})
	asked := len(down.Asked())
	most.Store(0)
	until(t, 20*time.Second, "it is probed twice more", func() bool { return len(down.Asked()) >= asked+2 })
	if most.Load() > 1 {
		t.Errorf("%d probes at once", most.Load())
	}
	down.Answer(logouttest.OK)
	until(t, 40*time.Second, "it has heard of everything", func() bool { return len(down.Acknowledged()) >= logouts })
	told := make(map[string]bool)
	for _, c := range down.Acknowledged() {
		told[c.SID] = true
	}
	if len(told) != logouts {
		t.Errorf("%d of %d sessions were told", len(told), logouts)
	}
	if changes := w.changes(); len(changes) != 2 || !changes[0].Open || changes[1].Open {
		t.Errorf("breaker changes %+v, want one opening and one closing over both nodes", changes)
	}
}

// A delivery whose receiver stays down dies when its own time is up, and that is told.
func TestParkedDies(t *testing.T) {
	t.Parallel() // it waits more than it works
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		w := &witness{}
		s := newStage(t, db, 1, func(c *logout.Config) { c.Observe, c.RetryFor = w, 3*time.Second })
		s.rps[0].Answer(logouttest.Unavailable)
		for i := range 20 {
			s.end(t, s.login(t, fmt.Sprintf("user-%d", i)))
		}
		until(t, 30*time.Second, "all are dead", func() bool { return len(s.list(t, "rp-0", logout.StateDead)) == 20 })
		for _, d := range s.list(t, "rp-0", logout.StateDead) {
			if d.SettledAt.Before(d.GiveUpAt) || d.Parked || d.LastError == "" {
				t.Errorf("%+v died before its time, or without a word", d)
			}
		}
		until(t, 5*time.Second, "all deaths are told", func() bool {
			w.mu.Lock()
			defer w.mu.Unlock()
			dead := make(map[string]bool)
			for _, d := range w.attempts {
				if d.State == logout.StateDead {
					dead[d.ID] = true
				}
			}
			return len(dead) == 20
		})
	})
}

// Without retries everything that is parked is overdue. The endpoint is probed all the same, and told again once it is back.
func TestBreakerWithoutRetries(t *testing.T) {
	t.Parallel() // it waits more than it works
	s := newStage(t, databasetest.Open(t, databasetest.SQLiteURL(t)), 1, func(c *logout.Config) { c.RetryFor = -1 })
	s.rps[0].Answer(logouttest.Unavailable)
	for i := range 8 {
		s.end(t, s.login(t, fmt.Sprintf("user-%d", i)))
	}
	until(t, 20*time.Second, "all are dead", func() bool { return len(s.list(t, "rp-0", logout.StateDead)) == 8 })
	if all, err := s.Health(t.Context()); err != nil || !all[0].Open {
		t.Fatalf("health = %+v, %v; the breaker should be open", all, err)
	}
	s.rps[0].Answer(logouttest.OK)
	s.end(t, s.login(t, "bob"))
	until(t, 20*time.Second, "who comes next is told", func() bool { return len(s.list(t, "rp-0", logout.StateDelivered)) == 1 })
	if all, err := s.Health(t.Context()); err != nil || all[0].Open {
		t.Errorf("health = %+v, %v; the breaker should be closed", all, err)
	}
}

// A receiver that takes a second for each of many answers is told of each once: what it has no time for is parked before the insurance job
// runs.
func TestSlowPartyIsToldOnce(t *testing.T) {
	t.Parallel() // it waits more than it works
	s := newStage(t, databasetest.Open(t, databasetest.SQLiteURL(t)), 1, func(c *logout.Config) { c.AttemptTimeout = 5 * time.Second })
	s.rps[0].Answer(func(rw http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(time.Second):
		case <-r.Context().Done():
		}
		rw.WriteHeader(http.StatusOK)
	})
	const sessions = 90
	for range sessions {
		s.login(t, "alice")
	}
	if _, err := s.End(t.Context(), logout.Request{Cause: logout.CauseAccount, Target: logout.Target{Subject: "alice"}}); err != nil {
		t.Fatal(err)
	}
	until(t, 8*time.Second, "nothing is left for the insurance job", func() bool { return len(s.list(t, "rp-0", logout.StatePending)) == 0 })
	until(t, 30*time.Second, "all are told", func() bool { return len(s.list(t, "rp-0", logout.StateDelivered)) == sessions })
	if n := len(s.rps[0].Asked()); n != sessions {
		t.Errorf("asked %d times for %d sessions", n, sessions)
	}
}

// The goroutines of a logout depend on its receivers, not on its sessions.
func TestManySessionsFewGoroutines(t *testing.T) {
	db := databasetest.Open(t, databasetest.SQLiteURL(t))
	s := newStage(t, db, 2, func(c *logout.Config) { c.AttemptTimeout = 20 * time.Second })
	const sessions = 300
	for range sessions {
		s.login(t, "alice")
	}
	before := runtime.NumGoroutine()
	var most atomic.Int64
	count := func(rw http.ResponseWriter, _ *http.Request) {
		n := int64(runtime.NumGoroutine())
		for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
		}
		rw.WriteHeader(http.StatusOK)
	}
	for _, rp := range s.rps {
		rp.Answer(count)
	}
	if _, err := s.End(t.Context(), logout.Request{Cause: logout.CauseAccount, Target: logout.Target{Subject: "alice"}}); err != nil {
		t.Fatal(err)
	}
	until(t, 30*time.Second, "all are told", func() bool { return len(s.rps[0].Acknowledged())+len(s.rps[1].Acknowledged()) == 2*sessions })
	// Twenty that attempt, and a few for each of their connections, here and at the parties.
	if n := int(most.Load()) - before; n > sessions/2 {
		t.Errorf("%d goroutines for %d deliveries", n, 2*sessions)
	}
}
