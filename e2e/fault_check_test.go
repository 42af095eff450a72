package e2e

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/exeunt-id/exeunt/bench/driver"
)

// check decides. It waits until nothing is open any more, and then compares what was answered, what the database has and what the relying
// parties acknowledged.
func (s *storm) check(t *testing.T, visits []visit, lasting time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute+2*lasting)
	defer cancel()
	db, err := pgx.Connect(ctx, s.database.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close(context.Background()) }()
	count := func(query string) (n int) {
		t.Helper()
		if err := db.QueryRow(ctx, "SELECT count(*) FROM "+query).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	calm := time.Now()
	for {
		open := count("logout_deliveries WHERE state IN ('pending', 'retrying')")
		if open == 0 {
			break
		}
		if sleep(ctx, 200*time.Millisecond); ctx.Err() != nil {
			t.Fatalf("%d deliveries are still open %s after the storm", open, time.Since(calm).Round(time.Second))
		}
	}
	took := time.Since(calm)

	acknowledged := make(map[driver.Told]int)
	for _, sink := range s.sinks {
		for told, times := range sink.Acknowledged() {
			acknowledged[told] += times
		}
	}
	lost, answered := 0, 0
	for _, v := range visits {
		for _, told := range v.told {
			if v.ended {
				if answered++; acknowledged[told] == 0 {
					lost++
				}
			}
		}
	}
	if lost > 0 {
		t.Errorf("%d of %d logout tokens of answered logouts were never acknowledged", lost, answered)
	}
	for what, query := range map[string]string{
		"participations of ended sessions without a delivery": `logout_participations p JOIN logout_sessions s ON s.id = p.session_id
			WHERE s.ended_at IS NOT NULL AND NOT EXISTS (SELECT 1 FROM logout_deliveries d WHERE d.sid = p.sid)`,
		"participations that were planned twice":       `(SELECT sid FROM logout_deliveries GROUP BY sid HAVING count(*) > 1) d`,
		"deliveries that are closed, not delivered":    `logout_deliveries WHERE state <> 'delivered'`,
		"deliveries of sessions that have not ended":   `logout_deliveries d JOIN logout_sessions s ON s.id = d.session_id WHERE s.ended_at IS NULL`,
		"logouts that still have their insurance":      `logouts WHERE job_id IS NOT NULL`,
		"deliveries delivered without such an attempt": `logout_deliveries d WHERE NOT EXISTS (SELECT 1 FROM logout_attempts a WHERE a.delivery_id = d.id AND a.state = 'delivered')`,
	} {
		if n := count(query); n > 0 {
			t.Errorf("%d %s", n, what)
		}
	}
	s.checkTold(ctx, t, db, acknowledged)
	s.checkTokens(ctx, t, visits)

	duplicates := 0
	for _, times := range acknowledged {
		duplicates += times - 1
	}
	d := &s.deeds
	t.Logf("%s: %d kills, %d cut and %d stalled cables, %d database crashes, %d flapping parties", lasting, d.kills.Load(), d.cuts.Load(), d.stalls.Load(), d.crashes.Load(), d.flaps.Load())
	t.Logf("%d logins, %d logouts answered, %d uncertain, %d requests failed", d.logins.Load(), d.logouts.Load(), d.uncertain.Load(), d.failures.Load())
	t.Logf("%d logout tokens of answered logouts, %d in all, %d of them more than once; the last %s after the storm", answered, len(acknowledged), duplicates, took.Round(100*time.Millisecond))
	if d.logouts.Load() == 0 || d.kills.Load()+d.cuts.Load()+d.stalls.Load()+d.crashes.Load()+d.flaps.Load() == 0 {
		t.Error("nothing happened")
	}
}

// checkTold compares, both ways, what the relying parties acknowledged with what the database says was delivered: nobody was told of a
// logout that was none.
func (s *storm) checkTold(ctx context.Context, t *testing.T, db *pgx.Conn, acknowledged map[driver.Told]int) {
	t.Helper()
	rows, err := db.Query(ctx, "SELECT client_id, sid FROM logout_deliveries")
	if err != nil {
		t.Fatal(err)
	}
	delivered, err := pgx.CollectRows(rows, pgx.RowToStructByPos[driver.Told])
	if err != nil {
		t.Fatal(err)
	}
	known := make(map[driver.Told]bool, len(delivered))
	for _, told := range delivered {
		known[told] = true
		if acknowledged[told] == 0 {
			t.Errorf("the database says that %s acknowledged %s, which it did not", told.ClientID, told.SID)
		}
	}
	for told := range acknowledged {
		if !known[told] {
			t.Errorf("%s was told of the end of %s, which the database does not know", told.ClientID, told.SID)
		}
	}
}

// checkTokens asks for the tokens of answered logouts: all of them are dead.
func (s *storm) checkTokens(ctx context.Context, t *testing.T, visits []visit) {
	t.Helper()
	agent := driver.NewAgent(s.nodes[0].Issuer, s.balancer.Transport())
	for _, v := range visits {
		for i, token := range v.access {
			if !v.ended || i > 0 {
				continue // one for each session: they die together
			}
			active, err := agent.Active(ctx, s.clients[i], token)
			if err != nil {
				t.Fatal(err)
			}
			if active {
				t.Errorf("a token of %s is alive after the logout", s.clients[i].ID)
			}
		}
	}
}
