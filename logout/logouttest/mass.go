package logouttest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/exeunt-id/exeunt/logout"
)

// testMass: a mass logout is advanced by one node at a time, together with what its step does, and not at all once it is over.
func testMass(t *testing.T, s Opened) {
	ctx := t.Context()
	m := logout.Mass{
		ID: logout.NewID(), Rate: 7, State: logout.MassRunning, Total: 3, CreatedAt: epoch, ChangedAt: epoch,
		Request: logout.Request{Cause: logout.CauseAdmin, Actor: logout.Actor{Kind: "admin", ID: "root"}, Target: logout.Target{ClientID: "shop", Before: epoch}},
	}
	must(t, s.Store.StartMass(ctx, m))
	if got, err := s.Store.Mass(ctx, m.ID); err != nil || got != m {
		t.Errorf("Mass = %+v, %v; want %+v", got, err, m)
	}
	parallel(t, 20, func(int) error {
		_, err := s.Store.AdvanceMass(ctx, m.ID, func(_ context.Context, m *logout.Mass) error {
			m.Done++
			m.After += "x"
			return nil
		})
		return err
	})
	boom := errors.New("boom")
	session := start(t, s, "alice", "shop")
	_, err := s.Store.AdvanceMass(ctx, m.ID, func(ctx context.Context, m *logout.Mass) error {
		m.Done++
		if p, err := end(ctx, s, logout.CauseAdmin, logout.Target{Everyone: true}); err != nil || p == nil {
			t.Errorf("ending inside the step = %v, %v", p, err)
		}
		return boom
	})
	if !errors.Is(err, boom) {
		t.Errorf("AdvanceMass = %v, want boom", err)
	}
	if _, err := s.Store.Lock(ctx, session.ID, epoch); err != nil {
		t.Errorf("a step that failed ended a session: %v", err)
	}
	got, err := s.Store.AdvanceMass(ctx, m.ID, func(_ context.Context, m *logout.Mass) error {
		m.State, m.FinishedAt = logout.MassDone, epoch.Add(time.Second)
		return nil
	})
	if err != nil || got.Done != 20 || len(got.After) != 20 || !got.FinishedAt.Equal(epoch.Add(time.Second)) {
		t.Errorf("after 20 steps and one that failed: %+v, %v", got, err)
	}
	again, err := s.Store.AdvanceMass(ctx, m.ID, func(context.Context, *logout.Mass) error {
		t.Error("a mass logout that is over was advanced")
		return nil
	})
	if err != nil || again != got {
		t.Errorf("AdvanceMass of one that is over = %+v, %v", again, err)
	}
	if _, err := s.Store.Mass(ctx, "nothing"); !errors.Is(err, logout.ErrNoMass) {
		t.Errorf("Mass of an unknown id = %v", err)
	}
	if all, err := s.Store.ListMasses(ctx, 10); err != nil || len(all) != 1 || all[0] != got {
		t.Errorf("ListMasses = %+v, %v", all, err)
	}
	for limit, want := range map[int]int{0: 1, 1: 1} {
		if n, err := s.Store.CountLive(ctx, logout.Target{ClientID: "shop"}, epoch, limit); err != nil || n != want {
			t.Errorf("CountLive with limit %d = %d, %v", limit, n, err)
		}
	}
	if n, err := s.Store.CountLive(ctx, logout.Target{ClientID: "shop", Before: epoch}, epoch, 0); err != nil || n != 0 {
		t.Errorf("CountLive before the session began = %d, %v", n, err)
	}
	start(t, s, "bob", "shop")
	start(t, s, "carol", "shop")
	part := logout.Target{ClientID: "shop", Everyone: true, OnlyParticipation: true, Part: logout.Part{MassID: m.ID, Limit: 2}}
	for _, want := range []int{2, 1} {
		if p, err := end(ctx, s, logout.CauseAdmin, part); err != nil || p == nil || len(p.Leaving) != want {
			t.Errorf("a batch of at most two participations ends %+v, %v; want %d", p, err, want)
		}
	}
}
