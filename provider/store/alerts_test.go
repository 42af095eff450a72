package store_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/exeunt-id/exeunt/database/databasetest"
	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider/alert"
	"github.com/exeunt-id/exeunt/provider/identity"
	"github.com/exeunt-id/exeunt/provider/mail"
)

// postman takes mails, or says why not.
type postman struct {
	mu     sync.Mutex
	failed map[string]error // by recipient
	taken  []string         // recipient and subject
}

func (p *postman) Send(_ context.Context, m mail.Message) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.failed[m.To]; err != nil {
		return err
	}
	p.taken = append(p.taken, m.To+": "+m.Subject)
	return nil
}

// newsroom is everything that writes mails, over a store with deliveries of one client.
type newsroom struct {
	*testing.T
	*fixture
	watcher *alert.Watcher
	post    *alert.Post
	postman *postman
}

func newNewsroom(t *testing.T, f *fixture) *newsroom {
	t.Helper()
	must(t, f.Clients.Create(t.Context(), identity.Client{ID: "shop", Name: "Shop", Contacts: []string{"dev@shop.example.com", "https://shop.example.com"}}))
	p := &postman{failed: map[string]error{}}
	log := slog.New(slog.DiscardHandler)
	return &newsroom{
		T: t, fixture: f, postman: p,
		watcher: &alert.Watcher{
			Watch: f.Alerts, Ladder: f.Alerts, Clients: f.Clients, Operator: "ops@example.com", Issuer: "https://id.example.com", RetryFor: 72 * time.Hour,
			NewID: logout.NewID, Now: f.now, Logger: log,
		},
		post: &alert.Post{Outbox: f.Mails, Sender: p, Now: f.now, Logger: log},
	}
}

// deliver writes a delivery in a state, created and settled so long ago.
func (n *newsroom) deliver(subject string, state logout.State, created, settled time.Duration) string {
	n.Helper()
	ctx, now := n.Context(), n.now()
	session, _ := n.session(n.T, subject, "shop")
	id := logout.NewID()
	_, err := n.sessions.End(ctx, logout.NewID(), logout.Request{Cause: logout.CauseAdmin, Target: logout.Target{SessionID: session}}, now,
		func(_ context.Context, sessions []logout.Session, _ []logout.Participation) (*logout.Plan, error) {
			d := logout.Delivery{
				ID: id, LogoutID: logout.NewID(), ClientID: "shop", Channel: logout.ChannelBackchannel, State: state, SessionID: session, Subject: subject,
				Attempts: 1, CreatedAt: now.Add(-created), NextAt: now.Add(time.Minute), GiveUpAt: now.Add(time.Hour), LastStatus: 503, LastError: "the endpoint answered 503",
			}
			if state.Final() {
				d.SettledAt = now.Add(-settled)
			}
			p := &logout.Plan{LogoutID: d.LogoutID, At: now, Sessions: sessions, Deliveries: []logout.Delivery{d}}
			return p, nil
		})
	must(n.T, err)
	return id
}

func (n *newsroom) settle(id string, state logout.State) {
	n.Helper()
	now := n.now().UnixMicro()
	must(n.T, n.db.Writer(n.Context()).Exec("UPDATE logout_deliveries SET state = ?, settled_at = ? WHERE id = ?", string(state), now, id).Error)
}

// look moves the clock, looks for trouble and sends; it returns what the postman took.
func (n *newsroom) look(after time.Duration) []string {
	n.Helper()
	n.advance(after)
	must(n.T, n.watcher.Look(n.Context()))
	return n.send()
}

func (n *newsroom) send() []string {
	n.Helper()
	must(n.T, n.post.Send(n.Context()))
	n.postman.mu.Lock()
	defer n.postman.mu.Unlock()
	taken := n.postman.taken
	n.postman.taken = nil
	return taken
}

func (n *newsroom) want(got []string, subject string) {
	n.Helper()
	var want []string
	if subject != "" {
		want = []string{"dev@shop.example.com: Shop " + subject, "ops@example.com: Shop " + subject}
	}
	if slices.Sort(got); !slices.Equal(got, want) {
		n.Errorf("sent %q, want %q", got, want)
	}
}

func TestAlertLadder(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		n := newNewsroom(t, f)
		n.deliver("zoe", logout.StateDead, 50*time.Hour, 48*time.Hour) // from before anybody asked for mail
		n.want(n.look(0), "")
		first := n.deliver("alice", logout.StateRetrying, 0, 0)
		n.want(n.look(4*time.Minute), "")
		n.deliver("alice", logout.StateRetrying, 0, 0)
		must(t, n.db.Writer(t.Context()).Exec("UPDATE logout_deliveries SET next_at = ?", n.now().Add(time.Hour).UnixMicro()).Error)
		n.want(n.look(2*time.Minute), "does not take logout messages")
		n.want(n.look(time.Minute), "")
		facts, err := n.Alerts.Facts(t.Context(), alert.Incident{ClientID: "shop", BeganAt: n.now().Add(-10 * time.Minute)})
		if want := (alert.Facts{People: 1, Messages: 2, LastStatus: 503, LastError: "the endpoint answered 503"}); err != nil || facts != want {
			t.Errorf("facts %+v, %v; want %+v", facts, err, want)
		}
		n.want(n.look(time.Hour), "has not taken logout messages for over an hour")
		n.want(n.look(time.Hour), "")
		n.settle(first, logout.StateDead)
		n.want(n.look(time.Minute), "has missed logout messages")
		n.settle(first, logout.StateDead)
		n.want(n.look(time.Minute), "")
		// One acknowledgment is not enough while others wait.
		n.deliver("bob", logout.StateDelivered, 0, 0)
		n.want(n.look(time.Minute), "")
		must(t, n.db.Writer(t.Context()).Exec("UPDATE logout_deliveries SET state = 'delivered', settled_at = ? WHERE state = 'retrying'", n.now().UnixMicro()).Error)
		n.want(n.look(time.Minute), "takes logout messages again")
		n.want(n.look(time.Minute), "")
		// It comes and goes: no flood.
		n.deliver("carol", logout.StateRetrying, 10*time.Minute, 0)
		n.want(n.look(time.Minute), "")
		must(t, n.db.Writer(t.Context()).Exec("UPDATE logout_deliveries SET next_at = ?", n.now().Add(100*time.Hour).UnixMicro()).Error)
		n.want(n.look(time.Hour), "does not take logout messages")
	})
}

// A breaker that is open is trouble at once, and no other when it has closed and something was acknowledged.
func TestAlertBreaker(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		n := newNewsroom(t, f)
		breaker := func(open bool) {
			t.Helper()
			must(t, n.db.Writer(t.Context()).Exec(`INSERT INTO logout_receivers (client_id, channel, open, changed_at) VALUES ('shop', 'backchannel', ?, ?)
				ON CONFLICT (client_id, channel) DO UPDATE SET open = excluded.open, changed_at = excluded.changed_at`, open, n.now().UnixMicro()).Error)
		}
		breaker(true)
		n.want(n.look(time.Second), "does not take logout messages")
		breaker(false)
		n.want(n.look(time.Minute), "")
		n.deliver("alice", logout.StateDelivered, 0, 0)
		n.want(n.look(time.Minute), "takes logout messages again")
	})
}

// An outcome that becomes visible only after somebody has looked past its time is seen in the next look.
func TestAlertSeesLateOutcomes(t *testing.T) {
	n := newNewsroom(t, newFixture(databasetest.Open(t, databasetest.SQLiteURL(t))))
	n.want(n.look(time.Minute), "")
	n.deliver("alice", logout.StateDead, time.Hour, 10*time.Second)
	n.want(n.look(30*time.Second), "has missed logout messages")
	n.want(n.look(30*time.Second), "")
	n.want(n.look(2*time.Hour), "")
}

// Of many nodes one looks, one moves the ladder, and one sends each mail.
func TestAlertNodes(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		n := newNewsroom(t, f)
		n.deliver("alice", logout.StateRejected, time.Minute, 0)
		n.advance(time.Second)
		var group sync.WaitGroup
		for range 8 {
			group.Go(func() {
				if err := n.watcher.Look(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		// And if two looked all the same, because one was slow:
		from, to := alert.Incident{ClientID: "shop"}, alert.Incident{ClientID: "shop", Rung: alert.First, BeganAt: n.now()}
		must(t, n.Alerts.Move(t.Context(), from, to, []mail.Message{{ID: logout.NewID(), At: n.now(), To: "late@example.com"}}))
		for range 8 {
			group.Go(func() {
				if err := n.post.Send(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		n.want(n.send(), "has missed logout messages")
	})
}

// Mails wait for their mail server; the news that it missed is not told late.
func TestMailServerAway(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		n := newNewsroom(t, f)
		away := errors.New("connection refused")
		n.postman.failed = map[string]error{"dev@shop.example.com": away, "ops@example.com": away}
		id := n.deliver("alice", logout.StateRetrying, 10*time.Minute, 0)
		n.want(n.look(time.Second), "")
		n.want(n.look(time.Second), "")
		n.postman.failed = map[string]error{"dev@shop.example.com": away}
		if got := n.look(2 * time.Minute); len(got) > 1 || len(got) == 1 && !strings.HasPrefix(got[0], "ops@") {
			t.Errorf("sent %q", got)
		}
		if got := append(n.look(2*time.Minute), n.look(4*time.Minute)...); len(got) > 1 {
			t.Errorf("sent again: %q", got)
		}
		// Who never heard of the trouble does not hear of its end.
		n.settle(id, logout.StateDelivered)
		n.postman.failed = nil
		got := n.look(time.Minute)
		if want := []string{"ops@example.com: Shop takes logout messages again"}; !slices.Equal(got, want) {
			t.Errorf("sent %q, want %q", got, want)
		}
		for range 100 {
			if got := n.look(time.Hour); len(got) > 0 {
				t.Fatalf("sent %q", got)
			}
		}
	})
}

// A recipient that is refused keeps nobody from hearing; one whose mail is never taken is given up, and a node that dies loses no mail.
func TestMailGivenUp(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		n := newNewsroom(t, f)
		n.postman.failed["dev@shop.example.com"] = &mail.RefusedError{Reason: "550"}
		n.deliver("alice", logout.StateRejected, time.Minute, 0)
		if got := n.look(time.Second); len(got) != 1 || !strings.HasPrefix(got[0], "ops@") {
			t.Errorf("sent %q", got)
		}
		states := func() string {
			var all []string
			must(t, n.db.Reader(t.Context()).Raw("SELECT recipient || ' ' || state || ' ' || attempts FROM mails ORDER BY recipient").Scan(&all).Error)
			return strings.Join(all, ", ")
		}
		if got, want := states(), "dev@shop.example.com failed 1, ops@example.com sent 1"; got != want {
			t.Errorf("mails: %s; want %s", got, want)
		}

		must(t, n.db.Writer(t.Context()).Exec("DELETE FROM mails").Error)
		must(t, n.Alerts.Move(t.Context(), alert.Incident{ClientID: "wiki"}, alert.Incident{ClientID: "wiki", Rung: alert.First, BeganAt: n.now(), MovedAt: n.now()},
			[]mail.Message{{ID: logout.NewID(), At: n.now(), To: "ops@example.com", Subject: "s", Text: "t"}}))
		claim := func() bool {
			t.Helper()
			_, ok, err := n.Mails.Claim(t.Context(), n.now(), n.now().Add(2*time.Minute))
			must(t, err)
			return ok
		}
		if !claim() || claim() {
			t.Error("the mail was there for none or for two")
		}
		n.advance(3 * time.Minute) // the node that had it died
		n.postman.failed["ops@example.com"] = errors.New("away")
		for range 200 {
			n.send()
			n.advance(time.Hour)
		}
		if got := states(); !strings.HasPrefix(got, "ops@example.com failed") {
			t.Errorf("after days: %s", got)
		}
		must(t, n.Mails.Sweep(t.Context(), n.now()))
		if got := states(); got != "" {
			t.Errorf("after the sweep: %s", got)
		}
	})
}

func TestAlertWithoutContacts(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		n := newNewsroom(t, f)
		n.watcher.Operator = ""
		must(t, f.Clients.Update(t.Context(), identity.Client{ID: "shop", Name: "Shop"}))
		n.deliver("alice", logout.StateRejected, time.Minute, 0)
		if got := n.look(time.Second); len(got) != 0 {
			t.Errorf("sent %q", got)
		}
	})
}
