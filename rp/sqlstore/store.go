// Package sqlstore is an [rp.Store] in one table of the application's own
// database, by database/sql:
//
//	store, err := sqlstore.New(ctx, db, sqlstore.Config{})
//	kit, err := rp.New(rp.Config{ ..., Store: store})
//
// Its statements are understood by PostgreSQL and SQLite. What it stores is
// encrypted by the kit; see [rp.Kit].
package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"time"
)

// Config says where things are kept.
type Config struct {
	// Table is its name. Defaults to rp_store.
	Table string
	// Type is the column type for bytes: BYTEA on PostgreSQL, BLOB on SQLite.
	// Defaults to what the database says that it is.
	Type string
	// Now is the clock. Defaults to time.Now.
	Now func() time.Time
}

// Store implements rp.Store and rp.Raiser. It is safe for concurrent use, by
// several processes too.
type Store struct {
	db    *sql.DB
	table string
	now   func() time.Time
}

var tableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)?$`)

// New returns a store in db, and makes its table if it is not there yet.
func New(ctx context.Context, db *sql.DB, cfg Config) (*Store, error) {
	if cfg.Table == "" {
		cfg.Table = "rp_store"
	}
	if !tableName.MatchString(cfg.Table) {
		return nil, fmt.Errorf("sqlstore: Config.Table is %q: use letters, digits and underscores", cfg.Table)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Type == "" {
		cfg.Type = "BYTEA"
		var version string
		if err := db.QueryRowContext(ctx, "SELECT sqlite_version()").Scan(&version); err == nil {
			cfg.Type = "BLOB"
		}
	}
	if cfg.Type != "BYTEA" && cfg.Type != "BLOB" {
		return nil, fmt.Errorf("sqlstore: Config.Type is %q: use BYTEA on PostgreSQL, BLOB on SQLite", cfg.Type)
	}
	s := &Store{db: db, table: cfg.Table, now: cfg.Now}
	// until_us: microseconds since 1970.
	create := "CREATE TABLE IF NOT EXISTS " + s.table + " (key VARCHAR(100) PRIMARY KEY, value " + cfg.Type + " NOT NULL, until_us BIGINT NOT NULL)"
	if _, err := db.ExecContext(ctx, create); err != nil {
		// Two instances that start together on PostgreSQL: the table is there for
		// both, and one is told so in an error.
		if _, err := db.ExecContext(ctx, "DELETE FROM "+s.table+" WHERE until_us <= $1", s.micros()); err != nil {
			return nil, fmt.Errorf("sqlstore: the table %s can be neither made nor used: %w", s.table, err)
		}
	}
	return s, nil
}

func (s *Store) micros() int64 { return s.now().UnixMicro() }

// Get implements rp.Store.
func (s *Store) Get(ctx context.Context, key string) ([]byte, bool, error) {
	var value []byte
	err := s.db.QueryRowContext(ctx, "SELECT value FROM "+s.table+" WHERE key = $1 AND until_us > $2", key, s.micros()).Scan(&value)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, false, nil
	case err != nil:
		return nil, false, fmt.Errorf("sqlstore: reading: %w", err)
	}
	return value, true, nil
}

// Put implements rp.Store.
func (s *Store) Put(ctx context.Context, key string, value []byte, until time.Time) error {
	_, err := s.db.ExecContext(ctx, "INSERT INTO "+s.table+" (key, value, until_us) VALUES ($1, $2, $3)"+
		" ON CONFLICT (key) DO UPDATE SET value = excluded.value, until_us = excluded.until_us", key, value, until.UnixMicro())
	if err != nil {
		return fmt.Errorf("sqlstore: writing: %w", err)
	}
	return nil
}

// Delete implements rp.Store.
func (s *Store) Delete(ctx context.Context, key string) error {
	if _, err := s.db.ExecContext(ctx, "DELETE FROM "+s.table+" WHERE key = $1", key); err != nil {
		return fmt.Errorf("sqlstore: deleting: %w", err)
	}
	return nil
}

// Raise implements rp.Raiser: one statement, in which the row is locked. Both
// databases compare bytes as bytes.Compare does.
func (s *Store) Raise(ctx context.Context, key string, value []byte, until time.Time) (bool, error) {
	result, err := s.db.ExecContext(ctx, "INSERT INTO "+s.table+" AS old (key, value, until_us) VALUES ($1, $2, $3)"+
		" ON CONFLICT (key) DO UPDATE SET value = excluded.value, until_us = excluded.until_us"+
		" WHERE old.until_us <= $4 OR old.value < excluded.value", key, value, until.UnixMicro(), s.micros())
	if err != nil {
		return false, fmt.Errorf("sqlstore: raising: %w", err)
	}
	n, err := result.RowsAffected()
	if err != nil {
		return false, fmt.Errorf("sqlstore: raising: %w", err)
	}
	return n == 1, nil
}

// Sweep removes what has expired, and returns how many rows that were. Call it
// now and then, from one instance or from all.
func (s *Store) Sweep(ctx context.Context) (int64, error) {
	result, err := s.db.ExecContext(ctx, "DELETE FROM "+s.table+" WHERE until_us <= $1", s.micros())
	if err != nil {
		return 0, fmt.Errorf("sqlstore: sweeping: %w", err)
	}
	return result.RowsAffected()
}
