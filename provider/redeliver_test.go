package provider_test

import (
	"encoding/json"
	"net/url"
	"slices"
	"testing"

	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider"
	"github.com/exeunt-id/exeunt/provider/audit"
)

// Many deliveries are moved batch by batch, and the trail says of each batch what was asked for and how many it moved.
func TestRedeliverIsRecordedByBatch(t *testing.T) {
	t.Parallel()
	db := openDB(t)
	var cfg provider.Config
	w := newWorld(t, db, func(c *provider.Config) { cfg = *c })
	alice := w.browser()
	alice.firstSignOn("shop", "alice")
	alice.get("/logout", url.Values{"client_id": {"shop"}}).want(200)
	err := db.Writer(t.Context()).Exec(`INSERT INTO logout_deliveries (id, logout_id, client_id, channel, state, cause, session_id, sid, subject, created_at, next_at, give_up_at, settled_at)
		SELECT d.id || '-' || s.n, d.logout_id, 'gone', d.channel, 'dead', d.cause, d.session_id, d.sid, d.subject, d.created_at, d.next_at, d.give_up_at, d.created_at
		FROM logout_deliveries d, (WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < 1500) SELECT n FROM s) s`).Error
	if err != nil {
		t.Fatal(err)
	}
	tr := w.trail(cfg)
	n, err := tr.operator.Redeliver(t.Context(), logout.Filter{ClientID: "gone"})
	if err != nil || n != 1500 {
		t.Fatalf("redelivered %d, %v", n, err)
	}
	var counts []int
	lines, _ := tr.export()
	for _, line := range lines {
		if line.Kind != audit.KindRedelivered {
			continue
		}
		var said struct{ Count int }
		if err := json.Unmarshal(line.Detail, &said); err != nil || line.ClientID != "gone" || line.ActorID != "root" {
			t.Errorf("%+v, %v", line, err)
		}
		counts = append(counts, said.Count)
	}
	if !slices.Equal(counts, []int{1000, 500}) {
		t.Errorf("recorded %v, want 1000 and 500", counts)
	}
}
