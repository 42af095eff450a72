package logout_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/database/databasetest"
	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/logout/logoutstore"
	"github.com/exeunt-id/exeunt/logout/logouttest"
)

const issuer = "https://id.example.com"

// stage is an engine with a real store and its queue running.
type stage struct {
	*logout.Engine
	db      *database.DB
	store   *logoutstore.Store
	clients *logouttest.Clients
	rps     []*logouttest.RP
}

func newStage(t *testing.T, db *database.DB, rps int, tune func(*logout.Config)) *stage {
	t.Helper()
	s := &stage{db: db, store: logoutstore.New(db), clients: &logouttest.Clients{}}
	for i := range rps {
		rp := logouttest.NewRP(t, fmt.Sprintf("rp-%d", i))
		s.rps = append(s.rps, rp)
		s.clients.Put(rp.Client())
	}
	outgoing, err := logout.NewOutgoing(logout.OutgoingConfig{})
	if err != nil {
		t.Fatal(err)
	}
	cfg := logout.Config{
		Issuer: issuer, Store: s.store, Clients: s.clients, Signer: logouttest.NewSigner(t), Outgoing: outgoing, AttemptTimeout: 2 * time.Second,
	}
	if tune != nil {
		tune(&cfg)
	}
	if s.Engine, err = logout.New(cfg); err != nil {
		t.Fatal(err)
	}
	if err := db.StartQueue(t.Context(), logoutstore.Work(s.Engine, 16, cfg.AttemptTimeout)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = s.Stop(ctx) // a hanging RP is what some tests are about
		if err := db.StopQueue(ctx); err != nil {
			t.Error(err)
		}
	})
	return s
}

// login starts a session in which every RP takes part.
func (s *stage) login(t *testing.T, subject string) logout.Session {
	t.Helper()
	now := time.Now().UTC()
	session := logout.Session{ID: logout.NewID(), Subject: subject, AuthTime: now, CreatedAt: now, SeenAt: now, IdleUntil: now.Add(time.Hour), ExpiresAt: now.Add(time.Hour)}
	if err := s.store.Start(t.Context(), session); err != nil {
		t.Fatal(err)
	}
	for _, rp := range s.rps {
		if _, err := s.store.Join(t.Context(), session.ID, rp.ClientID, subject, now); err != nil {
			t.Fatal(err)
		}
	}
	return session
}

func (s *stage) end(t *testing.T, session logout.Session) *logout.Outcome {
	t.Helper()
	out, err := s.End(t.Context(), logout.Request{Cause: logout.CauseRPInitiated, Actor: logout.Actor{Kind: "user"}, Target: logout.Target{SessionID: session.ID}})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// until polls a condition, for what other goroutines and the queue bring about.
func until(t *testing.T, within time.Duration, what string, condition func() bool) {
	t.Helper()
	deadline := time.NewTimer(within)
	defer deadline.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-deadline.C:
			t.Fatalf("not within %s: %s", within, what)
		case <-tick.C:
		}
	}
}

func states(receipts []logout.Receipt) map[logout.State]int {
	count := make(map[logout.State]int)
	for _, r := range receipts {
		count[r.State]++
	}
	return count
}

func TestEveryPartyIsTold(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		s := newStage(t, db, 10, nil)
		session := s.login(t, "alice")
		out := s.end(t, session)
		receipts := s.Wait(t.Context(), out.LogoutID, 5*time.Second)
		if got := states(receipts); got[logout.StateDelivered] != 10 {
			t.Fatalf("receipts: %v, want 10 delivered", got)
		}
		sids := make(map[string]bool)
		for _, rp := range s.rps {
			told := rp.Acknowledged()
			if len(told) != 1 {
				t.Fatalf("%s was told %d times", rp.ClientID, len(told))
			}
			c := told[0]
			_, hasEvent := c.Events["http://schemas.openid.net/event/backchannel-logout"]
			if c.Issuer != issuer || c.Audience != rp.ClientID || c.Subject != "alice" || c.ID == "" || c.Nonce != nil || len(c.Events) != 1 || !hasEvent || c.Expires-c.IssuedAt > 120 {
				t.Errorf("%s: claims %+v", rp.ClientID, c)
			}
			sids[c.SID] = true
		}
		if len(sids) != 10 {
			t.Errorf("%d different sids, want one per party", len(sids))
		}
		if again := s.end(t, session); again.LogoutID != "" {
			t.Errorf("ending twice made a second logout %s", again.LogoutID)
		}
		until(t, 5*time.Second, "nothing is left to do after everybody has acknowledged", func() bool { return jobs(t, db) == 0 })
	})
}

// jobs counts what is still to be done, by jobs and by this node.
func jobs(t *testing.T, db *database.DB) int {
	t.Helper()
	var n int
	query := "SELECT (SELECT count(*) FROM river_job WHERE state NOT IN ('completed', 'cancelled')) + (SELECT count(*) FROM logouts WHERE job_id = 0)"
	if err := db.Reader(t.Context()).Raw(query).Scan(&n).Error; err != nil {
		t.Fatal(err)
	}
	return n
}

// One RP accepts and never answers. Nobody else notices.
func TestDeadPartyDelaysNobody(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		s := newStage(t, db, 10, nil)
		s.rps[3].Hang()
		session := s.login(t, "alice")
		start := time.Now()
		out := s.end(t, session)
		receipts := s.Wait(t.Context(), out.LogoutID, 800*time.Millisecond)
		if took := time.Since(start); took > 1200*time.Millisecond {
			t.Errorf("the person waited %s", took)
		}
		if got := states(receipts); got[logout.StateDelivered] != 9 || got[logout.StatePending] != 1 {
			t.Errorf("receipts after the wait: %v, want 9 delivered and 1 pending", got)
		}
	})
}

// A receiver that holds every connection gets ten of them; the rest is put off without an attempt, and healthy parties are told at once.
func TestStuckPartyHoldsTenConnections(t *testing.T) {
	db := databasetest.Open(t, databasetest.SQLiteURL(t))
	s := newStage(t, db, 2, nil)
	s.rps[0].Hang()
	for i := range 30 {
		s.end(t, s.login(t, fmt.Sprintf("user-%d", i)))
	}
	until(t, 5*time.Second, "the healthy party is told of all 30", func() bool { return len(s.rps[1].Acknowledged()) == 30 })
	until(t, 5*time.Second, "20 deliveries are put off", func() bool {
		all, err := s.store.List(t.Context(), logout.Filter{ClientID: "rp-0", States: []logout.State{logout.StateRetrying}})
		return err == nil && len(all) >= 20 && all[0].Attempts == 0
	})
}

func TestRetryUntilAcknowledged(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		s := newStage(t, db, 3, nil)
		s.rps[0].Answer(logouttest.Unavailable)
		moved := s.rps[1].Client()
		moved.BackchannelLogoutURI = logouttest.Refused(t)
		s.clients.Put(moved)
		out := s.end(t, s.login(t, "alice"))
		if got := states(s.Wait(t.Context(), out.LogoutID, 2*time.Second)); got[logout.StateRetrying] != 2 || got[logout.StateDelivered] != 1 {
			t.Fatalf("receipts: %v, want 2 retrying and 1 delivered", got)
		}
		s.rps[0].Answer(logouttest.OK)
		s.clients.Put(s.rps[1].Client()) // the current address counts, not the one at the logout
		until(t, 20*time.Second, "both were told after all", func() bool {
			return len(s.rps[0].Acknowledged()) == 1 && len(s.rps[1].Acknowledged()) == 1
		})
		until(t, 5*time.Second, "their receipts say so", func() bool {
			receipts, err := s.Receipts(t.Context(), out.LogoutID)
			return err == nil && states(receipts)[logout.StateDelivered] == 3
		})
		asked := s.rps[0].Asked()
		if len(asked) < 2 || asked[0] != asked[len(asked)-1] || asked[0] == "" {
			t.Errorf("delivery ids %v, want one that stays", asked)
		}
		_, attempts, err := s.store.Show(t.Context(), asked[0])
		if err != nil || len(attempts) < 2 || attempts[0].Status != 503 || attempts[len(attempts)-1].Status != 200 {
			t.Errorf("attempts %+v, %v", attempts, err)
		}
	})
}

// With no place for an early start, as on a node that is stopping, the job delivers.
func TestInsuranceDelivers(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		s := newStage(t, db, 3, nil)
		session := s.login(t, "alice")
		if err := s.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.end(t, session)
		until(t, 15*time.Second, "the job told everybody", func() bool {
			for _, rp := range s.rps {
				if len(rp.Acknowledged()) != 1 {
					return false
				}
			}
			return true
		})
	})
}

// dying is the store of a node that dies right after each commit.
type dying struct{ *logoutstore.Store }

func (dying) AfterTx(context.Context, func(bool)) {}

// What a node that died was to tell is told by another, when the first attempts should be over, and once.
func TestRescueDelivers(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		var late atomic.Int64
		var died *logout.Engine
		s := newStage(t, db, 3, func(c *logout.Config) {
			first := *c
			first.Store = dying{logoutstore.New(db)}
			var err error
			if died, err = logout.New(first); err != nil {
				t.Fatal(err)
			}
			c.Now = func() time.Time { return time.Now().Add(time.Duration(late.Load())) }
		})
		// The one is on its own, the other could share a transaction.
		for _, ctx := range []context.Context{t.Context(), context.WithoutCancel(t.Context())} {
			if _, err := died.End(ctx, logout.Request{Cause: logout.CauseRPInitiated, Target: logout.Target{SessionID: s.login(t, "alice").ID}}); err != nil {
				t.Fatal(err)
			}
		}
		late.Store(int64(9 * time.Second)) // AttemptTimeout is 2 s
		if n, err := s.Rescue(t.Context()); n != 0 || err != nil {
			t.Errorf("rescued %d, %v, while the node could be at it", n, err)
		}
		late.Store(int64(11 * time.Second))
		if n, err := s.Rescue(t.Context()); n != 2 || err != nil {
			t.Errorf("rescued %d, %v; want both", n, err)
		}
		until(t, 15*time.Second, "the jobs told everybody", func() bool {
			for _, rp := range s.rps {
				if len(rp.Acknowledged()) != 2 {
					return false
				}
			}
			return true
		})
		if n, err := s.Rescue(t.Context()); n != 0 || err != nil {
			t.Errorf("rescued %d again, %v", n, err)
		}
	})
}

// raced is a store whose first transaction comes to nothing, and in whose next one somebody else was faster.
type raced struct {
	*logoutstore.Store
	db *database.DB
}

func (r raced) End(ctx context.Context, id string, req logout.Request, at time.Time, plan logout.PlanFunc) (*logout.Plan, error) {
	_ = r.db.Tx(ctx, func(ctx context.Context) error {
		_, err := r.Store.End(ctx, id, req, at, plan)
		return errors.Join(err, errors.New("rolled back"))
	})
	return nil, nil
}

// A place that a plan took which came to nothing is given back.
func TestPlaceOfALostPlan(t *testing.T) {
	db := databasetest.Open(t, databasetest.SQLiteURL(t))
	s := newStage(t, db, 1, func(c *logout.Config) { c.Store, c.Workers = raced{logoutstore.New(db), db}, 1 })
	session := s.login(t, "alice")
	for range 2 {
		if out := s.end(t, session); out.LogoutID != "" {
			t.Errorf("%+v", out)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	if err := s.Stop(ctx); err != nil {
		t.Error(err)
	}
}

// A transaction that rolls back tells nobody, leaves the session alive and gives its place back.
func TestRollback(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		s := newStage(t, db, 1, func(c *logout.Config) { c.Workers = 1 })
		session := s.login(t, "alice")
		boom := errors.New("boom")
		err := db.Tx(context.WithoutCancel(t.Context()), func(ctx context.Context) error {
			if _, err := s.End(ctx, logout.Request{Cause: logout.CauseAdmin, Target: logout.Target{SessionID: session.ID}}); err != nil {
				return err
			}
			return boom
		})
		if !errors.Is(err, boom) {
			t.Fatal(err)
		}
		// The second try is joined to a transaction too, and this one commits.
		var out *logout.Outcome
		err = db.Tx(context.WithoutCancel(t.Context()), func(ctx context.Context) (err error) {
			out, err = s.End(ctx, logout.Request{Cause: logout.CauseAdmin, Target: logout.Target{SessionID: session.ID}})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if got := states(s.Wait(t.Context(), out.LogoutID, 5*time.Second)); got[logout.StateDelivered] != 1 {
			t.Errorf("receipts after the second try: %v", got)
		}
		until(t, 2*time.Second, "the outcome is written by the node that ended the session", func() bool {
			all, err := s.store.List(t.Context(), logout.Filter{LogoutID: out.LogoutID})
			return err == nil && all[0].State == logout.StateDelivered
		})
		if n := len(s.rps[0].Acknowledged()); n != 1 {
			t.Errorf("told %d times, want once", n)
		}
	})
}

// What InEnd does is part of the logout: if it fails, nothing has ended.
func TestInEnd(t *testing.T) {
	boom := errors.New("boom")
	var once sync.Once
	db := databasetest.Open(t, databasetest.SQLiteURL(t))
	s := newStage(t, db, 1, func(c *logout.Config) {
		c.InEnd = func(context.Context, *logout.Plan) (err error) {
			once.Do(func() { err = boom })
			return err
		}
	})
	session := s.login(t, "alice")
	req := logout.Request{Cause: logout.CauseAdmin, Target: logout.Target{SessionID: session.ID}}
	if _, err := s.End(t.Context(), req); !errors.Is(err, boom) {
		t.Fatalf("End = %v, want boom", err)
	}
	if out, err := s.End(t.Context(), req); err != nil || out.LogoutID == "" {
		t.Errorf("after the failure: %+v, %v; the session should have lived on", out, err)
	}
}

// A client that has no back-channel, or is gone, is shown as such and stops nobody else.
func TestUnreachable(t *testing.T) {
	db := databasetest.Open(t, databasetest.SQLiteURL(t))
	s := newStage(t, db, 3, nil)
	s.clients.Put(logout.Client{ID: "rp-0"})
	s.clients.Delete("rp-1")
	out := s.end(t, s.login(t, "alice"))
	if got := states(s.Wait(t.Context(), out.LogoutID, 5*time.Second)); got[logout.StateUnreachable] != 2 || got[logout.StateDelivered] != 1 {
		t.Errorf("receipts: %v", got)
	}
}

func TestSweep(t *testing.T) {
	db := databasetest.Open(t, databasetest.SQLiteURL(t))
	now := time.Now()
	s := newStage(t, db, 1, func(c *logout.Config) { c.Now = func() time.Time { return now } })
	session := s.login(t, "alice")
	if n, err := s.Sweep(t.Context()); n != 0 || err != nil {
		t.Errorf("Sweep ended %d, %v; nothing had lapsed", n, err)
	}
	now = session.IdleUntil
	if n, err := s.Sweep(t.Context()); n != 1 || err != nil {
		t.Errorf("Sweep ended %d, %v; want the idle session", n, err)
	}
	until(t, 5*time.Second, "the party is told", func() bool { return len(s.rps[0].Acknowledged()) == 1 })
}

func TestRequestValidate(t *testing.T) {
	for name, test := range map[string]struct {
		req logout.Request
		ok  bool
	}{
		"session":                      {logout.Request{Cause: logout.CauseRedirect, Target: logout.Target{SessionID: "s"}}, true},
		"everyone":                     {logout.Request{Cause: logout.CauseAdmin, Target: logout.Target{Everyone: true}}, true},
		"nothing":                      {logout.Request{Cause: logout.CauseAdmin}, false},
		"only an exception":            {logout.Request{Cause: logout.CauseAdmin, Target: logout.Target{ExceptSessionID: "s"}}, false},
		"everyone and alice":           {logout.Request{Cause: logout.CauseAdmin, Target: logout.Target{Everyone: true, Subject: "alice"}}, false},
		"no cause":                     {logout.Request{Target: logout.Target{SessionID: "s"}}, false},
		"one app of nobody":            {logout.Request{Cause: logout.CauseAccountApp, Target: logout.Target{ClientID: "c", OnlyParticipation: true}}, false},
		"one app of everyone":          {logout.Request{Cause: logout.CauseAdmin, Target: logout.Target{ClientID: "c", Everyone: true, OnlyParticipation: true}}, true},
		"every app of everyone":        {logout.Request{Cause: logout.CauseAdmin, Target: logout.Target{Everyone: true, OnlyParticipation: true}}, false},
		"an app of everyone and alice": {logout.Request{Cause: logout.CauseAdmin, Target: logout.Target{ClientID: "c", Subject: "alice", Everyone: true, OnlyParticipation: true}}, false},
		"no app of alice":              {logout.Request{Cause: logout.CauseAccountApp, Target: logout.Target{Subject: "alice", OnlyParticipation: true}}, false},
		"one app of alice":             {logout.Request{Cause: logout.CauseAccountApp, Target: logout.Target{Subject: "alice", ClientID: "c", OnlyParticipation: true}}, true},
		"this and except that":         {logout.Request{Cause: logout.CauseAccount, Target: logout.Target{SessionID: "s", ExceptSessionID: "t"}}, false},
	} {
		if err := test.req.Validate(); (err == nil) != test.ok || err != nil && !errors.Is(err, logout.ErrInvalidRequest) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
