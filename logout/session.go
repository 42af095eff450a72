package logout

import (
	"context"
	"errors"
	"time"
)

// Session is one login of one person in one browser or device. It is what a logout ends.
type Session struct {
	ID       string // UUIDv7; never shown to a relying party
	Subject  string
	DeviceID string // empty when no device is attached

	// SecretHash is the SHA-256 of the browser's session cookie, so that the table opens no session to whoever reads it.
	// Empty for a session without a cookie.
	SecretHash []byte

	AuthTime  time.Time // last time the person proved who they are
	CreatedAt time.Time
	SeenAt    time.Time // last activity, written at most once a minute
	IdleUntil time.Time // moves with activity
	ExpiresAt time.Time // never moves
	EndedAt   time.Time // zero while the session lives
	LogoutID  string    // the logout that ended it
	Address   string    // network address of the login
	UserAgent string
}

// Live reports whether the session has neither ended nor passed one of its lifetimes at the given time.
func (s Session) Live(at time.Time) bool {
	return s.EndedAt.IsZero() && at.Before(s.IdleUntil) && at.Before(s.ExpiresAt)
}

// Participation is one client's part in one session. Its SID is the `sid` that this relying party sees; another party of the
// same session sees another, so that they cannot correlate people by it.
type Participation struct {
	SID       string
	SessionID string
	ClientID  string
	Subject   string // the subject as this client knows it
	JoinedAt  time.Time
	EndedAt   time.Time // set when the client left and the session lived on
}

// ErrNoSession says that the session does not exist, has ended or has passed its lifetime. Whoever is about to issue a code or a
// token answers invalid_grant.
var ErrNoSession = errors.New("logout: no live session")

// Sessions keeps sessions and who takes part in them. Methods join the transaction in ctx, if there is one.
type Sessions interface {
	// Start records a new session.
	Start(ctx context.Context, s Session) error

	// Find returns a session, ended or not; ErrNoSession when there never was one.
	Find(ctx context.Context, id string) (Session, error)

	// FindBySecret returns the session of a cookie, ended or not, by the cookie's SHA-256.
	FindBySecret(ctx context.Context, hash []byte) (Session, error)

	// Lock returns the session only if it is live at the given time and holds it until the transaction in ctx ends, so that
	// nothing is issued beside a logout: a concurrent End waits, or has already won and ErrNoSession is returned.
	Lock(ctx context.Context, id string, at time.Time) (Session, error)

	// Renew gives a live session a new cookie and authentication time after the same person has logged in again. Every SID stays.
	// ErrNoSession when the session is not live at the given time.
	Renew(ctx context.Context, id string, secretHash []byte, authTime, at, idleUntil time.Time) error

	// Touch records activity of a live session; ErrNoSession when it is not: a lifetime that has passed is not revived.
	Touch(ctx context.Context, id string, at, idleUntil time.Time) error

	// Join returns the client's participation in the session and creates it when the client takes part for the first time.
	// Call it in the transaction that issues the tokens, after Lock.
	Join(ctx context.Context, sessionID, clientID, subject string, at time.Time) (Participation, error)

	// Participations lists the live participations of a session.
	Participations(ctx context.Context, sessionID string) ([]Participation, error)

	// FindSID returns a participation, ended or not, and its session; ErrNoSession for an unknown SID.
	FindSID(ctx context.Context, sid string) (Participation, Session, error)

	// Lapsed returns up to limit sessions that passed a lifetime without having been ended, ordered by id, those after the given id.
	Lapsed(ctx context.Context, at time.Time, after string, limit int) ([]Session, error)
}
