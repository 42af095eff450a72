package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime"

	"github.com/gofrs/flock"
	"github.com/libtnb/sqlite"
	"gorm.io/gorm"
)

// openSQLite opens one connection that writes and a pool that reads. Writers beside each other in SQLite wait by polling (up to a
// second was measured with four); one connection makes them queue in Go, where waiting is fair.
//
// synchronous=FULL: commit is the moment of logout, so a commit must survive a power failure.
func (d *DB) openSQLite(ctx context.Context, path string, o Options) error {
	if path == "" || path == ":memory:" {
		return errors.New("database: sqlite needs a file, for example sqlite:exeunt.db; an in-memory database would lose every session and undelivered logout")
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return fmt.Errorf("database: %w", err)
	}
	d.path = abs
	if err := private(abs); err != nil {
		return err
	}
	sync := "synchronous(FULL)"
	if o.NoSync {
		sync = "synchronous(OFF)"
	}
	if d.sqlDB, err = openSQLiteFile(ctx, abs, "immediate", "busy_timeout(10000)", "journal_mode(WAL)", sync, "foreign_keys(1)"); err != nil {
		return err
	}
	d.sqlDB.SetMaxOpenConns(1)
	if d.readSQL, err = openSQLiteFile(ctx, abs, "deferred", "busy_timeout(10000)", "query_only(1)"); err != nil {
		return err
	}
	readers := max(4, runtime.GOMAXPROCS(0))
	d.readSQL.SetMaxOpenConns(readers)
	d.readSQL.SetMaxIdleConns(readers)
	if d.writer, err = gorm.Open(sqlite.New(sqlite.Config{Conn: d.sqlDB}), gormOptions()); err != nil {
		return fmt.Errorf("database: %w", err)
	}
	if d.reader, err = gorm.Open(sqlite.New(sqlite.Config{Conn: d.readSQL}), gormOptions()); err != nil {
		return fmt.Errorf("database: %w", err)
	}
	return nil
}

// private creates the file for its owner alone: it holds password hashes and sessions. SQLite gives its companions (-wal, -shm) the same
// mode. A file that exists keeps the mode that somebody gave it.
func private(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("database: %w (does the folder exist, and may this user write there?)", err)
	}
	return f.Close()
}

func openSQLiteFile(ctx context.Context, path, txlock string, pragmas ...string) (*sql.DB, error) {
	query := url.Values{"_txlock": {txlock}, "_pragma": pragmas}
	dsn := url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: query.Encode()}
	db, err := sql.Open(sqlite.DriverName, dsn.String())
	if err != nil {
		return nil, fmt.Errorf("database: %w", err)
	}
	if err := db.PingContext(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("database: opening %s: %w", path, err), db.Close())
	}
	return db, nil
}

// ErrInUse says that another process serves this SQLite file.
var ErrInUse = errors.New("database: another exeunt serves this SQLite file; stop it first, or use PostgreSQL to run several nodes")

// Claim makes this process the only one that serves an SQLite file, until the returned function is called or the process dies. Two
// would each deliver, sweep and rotate on their own. On PostgreSQL any number of nodes may serve, and it does nothing.
func (d *DB) Claim() (release func(), err error) {
	if d.Postgres() {
		return func() {}, nil
	}
	lock := flock.New(d.path + ".lock")
	ok, err := lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("database: locking %s: %w", lock.Path(), err)
	}
	if !ok {
		return nil, fmt.Errorf("%w (%s)", ErrInUse, d.path)
	}
	return func() { _ = lock.Unlock() }, nil
}
