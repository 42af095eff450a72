package logoutstore_test

import (
	"testing"

	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/database/databasetest"
	"github.com/exeunt-id/exeunt/logout/logoutstore"
	"github.com/exeunt-id/exeunt/logout/logouttest"
)

func TestStore(t *testing.T) {
	for name, url := range map[string]func(testing.TB) string{"sqlite": databasetest.SQLiteURL, "postgres": databasetest.PostgresURL} {
		t.Run(name, func(t *testing.T) {
			logouttest.TestStore(t, func(t *testing.T) logouttest.Opened {
				db := databasetest.Open(t, url(t))
				return logouttest.Opened{Store: logoutstore.New(db), Tx: db.Tx, Insured: func(t *testing.T) { insured(t, db) }}
			})
		})
	}
}

// insured checks the invariants of the logout package's documentation against the queue's own table.
func insured(t *testing.T, db *database.DB) {
	t.Helper()
	argument := func(name string) string {
		if db.Postgres() {
			return "args->>'" + name + "'"
		}
		return "json_extract(args, '$." + name + "')"
	}
	open := "j.state NOT IN ('completed', 'cancelled', 'discarded')"
	for what, query := range map[string]string{
		"logouts with a pending delivery that have no insurance job and are not early": `SELECT count(DISTINCT logout_id) FROM logout_deliveries d WHERE state = 'pending' AND NOT EXISTS
			(SELECT 1 FROM river_job j WHERE j.kind = 'logout_insurance' AND ` + argument("logout_id") + ` = d.logout_id AND ` + open + `) AND NOT EXISTS
			(SELECT 1 FROM logouts l WHERE l.id = d.logout_id AND l.job_id = 0)`,
		"logouts with two insurance jobs": `SELECT count(*) FROM (SELECT ` + argument("logout_id") + ` FROM river_job j WHERE j.kind = 'logout_insurance' AND ` + open + `
			GROUP BY ` + argument("logout_id") + ` HAVING count(*) > 1) AS twice`,
		"parked deliveries that are not retrying": `SELECT count(*) FROM logout_deliveries WHERE parked AND state <> 'retrying'`,
		"receivers with parked deliveries and no turn": `SELECT count(*) FROM (SELECT DISTINCT client_id, channel FROM logout_deliveries WHERE parked) AS p WHERE NOT EXISTS
			(SELECT 1 FROM logout_receivers r WHERE r.client_id = p.client_id AND r.channel = p.channel AND r.turn_at IS NOT NULL)`,
		"receivers with a turn and no job for it": `SELECT count(*) FROM logout_receivers r WHERE turn_at IS NOT NULL AND NOT EXISTS
			(SELECT 1 FROM river_job j WHERE j.kind = 'logout_receiver' AND ` + argument("client_id") + ` = r.client_id AND ` + argument("channel") + ` = r.channel
			AND CAST(` + argument("turn_at") + ` AS BIGINT) = r.turn_at AND ` + open + `)`,
		"retrying deliveries without a job of their own": `SELECT count(*) FROM logout_deliveries d WHERE state = 'retrying' AND NOT parked AND NOT EXISTS
			(SELECT 1 FROM river_job j WHERE j.kind = 'logout_retry' AND ` + argument("delivery_id") + ` = d.id AND CAST(` + argument("next_at") + ` AS BIGINT) = d.next_at AND ` + open + `)`,
	} {
		var n int
		if err := db.Reader(t.Context()).Raw(query).Scan(&n).Error; err != nil {
			t.Fatal(err)
		}
		if n != 0 {
			t.Errorf("%d %s", n, what)
		}
	}
}
