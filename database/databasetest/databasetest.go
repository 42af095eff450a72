// Package databasetest gives tests real databases: a fresh SQLite file, and a fresh database on a real PostgreSQL server that is started
// once for the test binary and dies with it.
package databasetest

import (
	"context"
	"fmt"
	"net/url"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/exeunt-id/exeunt/database"
)

// Each runs the test on SQLite and on PostgreSQL, each time on a fresh migrated database. Where no PostgreSQL is installed that half is
// skipped with a message, or fails if EXEUNT_TEST_REQUIRE is set, as it is in CI.
func Each(t *testing.T, test func(t *testing.T, db *database.DB)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { test(t, Open(t, SQLiteURL(t))) })
	t.Run("postgres", func(t *testing.T) { test(t, Open(t, PostgresURL(t))) })
}

// EachURL is Each for tests that open the database themselves, perhaps from another process. The database is empty.
func EachURL(t *testing.T, test func(t *testing.T, url string)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { test(t, SQLiteURL(t)) })
	t.Run("postgres", func(t *testing.T) { test(t, emptyPostgres(t)) })
}

// Open opens and migrates a database and closes it when the test ends.
func Open(t testing.TB, url string) *database.DB {
	t.Helper()
	db, err := database.Open(t.Context(), url, database.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return db
}

// SQLiteURL returns the URL of a file that does not exist yet.
func SQLiteURL(t testing.TB) string { return "sqlite:" + filepath.Join(t.TempDir(), "exeunt.db") }

var (
	templateOnce sync.Once
	errTemplate  error
	created      atomic.Int64
)

// PostgresURL returns the URL of a new, migrated database: a copy of one that was migrated once, which is far quicker.
func PostgresURL(t testing.TB) string {
	t.Helper()
	base := server(t)
	templateOnce.Do(func() { errTemplate = makeTemplate(base) })
	if errTemplate != nil {
		t.Fatal(errTemplate)
	}
	return create(t, base, "TEMPLATE exeunt_template")
}

func emptyPostgres(t testing.TB) string {
	t.Helper()
	return create(t, server(t), "")
}

func makeTemplate(base string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := execute(ctx, base, "CREATE DATABASE exeunt_template"); err != nil {
		return err
	}
	db, err := database.Open(ctx, withDatabase(base, "exeunt_template"), database.Options{})
	if err != nil {
		return err
	}
	if err := db.Migrate(ctx); err != nil {
		return err
	}
	return db.Close()
}

func create(t testing.TB, base, template string) string {
	t.Helper()
	name := fmt.Sprintf("exeunt_%d", created.Add(1))
	if err := execute(t.Context(), base, "CREATE DATABASE "+name+" "+template); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := execute(context.Background(), base, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)"); err != nil {
			t.Error(err)
		}
	})
	return withDatabase(base, name)
}

func execute(ctx context.Context, url, sql string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return fmt.Errorf("databasetest: %w", err)
	}
	defer func() { _ = conn.Close(ctx) }()
	_, err = conn.Exec(ctx, sql)
	return err
}

func withDatabase(base, name string) string {
	u, err := url.Parse(base)
	if err != nil {
		panic(err) // base is made in this package
	}
	u.Path = "/" + name
	return u.String()
}
