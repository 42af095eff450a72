package store_test

import (
	"database/sql"
	"strings"
	"testing"
	"time"

	"gorm.io/gorm"

	"github.com/exeunt-id/exeunt/database/databasetest"
)

// What is asked every few seconds reads an index of what is in trouble and not the deliveries. SQLite takes a partial index only for a query that
// says its condition in the same words, so a word too few makes it read the whole table.
func TestPlansOfWhatIsAskedOften(t *testing.T) {
	db := databasetest.Open(t, databasetest.SQLiteURL(t))
	f := newFixture(db)
	seen := 0
	watch := func(tx *gorm.DB) {
		query := tx.Statement.SQL.String()
		if !strings.Contains(query, "logout_deliveries") {
			return
		}
		plan, err := tx.Statement.ConnPool.QueryContext(tx.Statement.Context, "EXPLAIN QUERY PLAN "+query, tx.Statement.Vars...)
		must(t, err)
		defer func() { must(t, plan.Close()) }()
		for plan.Next() {
			var detail string
			var skip sql.RawBytes
			must(t, plan.Scan(&skip, &skip, &skip, &detail))
			seen++
			if strings.HasPrefix(detail, "SCAN logout_deliveries") && !strings.Contains(detail, "logout_deliveries_trouble") || strings.Contains(detail, "INDEX logout_deliveries_client (") {
				t.Errorf("%s\n%s", detail, query)
			}
		}
		must(t, plan.Err())
	}
	must(t, db.Reader(t.Context()).Callback().Row().Before("gorm:row").Register("plan", watch))
	must(t, db.Reader(t.Context()).Callback().Query().Before("gorm:query").Register("plan", watch))
	if _, _, err := f.Gauges(t.Context()); err != nil {
		t.Error(err)
	}
	must(t, db.Writer(t.Context()).Exec("INSERT INTO logout_receivers (client_id, channel, open, changed_at) VALUES ('shop', 'webhook', TRUE, 1)").Error)
	now := time.Now()
	if _, ok, err := f.Alerts.Look(t.Context(), now, now.Add(time.Minute), now, now.Add(-time.Hour)); err != nil || !ok {
		t.Errorf("%v, %v", ok, err)
	}
	if _, _, err := f.sessions.Events(t.Context(), "shop", 0, 10); err != nil {
		t.Error(err)
	}
	if seen < 7 {
		t.Errorf("only %d steps were seen", seen)
	}
}
