// Package database opens SQLite or PostgreSQL, runs transactions and migrations on it, and enqueues jobs in those transactions.
//
// A transaction travels in the context: Tx starts one or joins the one that is there, and Writer and Reader return it. So "change
// the password and end the sessions" is one transaction although two packages do the two halves, and SQLite's single writer never
// waits for itself.
//
// Times are stored as microseconds since 1970 in BIGINT columns on both databases: one SQL serves both, comparison is exact and
// needs no time zone. NULL is the zero time.
//
// Notify and Listen carry hints between nodes: that something which others may have in memory has changed, or that something they wait
// for is there. A hint belongs to the transaction of the change.
package database
