package identity

import (
	"context"
	"errors"
	"time"
)

// ErrNoTicket says that a ticket is unknown, was used or has expired.
var ErrNoTicket = errors.New("identity: no such ticket")

// ErrTooManyTickets says that a participation has as many unused tickets as it may.
var ErrTooManyTickets = errors.New("identity: too many unused tickets")

// Ticket lets a page connect once. It stands for the ID token that it was given for, which is too long-lived for a URL.
type Ticket struct {
	ClientID  string
	SessionID string
	SID       string
	// Quiet: the ID token had expired. Then the page hears that its session has ended, and no more, and does not keep it alive.
	Quiet     bool
	ExpiresAt time.Time
}

// Tickets keeps tickets by the SHA-256 of their secrets.
type Tickets interface {
	// Issue keeps a new ticket; ErrTooManyTickets when its participation has many that nobody has used.
	Issue(ctx context.Context, hash []byte, t Ticket, at time.Time) error

	// Redeem takes a ticket away and returns it: of any number of attempts one succeeds. ErrNoTicket for all others.
	Redeem(ctx context.Context, hash []byte, at time.Time) (Ticket, error)
}
