package provider_test

import (
	"net/url"
	"testing"

	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/database/databasetest"
	"github.com/exeunt-id/exeunt/logout/logouttest"
)

// Programs read the audit trail page by page, and find in it what they did themselves.
func TestAuditAPI(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		d := newDesk(t, db, withAdmins)
		d.rps["wiki"].Answer(logouttest.Status(503))
		alice := d.browser()
		alice.firstSignOn("wiki", "alice")
		alice.get("/logout", url.Values{"client_id": {"wiki"}}).want(200)
		robot := d.own("robot")
		d.eventually("the attempt is written", func() bool { return len(d.list(robot, "/deliveries?state=dead", "deliveries")) == 1 })
		d.call(robot, "POST", "/deliveries/redeliver", `{"client_id":"wiki","state":["dead"]}`).want(200)

		of := func(query string) []map[string]any { return d.list(robot, "/audit?limit=2&"+query, "entries") }
		if got := of("kind=delivery.redelivered"); len(got) != 1 || got[0]["actor"] != "client" || got[0]["actor_id"] != "robot" || got[0]["client_id"] != "wiki" {
			t.Errorf("redelivered: %v", got)
		}
		if got := of("kind=logout&sub=" + d.subject("alice")); len(got) != 1 || got[0]["detail"].(map[string]any)["cause"] != "redirect" {
			t.Errorf("logouts: %v", got)
		}
		created := of("kind=client.created&order=oldest")
		if len(created) != 11 || created[0]["actor_id"] != "configuration" {
			t.Errorf("%d clients were created: %v", len(created), created)
		}
		if got := of("until=2001-01-01"); len(got) != 0 {
			t.Errorf("before there was anything: %v", got)
		}
		for _, query := range []string{"kind=party", "since=soon", "limit=0", "cursor=x", "order=random", "sub=%00"} {
			d.call(robot, "GET", "/audit?"+query, "").wantError(400, "invalid_request")
		}
		d.call("", "GET", "/audit", "").want(401)
		d.call(d.own("own"), "GET", "/audit", "").want(403)
		if got := of("kind=request.refused"); len(got) != 1 || got[0]["client_id"] != "own" || got[0]["detail"].(map[string]any)["request"] != "/admin/api/v1/audit" {
			t.Errorf("refused: %v", got)
		}

		// The console: who gets in, and who does not.
		for name, kind := range map[string]string{"carol": "console.login", "alice": "console.login_failed"} {
			d.browserAt().enter(name, "wonderland")
			if got := of("kind=" + kind); len(got) != 1 || got[0]["sub"] != d.subject(name) {
				t.Errorf("%s: %v", kind, got)
			}
		}
	})
}
