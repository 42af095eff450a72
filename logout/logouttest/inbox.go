package logouttest

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/exeunt-id/exeunt/logout"
)

// write announces events to a client in the transaction in ctx, each with the given further deliveries by other channels, and returns their
// ids.
func write(ctx context.Context, s Opened, clientID string, events, others int) ([]string, error) {
	p := &logout.Plan{LogoutID: logout.NewID(), Request: logout.Request{Cause: logout.CauseAnnounced}, At: epoch, Early: true}
	var ids []string
	for range events {
		id := logout.NewID()
		ids = append(ids, id)
		for i := range 1 + others {
			d := logout.Delivery{
				ID: id, EventID: id, LogoutID: p.LogoutID, ClientID: clientID, Channel: logout.Channel(fmt.Sprintf("test%d", i)), State: logout.StatePending,
				Cause: logout.CauseAnnounced, Subject: "alice", Event: logout.EventUserUpdated, CreatedAt: epoch, NextAt: epoch, GiveUpAt: epoch.Add(72 * time.Hour),
			}
			if i > 0 {
				d.ID = logout.NewID()
			}
			p.Deliveries = append(p.Deliveries, d)
		}
	}
	return ids, s.Store.Write(ctx, p)
}

func eventIDs(events []logout.StoredEvent) []string {
	ids := make([]string, len(events))
	for i, e := range events {
		ids[i] = e.EventID
	}
	return ids
}

// testEvents: each event once, in order, page by page; nobody else's.
func testEvents(t *testing.T, s Opened) {
	ids, err := write(t.Context(), s, "shop", 5, 1)
	must(t, err)
	_, err = write(t.Context(), s, "bank", 3, 0)
	must(t, err)
	var got []string
	after := int64(0)
	for {
		page, last, err := s.Store.Events(t.Context(), "shop", after, 2)
		must(t, err)
		if len(page) == 0 {
			if last != after || last != 5 {
				t.Errorf("at the end the last number is %d, after %d; want 5", last, after)
			}
			break
		}
		if len(page[0].States) != 2 || page[0].Subject != "alice" || page[0].ClientID != "shop" {
			t.Errorf("event %+v, want that of alice with two deliveries", page[0])
		}
		got, after = append(got, eventIDs(page)...), page[len(page)-1].Number
	}
	if !slices.Equal(got, ids) {
		t.Errorf("read %v, want %v", got, ids)
	}
	more, err := write(t.Context(), s, "shop", 1, 0)
	must(t, err)
	page, last, err := s.Store.Events(t.Context(), "shop", after, 10)
	if err != nil || last != 6 || !slices.Equal(eventIDs(page), more) {
		t.Errorf("after one more: %v up to %d, %v; want %v", eventIDs(page), last, err, more)
	}
	if page, last, err := s.Store.Events(t.Context(), "nobody", 0, 10); err != nil || len(page) != 0 || last != 0 {
		t.Errorf("events of a client without any: %v up to %d, %v", page, last, err)
	}
}

// testManyEvents: whoever reads a page learns that there are more, also when they have no numbers yet.
func testManyEvents(t *testing.T, s Opened) {
	const events = 2*logout.MaxPull + 100
	_, err := write(t.Context(), s, "shop", events, 0)
	must(t, err)
	for after, limit := int64(0), logout.MaxPull; after < events; limit = 500 {
		page, last, err := s.Store.Events(t.Context(), "shop", after, limit)
		must(t, err)
		if len(page) == 0 {
			t.Fatalf("nothing comes after %d", after)
		}
		after = page[len(page)-1].Number
		if after < events != (after < last) {
			t.Errorf("after %d of %d events the last number is %d", after, events, last)
		}
	}
}

// testReaders: writers with transactions of several events and two readers at full speed. Neither misses or repeats one, and both see the
// same order.
func testReaders(t *testing.T, s Opened) {
	const writers, each = 4, 40
	seen := make([][]string, 2)
	parallel(t, writers+len(seen), func(i int) error {
		if i < writers {
			for n := range each {
				err := s.Tx(t.Context(), func(ctx context.Context) error {
					for range 1 + n%3 {
						if _, err := write(ctx, s, "shop", 1, n%2); err != nil {
							return err
						}
					}
					return nil
				})
				if err != nil {
					return err
				}
			}
			return nil
		}
		total := 0
		for n := range each {
			total += writers * (1 + n%3)
		}
		reader, after := &seen[i-writers], int64(0)
		for deadline := time.Now().Add(2 * time.Minute); len(*reader) < total; {
			if time.Now().After(deadline) {
				return fmt.Errorf("only %d of %d events were there to be read", len(*reader), total)
			}
			page, _, err := s.Store.Events(t.Context(), "shop", after, 7)
			if err != nil {
				return err
			}
			for _, e := range page {
				if e.Number != after+1 {
					return fmt.Errorf("number %d comes after %d", e.Number, after)
				}
				*reader, after = append(*reader, e.EventID), e.Number
			}
		}
		return nil
	})
	if !slices.Equal(seen[0], seen[1]) {
		t.Errorf("the readers saw different things: %d and %d events", len(seen[0]), len(seen[1]))
	}
	if n := len(slices.Compact(slices.Sorted(slices.Values(seen[0])))); n != len(seen[0]) {
		t.Errorf("%d different events of %d", n, len(seen[0]))
	}
}

// testAcknowledge: an acknowledgment settles every delivery of the event, takes its insurance and its retries away, and concerns the
// client's own events only.
func testAcknowledge(t *testing.T, s Opened) {
	ids, err := write(t.Context(), s, "shop", 3, 1)
	must(t, err)
	foreign, err := write(t.Context(), s, "bank", 1, 0)
	must(t, err)
	all, err := s.Store.List(t.Context(), logout.Filter{ClientID: "shop"})
	must(t, err)
	var dead []logout.Settlement
	for _, d := range all {
		if d.EventID == ids[1] && d.ID != ids[1] {
			dead = append(dead, logout.Settlement{Delivery: d, State: logout.StateDelivered, Attempt: &logout.Attempt{DeliveryID: d.ID, Number: 1, At: epoch}})
		}
		if d.ID == ids[0] {
			dead = append(dead, logout.Settlement{Delivery: d, State: logout.StateRetrying, NextAt: epoch.Add(time.Hour), Attempt: &logout.Attempt{DeliveryID: d.ID, Number: 1, At: epoch}})
		}
	}
	_, err = s.Store.Settle(t.Context(), epoch, dead)
	must(t, err)

	pending, err := s.Store.Unacknowledged(t.Context(), "shop", 10)
	must(t, err)
	if got := eventIDs(pending); !slices.Equal(got, []string{ids[0], ids[2]}) {
		t.Errorf("pending %v, want those of which no delivery was acknowledged", got)
	}
	at := epoch.Add(time.Minute)
	known, err := s.Store.Acknowledge(t.Context(), "shop", []string{ids[0], ids[1], foreign[0], "nothing", all[0].ID}, at)
	must(t, err)
	if !slices.Equal(known, []string{ids[0], ids[1]}) {
		t.Errorf("known %v, want the client's own two events", known)
	}
	s.Insured(t)
	for _, d := range all {
		got, attempts, err := s.Store.Show(t.Context(), d.ID)
		must(t, err)
		last := len(attempts) - 1
		switch {
		case d.EventID == ids[2]:
			if got.State != logout.StatePending {
				t.Errorf("another event's delivery is %s", got.State)
			}
		case got.State != logout.StateDelivered:
			t.Errorf("after the acknowledgment a delivery is %s", got.State)
		case got.Pulled != (len(dead) > 0 && got.LastStatus == 0 && got.SettledAt.Equal(at)), got.Pulled && (last < 0 || attempts[last].Snippet == "" || got.Attempts != last+1):
			t.Errorf("delivery %+v, attempts %+v", got, attempts)
		}
	}
	due, err := s.Store.Due(t.Context(), logout.Scope{DeliveryID: ids[0], NextAt: epoch.Add(time.Hour)})
	if err != nil || len(due) != 0 {
		t.Errorf("the retry is still due: %v, %v", due, err)
	}
	again, err := s.Store.Acknowledge(t.Context(), "shop", ids[:1], at.Add(time.Hour))
	if _, attempts, serr := s.Store.Show(t.Context(), ids[0]); err != nil || serr != nil || !slices.Equal(again, ids[:1]) || len(attempts) != 2 {
		t.Errorf("acknowledged again: %v, %v, %v, %d attempts", again, err, serr, len(attempts))
	}
	if none, err := s.Store.Acknowledge(t.Context(), "shop", nil, at); err != nil || len(none) != 0 {
		t.Errorf("nothing acknowledged: %v, %v", none, err)
	}
	if pending, err = s.Store.Unacknowledged(t.Context(), "shop", 10); err != nil || !slices.Equal(eventIDs(pending), ids[2:]) {
		t.Errorf("pending %v, %v; want the third", eventIDs(pending), err)
	}
}

// testUserTokens: one use, by one client, in time.
func testUserTokens(t *testing.T, s Opened) {
	hash := func(text string) []byte { sum := sha256.Sum256([]byte(text)); return sum[:] }
	token := logout.UserToken{Hash: hash("a"), ClientID: "shop", EventID: "e", Subject: "alice", SID: "s", ExpiresAt: epoch.Add(time.Minute)}
	other := token
	other.Hash, other.SID = hash("b"), ""
	must(t, s.Store.MintUserTokens(t.Context(), []logout.UserToken{token, other}))
	use := func(client, text string, at time.Time) (logout.UserToken, error) {
		return s.Store.UseUserToken(t.Context(), client, hash(text), at)
	}
	if _, err := use("bank", "a", epoch); !errors.Is(err, logout.ErrNoUserToken) {
		t.Errorf("another client's: %v", err)
	}
	if _, err := use("shop", "c", epoch); !errors.Is(err, logout.ErrNoUserToken) {
		t.Errorf("unknown: %v", err)
	}
	if _, err := use("shop", "b", token.ExpiresAt); !errors.Is(err, logout.ErrUserTokenExpired) {
		t.Errorf("expired: %v", err)
	}
	results := make([]error, 8)
	parallel(t, len(results), func(i int) error {
		got, err := use("shop", "a", epoch)
		if results[i] = err; err == nil && (got.Subject != "alice" || got.SID != "s" || got.EventID != "e" || !got.ExpiresAt.Equal(token.ExpiresAt)) {
			t.Errorf("used %+v", got)
		}
		return nil
	})
	worked := 0
	for _, err := range results {
		if err == nil {
			worked++
		} else if !errors.Is(err, logout.ErrUserTokenUsed) {
			t.Error(err)
		}
	}
	if worked != 1 {
		t.Errorf("%d of %d concurrent uses worked, want 1", worked, len(results))
	}
}

// testRemaining: who has another live session at the client; of logouts of a person's sessions at one moment the last finds none.
func testRemaining(t *testing.T, s Opened) {
	one, two := start(t, s, "alice", "shop", "bank"), start(t, s, "alice", "shop")
	var left map[string]bool
	leave := func(ctx context.Context, id string, at time.Time) (*logout.Plan, error) {
		req := logout.Request{Cause: logout.CauseAdmin, Target: logout.Target{SessionID: id}}
		return s.Store.End(ctx, logout.NewID(), req, at, func(ctx context.Context, sessions []logout.Session, leaving []logout.Participation) (*logout.Plan, error) {
			var err error
			if left, err = s.Store.Remaining(ctx, leaving, at); err != nil {
				return nil, err
			}
			return plan(logout.NewID(), req)(ctx, sessions, leaving)
		})
	}
	p, err := leave(t.Context(), one.ID, epoch)
	must(t, err)
	for _, part := range p.Leaving {
		if left[part.SID] != (part.ClientID == "shop") {
			t.Errorf("%s: remains %t", part.ClientID, left[part.SID])
		}
	}
	if _, err = leave(t.Context(), two.ID, epoch); err != nil || len(left) != 0 {
		t.Errorf("after the second: %v, %v; want nobody", left, err)
	}
	third, fourth := start(t, s, "alice", "shop"), start(t, s, "alice", "shop")
	if _, err = leave(t.Context(), third.ID, fourth.IdleUntil); err != nil || len(left) != 0 {
		t.Errorf("beside a session past its lifetime: %v, %v", left, err)
	}

	for i := range 20 {
		person := fmt.Sprintf("person-%d", i)
		both := []logout.Session{start(t, s, person, "shop"), start(t, s, person, "shop")}
		stays := make([]bool, 2)
		parallel(t, 2, func(i int) error {
			req := logout.Request{Cause: logout.CauseAdmin, Target: logout.Target{SessionID: both[i].ID}}
			_, err := s.Store.End(t.Context(), logout.NewID(), req, epoch, func(ctx context.Context, sessions []logout.Session, leaving []logout.Participation) (*logout.Plan, error) {
				found, err := s.Store.Remaining(ctx, leaving, epoch)
				if err != nil {
					return nil, err
				}
				stays[i] = len(found) > 0
				return plan(logout.NewID(), req)(ctx, sessions, leaving)
			})
			return err
		})
		if stays[0] && stays[1] {
			t.Fatalf("race %d: each logout believes that the other's session lives on", i)
		}
	}
}
