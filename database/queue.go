package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivertype"
)

// Work says what a node works on.
type Work struct {
	Workers    *river.Workers
	Queues     map[string]int // workers of each queue
	JobTimeout time.Duration
}

// queue is a River client of either database. Exactly one of the two is set.
type queue struct {
	pg      *river.Client[pgx.Tx]
	lite    *river.Client[*sql.Tx]
	working bool
}

// openQueue makes the client: one that only inserts when work is nil.
func (d *DB) openQueue(work *Work) error {
	cfg := &river.Config{
		// River reports every wake-up and fetch; what matters to an operator is told by receipts.
		Logger: slog.New(levelled{d.log.Handler(), slog.LevelWarn}),
		// Finished jobs are not the record; deliveries and attempts are.
		CompletedJobRetentionPeriod: 5 * time.Minute,
		CancelledJobRetentionPeriod: time.Hour,
		SkipUnknownJobCheck:         work == nil,
		// Never given up: what a job is for, a row says, and the row decides when it is over.
		MaxAttempts: math.MaxInt16,
	}
	if work != nil {
		cfg.Workers = work.Workers
		cfg.JobTimeout = work.JobTimeout
		// A job whose node died is given to another, soon after the longest time that a living one may take; River looks every half a minute, and
		// waits longer for a job whose worker has a longer timeout. What was only slow to stop is then worked twice, which every job must bear.
		cfg.RescueStuckJobsAfter = work.JobTimeout + 10*time.Second
		cfg.FetchCooldown = 5 * time.Millisecond
		// Notifications are rate limited and can be missed; on SQLite there are none.
		cfg.FetchPollInterval = time.Second
		if !d.Postgres() {
			cfg.FetchPollInterval = 250 * time.Millisecond
		}
		cfg.Queues = make(map[string]river.QueueConfig, len(work.Queues))
		for name, workers := range work.Queues {
			cfg.Queues[name] = river.QueueConfig{MaxWorkers: workers}
		}
	}
	q := &queue{working: work != nil}
	var err error
	if d.Postgres() {
		q.pg, err = river.NewClient(riverpgxv5.New(d.pool), cfg)
	} else {
		q.lite, err = river.NewClient(riversqlite.New(d.sqlDB), cfg)
	}
	if err != nil {
		return fmt.Errorf("database: queue: %w", err)
	}
	d.queue.Store(q)
	return nil
}

// StartQueue begins to work jobs. It returns at once; the queue stops with StopQueue or Close. The database must be migrated.
func (d *DB) StartQueue(ctx context.Context, work Work) error {
	if err := d.openQueue(&work); err != nil {
		return err
	}
	q := d.queue.Load()
	// The queue's life is ended by StopQueue, not by the context that happened to start it.
	ctx = context.WithoutCancel(ctx)
	if q.pg != nil {
		return q.pg.Start(ctx)
	}
	return q.lite.Start(ctx)
}

// StopQueue lets running jobs finish until ctx is done, then cancels them. A cancelled job is worked again later.
func (d *DB) StopQueue(ctx context.Context) error {
	q := d.queue.Load()
	if q == nil || !q.working {
		return nil
	}
	var err error
	if q.pg != nil {
		err = q.pg.Stop(ctx)
	} else {
		err = q.lite.Stop(ctx)
	}
	if err != nil {
		err = q.stopNow()
	}
	return errors.Join(err, d.openQueue(nil))
}

func (q *queue) stopNow() error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if q.pg != nil {
		return q.pg.StopAndCancel(ctx)
	}
	return q.lite.StopAndCancel(ctx)
}

// Enqueue inserts jobs in the transaction in ctx and returns their ids: they exist exactly if it commits. Without a transaction it is an
// error, because then the job and its reason could part.
func (d *DB) Enqueue(ctx context.Context, jobs ...river.InsertManyParams) ([]int64, error) {
	tx := d.current(ctx)
	if tx == nil {
		return nil, errors.New("database: a job is enqueued outside a transaction")
	}
	q := d.queue.Load()
	var results []*rivertype.JobInsertResult
	var err error
	if q.pg != nil {
		err = tx.savepoint(ctx, func(ptx pgx.Tx) error {
			results, err = q.pg.InsertManyTx(ctx, ptx, jobs)
			return err
		})
	} else {
		results, err = q.lite.InsertManyTx(ctx, tx.sqlTx, jobs)
	}
	if err != nil {
		return nil, fmt.Errorf("database: enqueueing: %w", err)
	}
	ids := make([]int64, len(results))
	for i, r := range results {
		ids[i] = r.Job.ID
	}
	return ids, nil
}

// DeleteJobs deletes jobs in the transaction in ctx. Those that run already, or are gone, are left as they are.
func (d *DB) DeleteJobs(ctx context.Context, ids ...int64) error {
	tx := d.current(ctx)
	if tx == nil {
		return errors.New("database: jobs are deleted outside a transaction")
	}
	q := d.queue.Load()
	for len(ids) > 0 {
		n := min(len(ids), 100)
		params := river.NewJobDeleteManyParams().IDs(ids[:n]...).First(n)
		ids = ids[n:]
		var err error
		if q.pg != nil {
			err = tx.savepoint(ctx, func(ptx pgx.Tx) error { _, err := q.pg.JobDeleteManyTx(ctx, ptx, params); return err })
		} else {
			_, err = q.lite.JobDeleteManyTx(ctx, tx.sqlTx, params)
		}
		if err != nil {
			return fmt.Errorf("database: deleting jobs: %w", err)
		}
	}
	return nil
}

// savepoint gives River a transaction of its own kind on the connection of ours. It is made to be a savepoint, and is only ever
// released: rolling it back would send a plain ROLLBACK, which ends ours. Ours rolls back when fn fails.
func (t *transaction) savepoint(ctx context.Context, fn func(pgx.Tx) error) error {
	ptx, err := t.conn.BeginTx(ctx, pgx.TxOptions{BeginQuery: "SAVEPOINT river", CommitQuery: "RELEASE SAVEPOINT river"})
	if err != nil {
		return err
	}
	if err := fn(ptx); err != nil {
		return err
	}
	return ptx.Commit(ctx)
}

// levelled passes only records of at least a level.
type levelled struct {
	slog.Handler
	least slog.Level
}

func (h levelled) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= h.least && h.Handler.Enabled(ctx, level)
}

func (h levelled) WithAttrs(attrs []slog.Attr) slog.Handler {
	return levelled{h.Handler.WithAttrs(attrs), h.least}
}

func (h levelled) WithGroup(name string) slog.Handler {
	return levelled{h.Handler.WithGroup(name), h.least}
}
