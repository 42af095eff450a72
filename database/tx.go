package database

import (
	"context"
	"database/sql"
	"fmt"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"gorm.io/gorm"
)

// txKey finds the transaction of one DB in a context: two databases never share one.
type txKey struct{ db *DB }

type transaction struct {
	gorm  *gorm.DB
	sqlTx *sql.Tx
	conn  *pgx.Conn // PostgreSQL: the connection under sqlTx
	after []func(committed bool)
	over  atomic.Bool // committed or rolled back
}

// current returns the transaction in ctx. One that is over counts as none: work that outlives it may carry its context.
func (d *DB) current(ctx context.Context) *transaction {
	if tx, _ := ctx.Value(txKey{d}).(*transaction); tx != nil && !tx.over.Load() {
		return tx
	}
	return nil
}

// Tx runs fn in a transaction, the one in ctx if there is one. Everything inside must use the context that fn receives. When fn
// returns an error the whole transaction rolls back and that error is returned; joined transactions roll back with the outermost.
func (d *DB) Tx(ctx context.Context, fn func(ctx context.Context) error) error {
	if d.current(ctx) != nil {
		return fn(ctx)
	}
	tx := &transaction{}
	committed := false
	// Also when fn panics: whoever waits for the end of the transaction must hear of it.
	defer func() {
		tx.over.Store(true)
		for _, f := range tx.after {
			f(committed)
		}
	}()
	err := d.run(ctx, tx, fn)
	committed = err == nil
	return err
}

func (d *DB) run(ctx context.Context, tx *transaction, fn func(ctx context.Context) error) (err error) {
	conn, err := d.sqlDB.Conn(ctx)
	if err != nil {
		return fmt.Errorf("database: %w", err)
	}
	defer func() { _ = conn.Close() }()
	if d.Postgres() {
		if err := conn.Raw(func(c any) error { tx.conn = c.(*stdlib.Conn).Conn(); return nil }); err != nil {
			return fmt.Errorf("database: %w", err)
		}
	}
	if tx.sqlTx, err = conn.BeginTx(ctx, nil); err != nil {
		return fmt.Errorf("database: %w", err)
	}
	// A panic in fn must not leave SQLite's only writer inside a transaction; after Commit this does nothing.
	defer func() { _ = tx.sqlTx.Rollback() }()
	ctx = context.WithValue(ctx, txKey{d}, tx)
	tx.gorm = d.writer.Session(&gorm.Session{NewDB: true, Context: ctx})
	tx.gorm.Statement.ConnPool = tx.sqlTx
	if err := fn(ctx); err != nil {
		return err
	}
	if err := tx.sqlTx.Commit(); err != nil {
		return fmt.Errorf("database: commit: %w", err)
	}
	return nil
}

// Writer returns the transaction in ctx, or else the writing connection.
func (d *DB) Writer(ctx context.Context) *gorm.DB {
	if tx := d.current(ctx); tx != nil {
		return tx.gorm
	}
	return d.writer.WithContext(ctx)
}

// Reader returns the transaction in ctx, or else the pool of reading connections.
func (d *DB) Reader(ctx context.Context) *gorm.DB {
	if tx := d.current(ctx); tx != nil {
		return tx.gorm
	}
	return d.reader.WithContext(ctx)
}

// InTx reports whether there is a transaction in ctx.
func (d *DB) InTx(ctx context.Context) bool { return d.current(ctx) != nil }

// Within returns ctx with the transaction that is in tx, for work on behalf of several requests: each keeps its own context, and what it does
// is done in the one transaction.
func (d *DB) Within(ctx, tx context.Context) context.Context {
	return context.WithValue(ctx, txKey{d}, d.current(tx))
}

// AfterTx calls fn after the outermost transaction in ctx has committed or rolled back; at once, as committed, when there is none.
func (d *DB) AfterTx(ctx context.Context, fn func(committed bool)) {
	if tx := d.current(ctx); tx != nil {
		tx.after = append(tx.after, fn)
		return
	}
	fn(true)
}

// AfterCommit calls fn after the outermost transaction in ctx has committed, never if it rolls back; at once when there is none.
func (d *DB) AfterCommit(ctx context.Context, fn func()) {
	d.AfterTx(ctx, func(committed bool) {
		if committed {
			fn()
		}
	})
}
