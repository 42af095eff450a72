package database

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"
)

// minPostgres is the oldest server version that the queries and the queue are made for.
const minPostgres = 130000

// minConns is the smallest pool in which a migration, which holds its lock on one connection, and the queue do not wait for each other.
const minConns = 4

// openPostgres makes one pool that gorm and the queue share, so that a job is enqueued on the very connection of a transaction.
func (d *DB) openPostgres(ctx context.Context, url string) error {
	cfg, err := pgxpool.ParseConfig(url)
	if err != nil {
		// pgx redacts the password in its own message.
		return fmt.Errorf("database: the PostgreSQL URL cannot be read: %w", err)
	}
	if !strings.Contains(url, "pool_max_conns") {
		cfg.MaxConns = max(cfg.MaxConns, 20)
	}
	if cfg.MaxConns < minConns {
		return fmt.Errorf("database: pool_max_conns is %d; at least %d are needed", cfg.MaxConns, minConns)
	}
	if d.pool, err = pgxpool.NewWithConfig(ctx, cfg); err != nil {
		return fmt.Errorf("database: %w", err)
	}
	d.sqlDB = stdlib.OpenDBFromPool(d.pool)
	d.readSQL = d.sqlDB
	var version int
	if err := d.pool.QueryRow(ctx, "SELECT current_setting('server_version_num')::int").Scan(&version); err != nil {
		return fmt.Errorf("database: PostgreSQL at %s cannot be reached: %w", cfg.ConnConfig.Host, err)
	}
	if version < minPostgres {
		return errors.New("database: PostgreSQL 13 or newer is needed; this server's version number is " + fmt.Sprint(version))
	}
	if d.writer, err = gorm.Open(postgres.New(postgres.Config{Conn: d.sqlDB}), gormOptions()); err != nil {
		return fmt.Errorf("database: %w", err)
	}
	d.reader = d.writer
	return nil
}
