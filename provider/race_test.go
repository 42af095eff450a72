package provider_test

import (
	"net/http"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/database/databasetest"
	"github.com/exeunt-id/exeunt/provider"
)

// Whatever is issued beside a logout is dead after it, and whoever got something is told.
func TestIssueAgainstEnd(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		w := newWorld(t, db, func(c *provider.Config) { c.Logout.Wait = 0 })
		for round := range 30 {
			alice := w.browser()
			first := alice.firstSignOn("app", "alice")
			shop := codeForm("shop", alice.get("/authorize", request("shop")).code())
			wikiRequest := request("wiki")
			var exchanged, refreshed, authorized answer
			var group sync.WaitGroup
			group.Go(func() { exchanged = w.as("shop", shop) })
			group.Go(func() { refreshed = w.refresh("app", first.refresh) })
			group.Go(func() { authorized = alice.get("/authorize", wikiRequest) })
			group.Go(func() { alice.get("/end_session", url.Values{"id_token_hint": {first.id}}).want(http.StatusOK) })
			group.Wait()

			if exchanged.status == http.StatusOK {
				if w.active("shop", exchanged.tokens().access) {
					t.Fatalf("round %d: an exchanged token lives", round)
				}
			} else {
				exchanged.wantError(http.StatusBadRequest, "invalid_grant")
			}
			if refreshed.status == http.StatusOK {
				w.userinfo(refreshed.tokens().access).want(http.StatusUnauthorized)
			} else {
				refreshed.wantError(http.StatusBadRequest, "invalid_grant")
			}
			if authorized.status == http.StatusSeeOther {
				w.as("wiki", codeForm("wiki", authorized.code())).wantError(http.StatusBadRequest, "invalid_grant")
			}
			w.eventuallyTold("app", round+1)
			if exchanged.status == http.StatusOK {
				w.eventually("shop is told", func() bool { return slices.Contains(w.told("shop"), claims(t, exchanged.tokens().id)["sid"].(string)) })
			}
		}
	})
}

// The same person in many tabs: whoever notes the session's activity must not wait for the others in a circle.
func TestParallelActivity(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		w := newWorld(t, db)
		alice := w.browser()
		alice.firstSignOn("shop", "alice")
		var all []tokens
		for range 8 {
			all = append(all, alice.signOn("wiki"))
		}
		for range 3 {
			w.clock.Advance(2 * time.Minute)
			var group sync.WaitGroup
			for i := range all {
				group.Go(func() { all[i] = w.refresh("wiki", all[i].refresh).tokens() })
				group.Go(func() { alice.get("/authorize", request("mail")).code() })
				group.Go(func() { w.userinfo(all[0].access) })
			}
			group.Wait()
		}
	})
}
