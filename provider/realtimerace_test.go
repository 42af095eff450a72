package provider_test

import (
	"sync"
	"testing"
	"time"

	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/database/databasetest"
	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider"
)

// Pages that connect while their session ends: each hears of it, at once or when it is connected.
func TestRealtimeConnectAgainstEnd(t *testing.T) {
	w := newSQLiteWorld(t)
	alice := w.browser()
	shop := alice.firstSignOn("shop", "alice")
	tickets := make([]string, 40)
	for i := range tickets {
		tickets[i] = w.ticket("shop", shop.id)
	}
	var group sync.WaitGroup
	for i, ticket := range tickets {
		if i == len(tickets)/2 {
			group.Go(func() {
				w.program().script("/api/session/logout", originOf("shop"), page("shop", shop.id)).want(200)
			})
		}
		group.Go(func() {
			c, _ := w.program().with("Origin", originOf("shop")).events(ticket)
			if c.next().Connect == nil {
				t.Error("not connected")
			}
			for f := range c.frames {
				if f.Push != nil && f.Push.Message != nil && f.Push.Message.Data.Status == "ended" {
					return
				}
			}
			t.Error("a page has not heard of it")
		})
	}
	group.Wait()
}

// Two nodes: who is connected to one hears of what ends on the other, at once; and within seconds of what nobody told the node.
func TestRealtimeAcrossNodes(t *testing.T) {
	databasetest.EachURL(t, func(t *testing.T, dbURL string) {
		db := databasetest.Open(t, dbURL)
		there := newWorld(t, db)
		here := there
		if db.Postgres() {
			here = newWorld(t, databasetest.Open(t, dbURL), func(c *provider.Config) { c.Issuer = there.url })
		}
		alice := there.browser()
		shop := alice.firstSignOn("shop", "alice")
		c := here.listen("shop", shop.id).live()
		if db.Postgres() {
			start := time.Now()
			there.program().script("/api/session/logout", originOf("shop"), page("shop", shop.id)).want(200)
			c.ended("sdk")
			took := time.Since(start)
			if t.Logf("told %s after the logout was asked for on the other node", took); took > 4*time.Second {
				t.Error("by looking, not by being told")
			}
		}
		// What ends beside the nodes tells nobody: a client's part first, then the session.
		bob := there.browser()
		shop, wiki := bob.firstSignOn("shop", "bob"), bob.signOn("wiki")
		shops, wikis := here.listen("shop", shop.id).live(), here.listen("wiki", wiki.id).live()
		sid := func(id string) string { return claims(t, id)["sid"].(string) }
		for _, step := range []struct {
			table, where string
			sid          string
			told         *connection
		}{
			{"logout_participations", "sid = ?", sid(wiki.id), wikis},
			{"logout_sessions", "id = (SELECT session_id FROM logout_participations WHERE sid = ?)", sid(shop.id), shops},
		} {
			if err := db.Writer(t.Context()).Exec("UPDATE "+step.table+" SET ended_at = ? WHERE "+step.where, database.Micros(time.Now()), step.sid).Error; err != nil {
				t.Fatal(err)
			}
			here.provider.LookAfterPages()
			f := step.told.next()
			if f.Push == nil || f.Push.Message == nil || f.Push.Message.Data.Status != "ended" {
				t.Errorf("heard %+v", f)
			}
			step.told.gone(4500)
			if len(shops.frames) > 0 {
				t.Error("a page whose session lives was told")
			}
		}
	})
}

// A connected page keeps its session alive and its device online; one with an expired ID token only the latter.
func TestRealtimePresence(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		w := newWorld(t, db)
		online := func(device string) bool {
			t.Helper()
			on, err := w.provider.Online(t.Context(), device)
			if err != nil {
				t.Fatal(err)
			}
			return on
		}
		idleUntil := func(subject string) (until int64) {
			t.Helper()
			if err := db.Reader(t.Context()).Raw(`SELECT idle_until FROM logout_sessions WHERE subject = ?`, subject).Scan(&until).Error; err != nil {
				t.Fatal(err)
			}
			return until
		}
		device := func(idToken, name string) string {
			t.Helper()
			sub := claims(t, idToken)["sub"].(string)
			if err := db.Writer(t.Context()).Exec(`UPDATE logout_sessions SET device_id = ? WHERE subject = ?`, name, sub).Error; err != nil {
				t.Fatal(err)
			}
			return sub
		}
		shop, old := w.browser().firstSignOn("shop", "alice"), w.browser().firstSignOn("shop", "bob")
		alice, bob := device(shop.id, "phone"), device(old.id, "tablet")
		beforeAlice, beforeBob := idleUntil(alice), idleUntil(bob)
		if online("phone") || online("") {
			t.Error("online before a page connects")
		}
		fresh := w.listen("shop", shop.id).live()
		w.clock.Advance(30 * time.Minute)
		w.listen("shop", old.id).live() // its ID token has expired
		w.provider.LookAfterPages()
		w.eventually("both are online", func() bool { return online("phone") && online("tablet") })
		w.eventually("activity is recorded", func() bool { return idleUntil(alice) > beforeAlice })
		if idleUntil(bob) != beforeBob {
			t.Error("a page with an expired ID token keeps its session alive")
		}
		if online("watch") {
			t.Error("a device that nobody has is online")
		}
		// In the transaction that ends the session, and a moment later, its device still counts as online.
		alicesDevice := logout.Request{Cause: logout.CauseDeviceDetached, Actor: logout.Actor{Kind: "user"}, Target: logout.Target{DeviceID: "phone"}}
		if _, err := w.provider.Engine().End(t.Context(), alicesDevice); err != nil {
			t.Fatal(err)
		}
		fresh.ended("device_detached")
		if !online("phone") {
			t.Error("a device that is being detached was not online")
		}
		w.clock.Advance(2 * time.Minute)
		if online("phone") {
			t.Error("online for ever")
		}
	})
}
