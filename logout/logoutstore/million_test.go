package logoutstore_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/database/databasetest"
	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/logout/logoutstore"
)

// fillMillion writes 200,000 logouts of 100,000 people over thirty days with five deliveries each, to fifty clients. One client has been down
// all the time and has 20,000 deliveries waiting; two of a thousand of the others were given up.
func fillMillion(b *testing.B, db *database.DB) {
	b.Helper()
	series := func(n int) string { return fmt.Sprintf("generate_series(0, %d::bigint) AS s(n)", n-1) }
	pad := func(prefix, n string) string { return "'" + prefix + "' || lpad(to_hex(" + n + "), 12, '0')" }
	client := "'rp-' || lpad(CAST((m * 7 + n) % 50 AS TEXT), 2, '0')"
	if !db.Postgres() {
		series = func(n int) string {
			return fmt.Sprintf("(WITH RECURSIVE s(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM s WHERE n < %d) SELECT n FROM s) s", n-1)
		}
		pad = func(prefix, n string) string { return "'" + prefix + "' || printf('%012x', " + n + ")" }
		client = "'rp-' || printf('%02d', (m * 7 + n) % 50)"
	}
	const logouts, each = 200_000, 5
	day := int64(24 * time.Hour / time.Microsecond)
	at := fmt.Sprintf("(%d + %d * n)", database.Micros(noon)-30*day, 30*day/logouts)
	person := pad("019a0000-0000-7000-8000-", "(n * 7919) % 100000")
	logoutID, sessionID, cause := pad("019b0000-0000-7000-8000-", "n"), pad("019c0000-0000-7000-8000-", "n"), "CASE WHEN n % 100 = 0 THEN 'admin' ELSE 'redirect' END"
	for _, statement := range []string{
		"INSERT INTO logouts (id, cause, actor, target, sessions, created_at) SELECT " + logoutID + ", " + cause + ", '{}', '{}', 1, " + at + " FROM " + series(logouts),
		"INSERT INTO logout_sessions (id, subject, auth_time, created_at, seen_at, idle_until, expires_at, ended_at, logout_id) SELECT " + sessionID + ", " + person +
			", 0, 0, 0, 0, 0, " + at + ", " + logoutID + " FROM " + series(logouts),
		"INSERT INTO logout_deliveries (id, logout_id, client_id, channel, state, cause, session_id, sid, subject, created_at, next_at, give_up_at, settled_at, attempts, last_status, last_error) " +
			"SELECT id, logout_id, client_id, 'backchannel', CASE WHEN waits THEN 'retrying' WHEN gone THEN 'dead' ELSE 'delivered' END, cause, session_id, id, subject, at, at, at, " +
			"CASE WHEN waits THEN NULL ELSE at + 1000 * (m % 977) END, 1, CASE WHEN waits OR gone THEN 503 ELSE 200 END, CASE WHEN waits OR gone THEN 'the endpoint answered 503' ELSE '' END FROM (" +
			"SELECT x.*, client_id = 'rp-07' AS waits, m % 1009 IN (3, 5) AS gone FROM (" +
			"SELECT " + pad("019d0000-0000-7000-8000-", "m") + " AS id, " + logoutID + " AS logout_id, " + client + " AS client_id, " + cause + " AS cause, " + sessionID + " AS session_id, " +
			person + " AS subject, " + at + " AS at, m FROM (SELECT n AS m, n / " + fmt.Sprint(each) + " AS n FROM " + series(logouts*each) + ") w) x) y",
	} {
		if err := db.Writer(b.Context()).Exec(statement).Error; err != nil {
			b.Fatal(err)
		}
	}
	if db.Postgres() {
		if err := db.Writer(b.Context()).Exec("VACUUM ANALYZE").Error; err != nil { // as autovacuum has done by then
			b.Fatal(err)
		}
	}
}

// What the pages of the console ask, among a million deliveries.
func BenchmarkMillion(b *testing.B) {
	for name, url := range map[string]func(testing.TB) string{"sqlite": databasetest.SQLiteURL, "postgres": databasetest.PostgresURL} {
		db := databasetest.Open(b, url(b))
		store := logoutstore.New(db)
		fillMillion(b, db)
		clients := make([]string, 50)
		for i := range clients {
			clients[i] = fmt.Sprintf("rp-%02d", i)
		}
		page := func(f logout.Filter) func() (int, error) {
			f.Limit = 51
			return func() (int, error) {
				list, err := store.List(b.Context(), f)
				return len(list), err
			}
		}
		person := "019a0000-0000-7000-8000-" + fmt.Sprintf("%012x", 4711)
		untold := []logout.State{logout.StatePending, logout.StateRetrying, logout.StateDead, logout.StateRejected}
		for _, q := range []struct {
			name string
			ask  func() (int, error)
		}{
			{"all", page(logout.Filter{})},
			{"page-10000", page(logout.Filter{Before: logout.Position{At: noon.Add(-15 * 24 * time.Hour), ID: "019d"}})},
			{"client", page(logout.Filter{ClientID: "rp-08"})},
			{"dead", page(logout.Filter{States: []logout.State{logout.StateDead}})},
			{"untold", page(logout.Filter{States: untold})},
			{"none-rejected", page(logout.Filter{States: []logout.State{logout.StateRejected}})},
			{"client-untold", page(logout.Filter{ClientID: "rp-07", States: untold})},
			{"client-dead-old", page(logout.Filter{ClientID: "rp-08", States: untold, Until: noon.Add(-20 * 24 * time.Hour)})},
			{"day-3-weeks-ago", page(logout.Filter{Since: noon.Add(-21 * 24 * time.Hour), Until: noon.Add(-20 * 24 * time.Hour)})},
			{"subject", page(logout.Filter{Subject: person})},
			{"cause", page(logout.Filter{Cause: logout.CauseAdmin})},
			{"cause-unused", page(logout.Filter{Cause: logout.CauseDeviceDetached})},
			{"error", page(logout.Filter{ErrorText: "answered 503"})},
			{"error-unused", page(logout.Filter{ErrorText: "no such text"})},
			{"count-untold", func() (int, error) {
				return store.Count(b.Context(), logout.Filter{ClientID: "rp-07", States: untold}, 100_000)
			}},
			{"figures-50", func() (int, error) {
				all, err := store.Figures(b.Context(), noon, clients...)
				return len(all), err
			}},
			{"figures-1", func() (int, error) {
				all, err := store.Figures(b.Context(), noon, "rp-07")
				return len(all), err
			}},
			{"figures-untold", func() (int, error) {
				all, err := store.Figures(b.Context(), noon)
				return len(all), err
			}},
			{"health", func() (int, error) {
				all, err := store.Health(b.Context())
				return len(all), err
			}},
			{"logouts", func() (int, error) {
				list, err := store.Logouts(b.Context(), logout.LogoutFilter{Limit: 51})
				return len(list), err
			}},
			{"logouts-subject", func() (int, error) {
				list, err := store.Logouts(b.Context(), logout.LogoutFilter{Subject: person, Limit: 51})
				return len(list), err
			}},
		} {
			b.Run(name+"/"+q.name, func(b *testing.B) {
				n := 0
				for b.Loop() {
					var err error
					if n, err = q.ask(); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(n), "rows")
			})
		}
	}
}
