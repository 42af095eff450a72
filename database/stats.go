package database

import (
	"context"
	"fmt"
	"time"
)

// PoolStats says how busy a pool of connections is.
type PoolStats struct {
	Name   string // writer or reader on SQLite, postgres on PostgreSQL
	InUse  int
	Idle   int
	Max    int
	Waits  int64         // how often somebody had to wait for a connection
	Waited time.Duration // how long in all
}

// Pools returns the state of each pool.
func (d *DB) Pools() []PoolStats {
	if d.Postgres() {
		s := d.pool.Stat()
		return []PoolStats{{
			Name: "postgres", InUse: int(s.AcquiredConns()), Idle: int(s.IdleConns()), Max: int(s.MaxConns()),
			Waits: s.EmptyAcquireCount(), Waited: s.EmptyAcquireWaitTime(),
		}}
	}
	writer, reader := d.sqlDB.Stats(), d.readSQL.Stats()
	return []PoolStats{
		{Name: "writer", InUse: writer.InUse, Idle: writer.Idle, Max: writer.MaxOpenConnections, Waits: writer.WaitCount, Waited: writer.WaitDuration},
		{Name: "reader", InUse: reader.InUse, Idle: reader.Idle, Max: reader.MaxOpenConnections, Waits: reader.WaitCount, Waited: reader.WaitDuration},
	}
}

// QueueDepth is how many jobs of a queue are in a state that is not the last: available, running, scheduled, retryable or pending.
type QueueDepth struct {
	Queue string
	State string
	Jobs  int
}

// QueueDepths counts the jobs that are to be worked.
func (d *DB) QueueDepths(ctx context.Context) ([]QueueDepth, error) {
	var all []QueueDepth
	err := d.Reader(ctx).Raw(`SELECT queue, state, count(*) AS jobs FROM river_job WHERE state IN ('available', 'running', 'scheduled', 'retryable', 'pending')
		GROUP BY queue, state ORDER BY queue, state`).Scan(&all).Error
	if err != nil {
		return nil, fmt.Errorf("database: counting jobs: %w", err)
	}
	return all, nil
}
