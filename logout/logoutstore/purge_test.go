package logoutstore_test

import (
	"context"
	"testing"
	"time"

	"github.com/exeunt-id/exeunt/database/databasetest"
	"github.com/exeunt-id/exeunt/logout/logoutstore"
)

// A receiver gets a turn while somebody deletes those that nothing was heard of: it stays, or what is parked for it would wait for ever.
func TestPurgeSparesATurn(t *testing.T) {
	db := databasetest.Open(t, databasetest.PostgresURL(t))
	if err := db.Writer(t.Context()).Exec("INSERT INTO logout_receivers (client_id, channel) VALUES ('shop', 'backchannel')").Error; err != nil {
		t.Fatal(err)
	}
	purged := make(chan error, 1)
	err := db.Tx(t.Context(), func(ctx context.Context) error {
		if err := db.Writer(ctx).Exec("UPDATE logout_receivers SET turn_at = 1 WHERE client_id = 'shop'").Error; err != nil {
			return err
		}
		go func() { purged <- logoutstore.New(db).Purge(t.Context(), time.Now(), nil) }()
		for {
			var waiting bool
			err := db.Writer(ctx).Raw("SELECT EXISTS (SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')").Scan(&waiting).Error
			if err != nil || waiting {
				return err
			}
			if err := db.Writer(ctx).Exec("SELECT pg_stat_clear_snapshot(), pg_sleep(0.01)").Error; err != nil {
				return err
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := <-purged; err != nil {
		t.Fatal(err)
	}
	var n int
	if err := db.Reader(t.Context()).Raw("SELECT count(*) FROM logout_receivers WHERE turn_at IS NOT NULL").Scan(&n).Error; err != nil || n != 1 {
		t.Errorf("%d receivers have a turn, %v; want the one that got it", n, err)
	}
}
