package sqlstore_test

import (
	"database/sql"
	"path/filepath"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"

	"github.com/exeunt-id/exeunt/database/databasetest" // and, below it, "sqlite"
	"github.com/exeunt-id/exeunt/rp"
	"github.com/exeunt-id/exeunt/rp/rptest"
	"github.com/exeunt-id/exeunt/rp/sqlstore"
)

func openSQL(t *testing.T, driver, dsn string) *sqlstore.Store {
	t.Helper()
	db, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	store, err := sqlstore.New(t.Context(), db, sqlstore.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return store
}

func each(t *testing.T, test func(t *testing.T, open func(t *testing.T) [2]*sqlstore.Store)) {
	t.Run("sqlite", func(t *testing.T) {
		test(t, func(t *testing.T) [2]*sqlstore.Store {
			dsn := "file:" + filepath.Join(t.TempDir(), "app.db") + "?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_txlock=immediate"
			return [2]*sqlstore.Store{openSQL(t, "sqlite", dsn), openSQL(t, "sqlite", dsn)}
		})
	})
	t.Run("postgres", func(t *testing.T) {
		test(t, func(t *testing.T) [2]*sqlstore.Store {
			dsn := databasetest.PostgresURL(t)
			return [2]*sqlstore.Store{openSQL(t, "pgx", dsn), openSQL(t, "pgx", dsn)}
		})
	})
}

func TestStore(t *testing.T) {
	each(t, func(t *testing.T, open func(t *testing.T) [2]*sqlstore.Store) {
		rptest.TestStore(t, func(t *testing.T) [2]rp.Store {
			stores := open(t)
			return [2]rp.Store{stores[0], stores[1]}
		})
	})
}

func TestSweep(t *testing.T) {
	each(t, func(t *testing.T, open func(t *testing.T) [2]*sqlstore.Store) {
		store, now := open(t)[0], time.Now()
		for key, until := range map[string]time.Time{"a:1": now.Add(-time.Hour), "a:2": now.Add(-time.Second), "a:3": now.Add(time.Hour)} {
			if err := store.Put(t.Context(), key, []byte("x"), until); err != nil {
				t.Fatal(err)
			}
		}
		n, err := store.Sweep(t.Context())
		if err != nil || n != 2 {
			t.Fatalf("swept %d rows, %v; want 2", n, err)
		}
		if _, found, err := store.Get(t.Context(), "a:3"); err != nil || !found {
			t.Errorf("the live row: %t, %v", found, err)
		}
	})
}

func TestNewNamesTheField(t *testing.T) {
	for _, cfg := range []sqlstore.Config{{Table: "x; DROP TABLE users"}, {Type: "TEXT"}} {
		db, err := sql.Open("sqlite", filepath.Join(t.TempDir(), "app.db"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := sqlstore.New(t.Context(), db, cfg); err == nil {
			t.Errorf("%+v was accepted", cfg)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
}
