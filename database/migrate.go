package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/gofrs/flock"
	"github.com/pressly/goose/v3"
	goosedb "github.com/pressly/goose/v3/database"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivermigrate"

	"github.com/exeunt-id/exeunt/migrations"
)

// migrationLock is the PostgreSQL advisory lock under which one node migrates while the others wait: "exeunt" in ASCII.
const migrationLock int64 = 0x657865756e74

// lockPoll is how often a waiting process looks at SQLite's migration lock.
const lockPoll = 20 * time.Millisecond

// lines names the migration lines that are ours, in the order they run. The queue's own follow them.
var lines = []string{"logout", "provider"}

// Migrate brings the schema to this version's state: the lines logout and provider, then the queue's own. Any number of nodes may call
// it at once. When nothing is to be done it takes no lock and costs three reads.
func (d *DB) Migrate(ctx context.Context) error {
	current, err := d.Migrated(ctx)
	if err != nil || current {
		return err
	}
	unlock, err := d.lockMigrations(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	for _, line := range lines {
		if err := d.migrateLine(ctx, line); err != nil {
			return fmt.Errorf("database: migrating line %s: %w", line, err)
		}
	}
	if err := d.migrateQueue(ctx); err != nil {
		return fmt.Errorf("database: migrating the queue: %w", err)
	}
	return nil
}

// Migrated reports whether the schema is this version's. A newer schema is an error: this program does not know it.
func (d *DB) Migrated(ctx context.Context) (bool, error) {
	all := true
	for _, line := range lines {
		want, err := d.latest(line)
		if err != nil {
			return false, err
		}
		have := d.version(ctx, "SELECT max(version_id) FROM "+versionTable(line))
		if have > want {
			return false, fmt.Errorf("database: the schema (line %s, version %d) is newer than this program (version %d); run the newer exeunt", line, have, want)
		}
		all = all && have == want
	}
	want, err := d.latestQueue()
	if err != nil {
		return false, err
	}
	return all && d.version(ctx, "SELECT max(version) FROM river_migration WHERE line = 'main'") >= want, nil
}

// version returns 0 where the table does not exist yet; a database that is really in trouble says so at the next statement.
func (d *DB) version(ctx context.Context, query string) int64 {
	var version sql.NullInt64
	if err := d.readSQL.QueryRowContext(ctx, query).Scan(&version); err != nil {
		return 0
	}
	return version.Int64
}

func versionTable(line string) string { return "exeunt_" + line + "_version" }

func (d *DB) files(line string) (fs.FS, error) {
	dialect := "sqlite"
	if d.Postgres() {
		dialect = "postgres"
	}
	return fs.Sub(migrations.FS, line+"/"+dialect)
}

// latest reads the newest version of a line from the names of its files.
func (d *DB) latest(line string) (int64, error) {
	files, err := d.files(line)
	if err != nil {
		return 0, err
	}
	names, err := fs.Glob(files, "*.sql")
	if err != nil || len(names) == 0 {
		return 0, fmt.Errorf("database: line %s has no migrations: %w", line, err)
	}
	number, _, _ := strings.Cut(names[len(names)-1], "_")
	return strconv.ParseInt(number, 10, 64)
}

func (d *DB) migrateLine(ctx context.Context, line string) error {
	files, err := d.files(line)
	if err != nil {
		return err
	}
	dialect := goosedb.DialectSQLite3
	if d.Postgres() {
		dialect = goosedb.DialectPostgres
	}
	p, err := goose.NewProvider(dialect, d.sqlDB, files, goose.WithTableName(versionTable(line)),
		goose.WithDisableGlobalRegistry(true), goose.WithLogger(goose.NopLogger()))
	if err != nil {
		return err
	}
	results, err := p.Up(ctx)
	for _, r := range results {
		d.log.InfoContext(ctx, "migrated", "line", line, "version", r.Source.Version)
	}
	return err
}

func (d *DB) migrateQueue(ctx context.Context) error {
	cfg := &rivermigrate.Config{Logger: slog.New(levelled{d.log.Handler(), slog.LevelWarn})}
	if d.Postgres() {
		m, err := rivermigrate.New(riverpgxv5.New(d.pool), cfg)
		if err != nil {
			return err
		}
		_, err = m.Migrate(ctx, rivermigrate.DirectionUp, nil)
		return err
	}
	m, err := rivermigrate.New(riversqlite.New(d.sqlDB), cfg)
	if err != nil {
		return err
	}
	_, err = m.Migrate(ctx, rivermigrate.DirectionUp, nil)
	return err
}

func (d *DB) latestQueue() (int64, error) {
	var all []rivermigrate.Migration
	if d.Postgres() {
		m, err := rivermigrate.New(riverpgxv5.New(d.pool), nil)
		if err != nil {
			return 0, err
		}
		all = m.AllVersions()
	} else {
		m, err := rivermigrate.New(riversqlite.New(d.sqlDB), nil)
		if err != nil {
			return 0, err
		}
		all = m.AllVersions()
	}
	return int64(all[len(all)-1].Version), nil
}

// lockMigrations waits until no other node migrates. PostgreSQL: an advisory lock on a connection of its own, which the server releases
// when the node dies. SQLite: a lock file, which the operating system releases.
func (d *DB) lockMigrations(ctx context.Context) (unlock func(), err error) {
	if !d.Postgres() {
		lock := flock.New(d.path + ".migrate.lock")
		if _, err := lock.TryLockContext(ctx, lockPoll); err != nil {
			return nil, fmt.Errorf("database: waiting for %s: %w", lock.Path(), err)
		}
		return func() { _ = lock.Unlock() }, nil
	}
	conn, err := d.sqlDB.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("database: %w", err)
	}
	if _, err := conn.ExecContext(ctx, "SELECT pg_advisory_lock($1)", migrationLock); err != nil {
		return nil, errors.Join(fmt.Errorf("database: waiting for the migration lock: %w", err), conn.Close())
	}
	return func() {
		_, _ = conn.ExecContext(context.WithoutCancel(ctx), "SELECT pg_advisory_unlock($1)", migrationLock)
		_ = conn.Close()
	}, nil
}
