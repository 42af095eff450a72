package logouttest

import (
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/exeunt-id/exeunt/logout"
)

func backchannel(clientID string) logout.Receiver {
	return logout.Receiver{ClientID: clientID, Channel: logout.ChannelBackchannel}
}

// parkOne ends a session of one client and parks what that one is to be told.
func parkOne(t *testing.T, s Opened, clientID string, nextAt time.Time) logout.Delivery {
	t.Helper()
	session := start(t, s, "alice", clientID)
	p, err := end(t.Context(), s, logout.CauseRedirect, logout.Target{SessionID: session.ID})
	must(t, err)
	moved, err := s.Store.Settle(t.Context(), epoch, []logout.Settlement{{Delivery: p.Deliveries[0], State: logout.StateRetrying, Parked: true, NextAt: nextAt, Reason: "down"}})
	if err != nil || moved != 1 {
		t.Fatalf("parking moved %d, %v", moved, err)
	}
	return p.Deliveries[0]
}

// probe is a schedule whose pauses are easy to see.
func probe(at time.Time, failures int) time.Time {
	return at.Add(time.Duration(failures+1) * time.Minute)
}

// testParked: what is parked has no turn of its own but its receiver's, comes in the order of its time, and leaves by being settled.
func testParked(t *testing.T, s Opened) {
	shop := backchannel("shop")
	second := parkOne(t, s, "shop", epoch.Add(time.Second))
	first := parkOne(t, s, "shop", epoch)
	parkOne(t, s, "bank", epoch)
	s.Insured(t)
	parked, err := s.Store.Parked(t.Context(), shop, 10)
	must(t, err)
	if len(parked) != 2 || parked[0].ID != first.ID || parked[1].ID != second.ID || !parked[0].Parked || parked[0].State != logout.StateRetrying || parked[0].LastError != "down" {
		t.Fatalf("parked = %+v, want both, oldest first", parked)
	}
	for at, want := range map[time.Time]int{first.GiveUpAt: 2, first.GiveUpAt.Add(-time.Microsecond): 0} {
		if overdue, err := s.Store.Overdue(t.Context(), shop, at, 10); err != nil || len(overdue) != want {
			t.Errorf("overdue at %s: %d, %v; want %d", at, len(overdue), err, want)
		}
	}
	turn, err := s.Store.BeginTurn(t.Context(), shop, epoch, epoch, epoch.Add(time.Minute))
	if err != nil || turn == nil || turn.Open {
		t.Fatalf("BeginTurn = %+v, %v; the turn of a receiver that lives is due at once", turn, err)
	}
	settle := func(d logout.Delivery, state logout.State, next time.Time) {
		t.Helper()
		moved, err := s.Store.Settle(t.Context(), epoch, []logout.Settlement{{Delivery: d, State: state, NextAt: next, Attempt: &logout.Attempt{DeliveryID: d.ID, Number: 1, At: epoch, State: state}}})
		if err != nil || moved != 1 {
			t.Errorf("settling moved %d, %v", moved, err)
		}
	}
	settle(parked[0], logout.StateDelivered, time.Time{})
	next := epoch.Add(time.Second)
	must(t, s.Store.EndTurn(t.Context(), *turn, false, epoch, next))
	s.Insured(t)
	if turn, err = s.Store.BeginTurn(t.Context(), shop, next, next, next.Add(time.Minute)); err != nil || turn == nil {
		t.Fatalf("the next turn = %v, %v", turn, err)
	}
	settle(parked[1], logout.StateRetrying, epoch.Add(time.Hour)) // a schedule of its own again
	must(t, s.Store.EndTurn(t.Context(), *turn, false, next, next))
	if turn, err := s.Store.BeginTurn(t.Context(), shop, next, next, next.Add(time.Minute)); err != nil || turn != nil {
		t.Errorf("a turn is left although nothing is parked: %v, %v", turn, err)
	}
}

func testBreaker(t *testing.T, s Opened) {
	shop := backchannel("shop")
	ctx := t.Context()
	open := func(at time.Time) bool {
		t.Helper()
		opened, err := s.Store.OpenBreaker(ctx, shop, "refused", at, probe)
		must(t, err)
		return opened
	}
	if !open(epoch) || open(epoch.Add(time.Second)) {
		t.Error("a breaker opens once")
	}
	all, err := s.Store.OpenBreakers(ctx)
	must(t, err)
	if !slices.Equal(all, []logout.Receiver{shop}) {
		t.Errorf("open breakers: %v", all)
	}
	// The first probe is a minute after the opening, the second two minutes after the first.
	parkOne(t, s, "shop", epoch)
	turnAt := epoch.Add(time.Minute)
	turn, err := s.Store.BeginTurn(ctx, shop, turnAt, turnAt, turnAt.Add(time.Minute))
	if err != nil || turn == nil || !turn.Open || turn.Failures != 0 {
		t.Fatalf("the turn of a receiver that is down = %+v, %v; want a probe a minute after the opening", turn, err)
	}
	second := probe(turnAt, turn.Failures+1)
	must(t, s.Store.EndTurn(ctx, *turn, true, turnAt, second))
	s.Insured(t)
	want := logout.Health{
		ClientID: "shop", Channel: logout.ChannelBackchannel, Open: true, Since: epoch, Reason: "refused", NextProbe: second, Backlog: 1, LastSuccess: epoch.Add(-time.Hour),
	}
	must(t, s.Store.Succeeded(ctx, []logout.Receiver{shop}, want.LastSuccess))
	if all, err := s.Store.Health(ctx); err != nil || len(all) != 1 || all[0] != want {
		t.Errorf("health = %+v, %v; want %+v", all, err, want)
	}
	// An operator who redelivers wants it tried now.
	soon := epoch.Add(90 * time.Second)
	if n, err := s.Store.Redeliver(ctx, logout.Filter{ClientID: "shop"}, soon, soon.Add(time.Hour), nil); err != nil || n != 1 {
		t.Fatalf("Redeliver = %d, %v", n, err)
	}
	if turn, err = s.Store.BeginTurn(ctx, shop, soon, soon, soon.Add(time.Minute)); err != nil || turn == nil || turn.Failures != 1 {
		t.Fatalf("the turn after a redelivery = %+v, %v", turn, err)
	}
	must(t, s.Store.EndTurn(ctx, *turn, true, soon, soon.Add(time.Hour)))
	// It answers: what is parked is due now. Soon broken again, it is probed less often than at first.
	back := soon.Add(time.Minute)
	for i, want := range []bool{true, false} {
		if closed, err := s.Store.CloseBreaker(ctx, shop, back); err != nil || closed != want {
			t.Errorf("close %d = %t, %v", i, closed, err)
		}
	}
	s.Insured(t)
	if turn, err = s.Store.BeginTurn(ctx, shop, back, back, back.Add(time.Minute)); err != nil || turn == nil || turn.Open {
		t.Fatalf("the turn after the breaker closed = %+v, %v", turn, err)
	}
	if !open(back.Add(time.Second)) {
		t.Error("a breaker that closed does not open again")
	}
	must(t, s.Store.EndTurn(ctx, *turn, false, back, back))
	if turn, err = s.Store.BeginTurn(ctx, shop, back, back, back.Add(time.Minute)); err != nil || turn == nil || turn.Failures != 3 {
		t.Errorf("after it broke again: %+v, %v; want three failures in a row", turn, err)
	}
}

// testOneTurn: of nodes that try at once one has the turn and one closes the breaker. A turn that was lost changes nothing.
func testOneTurn(t *testing.T, s Opened) {
	shop := backchannel("shop")
	parkOne(t, s, "shop", epoch)
	turnAt := epoch
	for range 10 {
		var taken, opened, closed atomic.Int64
		var got atomic.Pointer[logout.Turn]
		parallel(t, 8, func(int) error {
			did, err := s.Store.OpenBreaker(t.Context(), shop, "refused", turnAt, probe)
			if did {
				opened.Add(1)
			}
			return err
		})
		parallel(t, 8, func(int) error {
			turn, err := s.Store.BeginTurn(t.Context(), shop, turnAt, turnAt, turnAt.Add(time.Minute))
			if turn != nil {
				taken.Add(1)
				got.Store(turn)
			}
			if errors.Is(err, logout.ErrTurnTaken) {
				err = nil
			}
			return err
		})
		parallel(t, 8, func(int) error {
			did, err := s.Store.CloseBreaker(t.Context(), shop, turnAt)
			if did {
				closed.Add(1)
			}
			return err
		})
		if taken.Load() != 1 || opened.Load() != 1 || closed.Load() != 1 {
			t.Fatalf("%d took the turn, %d opened, %d closed; want one each", taken.Load(), opened.Load(), closed.Load())
		}
		// Its time passes; another node takes over, and the first one comes back.
		late := turnAt.Add(time.Minute)
		second, err := s.Store.BeginTurn(t.Context(), shop, turnAt, late, late.Add(time.Minute))
		if err != nil || second == nil {
			t.Fatalf("a turn whose node is gone = %v, %v", second, err)
		}
		must(t, s.Store.EndTurn(t.Context(), *got.Load(), true, late, late.Add(time.Hour)))
		next := late.Add(time.Second)
		must(t, s.Store.EndTurn(t.Context(), *second, false, late, next))
		s.Insured(t)
		turnAt = next
	}
}

// testWrongClock: a node whose clock was a year ahead, for a moment, makes nobody wait for a year.
func testWrongClock(t *testing.T, s Opened) {
	ctx, shop, wrong := t.Context(), backchannel("shop"), epoch.AddDate(1, 0, 0)
	parkOne(t, s, "shop", epoch)
	if turn, err := s.Store.BeginTurn(ctx, shop, epoch, wrong, wrong.Add(time.Minute)); err != nil || turn == nil {
		t.Fatal(turn, err)
	}
	// That node dies. Another one has the job.
	turn, err := s.Store.BeginTurn(ctx, shop, epoch, epoch, epoch.Add(time.Minute))
	if err != nil || turn == nil {
		t.Fatalf("the turn is taken for a year: %v, %v", turn, err)
	}
	_, err = s.Store.OpenBreaker(ctx, shop, "down", wrong, probe)
	must(t, err)
	must(t, s.Store.EndTurn(ctx, *turn, true, wrong, wrong.Add(time.Minute)))
	parkOne(t, s, "shop", epoch)
	if turn, err = s.Store.BeginTurn(ctx, shop, epoch, epoch, epoch.Add(time.Minute)); err != nil || turn == nil {
		t.Errorf("what is parked now waits for a year: %v, %v", turn, err)
	}
}

// testParkingAgainstEnd: whatever is parked while a turn ends finds a turn.
func testParkingAgainstEnd(t *testing.T, s Opened) {
	shop := backchannel("shop")
	for range 20 {
		d := parkOne(t, s, "shop", epoch)
		session := start(t, s, "alice", "shop")
		p, err := end(t.Context(), s, logout.CauseRedirect, logout.Target{SessionID: session.ID})
		must(t, err)
		turn, err := s.Store.BeginTurn(t.Context(), shop, epoch, epoch, epoch.Add(time.Minute))
		if err != nil || turn == nil {
			t.Fatalf("BeginTurn = %v, %v", turn, err)
		}
		_, err = s.Store.Settle(t.Context(), epoch, []logout.Settlement{{Delivery: d, State: logout.StateDelivered}})
		must(t, err)
		parallel(t, 2, func(i int) error {
			if i == 0 {
				return s.Store.EndTurn(t.Context(), *turn, false, epoch, epoch)
			}
			_, err := s.Store.Settle(t.Context(), epoch, []logout.Settlement{{Delivery: p.Deliveries[0], State: logout.StateRetrying, Parked: true, NextAt: epoch}})
			return err
		})
		s.Insured(t)
		if turn, err = s.Store.BeginTurn(t.Context(), shop, epoch, epoch, epoch.Add(time.Minute)); err != nil || turn == nil {
			t.Fatalf("what was parked beside the end of a turn has none: %v, %v", turn, err)
		}
		_, err = s.Store.Settle(t.Context(), epoch, []logout.Settlement{{Delivery: p.Deliveries[0], State: logout.StateDelivered}})
		must(t, err)
		must(t, s.Store.EndTurn(t.Context(), *turn, false, epoch, epoch))
	}
}

func testHealth(t *testing.T, s Opened) {
	for range 2 {
		session := start(t, s, "alice", "shop", "bank")
		p, err := end(t.Context(), s, logout.CauseRedirect, logout.Target{SessionID: session.ID})
		must(t, err)
		_, err = s.Store.Settle(t.Context(), epoch, []logout.Settlement{{Delivery: p.Deliveries[1], State: logout.StateDelivered}})
		must(t, err)
	}
	all, err := s.Store.Health(t.Context())
	must(t, err)
	want := logout.Health{ClientID: "shop", Channel: logout.ChannelBackchannel, Backlog: 2}
	if len(all) != 1 || all[0] != want {
		t.Errorf("health = %+v, want %+v", all, want)
	}
}
