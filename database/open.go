package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"

	"github.com/jackc/pgx/v5/pgxpool"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"
)

// Options tune Open. The zero value is ready for use.
type Options struct {
	Logger *slog.Logger // Defaults to slog.Default.

	// NoSync lets SQLite lose the last commits when the power fails. For tests: a logout would be one of them.
	NoSync bool
}

// DB is one database, embedded or served. Safe for concurrent use.
type DB struct {
	writer  *gorm.DB
	reader  *gorm.DB
	sqlDB   *sql.DB // of the writer
	readSQL *sql.DB // SQLite's read pool; the same as sqlDB on PostgreSQL
	pool    *pgxpool.Pool
	path    string // SQLite's file
	log     *slog.Logger
	queue   atomic.Pointer[queue]

	listeners listeners
}

// ErrURL says that a database URL has a form that Open does not know.
var ErrURL = errors.New("database: the URL must start with sqlite: or postgres://")

// Open connects to the database of a URL, "sqlite:path/to/file" or "postgres://user:password@host/name". It changes nothing in it;
// see Migrate.
func Open(ctx context.Context, url string, o Options) (*DB, error) {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	d := &DB{log: o.Logger}
	var err error
	switch {
	case strings.HasPrefix(url, "sqlite:"):
		err = d.openSQLite(ctx, strings.TrimPrefix(url, "sqlite:"), o)
	case strings.HasPrefix(url, "postgres://"), strings.HasPrefix(url, "postgresql://"):
		err = d.openPostgres(ctx, url)
	default:
		err = ErrURL
	}
	if err == nil {
		err = d.openQueue(nil)
	}
	if err != nil {
		_ = d.Close()
		return nil, err
	}
	return d, nil
}

// Postgres reports whether the database is PostgreSQL; otherwise it is SQLite.
func (d *DB) Postgres() bool { return d.pool != nil }

// Ping reports whether the database answers.
func (d *DB) Ping(ctx context.Context) error {
	if err := d.readSQL.PingContext(ctx); err != nil {
		return fmt.Errorf("database: %w", err)
	}
	return nil
}

// Close stops the queue and closes all connections. Listeners hear nothing more.
func (d *DB) Close() error {
	var errs []error
	d.listeners.close()
	if q := d.queue.Load(); q != nil && q.working {
		errs = append(errs, q.stopNow())
	}
	if d.readSQL != nil && d.readSQL != d.sqlDB {
		errs = append(errs, d.readSQL.Close())
	}
	if d.sqlDB != nil {
		errs = append(errs, d.sqlDB.Close())
	}
	if d.pool != nil {
		d.pool.Close()
	}
	return errors.Join(errs...)
}

// gormOptions: our SQL is written out and every transaction is ours, so gorm adds neither transactions nor logs of its own (a logged
// statement could carry a secret's hash).
func gormOptions() *gorm.Config {
	return &gorm.Config{SkipDefaultTransaction: true, TranslateError: true, Logger: logger.Discard, DisableAutomaticPing: true}
}
