package logouttest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/exeunt-id/exeunt/logout"
)

// testWrite: what ends nothing is as durable as what does, with its transaction or not at all.
func testWrite(t *testing.T, s Opened) {
	message := func() *logout.Plan {
		p := &logout.Plan{LogoutID: logout.NewID(), Request: logout.Request{Cause: logout.CauseAnnounced}, At: epoch, Early: true}
		p.Deliveries = []logout.Delivery{{
			ID: logout.NewID(), LogoutID: p.LogoutID, ClientID: "shop", Channel: "test", State: logout.StatePending, Cause: logout.CauseAnnounced,
			Subject: "alice", Event: logout.EventUserUpdated, Payload: `{"a":1}`, CreatedAt: epoch, NextAt: epoch, GiveUpAt: epoch.Add(72 * time.Hour),
		}}
		return p
	}
	lost, boom := message(), errors.New("boom")
	err := s.Tx(t.Context(), func(ctx context.Context) error { return errors.Join(s.Store.Write(ctx, lost), boom) })
	if !errors.Is(err, boom) {
		t.Fatal(err)
	}
	kept := message()
	must(t, s.Store.Write(t.Context(), kept))
	s.Insured(t)
	all, err := s.Store.List(t.Context(), logout.Filter{})
	must(t, err)
	if len(all) != 1 || all[0] != kept.Deliveries[0] {
		t.Errorf("written %+v, want %+v", all, kept.Deliveries)
	}
}

func testSettle(t *testing.T, s Opened) {
	session := start(t, s, "alice", "shop", "bank", "mail")
	p, err := end(t.Context(), s, logout.CauseRedirect, logout.Target{SessionID: session.ID})
	must(t, err)
	next := epoch.Add(3 * time.Second)
	outcome := func(d logout.Delivery, state logout.State, status int) logout.Settlement {
		return logout.Settlement{Delivery: d, State: state, NextAt: next, Attempt: &logout.Attempt{
			DeliveryID: d.ID, Number: d.Attempts + 1, At: epoch, Duration: time.Millisecond, Status: status, Snippet: "hello", State: state,
		}}
	}
	d := p.Deliveries
	first := []logout.Settlement{outcome(d[0], logout.StateDelivered, 200), outcome(d[1], logout.StateRetrying, 503)}
	moved, err := s.Store.Settle(t.Context(), epoch, first)
	if err != nil || moved != 2 {
		t.Fatalf("Settle = %d, %v; want 2", moved, err)
	}
	s.Insured(t) // one is still pending
	moved, err = s.Store.Settle(t.Context(), epoch, []logout.Settlement{outcome(d[0], logout.StateRetrying, 500), outcome(d[1], logout.StateDelivered, 200)})
	if err != nil || moved != 0 {
		t.Errorf("Settle of a turn that is over moved %d, %v; want 0", moved, err)
	}
	if _, err := s.Store.Settle(t.Context(), epoch, []logout.Settlement{{Delivery: d[2], State: logout.StateRetrying, NextAt: next}}); err != nil {
		t.Errorf("putting off: %v", err)
	}
	for i, want := range []struct {
		state    logout.State
		attempts int
		rows     int
	}{{logout.StateDelivered, 1, 2}, {logout.StateRetrying, 1, 2}, {logout.StateRetrying, 0, 0}} {
		got, attempts, err := s.Store.Show(t.Context(), d[i].ID)
		must(t, err)
		if got.State != want.state || got.Attempts != want.attempts || len(attempts) != want.rows {
			t.Errorf("delivery %d: %s after %d attempts, %d rows; want %+v", i, got.State, got.Attempts, len(attempts), want)
		}
	}
	for _, scope := range []struct {
		at   time.Time
		want int
	}{{next, 1}, {next.Add(time.Microsecond), 0}} {
		due, err := s.Store.Due(t.Context(), logout.Scope{DeliveryID: d[1].ID, NextAt: scope.at})
		must(t, err)
		if len(due) != scope.want {
			t.Errorf("turn at %s: %d due, want %d", scope.at, len(due), scope.want)
		}
	}
}

func testRedeliver(t *testing.T, s Opened) {
	session := start(t, s, "alice", "shop", "bank")
	p, err := end(t.Context(), s, logout.CauseRedirect, logout.Target{SessionID: session.ID})
	must(t, err)
	settle := make([]logout.Settlement, 2)
	for i, state := range []logout.State{logout.StateDead, logout.StateDelivered} {
		settle[i] = logout.Settlement{Delivery: p.Deliveries[i], State: state, Attempt: &logout.Attempt{DeliveryID: p.Deliveries[i].ID, Number: 1, At: epoch, State: state}}
	}
	if _, err := s.Store.Settle(t.Context(), epoch, settle); err != nil {
		t.Fatal(err)
	}
	at := epoch.Add(time.Hour)
	n, err := s.Store.Redeliver(t.Context(), logout.Filter{LogoutID: p.LogoutID}, at, at.Add(time.Hour), nil)
	if err != nil || n != 1 {
		t.Fatalf("Redeliver = %d, %v; want only the dead one", n, err)
	}
	parked, err := s.Store.Parked(t.Context(), backchannel("shop"), 10)
	must(t, err)
	if len(parked) != 1 || parked[0].State != logout.StateRetrying || !parked[0].GiveUpAt.Equal(at.Add(time.Hour)) || !parked[0].SettledAt.IsZero() {
		t.Errorf("parked = %+v", parked)
	}
	if turn, err := s.Store.BeginTurn(t.Context(), backchannel("shop"), at, at, at.Add(time.Minute)); err != nil || turn == nil {
		t.Errorf("its receiver's turn is not due: %v, %v", turn, err)
	}
	if _, _, err := s.Store.Show(t.Context(), "nothing"); !errors.Is(err, logout.ErrNoDelivery) {
		t.Errorf("Show of an unknown delivery = %v", err)
	}
}

// testRedeliverPulled: a client has acknowledged by pull what nobody ever sent it. Told again, it lies ready again; there is no address to
// attempt.
func testRedeliverPulled(t *testing.T, s Opened) {
	p := &logout.Plan{LogoutID: logout.NewID(), Request: logout.Request{Cause: logout.CauseRedirect}, At: epoch}
	for _, d := range []logout.Delivery{
		{Channel: logout.ChannelWebhook, State: logout.StateUnreachable},
		{Channel: logout.ChannelFrontchannel, State: logout.StateUnconfirmed, URI: "https://shop.example/frame"},
		{Channel: logout.ChannelBackchannel, State: logout.StateUnconfirmed, URI: "https://shop.example/logout"},
	} {
		d.ID, d.LogoutID, d.ClientID, d.Cause, d.Subject, d.CreatedAt, d.NextAt, d.GiveUpAt = logout.NewID(), p.LogoutID, "shop", logout.CauseRedirect, "alice", epoch, epoch, epoch
		d.EventID = d.ID
		p.Deliveries = append(p.Deliveries, d)
	}
	must(t, s.Store.Write(t.Context(), p))
	ids := []string{p.Deliveries[0].ID, p.Deliveries[1].ID, p.Deliveries[2].ID}
	if _, err := s.Store.Acknowledge(t.Context(), "shop", ids, epoch); err != nil {
		t.Fatal(err)
	}
	wantStates(t, "acknowledged", states(t, s, p.Deliveries...), logout.StateDelivered, logout.StateDelivered, logout.StateDelivered)
	if n, err := s.Store.Redeliver(t.Context(), logout.Filter{ClientID: "shop", Acknowledged: true}, epoch, epoch.Add(time.Hour), nil); err != nil || n != 3 {
		t.Errorf("Redeliver = %d, %v", n, err)
	}
	wantStates(t, "redelivered", states(t, s, p.Deliveries...), logout.StateUnreachable, logout.StateUnconfirmed, logout.StateRetrying)
	if events, err := s.Store.Unacknowledged(t.Context(), "shop", 10); err != nil || len(events) != 3 {
		t.Errorf("%d events can be pulled again, %v; want 3", len(events), err)
	}
}

// testRedeliverDuringAttempt: an operator redelivers while the last attempt is still running. Its failure must not swallow the new turn; its
// success counts.
func testRedeliverDuringAttempt(t *testing.T, s Opened) {
	session := start(t, s, "alice", "shop", "bank")
	p, err := end(t.Context(), s, logout.CauseRedirect, logout.Target{SessionID: session.ID})
	must(t, err)
	next := epoch.Add(time.Minute)
	var first, late []logout.Settlement
	for i, d := range p.Deliveries {
		first = append(first, logout.Settlement{Delivery: d, State: logout.StateRetrying, NextAt: next, Attempt: &logout.Attempt{DeliveryID: d.ID, Number: 1, At: epoch}})
		d.State, d.Attempts, d.NextAt = logout.StateRetrying, 1, next
		late = append(late, logout.Settlement{Delivery: d, State: []logout.State{logout.StateDead, logout.StateDelivered}[i], Attempt: &logout.Attempt{DeliveryID: d.ID, Number: 2, At: next}})
	}
	_, err = s.Store.Settle(t.Context(), epoch, first)
	must(t, err)
	at := next.Add(time.Second)
	if n, err := s.Store.Redeliver(t.Context(), logout.Filter{LogoutID: p.LogoutID}, at, at.Add(time.Hour), nil); err != nil || n != 2 {
		t.Fatalf("Redeliver = %d, %v", n, err)
	}
	if moved, err := s.Store.Settle(t.Context(), at, late); err != nil || moved != 1 {
		t.Errorf("the late outcomes moved %d, %v; want only the acknowledged one", moved, err)
	}
	for i, want := range []int{1, 0} {
		parked, err := s.Store.Parked(t.Context(), backchannel(p.Deliveries[i].ClientID), 10)
		must(t, err)
		if len(parked) != want {
			t.Errorf("delivery %d: %d parked, want %d", i, len(parked), want)
		}
		due, err := s.Store.Due(t.Context(), logout.Scope{DeliveryID: p.Deliveries[i].ID, NextAt: next})
		must(t, err)
		if len(due) != 0 {
			t.Errorf("delivery %d: its old turn is still due", i)
		}
	}
}

// testDoubledOutcome: the record of a first attempt arrives twice. The second time it must touch nothing, least of all the insurance of
// another logout, whose job may have inherited the id.
func testDoubledOutcome(t *testing.T, s Opened) {
	outcome := func(d logout.Delivery) []logout.Settlement {
		return []logout.Settlement{{Delivery: d, State: logout.StateDelivered, Attempt: &logout.Attempt{DeliveryID: d.ID, Number: 1, At: epoch, Status: 200}}}
	}
	var last []logout.Settlement
	for range 3 {
		session := start(t, s, "alice", "shop")
		p, err := end(t.Context(), s, logout.CauseRedirect, logout.Target{SessionID: session.ID})
		must(t, err)
		if last != nil {
			_, err = s.Store.Settle(t.Context(), epoch, last)
			must(t, err)
			s.Insured(t)
		}
		last = outcome(p.Deliveries[0])
		_, err = s.Store.Settle(t.Context(), epoch, last)
		must(t, err)
	}
}
