package store

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/exeunt-id/exeunt/database"
)

// Failures implements identity.Failures: one row per key, whose window starts with its first failure.
type Failures struct{ db *database.DB }

var errNoFailures = errors.New("store: no failures")

// Failures implements identity.Failures.
func (f *Failures) Failures(ctx context.Context, key string, at time.Time) (int, time.Time, error) {
	var count int
	var until int64
	err := row(f.db.Reader(ctx).Raw(`SELECT failures, expires_at FROM login_failures WHERE throttle = ? AND expires_at > ?`, key, database.Micros(at)),
		"reading failed logins", errNoFailures, &count, &until)
	switch {
	case errors.Is(err, errNoFailures):
		return 0, time.Time{}, nil
	case err != nil:
		return 0, time.Time{}, err
	}
	return count, database.Time(until), nil
}

// Fail implements identity.Failures.
func (f *Failures) Fail(ctx context.Context, at time.Time, window time.Duration, keys ...string) error {
	// One order for everybody, so that failures with a key in common do not deadlock.
	keys = slices.Compact(slices.Sorted(slices.Values(keys)))
	if len(keys) == 0 {
		return nil
	}
	now, until := database.Micros(at), database.Micros(at.Add(window))
	args := make([]any, 0, 3*len(keys)+2)
	for _, key := range keys {
		args = append(args, key, 1, until)
	}
	_, err := exec(f.db.Writer(ctx), "counting a failed login",
		`INSERT INTO login_failures (throttle, failures, expires_at) VALUES `+placeholders(len(keys), 3)+`
		ON CONFLICT (throttle) DO UPDATE SET
			failures = CASE WHEN login_failures.expires_at <= ? THEN 1 ELSE login_failures.failures + 1 END,
			expires_at = CASE WHEN login_failures.expires_at <= ? THEN excluded.expires_at ELSE login_failures.expires_at END`,
		append(args, now, now)...)
	return err
}

// Forgive implements identity.Failures.
func (f *Failures) Forgive(ctx context.Context, key string) error {
	_, err := exec(f.db.Writer(ctx), "forgetting failed logins", `DELETE FROM login_failures WHERE throttle = ?`, key)
	return err
}
