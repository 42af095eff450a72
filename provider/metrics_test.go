package provider_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/database/databasetest"
	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/logout/logouttest"
	"github.com/exeunt-id/exeunt/provider"
)

// scrape asks the admin listener.
func (w *world) scrape() string {
	w.Helper()
	recorder := httptest.NewRecorder()
	w.provider.Admin().ServeHTTP(recorder, httptest.NewRequestWithContext(w.Context(), http.MethodGet, "/metrics", nil))
	if recorder.Code != http.StatusOK {
		w.Fatalf("status %d: %s", recorder.Code, recorder.Body)
	}
	return recorder.Body.String()
}

func TestMetrics(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		w := newWorld(t, db, func(c *provider.Config) { c.Version = "1.2.3" })
		alice := w.browser()
		page := alice.get("/authorize", request("shop"))
		alice.submit(page, url.Values{"username": {"alice"}, "password": {"wrong"}}).want(http.StatusUnprocessableEntity)
		shop := alice.exchange("shop", alice.logIn(page, "alice").code())
		alice.signOn("wiki")
		w.refresh("shop", shop.refresh).want(200)
		w.refresh("shop", "unknown").wantError(400, "invalid_grant")
		w.browser().firstSignOn("shop", "bob")
		w.rps["wiki"].Answer(logouttest.Unavailable)
		alice.get("/logout", endRequest("client_id", "shop")).want(200)
		for _, path := range []string{"/nothing", "/etc/passwd", "/static/nothing.css", "/authorize/x/y/z"} {
			w.program().get(path, nil).want(404)
		}
		w.program().do("DELETE", "/token", nil).want(405)
		w.eventually("what came of it is written", func() bool {
			retrying, err := listDeliveries(t, db, logout.Filter{ClientID: "wiki", States: []logout.State{logout.StateRetrying}})
			return err == nil && len(retrying) == 1 && len(w.told("shop")) == 1
		})
		text := w.scrape()
		for _, line := range []string{
			`exeunt_http_requests_total{method="POST",route="/token",status="200"} 4`,
			`exeunt_http_requests_total{method="POST",route="/token",status="400"} 1`,
			`exeunt_http_request_duration_seconds_count{route="/logout"} 1`,
			`exeunt_logouts_total{cause="redirect"} 1`, `exeunt_logout_sessions_total{cause="redirect"} 1`,
			`exeunt_logins_total{outcome="failed"} 1`, `exeunt_logins_total{outcome="succeeded"} 2`,
			`exeunt_tokens_issued_total{kind="access"} 4`, `exeunt_tokens_issued_total{kind="refresh"} 4`,
			`exeunt_delivery_attempts_total{channel="backchannel",client_id="shop",outcome="delivered"} 1`,
			`exeunt_delivery_attempts_total{channel="backchannel",client_id="wiki",outcome="retrying"} 1`,
			`exeunt_delivery_receipt_duration_seconds_count{channel="backchannel",client_id="shop"} 1`,
			`exeunt_delivery_backlog{channel="backchannel",client_id="wiki",state="retrying"} 1`,
			`exeunt_signing_duration_seconds_count{alg="RS256",typ="logout+jwt"} 1`, `exeunt_signing_duration_seconds_count{alg="ES256",typ="JWT"} 1`,
			`exeunt_queue_jobs{queue="logout_retry",state="scheduled"} 1`, `exeunt_sessions_live 1`, `exeunt_database_up 1`, `version="1.2.3"`, "go_goroutines",
			"process_resident_memory_bytes", `exeunt_database_connections_max{pool="`,
		} {
			if !strings.Contains(text, line) {
				t.Errorf("lacks %s", line)
			}
		}
		for _, part := range []string{"passwd", "x/y/z", "nothing", "alice", shop.access, shop.refresh} {
			if strings.Contains(text, part) {
				t.Errorf("shows %q", part)
			}
		}
		if strings.Contains(w.program().get("/metrics", nil).body, "exeunt_") {
			t.Error("everybody may read the metrics")
		}
	})
}
