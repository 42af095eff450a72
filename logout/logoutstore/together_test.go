package logoutstore_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/database/databasetest"
	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/logout/logoutstore"
)

// crowd ends sessions at the same time.
type crowd struct {
	*testing.T
	*logoutstore.Store
	db *database.DB

	mu           sync.Mutex
	transactions []string // in which plans were made, as far as the database tells
}

// login begins a session of a person in which some clients take part.
func (c *crowd) login(subject string, clients int) logout.Session {
	c.Helper()
	id := logout.NewID()
	now := time.Now().UTC().Truncate(time.Microsecond)
	s := logout.Session{
		ID: id, Subject: subject, SecretHash: []byte(id), AuthTime: now, CreatedAt: now, SeenAt: now, IdleUntil: now.Add(time.Hour), ExpiresAt: now.Add(time.Hour),
	}
	if err := c.Start(c.Context(), s); err != nil {
		c.Fatal(err)
	}
	for i := range clients {
		if _, err := c.Join(c.Context(), id, fmt.Sprintf("rp-%d", i), s.Subject, now); err != nil {
			c.Fatal(err)
		}
	}
	return s
}

// end ends a session as a browser's logout does; before is called in the transaction, before the plan is made.
func (c *crowd) end(session logout.Session, before func(ctx context.Context, leaving []logout.Participation) error) (*logout.Plan, error) {
	id, at := logout.NewID(), time.Now().UTC()
	req := logout.Request{Cause: logout.CauseRedirect, Target: logout.Target{SessionID: session.ID}}
	return c.End(context.WithoutCancel(c.Context()), id, req, at, func(ctx context.Context, sessions []logout.Session, leaving []logout.Participation) (*logout.Plan, error) {
		if len(sessions) != 1 || sessions[0].ID != session.ID || sessions[0].LogoutID != id {
			c.Errorf("asked for %s, planned for %+v", session.ID, sessions)
		}
		if c.db.Postgres() {
			var transaction string
			if err := c.db.Writer(ctx).Raw("SELECT CAST(txid_current() AS TEXT)").Scan(&transaction).Error; err != nil {
				c.Error(err)
			}
			c.mu.Lock()
			c.transactions = append(c.transactions, transaction)
			c.mu.Unlock()
		}
		if before != nil {
			if err := before(ctx, leaving); err != nil {
				return nil, err
			}
		}
		p := &logout.Plan{LogoutID: id, Request: req, At: at, Sessions: sessions, Leaving: leaving, Early: true}
		for _, part := range leaving {
			if part.SessionID != session.ID {
				c.Errorf("%s leaves with %s", part.SID, session.ID)
			}
			d := logout.Delivery{ID: logout.NewID(), LogoutID: id, ClientID: part.ClientID, Channel: logout.ChannelBackchannel, State: logout.StatePending, Cause: req.Cause}
			d.EventID, d.SessionID, d.SID, d.Subject, d.CreatedAt, d.NextAt, d.GiveUpAt = d.ID, part.SessionID, part.SID, part.Subject, at, at, at.Add(time.Hour)
			p.Deliveries = append(p.Deliveries, d)
		}
		return p, nil
	})
}

// until polls a condition that other goroutines bring about.
func (c *crowd) until(what string, condition func() bool) {
	c.Helper()
	for deadline := time.Now().Add(10 * time.Second); !condition(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			c.Fatal("not in time: " + what)
		}
	}
}

// busy takes all places until the returned function is called, so that whatever else ends is ended together.
func (c *crowd) busy() (release func()) {
	c.Helper()
	gate, group := make(chan struct{}), sync.WaitGroup{}
	places := 2
	if !c.db.Postgres() {
		places = 1
	}
	begun := make(chan struct{}, places)
	for range places {
		session := c.login("busy", 1)
		group.Go(func() {
			wait := func(context.Context, []logout.Participation) error { begun <- struct{}{}; <-gate; return nil }
			if _, err := c.end(session, wait); err != nil {
				c.Error(err)
			}
		})
		<-begun
	}
	return func() { close(gate); group.Wait() }
}

func (c *crowd) deliveries(p *logout.Plan) int {
	c.Helper()
	list, err := c.List(c.Context(), logout.Filter{LogoutID: p.LogoutID})
	if err != nil {
		c.Error(err)
	}
	return len(list)
}

// Logouts that come at the same time share transactions, and each is as if it were alone: with its own participations, once, and what fails in one
// of them, be it by a panic, touches no other.
func TestEndTogether(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		c := &crowd{T: t, Store: logoutstore.New(db), db: db}
		boom := errors.New("boom")
		const people = 40
		var sessions []logout.Session
		for i := range people {
			sessions = append(sessions, c.login(fmt.Sprintf("user-%d", i), i%4))
		}
		release := c.busy()
		var group sync.WaitGroup
		var plans [people][2]*logout.Plan
		for i, session := range sessions {
			for twice := range 2 { // somebody clicks twice
				group.Go(func() {
					defer func() {
						if r := recover(); (r != nil) != (i == 7) {
							t.Errorf("session %d: panic %v", i, r)
						}
					}()
					p, err := c.end(session, func(context.Context, []logout.Participation) error {
						switch i {
						case 3:
							return boom
						case 7:
							panic("plan 7")
						}
						return nil
					})
					if (err != nil) != (i == 3) || err != nil && !errors.Is(err, boom) {
						t.Errorf("session %d: %v", i, err)
					}
					plans[i][twice] = p
				})
			}
		}
		c.until("all wait for a place", func() bool { return c.WaitingEnds() == 2*people })
		release()
		group.Wait()
		for i, session := range sessions {
			found, err := c.Find(t.Context(), session.ID)
			if err != nil {
				t.Fatal(err)
			}
			var made []*logout.Plan
			for _, p := range plans[i] {
				if p != nil {
					made = append(made, p)
				}
			}
			if i == 3 || i == 7 {
				if len(made) != 0 || !found.EndedAt.IsZero() {
					t.Errorf("session %d, whose plan failed: ended %s, %d plans", i, found.EndedAt, len(made))
				}
				continue
			}
			if len(made) != 1 || found.LogoutID != made[0].LogoutID || len(made[0].Leaving) != i%4 || c.deliveries(made[0]) != i%4 {
				t.Errorf("session %d: %d plans, ended by %q, %+v", i, len(made), found.LogoutID, made)
			}
		}
		insured(t, db)
		c.transactions = slices.Compact(slices.Sorted(slices.Values(c.transactions)))
		if n := len(c.transactions); n > people {
			t.Errorf("%d transactions for %d logouts", n, 2*people)
		}
	})
}

// Of one person's sessions that end at the same moment exactly one is the last at a client, and so with many people at once.
func TestEndTogetherOnePerson(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		c := &crowd{T: t, Store: logoutstore.New(db), db: db}
		const people, each = 12, 3
		sessions := make([][each]logout.Session, people)
		for i := range sessions {
			for j := range each {
				sessions[i][j] = c.login(fmt.Sprintf("user-%d", i), 1)
			}
		}
		var mu sync.Mutex
		last := make(map[string]map[string]bool) // by logout: who was the last of whom
		release := c.busy()
		var group sync.WaitGroup
		for j := range each {
			for i := range sessions {
				group.Go(func() {
					var alone bool
					p, err := c.end(sessions[i][j], func(ctx context.Context, leaving []logout.Participation) error {
						left, err := c.Remaining(ctx, leaving, time.Now())
						alone = len(left) == 0
						return err
					})
					if err != nil || p == nil {
						t.Errorf("user %d: %v, %v", i, p, err)
						return
					}
					mu.Lock()
					defer mu.Unlock()
					if alone {
						subject := sessions[i][j].Subject
						if last[subject] == nil {
							last[subject] = map[string]bool{}
						}
						last[subject][p.LogoutID] = true
					}
				})
			}
		}
		c.until("all wait for a place", func() bool { return c.WaitingEnds() == people*each })
		release()
		group.Wait()
		for i := range sessions {
			if n := len(last[sessions[i][0].Subject]); n != 1 {
				t.Errorf("user %d: %d logouts were the last, want one", i, n)
			}
		}
	})
}

// A session that somebody holds keeps nobody waiting but whoever wants to end it.
func TestEndTogetherWaitsForNobody(t *testing.T) {
	db := databasetest.Open(t, databasetest.PostgresURL(t))
	c := &crowd{T: t, Store: logoutstore.New(db), db: db}
	var held []logout.Session
	for i := range 3 { // more than there are places
		held = append(held, c.login(fmt.Sprintf("held-%d", i), 1))
	}
	let, taken := make(chan struct{}), make(chan error, 1)
	var group sync.WaitGroup
	group.Go(func() {
		err := db.Tx(context.WithoutCancel(t.Context()), func(ctx context.Context) error {
			for _, s := range held {
				if _, err := c.Lock(ctx, s.ID, time.Now()); err != nil {
					return err
				}
			}
			taken <- nil
			<-let
			return nil
		})
		if err != nil {
			taken <- err
		}
	})
	if err := <-taken; err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, len(held))
	for _, s := range held {
		go func() {
			_, err := c.end(s, nil)
			ended <- err
		}()
	}
	c.until("their logouts wait for them alone", func() bool {
		var n int
		res := db.Reader(t.Context()).Raw("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'").Scan(&n)
		return res.Error == nil && n == len(held)
	})
	for i := range 10 {
		begun := time.Now()
		if p, err := c.end(c.login("bob", 2), nil); err != nil || p == nil {
			t.Errorf("logout %d: %v, %v", i, p, err)
		}
		if took := time.Since(begun); took > 5*time.Second {
			t.Errorf("logout %d took %s", i, took)
		}
	}
	select {
	case err := <-ended:
		t.Errorf("a session that is held has ended: %v", err)
	default:
	}
	close(let)
	group.Wait()
	for range held {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	insured(t, db)
}
