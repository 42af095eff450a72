package logout_test

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/database/databasetest"
	"github.com/exeunt-id/exeunt/logout"
)

// What an RP answers is not ours: a reason phrase that is no text must not spoil the record, its own or that of others.
func TestHostileAnswer(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		s := newStage(t, db, 2, nil)
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = l.Close() }()
		go func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				_, _ = io.WriteString(conn, "HTTP/1.1 500 caf\xe9 \x00\r\nContent-Length: 4\r\nConnection: close\r\n\r\n\xff\x00\x1b[")
				_ = conn.Close()
			}
		}()
		hostile := s.rps[0].Client()
		hostile.BackchannelLogoutURI = "http://" + l.Addr().String()
		s.clients.Put(hostile)
		out := s.end(t, s.login(t, "alice"))
		until(t, 3*time.Second, "both outcomes are written", func() bool {
			all, err := s.store.List(t.Context(), logout.Filter{LogoutID: out.LogoutID})
			return err == nil && all[0].State != logout.StatePending && all[1].State != logout.StatePending
		})
	})
}

// A delivery of a channel that only a newer node knows is left to that node, and a panic is the failure of one attempt.
func TestUnknownChannel(t *testing.T) {
	db := databasetest.Open(t, databasetest.SQLiteURL(t))
	s := newStage(t, db, 1, nil)
	if err := s.Stop(t.Context()); err != nil { // no early start: the jobs run
		t.Fatal(err)
	}
	session := s.login(t, "alice")
	err := db.Tx(t.Context(), func(ctx context.Context) error {
		out, err := s.End(ctx, logout.Request{Cause: logout.CauseAdmin, Target: logout.Target{SessionID: session.ID}})
		if err != nil {
			return err
		}
		return db.Writer(ctx).Exec("UPDATE logout_deliveries SET channel = 'telepathy' WHERE logout_id = ?", out.LogoutID).Error
	})
	if err != nil {
		t.Fatal(err)
	}
	until(t, 10*time.Second, "it waits for a node that knows the channel", func() bool {
		all, err := s.store.List(t.Context(), logout.Filter{States: []logout.State{logout.StateRetrying}})
		return err == nil && len(all) == 1 && all[0].Attempts == 0
	})
}

// unreadable is a registry in which one client cannot be looked up.
type unreadable struct {
	logout.Clients
	id string
}

func (u unreadable) LogoutClient(ctx context.Context, id string) (logout.Client, error) {
	if id == u.id {
		return logout.Client{}, errors.New("unreadable")
	}
	return u.Clients.LogoutClient(ctx, id)
}

// One session that cannot be ended keeps no other one alive.
func TestSweepGoesOn(t *testing.T) {
	db := databasetest.Open(t, databasetest.SQLiteURL(t))
	now := time.Now()
	s := newStage(t, db, 1, func(c *logout.Config) {
		c.Now = func() time.Time { return now }
		c.Clients = unreadable{c.Clients, "broken"}
	})
	bad := s.login(t, "alice")
	if _, err := s.store.Join(t.Context(), bad.ID, "broken", "alice", now); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		s.login(t, "bob")
	}
	now = now.Add(2 * time.Hour)
	if n, err := s.Sweep(t.Context()); n != 3 || err == nil {
		t.Errorf("Sweep ended %d, %v; want 3 and an error", n, err)
	}
}
