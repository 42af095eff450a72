package identity

import (
	"context"
	"errors"
	"time"
)

// Grant is what one code exchange gave an application: the family of its access and refresh tokens. It lives with the session
// unless offline access was granted. A grant of client credentials (RFC 6749, 4.4) has neither a person nor a session: Subject, SessionID
// and SID are empty, and Offline is set, so that it lives until it expires or is revoked. No logout touches it: nobody was logged in.
type Grant struct {
	ID        string
	ClientID  string
	Subject   string
	SessionID string
	SID       string   // the client's participation in the session
	Scopes    []string // as granted; a refresh may narrow a token, never this
	Offline   bool     // outlives an ordinary logout: offline_access was granted, or there is no session
	Nonce     string
	Claims    ClaimsRequest // what was asked for beyond the scopes
	AuthTime  time.Time
	CreatedAt time.Time
	RevokedAt time.Time
}

// OfClient reports whether the grant is the client's own, without a person.
func (g Grant) OfClient() bool { return g.Subject == "" }

// The kinds of token.
const (
	KindAccess  = "access"
	KindRefresh = "refresh"
)

// Token is one issued token. Only its hash is kept.
type Token struct {
	Hash      []byte // SHA-256 of the token, a random value of 256 bits
	Kind      string // KindAccess or KindRefresh
	GrantID   string
	ClientID  string
	Scopes    []string
	IssuedAt  time.Time
	ExpiresAt time.Time
	RotatedAt time.Time // a refresh token: when it was exchanged for its successor
}

// TokenState is a token with everything that decides whether it is alive, read in one query.
type TokenState struct {
	Token Token
	Grant Grant

	// Of the grant's session. Zero values when the session is gone.
	SessionEndedAt     time.Time
	SessionIdleUntil   time.Time
	SessionExpiresAt   time.Time
	ParticipationEnded bool // the client left while the session lived on
}

// Live reports whether the token may be used at the given time. A session-bound token is dead from the moment its session ends;
// nothing has to be written to it.
func (s TokenState) Live(at time.Time) bool {
	if !s.Token.RotatedAt.IsZero() || !at.Before(s.Token.ExpiresAt) {
		return false
	}
	return s.GrantLive(at)
}

// GrantLive reports whether the token's grant is alive, whatever became of the token itself.
func (s TokenState) GrantLive(at time.Time) bool {
	if !s.Grant.RevokedAt.IsZero() {
		return false
	}
	return s.Grant.Offline || s.SessionLive(at) && !s.ParticipationEnded
}

// SessionLive reports whether the session that the grant came from is alive. An ID token refreshed after it ended has no sid.
func (s TokenState) SessionLive(at time.Time) bool {
	return s.SessionEndedAt.IsZero() && at.Before(s.SessionIdleUntil) && at.Before(s.SessionExpiresAt)
}

// ErrNoToken says that no such token was ever issued, or, from Rotate, that it has been used.
var ErrNoToken = errors.New("identity: no such token")

// Grants keeps grants and tokens. Methods join the transaction in ctx.
type Grants interface {
	// Create records a new grant and its first tokens.
	Create(ctx context.Context, g Grant, tokens ...Token) error

	// Token returns the state of a token by its hash, dead or alive; ErrNoToken for one that was never issued.
	Token(ctx context.Context, hash []byte) (TokenState, error)

	// Lock holds the grant's row until the transaction in ctx ends; ErrNoToken when it has been revoked. Refreshing a grant that
	// outlives its session takes it, as everything else takes the session's row.
	Lock(ctx context.Context, id string) error

	// Rotate replaces a refresh token by new tokens of the same grant. Of any number of concurrent calls for one token exactly one
	// succeeds; the others get ErrNoToken.
	Rotate(ctx context.Context, oldHash []byte, at time.Time, tokens ...Token) error

	// Revoke ends a grant and so all its tokens. It reports whether the grant was alive until now.
	Revoke(ctx context.Context, id string, at time.Time) (bool, error)
}
