package logouttest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/exeunt-id/exeunt/logout"
)

// signal writes one event of a stream, in a state.
func signal(t *testing.T, s Opened, streamID, event string, state logout.State) logout.Delivery {
	t.Helper()
	p := &logout.Plan{LogoutID: logout.NewID(), Request: logout.Request{Cause: logout.CauseAnnounced}, At: epoch, Early: true}
	d := logout.Delivery{
		ID: logout.NewID(), LogoutID: p.LogoutID, ClientID: "shop", Channel: logout.ChannelCAEP, State: state, Cause: logout.CauseAnnounced,
		Subject: "alice", Event: event, Payload: `{}`, StreamID: streamID, CreatedAt: epoch, NextAt: epoch, GiveUpAt: epoch.Add(72 * time.Hour),
	}
	p.Deliveries = []logout.Delivery{d}
	must(t, s.Store.Write(t.Context(), p))
	return d
}

// states reads what became of deliveries.
func states(t *testing.T, s Opened, deliveries ...logout.Delivery) []logout.State {
	t.Helper()
	all := make([]logout.State, len(deliveries))
	for i, d := range deliveries {
		got, _, err := s.Store.Show(t.Context(), d.ID)
		must(t, err)
		all[i] = got.State
	}
	return all
}

func wantStates(t *testing.T, what string, got []logout.State, want ...logout.State) {
	t.Helper()
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("%s: %v, want %v", what, got, want)
			return
		}
	}
}

func testWaiting(t *testing.T, s Opened) {
	one := signal(t, s, "stream-1", "a", logout.StateUnconfirmed)
	signal(t, s, "stream-1", "b", logout.StatePending) // it is being pushed
	two := signal(t, s, "stream-1", "b", logout.StateUnconfirmed)
	three := signal(t, s, "stream-1", "a", logout.StateUnconfirmed)
	signal(t, s, "stream-2", "a", logout.StateUnconfirmed)
	session := start(t, s, "alice", "shop")
	_, err := end(t.Context(), s, logout.CauseRedirect, logout.Target{SessionID: session.ID}) // of no stream
	must(t, err)
	for _, test := range []struct {
		only  string
		limit int
		want  []logout.Delivery
	}{{"", 10, []logout.Delivery{one, two, three}}, {"", 2, []logout.Delivery{one, two}}, {"a", 10, []logout.Delivery{one, three}}, {"c", 10, nil}} {
		got, err := s.Store.Waiting(t.Context(), "stream-1", test.only, test.limit)
		must(t, err)
		if len(got) != len(test.want) {
			t.Fatalf("only %q, at most %d: %+v", test.only, test.limit, got)
		}
		for i, d := range test.want {
			if got[i] != d {
				t.Errorf("only %q: %+v, want %+v", test.only, got[i], d)
			}
		}
	}
	if none, err := s.Store.Waiting(t.Context(), "", "", 10); err != nil || len(none) != 0 {
		t.Errorf("of no stream: %+v, %v", none, err)
	}
}

func testCollect(t *testing.T, s Opened) {
	one := signal(t, s, "stream-1", "a", logout.StateUnconfirmed)
	two := signal(t, s, "stream-1", "a", logout.StateUnconfirmed)
	first := signal(t, s, "stream-1", "a", logout.StatePending) // the stream was pushed a moment ago
	foreign := signal(t, s, "stream-2", "a", logout.StateUnconfirmed)
	said := func(d logout.Delivery, state logout.State) logout.Attempt {
		return logout.Attempt{DeliveryID: d.ID, At: epoch, State: state, Snippet: "said", Error: "why"}
	}
	all := []logout.Attempt{said(one, logout.StateDelivered), said(two, logout.StateRejected), said(first, logout.StateDelivered), said(foreign, logout.StateDelivered), said(logout.Delivery{ID: logout.NewID()}, logout.StateDelivered)}
	boom := errors.New("boom")
	err := s.Tx(t.Context(), func(ctx context.Context) error {
		_, err := s.Store.Collect(ctx, "stream-1", all)
		return errors.Join(err, boom)
	})
	if !errors.Is(err, boom) {
		t.Fatal(err)
	}
	wantStates(t, "after a rollback", states(t, s, one, two), logout.StateUnconfirmed, logout.StateUnconfirmed)
	for i, want := range []int{3, 0} { // what is settled stays so
		n, err := s.Store.Collect(t.Context(), "stream-1", all)
		if err != nil || n != want {
			t.Fatalf("Collect %d = %d, %v; want %d", i, n, err, want)
		}
	}
	wantStates(t, "collected", states(t, s, one, two, first, foreign), logout.StateDelivered, logout.StateRejected, logout.StateDelivered, logout.StateUnconfirmed)
	d, attempts, err := s.Store.Show(t.Context(), two.ID)
	must(t, err)
	if len(attempts) != 1 || attempts[0].Number != 1 || attempts[0].Snippet != "said" || d.Attempts != 1 || d.LastError != "why" || !d.SettledAt.Equal(epoch) {
		t.Errorf("%+v, attempts %+v", d, attempts)
	}
	at := epoch.Add(time.Hour)
	if n, err := s.Store.Redeliver(t.Context(), logout.Filter{DeliveryID: two.ID}, at, at, nil); err != nil || n != 1 {
		t.Errorf("Redeliver = %d, %v", n, err)
	}
	wantStates(t, "what must be fetched lies ready again", states(t, s, two), logout.StateUnconfirmed)
}

func testShift(t *testing.T, s Opened) {
	held := signal(t, s, "stream-1", "a", logout.StateUnconfirmed)
	spared := signal(t, s, "stream-1", "spared", logout.StateUnconfirmed)
	first := signal(t, s, "stream-1", "a", logout.StatePending)
	foreign := signal(t, s, "stream-2", "a", logout.StateUnconfirmed)
	done := signal(t, s, "stream-1", "a", logout.StateUnconfirmed)
	_, err := s.Store.Collect(t.Context(), "stream-1", []logout.Attempt{{DeliveryID: done.ID, At: epoch, State: logout.StateDelivered}})
	must(t, err)
	at := epoch.Add(time.Hour)
	stream := logout.Stream{ID: "stream-1", ClientID: "shop", EndpointURL: "https://receiver.example/"}
	shift := func(to logout.State, spare string) {
		t.Helper()
		must(t, s.Store.Shift(t.Context(), logout.Shift{Stream: stream, At: at, To: to, Reason: "why", Spare: spare, GiveUpAt: at.Add(time.Hour)}))
		s.Insured(t)
	}
	shift(logout.StateRetrying, "")
	wantStates(t, "given out", states(t, s, held, spared, first, foreign, done),
		logout.StateRetrying, logout.StateRetrying, logout.StatePending, logout.StateUnconfirmed, logout.StateDelivered)
	due, err := s.Store.Parked(t.Context(), logout.Receiver{ClientID: held.ClientID, Channel: held.Channel}, 10)
	must(t, err)
	if len(due) != 2 || due[0].ID != held.ID || due[0].URI != stream.EndpointURL || !due[0].GiveUpAt.Equal(at.Add(time.Hour)) {
		t.Errorf("due %+v", due)
	}
	shift(logout.StateUnconfirmed, "spared")
	wantStates(t, "held", states(t, s, held, spared, first, done), logout.StateUnconfirmed, logout.StateRetrying, logout.StatePending, logout.StateDelivered)
	shift(logout.StateUnreachable, "spared")
	wantStates(t, "dropped", states(t, s, held, spared, first, foreign, done),
		logout.StateUnreachable, logout.StateRetrying, logout.StateUnreachable, logout.StateUnconfirmed, logout.StateDelivered)
	d, _, err := s.Store.Show(t.Context(), held.ID)
	must(t, err)
	if d.LastError != "why" || !d.SettledAt.Equal(at) || d.Parked {
		t.Errorf("%+v", d)
	}
}
