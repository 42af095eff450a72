package logoutstore_test

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"testing"
	"time"

	"gorm.io/gorm"

	"github.com/exeunt-id/exeunt/database/databasetest"
	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/logout/logoutstore"
)

// A batch of a client's mass logout goes on in the order of sessions and looks each up; it collects nothing that grows with the client's past.
func TestMassOfAClientGoesThroughSessions(t *testing.T) {
	db := databasetest.Open(t, databasetest.SQLiteURL(t))
	store := logoutstore.New(db)
	var plans []string
	explain := func(tx *gorm.DB) {
		query := tx.Statement.SQL.String()
		if !strings.HasPrefix(query, "UPDATE logout_sessions") {
			return
		}
		rows, err := tx.Statement.ConnPool.QueryContext(tx.Statement.Context, "EXPLAIN QUERY PLAN "+query, tx.Statement.Vars...)
		if err != nil {
			t.Error(err)
			return
		}
		for rows.Next() {
			var skip sql.RawBytes
			var detail string
			err = errors.Join(err, rows.Scan(&skip, &skip, &skip, &detail))
			plans = append(plans, detail)
		}
		if err = errors.Join(err, rows.Close()); err != nil {
			t.Error(err)
		}
	}
	writer := db.Writer(t.Context())
	if err := errors.Join(writer.Callback().Row().Before("gorm:row").Register("plan", explain), writer.Callback().Query().Before("gorm:query").Register("plan", explain)); err != nil {
		t.Fatal(err)
	}
	req := logout.Request{Cause: logout.CauseIdle, Target: logout.Target{ClientID: "shop", Part: logout.Part{MassID: "m", After: "a", Limit: 100}}}
	_, err := store.End(t.Context(), logout.NewID(), req, time.Now(), func(context.Context, []logout.Session, []logout.Participation) (*logout.Plan, error) { return nil, nil })
	if err != nil {
		t.Fatal(err)
	}
	if all := strings.Join(plans, "\n"); len(plans) < 3 || strings.Contains(all, "logout_participations_client") || strings.Contains(all, "USE TEMP B-TREE") {
		t.Errorf("the plan of a batch:\n%s", all)
	}
}
