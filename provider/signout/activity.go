package signout

import (
	"context"
	"time"

	"github.com/exeunt-id/exeunt/logout"
)

// activityInterval is how often the activity of one session is written at most.
const activityInterval = time.Minute

// forever stands for a lifetime that is turned off.
const forever = 100 * 365 * 24 * time.Hour

// Lifetimes bound sessions. 0 turns a bound off.
type Lifetimes struct {
	Idle     time.Duration // without activity
	Absolute time.Duration // since the login
}

// ExpiresAt returns when a session that starts at the given time ends at the latest.
func (l Lifetimes) ExpiresAt(start time.Time) time.Time {
	if l.Absolute <= 0 {
		return start.Add(forever)
	}
	return start.Add(l.Absolute)
}

// IdleUntil returns when a session that was active at the given time ends unless there is activity again. expiresAt, which never
// moves, bounds it.
func (l Lifetimes) IdleUntil(at, expiresAt time.Time) time.Time {
	if until := at.Add(l.Idle); l.Idle > 0 && until.Before(expiresAt) {
		return until
	}
	return expiresAt
}

// Holder takes and touches the rows of sessions.
type Holder interface {
	Lock(ctx context.Context, id string, at time.Time) (logout.Session, error)
	Touch(ctx context.Context, id string, at, idleUntil time.Time) error
}

// Activity records that a session is in use: refresh, userinfo and silent sign-on.
type Activity struct {
	Sessions  Holder
	Lifetimes Lifetimes
}

// Record notes activity of a live session at the given time. It writes only when that moves the idle lifetime by a minute or more.
// logout.ErrNoSession says that the session has ended meanwhile.
func (a Activity) Record(ctx context.Context, s logout.Session, at time.Time) error {
	until := a.Lifetimes.IdleUntil(at, s.ExpiresAt)
	if until.Sub(s.IdleUntil) < activityInterval {
		return nil
	}
	return a.Sessions.Touch(ctx, s.ID, at, until)
}

// Hold is Record for whoever is about to issue a code or a token: it also takes the session's row until the transaction in ctx ends and
// returns the session as it is then. Its errors are those of Record.
//
// The write comes first: it takes the row for itself alone, whereas two transactions that had both taken it shared would then wait for
// each other to write.
func (a Activity) Hold(ctx context.Context, s logout.Session, at time.Time) (logout.Session, error) {
	if err := a.Record(ctx, s, at); err != nil {
		return logout.Session{}, err
	}
	return a.Sessions.Lock(ctx, s.ID, at)
}
