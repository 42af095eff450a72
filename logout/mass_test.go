package logout_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/database/databasetest"
	"github.com/exeunt-id/exeunt/logout"
)

func everyone() logout.Request {
	return logout.Request{Cause: logout.CauseAdmin, Actor: logout.Actor{Kind: "admin"}, Target: logout.Target{Everyone: true}}
}

func (s *stage) massOver(t *testing.T, id string, within time.Duration) logout.Mass {
	t.Helper()
	var m logout.Mass
	until(t, within, "the mass logout is over", func() bool {
		var err error
		if m, err = s.Mass(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		return m.State != logout.MassRunning
	})
	return m
}

// Everybody's sessions end in batches and every party is told of each once; who comes later stays.
func TestMass(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		const sessions = 250
		surviving := []logout.Participation{{SID: "old-1", ClientID: "rp-0"}, {SID: "old-2", ClientID: "rp-1"}}
		s := newStage(t, db, 2, func(c *logout.Config) {
			c.Surviving = func(_ context.Context, req logout.Request) ([]logout.Participation, error) {
				if !req.Target.Part.Offline || req.Target.Before.IsZero() {
					return nil, errors.New("a batch of sessions asks for what outlived others")
				}
				return surviving, nil
			}
			c.InEnd = func(_ context.Context, plan *logout.Plan) error {
				if n := len(plan.Sessions); n > 100 {
					return fmt.Errorf("%d sessions in one transaction", n)
				}
				return nil
			}
		})
		for i := range sessions {
			s.login(t, fmt.Sprintf("user-%d", i))
		}
		m, err := s.EndMany(t.Context(), everyone(), 0)
		if err != nil || m.Total != sessions {
			t.Fatalf("EndMany = %+v, %v", m, err)
		}
		late := s.login(t, "late")
		if m = s.massOver(t, m.ID, 30*time.Second); m.State != logout.MassDone || m.Done != sessions || m.Offline != 2 || m.FinishedAt.IsZero() {
			t.Errorf("the mass logout ended as %+v", m)
		}
		if _, err := s.store.Lock(t.Context(), late.ID, time.Now()); err != nil {
			t.Errorf("a session that began after the request has ended: %v", err)
		}
		for _, rp := range s.rps {
			until(t, 20*time.Second, rp.ClientID+" is told of all", func() bool { return len(rp.Acknowledged()) >= sessions+1 })
			sids := make(map[string]bool)
			for _, c := range rp.Acknowledged() {
				sids[c.SID] = true
			}
			if len(sids) != sessions+1 || len(rp.Acknowledged()) != sessions+1 {
				t.Errorf("%s was told %d times of %d participations, want %d", rp.ClientID, len(rp.Acknowledged()), len(sids), sessions+1)
			}
		}
		if n := jobsOf(t, db, "logout_mass"); n > 1 {
			t.Errorf("%d jobs are left", n)
		}
	})
}

// A mass logout keeps to its rate, stops when it is cancelled, and goes on elsewhere when its node stops.
func TestMassMovesAndStops(t *testing.T) {
	databasetest.EachURL(t, func(t *testing.T, url string) {
		const sessions = 200
		first := newStage(t, databasetest.Open(t, url), 1, nil)
		for i := range sessions {
			first.login(t, fmt.Sprintf("user-%d", i))
		}
		start := time.Now()
		m, err := first.EndMany(t.Context(), everyone(), 40)
		if err != nil {
			t.Fatal(err)
		}
		progress := func(s *stage, at int) {
			t.Helper()
			until(t, 30*time.Second, fmt.Sprintf("%d have ended", at), func() bool {
				got, err := s.Mass(t.Context(), m.ID)
				return err == nil && got.Done >= at
			})
		}
		progress(first, 20)
		if took := time.Since(start); took < 250*time.Millisecond {
			t.Errorf("20 sessions at 40 per second took %s", took)
		}
		stop := time.Now()
		if err := errors.Join(first.Stop(t.Context()), first.db.StopQueue(t.Context())); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(stop); took > 3*time.Second {
			t.Errorf("the node took %s to stop", took)
		}
		second := newStage(t, databasetest.Open(t, url), 0, func(c *logout.Config) { c.Clients = first.clients })
		progress(second, 40)
		got, err := second.CancelMass(t.Context(), m.ID)
		if err != nil || got.State != logout.MassCancelled || got.Done >= sessions {
			t.Fatalf("CancelMass = %+v, %v", got, err)
		}
		live, err := second.store.CountLive(t.Context(), logout.Target{}, time.Now(), 0)
		if err != nil || live != sessions-got.Done {
			t.Errorf("%d sessions live after %d of %d have ended, %v", live, got.Done, sessions, err)
		}
		if over, err := second.WorkMass(t.Context(), m.ID); err != nil || !over {
			t.Errorf("a cancelled mass logout goes on: %v", err)
		}
		if again, err := second.CancelMass(t.Context(), m.ID); err != nil || again.State != got.State || again.Done != got.Done {
			t.Errorf("cancelled again: %+v, %v", again, err)
		}
		if _, err := second.Mass(t.Context(), "nothing"); !errors.Is(err, logout.ErrNoMass) {
			t.Errorf("Mass of an unknown id: %v", err)
		}
	})
}

func TestEndManyRefuses(t *testing.T) {
	s := newStage(t, databasetest.Open(t, databasetest.SQLiteURL(t)), 0, nil)
	for name, req := range map[string]logout.Request{
		"one session": {Cause: logout.CauseAdmin, Target: logout.Target{SessionID: "s"}},
		"nobody":      {Cause: logout.CauseAdmin},
		"a part":      {Cause: logout.CauseAdmin, Target: logout.Target{Everyone: true, Part: logout.Part{Limit: 1}}},
	} {
		if _, err := s.EndMany(t.Context(), req, 0); !errors.Is(err, logout.ErrInvalidRequest) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := s.EndMany(t.Context(), everyone(), -1); !errors.Is(err, logout.ErrInvalidRequest) {
		t.Errorf("a negative rate: %v", err)
	}
}
