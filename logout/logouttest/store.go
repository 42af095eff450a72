package logouttest

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/exeunt-id/exeunt/logout"
)

// Opened is a store under test.
type Opened struct {
	Store logout.Store

	// Tx runs fn in one transaction of the store.
	Tx func(ctx context.Context, fn func(ctx context.Context) error) error

	// Insured fails the test unless every logout with a pending delivery has its insurance job or can be rescued, every retrying delivery a job
	// of its own or, if it is parked, its receiver a turn, and every turn a job.
	Insured func(t *testing.T)
}

// TestStore is the conformance suite of logout.Store: what the engine relies on. open returns an empty store.
func TestStore(t *testing.T, open func(t *testing.T) Opened) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, s Opened)
	}{
		{"session", testSession},
		{"join", testJoin},
		{"end", testEnd},
		{"targets", testTargets},
		{"only participation", testOnlyParticipation},
		{"rollback", testRollback},
		{"concurrent ends", testConcurrentEnds},
		{"end against issue", testEndAgainstIssue},
		{"write", testWrite},
		{"settle", testSettle},
		{"redeliver", testRedeliver},
		{"redeliver during an attempt", testRedeliverDuringAttempt},
		{"redeliver what was pulled", testRedeliverPulled},
		{"doubled outcome", testDoubledOutcome},
		{"rescue", testRescue},
		{"lapsed", testLapsed},
		{"parked", testParked},
		{"breaker", testBreaker},
		{"one turn", testOneTurn},
		{"wrong clock", testWrongClock},
		{"parking against the end of a turn", testParkingAgainstEnd},
		{"waiting", testWaiting},
		{"collect", testCollect},
		{"shift", testShift},
		{"health", testHealth},
		{"mass", testMass},
		{"events", testEvents},
		{"many events", testManyEvents},
		{"readers", testReaders},
		{"acknowledge", testAcknowledge},
		{"user tokens", testUserTokens},
		{"remaining", testRemaining},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := open(t)
			test.run(t, s)
			s.Insured(t)
		})
	}
}

// epoch is the suite's time; it has microseconds, which a store must keep.
var epoch = time.Date(2026, 3, 4, 5, 6, 7, 891011000, time.UTC)

func newSession(subject string) logout.Session {
	id := logout.NewID()
	hash := sha256.Sum256([]byte(id))
	return logout.Session{
		ID: id, Subject: subject, SecretHash: hash[:], AuthTime: epoch, CreatedAt: epoch, SeenAt: epoch,
		IdleUntil: epoch.Add(time.Hour), ExpiresAt: epoch.Add(24 * time.Hour), Address: "192.0.2.7", UserAgent: "suite",
	}
}

// start begins a session in which the clients take part.
func start(t *testing.T, s Opened, subject string, clients ...string) logout.Session {
	t.Helper()
	session := newSession(subject)
	must(t, s.Store.Start(t.Context(), session))
	for _, c := range clients {
		_, err := s.Store.Join(t.Context(), session.ID, c, subject, epoch)
		must(t, err)
	}
	return session
}

// plan tells every leaving client by a pending delivery; like the engine, it makes no plan for nothing.
func plan(id string, req logout.Request) logout.PlanFunc {
	return func(_ context.Context, sessions []logout.Session, leaving []logout.Participation) (*logout.Plan, error) {
		if len(sessions)+len(leaving) == 0 {
			return nil, nil
		}
		p := &logout.Plan{LogoutID: id, Request: req, At: epoch, Sessions: sessions, Leaving: leaving, Early: true}
		for _, part := range leaving {
			p.Deliveries = append(p.Deliveries, logout.Delivery{
				ID: logout.NewID(), LogoutID: id, ClientID: part.ClientID, Channel: logout.ChannelBackchannel, State: logout.StatePending, Cause: req.Cause,
				SessionID: part.SessionID, SID: part.SID, Subject: part.Subject, URI: "https://rp.example/", Alg: "RS256",
				CreatedAt: epoch, NextAt: epoch, GiveUpAt: epoch.Add(72 * time.Hour),
			})
		}
		return p, nil
	}
}

func end(ctx context.Context, s Opened, cause logout.Cause, target logout.Target) (*logout.Plan, error) {
	req := logout.Request{Cause: cause, Actor: logout.Actor{Kind: "user"}, Target: target}
	id := logout.NewID()
	return s.Store.End(ctx, id, req, epoch, plan(id, req))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func testSession(t *testing.T, s Opened) {
	want := start(t, s, "alice")
	got, err := s.Store.Find(t.Context(), want.ID)
	must(t, err)
	if !got.AuthTime.Equal(want.AuthTime) || !got.IdleUntil.Equal(want.IdleUntil) || got.Address != want.Address || got.Subject != "alice" || !got.Live(epoch) {
		t.Errorf("Find = %+v, want %+v", got, want)
	}
	hash := sha256.Sum256([]byte("another cookie"))
	later := epoch.Add(time.Minute)
	must(t, s.Store.Renew(t.Context(), want.ID, hash[:], later.Add(-time.Second), later, later.Add(time.Hour)))
	if _, err := s.Store.FindBySecret(t.Context(), want.SecretHash); !errors.Is(err, logout.ErrNoSession) {
		t.Errorf("the old cookie still finds the session: %v", err)
	}
	got, err = s.Store.FindBySecret(t.Context(), hash[:])
	must(t, err)
	if got.ID != want.ID || !got.AuthTime.Equal(later.Add(-time.Second)) || !got.SeenAt.Equal(later) {
		t.Errorf("after Renew = %+v", got)
	}
	lapsed := got.IdleUntil
	if err := s.Store.Touch(t.Context(), want.ID, lapsed, lapsed.Add(time.Hour)); !errors.Is(err, logout.ErrNoSession) {
		t.Errorf("Touch revives a session whose idle lifetime has passed: %v", err)
	}
	if err := s.Store.Renew(t.Context(), want.ID, hash[:], lapsed, lapsed, lapsed.Add(time.Hour)); !errors.Is(err, logout.ErrNoSession) {
		t.Errorf("Renew revives a session whose idle lifetime has passed: %v", err)
	}
	for _, empty := range [][]byte{nil, {}} {
		if _, err := s.Store.FindBySecret(t.Context(), empty); !errors.Is(err, logout.ErrNoSession) {
			t.Errorf("FindBySecret(%v) = %v, want ErrNoSession", empty, err)
		}
	}
	if _, err := s.Store.Lock(t.Context(), want.ID, got.IdleUntil); !errors.Is(err, logout.ErrNoSession) {
		t.Errorf("Lock at the end of the idle lifetime = %v, want ErrNoSession", err)
	}
	if _, err := s.Store.Find(t.Context(), "nobody"); !errors.Is(err, logout.ErrNoSession) {
		t.Errorf("Find of an unknown session = %v, want ErrNoSession", err)
	}
}

func testJoin(t *testing.T, s Opened) {
	session := start(t, s, "alice")
	var mu sync.Mutex
	sids := make(map[string]bool)
	parallel(t, 8, func(int) error {
		p, err := s.Store.Join(t.Context(), session.ID, "shop", "alice", epoch)
		mu.Lock()
		sids[p.SID] = true
		mu.Unlock()
		return err
	})
	if len(sids) != 1 {
		t.Errorf("%d sids for one session and client, want 1", len(sids))
	}
	for sid := range sids {
		p, found, err := s.Store.FindSID(t.Context(), sid)
		must(t, err)
		if p.ClientID != "shop" || found.ID != session.ID {
			t.Errorf("FindSID = %+v, %+v", p, found)
		}
	}
}

func testEnd(t *testing.T, s Opened) {
	session := start(t, s, "alice", "shop", "bank")
	other := start(t, s, "alice", "shop")
	p, err := end(t.Context(), s, logout.CauseRedirect, logout.Target{SessionID: session.ID})
	must(t, err)
	if len(p.Sessions) != 1 || len(p.Leaving) != 2 {
		t.Fatalf("plan has %d sessions and %d leaving, want 1 and 2", len(p.Sessions), len(p.Leaving))
	}
	got, err := s.Store.Find(t.Context(), session.ID)
	must(t, err)
	if got.EndedAt.IsZero() || got.LogoutID != p.LogoutID {
		t.Errorf("ended session = %+v", got)
	}
	if _, err := s.Store.Lock(t.Context(), session.ID, epoch); !errors.Is(err, logout.ErrNoSession) {
		t.Errorf("Lock of an ended session = %v, want ErrNoSession", err)
	}
	if err := s.Store.Touch(t.Context(), session.ID, epoch, epoch); !errors.Is(err, logout.ErrNoSession) {
		t.Errorf("Touch of an ended session = %v, want ErrNoSession", err)
	}
	if _, err := s.Store.Lock(t.Context(), other.ID, epoch); err != nil {
		t.Errorf("the other session of the same person: %v", err)
	}
	again, err := end(t.Context(), s, logout.CauseRedirect, logout.Target{SessionID: session.ID})
	if err != nil || again != nil {
		t.Errorf("second End = %+v, %v; want nothing", again, err)
	}
	due, err := s.Store.Due(t.Context(), logout.Scope{LogoutID: p.LogoutID})
	must(t, err)
	if len(due) != 2 || due[0].SID == due[1].SID || due[0].Subject != "alice" {
		t.Errorf("due = %+v", due)
	}
}

func testTargets(t *testing.T, s Opened) {
	phone := newSession("alice")
	phone.DeviceID = "phone"
	must(t, s.Store.Start(t.Context(), phone))
	laptop := start(t, s, "alice", "shop")
	office := start(t, s, "alice", "bank")
	bob := start(t, s, "bob", "shop")
	late := start(t, s, "carol", "shop")
	for _, test := range []struct {
		name   string
		target logout.Target
		want   []string
	}{
		{"device", logout.Target{DeviceID: "phone"}, []string{phone.ID}},
		{"subject at client", logout.Target{Subject: "alice", ClientID: "shop"}, []string{laptop.ID}},
		{"all but one", logout.Target{Subject: "alice", ExceptSessionID: office.ID}, nil},
		{"a part of a client's", logout.Target{ClientID: "shop", Part: logout.Part{Limit: 1}}, []string{bob.ID}},
		{"everyone of before", logout.Target{Everyone: true, Before: epoch}, nil},
		{"a part", logout.Target{Everyone: true, Before: epoch.Add(time.Microsecond), Part: logout.Part{Limit: 1, After: laptop.ID}}, []string{office.ID}},
		{"nothing but what outlived sessions", logout.Target{Everyone: true, Part: logout.Part{Limit: 1, Offline: true}}, nil},
		{"everyone", logout.Target{Everyone: true}, []string{late.ID}},
	} {
		p, err := end(t.Context(), s, logout.CauseAdmin, test.target)
		must(t, err)
		var got []string
		if p != nil {
			for _, session := range p.Sessions {
				got = append(got, session.ID)
			}
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s ended %v, want %v", test.name, got, test.want)
		}
	}
}

func testOnlyParticipation(t *testing.T, s Opened) {
	session := start(t, s, "alice", "shop", "bank")
	p, err := end(t.Context(), s, logout.CauseAccountApp, logout.Target{Subject: "alice", ClientID: "shop", OnlyParticipation: true})
	must(t, err)
	if len(p.Leaving) != 1 || p.Leaving[0].ClientID != "shop" {
		t.Fatalf("leaving = %+v, want the shop", p.Leaving)
	}
	if _, err := s.Store.Lock(t.Context(), session.ID, epoch); err != nil {
		t.Errorf("the session ended with its participation: %v", err)
	}
	back, err := s.Store.Join(t.Context(), session.ID, "shop", "alice", epoch)
	must(t, err)
	if back.SID == p.Leaving[0].SID {
		t.Error("a client that came back has its old sid: the late logout token would end the new login")
	}
	bob := start(t, s, "bob", "shop", "bank")
	p, err = end(t.Context(), s, logout.CauseAdmin, logout.Target{ClientID: "shop", Everyone: true, OnlyParticipation: true})
	must(t, err)
	if len(p.Leaving) != 2 || len(p.Sessions) != 2 || p.Leaving[0].ClientID != "shop" || p.Leaving[1].ClientID != "shop" {
		t.Errorf("leaving = %+v, want the shop of alice and of bob", p.Leaving)
	}
	for _, id := range []string{session.ID, bob.ID} {
		if parts, err := s.Store.Participations(t.Context(), id); err != nil || len(parts) != 1 || parts[0].ClientID != "bank" {
			t.Errorf("%+v, %v; want the bank to stay", parts, err)
		}
	}
}

func testRollback(t *testing.T, s Opened) {
	session := start(t, s, "alice", "shop")
	boom := errors.New("boom")
	var told []bool
	err := s.Tx(t.Context(), func(ctx context.Context) error {
		p, err := end(ctx, s, logout.CauseRedirect, logout.Target{SessionID: session.ID})
		if err != nil || p == nil {
			t.Errorf("End in a transaction = %v, %v", p, err)
		}
		s.Store.AfterTx(ctx, func(committed bool) { told = append(told, committed) })
		return boom
	})
	if !errors.Is(err, boom) || !slices.Equal(told, []bool{false}) {
		t.Errorf("error %v, told %v; want boom and one rollback", err, told)
	}
	if _, err := s.Store.Lock(t.Context(), session.ID, epoch); err != nil {
		t.Errorf("after the rollback the session is not live: %v", err)
	}
	left, err := s.Store.List(t.Context(), logout.Filter{})
	must(t, err)
	if len(left) != 0 {
		t.Errorf("%d deliveries survived the rollback", len(left))
	}
}

func testConcurrentEnds(t *testing.T, s Opened) {
	for range 20 {
		session := start(t, s, "alice", "shop", "bank")
		var plans atomic.Int32
		parallel(t, 4, func(i int) error {
			target := logout.Target{SessionID: session.ID}
			if i%2 == 1 {
				target = logout.Target{Subject: "alice"}
			}
			p, err := end(t.Context(), s, logout.CauseAdmin, target)
			if p != nil {
				plans.Add(1)
			}
			return err
		})
		if plans.Load() != 1 {
			t.Fatalf("%d logouts of one session, want 1", plans.Load())
		}
	}
	all, err := s.Store.List(t.Context(), logout.Filter{Limit: 1000})
	must(t, err)
	if len(all) != 40 {
		t.Errorf("%d deliveries for 20 logouts of 2 clients, want 40", len(all))
	}
}

// testEndAgainstIssue races a token endpoint (lock, join) against a logout, a thousand times: either the issuer is refused, or its client
// is told.
func testEndAgainstIssue(t *testing.T, s Opened) {
	for i := range 1000 {
		session := start(t, s, fmt.Sprintf("user-%d", i))
		var issued bool
		var p *logout.Plan
		parallel(t, 2, func(side int) (err error) {
			if side == 0 {
				p, err = end(t.Context(), s, logout.CauseRedirect, logout.Target{SessionID: session.ID})
				return err
			}
			err = s.Tx(t.Context(), func(ctx context.Context) error {
				if _, err := s.Store.Lock(ctx, session.ID, epoch); err != nil {
					return err
				}
				_, err := s.Store.Join(ctx, session.ID, "shop", session.Subject, epoch)
				return err
			})
			issued = err == nil
			if errors.Is(err, logout.ErrNoSession) {
				return nil
			}
			return err
		})
		if issued != (len(p.Leaving) == 1) {
			t.Fatalf("race %d: tokens issued: %t, clients told: %d", i, issued, len(p.Leaving))
		}
	}
}

func testLapsed(t *testing.T, s Opened) {
	session := start(t, s, "alice", "shop")
	none, err := s.Store.Lapsed(t.Context(), epoch, "", 10)
	must(t, err)
	if len(none) != 0 {
		t.Errorf("%d lapsed, want none", len(none))
	}
	p, err := end(t.Context(), s, logout.CauseIdle, logout.Target{SessionID: session.ID})
	if err != nil || p != nil {
		t.Errorf("the idle sweep ended an active session: %v, %v", p, err)
	}
	lapsed, err := s.Store.Lapsed(t.Context(), session.IdleUntil, "", 10)
	must(t, err)
	if len(lapsed) != 1 || lapsed[0].ID != session.ID {
		t.Errorf("lapsed = %+v", lapsed)
	}
	if rest, err := s.Store.Lapsed(t.Context(), session.IdleUntil, session.ID, 10); err != nil || len(rest) != 0 {
		t.Errorf("after the last one: %+v, %v", rest, err)
	}
}

// parallel runs fn n times at once and reports every error.
func parallel(t *testing.T, n int, fn func(i int) error) {
	t.Helper()
	var wg sync.WaitGroup
	for i := range n {
		wg.Add(1)
		go func() {
			defer wg.Done()
			if err := fn(i); err != nil {
				t.Error(err)
			}
		}()
	}
	wg.Wait()
}
