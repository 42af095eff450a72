package logoutstore_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/database/databasetest"
	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/logout/logoutstore"
)

// noon is the present of these tests.
var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

// books is a store with logouts whose deliveries are in states of the test's choice.
type books struct {
	*testing.T
	*logoutstore.Store
}

// told is what became of one delivery.
type told struct {
	client string
	state  logout.State
	after  time.Duration // from the logout to the settlement
	err    string
}

// write records a logout of one session of a person, at a time before noon, and its deliveries. Each client has one.
func (b books) write(subject string, ago time.Duration, cause logout.Cause, clients ...told) logout.Record {
	b.Helper()
	at := noon.Add(-ago)
	session := logout.Session{
		ID: logout.NewID(), Subject: subject, SecretHash: []byte(logout.NewID()), AuthTime: at, CreatedAt: at, SeenAt: at, IdleUntil: at.Add(time.Hour), ExpiresAt: at.Add(time.Hour),
	}
	b.must(b.Start(b.Context(), session))
	for _, c := range clients {
		_, err := b.Join(b.Context(), session.ID, c.client, subject, at)
		b.must(err)
	}
	req := logout.Request{Cause: cause, Actor: logout.Actor{Kind: "user", ID: subject, Address: "192.0.2.1"}, Target: logout.Target{SessionID: session.ID}, InitiatorClientID: "shop"}
	id := logout.NewID()
	plan, err := b.End(b.Context(), id, req, at, func(_ context.Context, sessions []logout.Session, leaving []logout.Participation) (*logout.Plan, error) {
		p := &logout.Plan{LogoutID: id, Request: req, At: at, Sessions: sessions}
		for _, part := range leaving {
			p.Deliveries = append(p.Deliveries, logout.Delivery{
				ID: logout.NewID(), LogoutID: id, ClientID: part.ClientID, Channel: logout.ChannelBackchannel, State: logout.StatePending, Cause: cause,
				SessionID: session.ID, SID: part.SID, Subject: subject, CreatedAt: at, NextAt: at, GiveUpAt: at.Add(72 * time.Hour),
			})
		}
		return p, nil
	})
	b.must(err)
	for _, d := range plan.Deliveries {
		c := clients[slices.IndexFunc(clients, func(c told) bool { return c.client == d.ClientID })]
		if c.state == logout.StatePending {
			continue
		}
		settled := at.Add(c.after)
		_, err := b.Settle(b.Context(), settled, []logout.Settlement{{Delivery: d, State: c.state, NextAt: settled.Add(time.Minute), Attempt: &logout.Attempt{
			DeliveryID: d.ID, Number: 1, At: at, Duration: c.after, Error: c.err, State: c.state,
		}}})
		b.must(err)
	}
	return logout.Record{ID: id, Target: req.Target}
}

func (b books) must(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

func open(t *testing.T, db *database.DB) books { return books{t, logoutstore.New(db)} }

// Each filter alone and with others; and the same answer page by page.
func TestFilter(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		b := open(t, db)
		old := b.write("alice", 48*time.Hour, logout.CauseRedirect, told{"shop", logout.StateDelivered, time.Second, ""}, told{"payroll", logout.StateDead, time.Hour, "HTTP 503 100% of_the time"})
		recent := b.write("bob", time.Hour, logout.CauseAdmin, told{"shop", logout.StateDelivered, time.Second, ""},
			told{"payroll", logout.StateRetrying, time.Second, "connection REFUSED"}, told{"wiki", logout.StateRejected, time.Second, "invalid_request"})
		last := b.write("alice", time.Minute, logout.CauseRedirect, told{"payroll", logout.StatePending, 0, ""}, told{"wiki", logout.StateUnreachable, 0, ""})
		for name, test := range map[string]struct {
			filter logout.Filter
			want   []string // client and logout, newest first
		}{
			"everything":          {logout.Filter{}, []string{"payroll " + last.ID, "wiki " + last.ID, "payroll " + recent.ID, "shop " + recent.ID, "wiki " + recent.ID, "payroll " + old.ID, "shop " + old.ID}},
			"client":              {logout.Filter{ClientID: "shop"}, []string{"shop " + recent.ID, "shop " + old.ID}},
			"state":               {logout.Filter{States: []logout.State{logout.StateDead}}, []string{"payroll " + old.ID}},
			"states":              {logout.Filter{States: []logout.State{logout.StateRejected, logout.StateDead, logout.StateDead, logout.StateRetrying}}, []string{"payroll " + recent.ID, "wiki " + recent.ID, "payroll " + old.ID}},
			"no state of ours":    {logout.Filter{States: []logout.State{"x' OR '1'='1"}}, nil},
			"client and states":   {logout.Filter{ClientID: "payroll", States: []logout.State{logout.StatePending, logout.StateRetrying}}, []string{"payroll " + last.ID, "payroll " + recent.ID}},
			"delivered":           {logout.Filter{States: []logout.State{logout.StateDelivered}}, []string{"shop " + recent.ID, "shop " + old.ID}},
			"channel":             {logout.Filter{Channel: logout.ChannelFrontchannel}, nil},
			"cause":               {logout.Filter{Cause: logout.CauseAdmin, ClientID: "wiki"}, []string{"wiki " + recent.ID}},
			"logout":              {logout.Filter{LogoutID: old.ID}, []string{"payroll " + old.ID, "shop " + old.ID}},
			"subject":             {logout.Filter{Subject: "bob", States: []logout.State{logout.StateRetrying, logout.StateDelivered}}, []string{"payroll " + recent.ID, "shop " + recent.ID}},
			"session":             {logout.Filter{SessionID: old.Target.SessionID, ClientID: "shop"}, []string{"shop " + old.ID}},
			"since":               {logout.Filter{Since: noon.Add(-time.Hour), ClientID: "payroll"}, []string{"payroll " + last.ID, "payroll " + recent.ID}},
			"until":               {logout.Filter{Until: noon.Add(-time.Hour)}, []string{"payroll " + old.ID, "shop " + old.ID}},
			"error":               {logout.Filter{ErrorText: "Refused"}, []string{"payroll " + recent.ID}},
			"error with wildcard": {logout.Filter{ErrorText: "100% of_the"}, []string{"payroll " + old.ID}},
			"wildcards are text":  {logout.Filter{ErrorText: "1%0"}, nil},
			"limit":               {logout.Filter{Limit: 1, ClientID: "shop"}, []string{"shop " + recent.ID}},
			"nothing":             {logout.Filter{DeliveryID: "nothing"}, nil},
		} {
			t.Run(name, func(t *testing.T) {
				list, err := b.List(t.Context(), test.filter)
				if err != nil {
					t.Fatal(err)
				}
				if got := titles(list); !equalSorted(got, test.want) {
					t.Errorf("listed %q, want %q", got, test.want)
				}
				if n, err := b.Count(t.Context(), test.filter, 100); err != nil || n != max(len(test.want), 0) && test.filter.Limit == 0 {
					t.Errorf("counted %d, %v", n, err)
				}
				if test.filter.Limit > 0 {
					return
				}
				var paged []logout.Delivery
				for f := test.filter; ; f.Before = paged[len(paged)-1].Position() {
					f.Limit = 2
					page, err := b.List(t.Context(), f)
					if err != nil {
						t.Fatal(err)
					}
					if paged = append(paged, page...); len(page) < f.Limit {
						break
					}
				}
				if got := titles(paged); !slices.Equal(got, titles(list)) {
					t.Errorf("page by page %q, at once %q", got, titles(list))
				}
			})
		}
	})
}

func titles(list []logout.Delivery) []string {
	var all []string
	for _, d := range list {
		all = append(all, d.ClientID+" "+d.LogoutID)
	}
	return all
}

// equalSorted compares without regard to the order within one logout, which is that of random participations.
func equalSorted(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

// Everything since a time: what was not acknowledged, and, by choice, also what was. Never what cannot be told or would do harm.
func TestRedeliverSince(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		b := open(t, db)
		b.write("alice", 48*time.Hour, logout.CauseRedirect, told{"shop", logout.StateDead, time.Hour, "x"})
		for _, state := range logout.States() {
			b.write("alice", time.Hour, logout.CauseRedirect, told{"shop", state, time.Second, "x"})
			b.write("alice", time.Hour, logout.CauseRedirect, told{"wiki", state, time.Second, "x"})
		}
		f := logout.Filter{ClientID: "shop", Since: noon.Add(-2 * time.Hour)}
		for _, test := range []struct {
			acknowledged bool
			states       []logout.State
			want         int
		}{
			{false, []logout.State{logout.StateDelivered, logout.StateUnreachable}, 0},
			{false, []logout.State{logout.StateDead}, 1},
			{false, nil, 3},
			{true, nil, 4},
		} {
			f.Acknowledged, f.States = test.acknowledged, test.states
			if n, err := b.Redeliver(t.Context(), f, noon, noon.Add(time.Hour), nil); err != nil || n != test.want {
				t.Errorf("acknowledged %t, states %v: %d, %v; want %d", test.acknowledged, test.states, n, err, test.want)
			}
		}
		for client, want := range map[string]int{"shop": 4, "wiki": 1} {
			if n, err := b.Count(t.Context(), logout.Filter{ClientID: client, States: []logout.State{logout.StateRetrying}}, 100); err != nil || n != want {
				t.Errorf("%s has %d retrying, %v; want %d", client, n, err, want)
			}
		}
		insured(t, db)
	})
}

// Many are moved page by page, each once.
func TestRedeliverMany(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		b := open(t, db)
		sample := b.write("alice", time.Hour, logout.CauseRedirect, told{"shop", logout.StateDead, time.Second, "x"})
		series := "generate_series(1, 2500) AS s(n)"
		if !db.Postgres() {
			series = "(WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < 2500) SELECT n FROM s)"
		}
		b.must(db.Writer(t.Context()).Exec("INSERT INTO logout_deliveries (id, logout_id, client_id, channel, state, cause, session_id, sid, subject, created_at, next_at, give_up_at, settled_at) " +
			"SELECT logout_id || '-' || n, logout_id, client_id, channel, state, cause, session_id, sid, subject, created_at, next_at, give_up_at, settled_at FROM logout_deliveries, " + series).Error)
		f := logout.Filter{LogoutID: sample.ID}
		// The second batch fails with its record: the first one stays, with its own.
		var recorded []int
		full := errors.New("the disk is full")
		n, err := b.Redeliver(t.Context(), f, noon, noon.Add(time.Hour), func(_ context.Context, count int) error {
			if recorded = append(recorded, count); len(recorded) == 2 {
				return full
			}
			return nil
		})
		if !errors.Is(err, full) || n != 1000 || !slices.Equal(recorded, []int{1000, 1000}) {
			t.Errorf("moved %d in %v, %v; want 1000 and the error", n, recorded, err)
		}
		if left, err := b.Count(t.Context(), logout.Filter{LogoutID: sample.ID, States: []logout.State{logout.StateDead}}, 3000); err != nil || left != 1501 {
			t.Errorf("%d are still dead, %v; want 1501", left, err)
		}
		recorded = nil
		n, err = b.Redeliver(t.Context(), f, noon, noon.Add(time.Hour), func(_ context.Context, count int) error { recorded = append(recorded, count); return nil })
		if err != nil || n != 2501 || !slices.Equal(recorded, []int{1000, 1000, 501}) {
			t.Errorf("moved %d in %v, %v; want 2501", n, recorded, err)
		}
		insured(t, db)
	})
}

func TestFigures(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		b := open(t, db)
		for i := range 20 {
			b.write("alice", 10*time.Minute, logout.CauseRedirect, told{"shop", logout.StateDelivered, time.Duration(i+1) * time.Second, ""})
		}
		b.write("alice", 23*time.Hour, logout.CauseRedirect, told{"shop", logout.StateDelivered, 22*time.Hour + 30*time.Minute, ""}, told{"payroll", logout.StateDead, time.Hour, "x"})
		b.write("alice", 5*time.Hour, logout.CauseRedirect, told{"shop", logout.StateRetrying, time.Second, "x"}, told{"payroll", logout.StatePending, 0, ""})
		b.write("alice", 72*time.Hour, logout.CauseRedirect, told{"shop", logout.StateRejected, time.Second, "x"}, told{"payroll", logout.StateUnreachable, 0, ""})
		all, err := b.Figures(t.Context(), noon, "shop", "quiet")
		b.must(err)
		if got := fmt.Sprintf("%+v", all["quiet"]); got != fmt.Sprintf("%+v", logout.Figures{ClientID: "quiet", Untold: logout.Tally{}}) {
			t.Errorf("of a client without deliveries: %s", got)
		}
		shop, payroll := all["shop"], all["payroll"]
		if shop.Untold.Open() != 1 || shop.Untold.Failed() != 1 || !shop.OldestOpen.Equal(noon.Add(-5*time.Hour)) || !shop.LastDelivered.Equal(noon.Add(-10*time.Minute+20*time.Second)) && !shop.LastDelivered.Equal(noon.Add(-30*time.Minute)) {
			t.Errorf("shop: %+v", shop)
		}
		// The receipt that took 22.5 h came within the hour, for a logout of the last day.
		if want := (logout.Window{Told: 20, Median: 11 * time.Second, P95: 20 * time.Second}); shop.Hour != want {
			t.Errorf("shop's last hour: %+v, want %+v", shop.Hour, want)
		}
		if shop.Day.Told != 21 || shop.Day.Failing != 1 || shop.Day.Median != 11*time.Second {
			t.Errorf("shop's last day: %+v", shop.Day)
		}
		if payroll.Untold.Open() != 1 || payroll.Untold[logout.StateUnreachable] != 1 || payroll.Day.Failing != 1 || payroll.Day.Told != 0 || payroll.Hour.Failing != 0 {
			t.Errorf("payroll, that nobody named: %+v", payroll)
		}
		if one, err := b.Figures(t.Context(), noon, "shop"); err != nil || len(one) != 1 {
			t.Errorf("of one client: %+v, %v", one, err)
		}
		overview := map[string]logout.Overview{}
		for id, f := range all {
			overview[id] = logout.Overview{Figures: f}
		}
		var order []string
		for _, o := range logout.Worst(overview) {
			order = append(order, o.ClientID)
		}
		if !slices.Equal(order, []string{"payroll", "shop", "quiet"}) {
			t.Errorf("the worst first: %q", order)
		}
	})
}

func TestLogouts(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		b := open(t, db)
		first := b.write("alice", 3*time.Hour, logout.CauseRedirect, told{"shop", logout.StateDelivered, time.Second, ""}, told{"wiki", logout.StateDead, time.Second, "x"})
		second := b.write("bob", 2*time.Hour, logout.CauseAdmin)
		third := b.write("alice", time.Hour, logout.CauseAccount, told{"shop", logout.StatePending, 0, ""})
		for name, test := range map[string]struct {
			filter logout.LogoutFilter
			want   []string
		}{
			"everything":               {logout.LogoutFilter{}, []string{third.ID, second.ID, first.ID}},
			"cause":                    {logout.LogoutFilter{Cause: logout.CauseAccount}, []string{third.ID}},
			"subject":                  {logout.LogoutFilter{Subject: "alice"}, []string{third.ID, first.ID}},
			"subject without delivery": {logout.LogoutFilter{Subject: "bob"}, []string{second.ID}},
			"time":                     {logout.LogoutFilter{Since: noon.Add(-3 * time.Hour), Until: noon.Add(-time.Hour)}, []string{second.ID, first.ID}},
			"the second page":          {logout.LogoutFilter{Before: logout.Position{At: noon.Add(-2 * time.Hour), ID: second.ID}}, []string{first.ID}},
			"one":                      {logout.LogoutFilter{LogoutID: second.ID}, []string{second.ID}},
			"unknown":                  {logout.LogoutFilter{LogoutID: "nothing"}, nil},
		} {
			list, err := b.Logouts(t.Context(), test.filter)
			b.must(err)
			var got []string
			for _, r := range list {
				got = append(got, r.ID)
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("%s: %q, want %q", name, got, test.want)
			}
		}
		list, err := b.Logouts(t.Context(), logout.LogoutFilter{LogoutID: first.ID})
		b.must(err)
		r := list[0]
		if r.Subject != "alice" || r.Actor.Kind != "user" || r.Actor.Address != "192.0.2.1" || r.InitiatorClientID != "shop" || r.Sessions != 1 || r.Target.SessionID == "" ||
			r.Deliveries[logout.StateDelivered] != 1 || r.Deliveries[logout.StateDead] != 1 || r.Deliveries.Total() != 2 || !r.At.Equal(noon.Add(-3*time.Hour)) {
			t.Errorf("record %+v", r)
		}
		ended, err := b.Ended(t.Context(), first.ID, 10)
		b.must(err)
		if len(ended) != 1 || ended[0].ID != first.Target.SessionID {
			t.Errorf("ended %+v", ended)
		}
		if none, err := b.Ended(t.Context(), "", 10); err != nil || len(none) != 0 {
			t.Errorf("of no logout: %+v, %v", none, err)
		}
	})
}
