package logouttest

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/exeunt-id/exeunt/logout"
)

// testRescue: what a node was to attempt and has not gets one job, however many others look for it, and only when its time has passed. What
// has been told by then, or has a job already, is left alone.
func testRescue(t *testing.T, s Opened) {
	var pending []logout.Delivery
	for i := range 12 {
		session := start(t, s, "alice", "shop", "bank")
		p, err := end(t.Context(), s, logout.CauseRedirect, logout.Target{SessionID: session.ID})
		must(t, err)
		told := p.Deliveries[:1+i%2] // of every other logout all
		outcomes := make([]logout.Settlement, len(told))
		for j, d := range told {
			outcomes[j] = logout.Settlement{Delivery: d, State: logout.StateDelivered, Attempt: &logout.Attempt{DeliveryID: d.ID, Number: 1, At: epoch}}
		}
		_, err = s.Store.Settle(t.Context(), epoch, outcomes)
		must(t, err)
		pending = append(pending, p.Deliveries[len(told):]...)
	}
	queued := &logout.Plan{LogoutID: logout.NewID(), Request: logout.Request{Cause: logout.CauseAnnounced}, At: epoch}
	d := logout.Delivery{ID: logout.NewID(), LogoutID: queued.LogoutID, ClientID: "shop", Channel: "test", State: logout.StatePending, Cause: logout.CauseAnnounced}
	d.EventID, d.CreatedAt, d.NextAt, d.GiveUpAt = d.ID, epoch, epoch, epoch.Add(time.Hour)
	queued.Deliveries = []logout.Delivery{d}
	must(t, s.Store.Write(t.Context(), queued))

	if n, err := s.Store.Rescue(t.Context(), epoch, 100); n != 0 || err != nil {
		t.Errorf("rescued %d, %v, before their time", n, err)
	}
	var rescued atomic.Int64
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for range 6 {
				n, err := s.Store.Rescue(t.Context(), epoch.Add(time.Microsecond), 2)
				if err != nil {
					t.Error(err)
				}
				rescued.Add(int64(n))
			}
		})
	}
	group.Wait()
	if rescued.Load() != 6 {
		t.Errorf("rescued %d logouts, want 6", rescued.Load())
	}
	s.Insured(t)
	for _, d := range pending {
		due, err := s.Store.Due(t.Context(), logout.Scope{LogoutID: d.LogoutID})
		must(t, err)
		if len(due) != 1 || due[0].ID != d.ID {
			t.Errorf("due %+v, want %s", due, d.ID)
		}
		_, err = s.Store.Settle(t.Context(), epoch, []logout.Settlement{{Delivery: d, State: logout.StateDelivered, Attempt: &logout.Attempt{DeliveryID: d.ID, Number: 1, At: epoch}}})
		must(t, err)
	}
}
