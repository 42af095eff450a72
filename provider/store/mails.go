package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/provider/alert"
)

// Mails implements alert.Outbox.
type Mails struct{ db *database.DB }

var _ alert.Outbox = (*Mails)(nil)

// Claim implements alert.Outbox: a conditional update decides who has the mail. One that is being sent is due again when its time is up,
// because its node has died.
func (m *Mails) Claim(ctx context.Context, now, until time.Time) (alert.Queued, bool, error) {
	var q alert.Queued
	var created int64
	due := `SELECT id FROM mails WHERE state IN ('queued', 'sending') AND next_at <= ? ORDER BY created_at, id LIMIT 1`
	if m.db.Postgres() {
		due += ` FOR UPDATE SKIP LOCKED`
	} else if any, err := m.any(ctx, now); err != nil || !any {
		return q, false, err // without taking SQLite's only writer every few seconds
	}
	err := row(m.db.Writer(ctx).Raw(`UPDATE mails SET state = 'sending', next_at = ?, attempts = attempts + 1 WHERE id IN (`+due+`) AND next_at <= ?
		RETURNING id, client_id, recipient, subject, body, attempts, created_at`, database.Micros(until), database.Micros(now), database.Micros(now)),
		"claiming a mail", sql.ErrNoRows, &q.ID, &q.ClientID, &q.To, &q.Subject, &q.Text, &q.Attempts, &created)
	if errors.Is(err, sql.ErrNoRows) {
		return q, false, nil
	}
	q.Attempts--
	q.At = database.Time(created)
	return q, err == nil, err
}

func (m *Mails) any(ctx context.Context, now time.Time) (bool, error) {
	var one int
	err := row(m.db.Reader(ctx).Raw(`SELECT 1 FROM mails WHERE state IN ('queued', 'sending') AND next_at <= ? LIMIT 1`, database.Micros(now)),
		"looking for mails", sql.ErrNoRows, &one)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

// Settle implements alert.Outbox. A mail that is over is kept without its text.
func (m *Mails) Settle(ctx context.Context, s alert.Sent) error {
	if !s.RetryAt.IsZero() {
		_, err := exec(m.db.Writer(ctx), "putting a mail off", `UPDATE mails SET state = 'queued', next_at = ?, last_error = ? WHERE id = ? AND state = 'sending'`,
			database.Micros(s.RetryAt), s.Error, s.ID)
		return err
	}
	state := "sent"
	if s.Error != "" {
		state = "failed"
	}
	_, err := exec(m.db.Writer(ctx), "settling a mail", `UPDATE mails SET state = ?, settled_at = ?, last_error = ?, body = '' WHERE id = ? AND state = 'sending'`,
		state, database.Micros(s.At), s.Error, s.ID)
	return err
}

// Sweep deletes what was settled before a time, and incidents that have been over since before then.
func (m *Mails) Sweep(ctx context.Context, before time.Time) error {
	_, err := exec(m.db.Writer(ctx), "sweeping mails", `DELETE FROM mails WHERE settled_at < ?`, database.Micros(before))
	_, also := exec(m.db.Writer(ctx), "sweeping incidents", `DELETE FROM alerts WHERE rung = 0 AND moved_at < ?`, database.Micros(before))
	return errors.Join(err, also)
}
