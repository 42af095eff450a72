package cli_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/database/databasetest"
	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/logout/logoutstore"
)

// ledger is a database with one logout from yesterday and the deliveries that follow from it.
type ledger struct {
	environ  []string
	logoutID string
	ids      map[string]string // of deliveries, by client
}

// newLedger ends a session in which three clients took part. What was told is delivered, dead after two attempts, and waits for its turn.
func newLedger(t *testing.T, url string) ledger {
	t.Helper()
	db, err := database.Open(t.Context(), url, database.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}()
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	store := logoutstore.New(db)
	at := time.Now().Add(-24 * time.Hour).UTC()
	l := ledger{environ: []string{"EXEUNT_DATABASE=" + url}, logoutID: logout.NewID(), ids: map[string]string{}}
	session := logout.Session{ID: logout.NewID(), Subject: "alice", SecretHash: []byte("hash"), AuthTime: at, CreatedAt: at, SeenAt: at, IdleUntil: at, ExpiresAt: at}
	if err := store.Start(t.Context(), session); err != nil {
		t.Fatal(err)
	}
	plan := func(_ context.Context, sessions []logout.Session, _ []logout.Participation) (*logout.Plan, error) {
		p := &logout.Plan{LogoutID: l.logoutID, At: at, Sessions: sessions}
		for _, client := range []string{"shop", "payroll", "wiki"} {
			l.ids[client] = logout.NewID()
			p.Deliveries = append(p.Deliveries, logout.Delivery{
				ID: l.ids[client], EventID: l.ids[client], LogoutID: l.logoutID, ClientID: client, Channel: logout.ChannelBackchannel, State: logout.StatePending,
				Cause: logout.CauseRedirect, SessionID: session.ID, SID: "sid of " + client, Subject: "alice", CreatedAt: at, NextAt: at, GiveUpAt: at.Add(72 * time.Hour),
			})
		}
		return p, nil
	}
	request := logout.Request{Cause: logout.CauseRedirect, Target: logout.Target{SessionID: session.ID}}
	if _, err := store.End(t.Context(), l.logoutID, request, at, plan); err != nil {
		t.Fatal(err)
	}
	settle := func(client string, number, status int, message string, state logout.State) {
		t.Helper()
		d, _, err := store.Show(t.Context(), l.ids[client])
		if err != nil {
			t.Fatal(err)
		}
		attempt := logout.Attempt{DeliveryID: d.ID, Number: number, At: at, Duration: 12 * time.Millisecond, Status: status, Error: message, State: state, Snippet: "<h1>\x1b[31m"}
		if _, err := store.Settle(t.Context(), at, []logout.Settlement{{Delivery: d, Attempt: &attempt, State: state, NextAt: time.Now().Add(time.Hour)}}); err != nil {
			t.Fatal(err)
		}
	}
	settle("shop", 1, 200, "", logout.StateDelivered)
	settle("payroll", 1, 503, "the app answered 503", logout.StateRetrying)
	settle("payroll", 2, 0, "connection refused", logout.StateDead)
	settle("wiki", 1, 500, "the app answered 500", logout.StateRetrying)
	return l
}

// list returns the state of each client's delivery among those that the flags choose.
func (l ledger) list(t *testing.T, flags ...string) map[string]string {
	t.Helper()
	r := run(t, l.environ, append([]string{"delivery", "list", "--json"}, flags...)...)
	if r.code != 0 || r.stderr != "" {
		t.Fatalf("exit code %d: %s", r.code, r.stderr)
	}
	states := map[string]string{}
	for line := range strings.Lines(r.stdout) {
		var d struct {
			ClientID string `json:"client_id"`
			State    string `json:"state"`
		}
		if err := json.Unmarshal([]byte(line), &d); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		states[d.ClientID] = d.State
	}
	return states
}

func TestDelivery(t *testing.T) {
	databasetest.EachURL(t, func(t *testing.T, url string) {
		l := newLedger(t, url)

		t.Run("list", func(t *testing.T) {
			r := run(t, l.environ, "delivery", "list")
			r.check(t, 0, []string{"ID ", "CLIENT", l.ids["payroll"], "dead       2", "connection refused", "HTTP 500: the app answered 500", "redirect"}, nil)
			if lines := strings.Count(r.stdout, "\n"); lines != 4 {
				t.Errorf("%d lines, want 4:\n%s", lines, r.stdout)
			}
			for flags, want := range map[string]int{
				"":                   3,
				"--client wiki":      1,
				"--state dead":       1,
				"--state pending":    0,
				"--since 25h":        3,
				"--since 1h":         0,
				"--since 2000-01-02": 3,
				"--logout " + "x":    0,
				"--limit 2":          2,
				"--client shop --limit 1 --since 2000-01-02T15:04:05Z": 1,
				"--logout " + l.logoutID + " --state delivered":        1,
				"--state dead,retrying":                                2,
				"--channel backchannel --cause redirect --until 23h":   3,
				"--until 25h":                  0,
				"--user alice --error REFUSED": 1,
				"--user nobody":                0,
				"--session x":                  0,
			} {
				if got := l.list(t, strings.Fields(flags)...); len(got) != want {
					t.Errorf("list %s: %v, want %d", flags, got, want)
				}
			}
			run(t, l.environ, "delivery", "list", "--limit", "2").check(t, 0, []string{"wiki"}, []string{"There may be more than these 2 deliveries"})
			run(t, l.environ, "delivery", "list", "--state", "rejected").check(t, 0, []string{"No deliveries."}, nil)
		})

		t.Run("show", func(t *testing.T) {
			r := run(t, l.environ, "delivery", "show", l.ids["payroll"])
			r.check(t, 0, []string{"dead", "alice", "sid of payroll", "1        ", "retrying", "HTTP 503: the app answered 503", "12ms", `"<h1>\x1b[31m"`, "connection refused"}, nil)
			if strings.Contains(r.stdout, "\x1b") {
				t.Error("what an app answered reaches the terminal as it is")
			}
			run(t, l.environ, "delivery", "show", l.ids["payroll"], "--json").check(t, 0, []string{`"tries":[{"number":1,`, `"status":503`, `"duration_ms":12`}, nil)
			run(t, l.environ, "delivery", "show", "nothing").check(t, 1, nil, []string{`there is no delivery "nothing"`, "exeunt delivery list"})
		})

		t.Run("retry", func(t *testing.T) {
			run(t, l.environ, "delivery", "retry", l.ids["payroll"], l.ids["shop"]).check(t, 1, nil, []string{l.ids["shop"] + " is delivered"})
			run(t, l.environ, "delivery", "retry", l.ids["payroll"], "nothing").check(t, 1, nil, []string{`no delivery "nothing"`})
			if got := l.list(t)["payroll"]; got != "dead" {
				t.Errorf("payroll is %s after a refused retry", got)
			}
			run(t, l.environ, "delivery", "retry", "--state", "dead", "--client", "shop").check(t, 0, []string{"Nothing to retry"}, nil)
			run(t, l.environ, "delivery", "retry", "--state", "dead").check(t, 0, []string{"1 delivery due now"}, nil)
			if got := l.list(t)["payroll"]; got != "retrying" {
				t.Errorf("payroll is %s after its retry", got)
			}
			run(t, l.environ, "delivery", "retry", l.ids["payroll"], l.ids["wiki"]).check(t, 0, []string{"2 deliveries due now"}, nil)
			run(t, l.environ, "delivery", "retry", "--since", "48h").check(t, 0, []string{"2 deliveries due now"}, nil)
			run(t, l.environ, "delivery", "retry", "--since", "48h", "--include-delivered").check(t, 0, []string{"3 deliveries due now"}, nil)
		})

		t.Run("by pull", func(t *testing.T) {
			db, err := database.Open(t.Context(), url, database.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = db.Close() }()
			if _, err := logoutstore.New(db).Acknowledge(t.Context(), "wiki", []string{l.ids["wiki"]}, time.Now()); err != nil {
				t.Fatal(err)
			}
			run(t, l.environ, "delivery", "list", "--client", "wiki").check(t, 0, []string{"CHANNEL", "backchannel  session.ended", "delivered by pull  2"}, nil)
			run(t, l.environ, "delivery", "show", l.ids["wiki"]).check(t, 0, []string{"delivered by pull", "session.ended " + l.ids["wiki"], "acknowledged by the client, by pull"}, nil)
			run(t, l.environ, "delivery", "show", l.ids["wiki"], "--json").check(t, 0, []string{`"event":"session.ended"`, `"event_id":"` + l.ids["wiki"], `"by_pull":true`}, nil)
		})
	})
}

func TestDeliveryWithoutDatabase(t *testing.T) {
	url := databasetest.SQLiteURL(t)
	environ := []string{"EXEUNT_DATABASE=" + url}
	run(t, environ, "delivery", "list").check(t, 1, nil, []string{"there is no database at", "exeunt serve"})
	run(t, environ, "delivery", "list").check(t, 1, nil, []string{"there is no database at"}) // the first made none
}

func TestMigrate(t *testing.T) {
	databasetest.EachURL(t, func(t *testing.T, url string) {
		environ := []string{"EXEUNT_DATABASE=" + url}
		if strings.HasPrefix(url, "postgres") {
			run(t, environ, "delivery", "list").check(t, 1, nil, []string{"run `exeunt migrate` first"})
		}
		run(t, environ, "migrate").check(t, 0, []string{"is at this version now"}, nil)
		run(t, environ, "migrate").check(t, 0, []string{"is at this version already"}, nil)
		run(t, environ, "delivery", "list").check(t, 0, []string{"No deliveries."}, nil)
	})
}
