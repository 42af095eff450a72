package database_test

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/riverqueue/river"

	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/database/databasetest"
)

type note struct {
	Text string `json:"text"`
}

func (note) Kind() string { return "note" }

var errBoom = errors.New("boom")

func count(t *testing.T, db *database.DB, query string) int {
	t.Helper()
	var n int
	if err := db.Reader(t.Context()).Raw(query).Scan(&n).Error; err != nil {
		t.Fatal(err)
	}
	return n
}

// What happens in a transaction, jobs included, happens together or not at all.
func TestTx(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		if err := db.Writer(t.Context()).Exec("CREATE TABLE things (name TEXT PRIMARY KEY)").Error; err != nil {
			t.Fatal(err)
		}
		insert := func(ctx context.Context, name string) error {
			if err := db.Writer(ctx).Exec("INSERT INTO things VALUES (?)", name).Error; err != nil {
				return err
			}
			_, err := db.Enqueue(ctx, river.InsertManyParams{Args: note{name}})
			return err
		}
		var heard []string
		listen := func(ctx context.Context, name string) {
			db.AfterTx(ctx, func(committed bool) {
				if committed {
					name += " committed"
				}
				heard = append(heard, name)
			})
		}
		outer := func(fail error) error {
			return db.Tx(t.Context(), func(ctx context.Context) error {
				listen(ctx, "outer")
				if err := insert(ctx, "outer"); err != nil {
					return err
				}
				err := db.Tx(ctx, func(ctx context.Context) error {
					listen(ctx, "inner")
					if n := count(t, db, "SELECT count(*) FROM things"); n != 0 {
						t.Errorf("another connection sees %d uncommitted rows", n)
					}
					return insert(ctx, "inner")
				})
				return errors.Join(err, fail)
			})
		}
		if err := outer(errBoom); !errors.Is(err, errBoom) {
			t.Fatalf("Tx = %v, want boom", err)
		}
		if n := count(t, db, "SELECT count(*) FROM things") + count(t, db, "SELECT count(*) FROM river_job"); n != 0 {
			t.Errorf("%d rows and jobs survived the rollback", n)
		}
		if err := outer(nil); err != nil {
			t.Fatal(err)
		}
		if n, jobs := count(t, db, "SELECT count(*) FROM things"), count(t, db, "SELECT count(*) FROM river_job"); n != 2 || jobs != 2 {
			t.Errorf("%d rows and %d jobs, want 2 and 2", n, jobs)
		}
		if want := []string{"outer", "inner", "outer committed", "inner committed"}; !slices.Equal(heard, want) {
			t.Errorf("heard %v, want %v", heard, want)
		}
		if _, err := db.Enqueue(t.Context(), river.InsertManyParams{Args: note{"alone"}}); err == nil {
			t.Error("a job was enqueued outside a transaction")
		}
		db.AfterCommit(t.Context(), func() { heard = nil })
		if heard != nil {
			t.Error("AfterCommit outside a transaction did not run at once")
		}
	})
}

// Work that goes on after a transaction, such as the first attempts of a logout, may carry its context.
func TestTxContextOutlivesTx(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		var kept context.Context
		if err := db.Tx(t.Context(), func(ctx context.Context) error { kept = ctx; return nil }); err != nil {
			t.Fatal(err)
		}
		err := db.Tx(kept, func(ctx context.Context) error {
			_, err := db.Enqueue(ctx, river.InsertManyParams{Args: note{"later"}})
			return err
		})
		if err != nil {
			t.Errorf("a transaction begun with the context of one that is over: %v", err)
		}
		db.AfterCommit(kept, func() { kept = nil })
		if kept != nil {
			t.Error("AfterCommit with the context of a transaction that is over did not run at once")
		}
	})
}

// A panic must not leave SQLite's only writer inside a transaction.
func TestTxPanic(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		func() {
			defer func() { _ = recover() }()
			_ = db.Tx(t.Context(), func(context.Context) error { panic("boom") })
		}()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if err := db.Tx(ctx, func(ctx context.Context) error { return db.Writer(ctx).Exec("SELECT 1").Error }); err != nil {
			t.Errorf("after a panic: %v", err)
		}
	})
}

func TestDeleteJobs(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		err := db.Tx(t.Context(), func(ctx context.Context) error {
			ids, err := db.Enqueue(ctx, river.InsertManyParams{Args: note{"a"}}, river.InsertManyParams{Args: note{"b"}})
			if err != nil {
				return err
			}
			return errors.Join(db.DeleteJobs(ctx), db.DeleteJobs(ctx, ids[0], 1<<40), db.DeleteJobs(ctx, ids[0]))
		})
		if err != nil {
			t.Fatal(err)
		}
		if n := count(t, db, "SELECT count(*) FROM river_job"); n != 1 {
			t.Errorf("%d jobs are left, want 1", n)
		}
	})
}

// Several nodes start at once on an empty database.
func TestMigrateTogether(t *testing.T) {
	databasetest.EachURL(t, func(t *testing.T, url string) {
		var wg sync.WaitGroup
		for range 4 {
			wg.Add(1)
			go func() {
				defer wg.Done()
				db, err := database.Open(t.Context(), url, database.Options{NoSync: true})
				if err != nil {
					t.Error(err)
					return
				}
				err = db.Migrate(t.Context())
				current, errCurrent := db.Migrated(t.Context())
				if err := errors.Join(err, errCurrent, db.Close()); err != nil || !current {
					t.Errorf("migrated %t, %v", current, err)
				}
			}()
		}
		wg.Wait()
	})
}

func TestMigrateRefusesNewerSchema(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		if err := db.Writer(t.Context()).Exec("INSERT INTO exeunt_logout_version (version_id, is_applied) VALUES (99999, TRUE)").Error; err != nil {
			t.Fatal(err)
		}
		if err := db.Migrate(t.Context()); err == nil || !strings.Contains(err.Error(), "newer") {
			t.Errorf("Migrate = %v, want a refusal that says the schema is newer", err)
		}
	})
}

func TestClaim(t *testing.T) {
	db := databasetest.Open(t, databasetest.SQLiteURL(t))
	release, err := db.Claim()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Claim(); !errors.Is(err, database.ErrInUse) {
		t.Errorf("second Claim = %v, want ErrInUse", err)
	}
	release()
	if again, err := db.Claim(); err != nil {
		t.Errorf("Claim after release = %v", err)
	} else {
		again()
	}
}

func TestOpenRefuses(t *testing.T) {
	for _, url := range []string{"", "mysql://root@localhost/x", "sqlite:", "sqlite::memory:", "sqlite:" + filepath.Join(t.TempDir(), "no", "such", "folder", "x.db"), "postgres://u:s3cret@127.0.0.1:1/x?sslmode=bad"} {
		db, err := database.Open(t.Context(), url, database.Options{})
		if err == nil {
			t.Errorf("Open(%q) succeeded", url)
			_ = db.Close()
		} else if strings.Contains(err.Error(), "s3cret") {
			t.Errorf("the error shows the password: %v", err)
		}
	}
}

func TestTime(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 678901234, time.FixedZone("CET", 3600))
	if got := database.Time(database.Micros(at)); !got.Equal(at.Truncate(time.Microsecond)) || got.Location() != time.UTC {
		t.Errorf("Time(Micros(%s)) = %s", at, got)
	}
	if database.NullMicros(time.Time{}) != nil || !database.NullTime(nil).IsZero() {
		t.Error("the zero time is not NULL")
	}
}
