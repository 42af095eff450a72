package logout

import (
	"context"
	"errors"
	"time"
)

// Receiver is one client's endpoint of one channel: what can be down, or slow, by itself.
type Receiver struct {
	ClientID string
	Channel  Channel
}

// ErrTurnTaken says that another node works on what is parked for a receiver.
var ErrTurnTaken = errors.New("logout: another node has the turn")

// Receivers keeps what all nodes know of receivers: whether the breaker is open, and who works on what is parked. A receiver for which
// something is parked has a turn set and a job that comes for it.
type Receivers interface {
	// OpenBreakers returns the receivers whose breaker is open.
	OpenBreakers(ctx context.Context) ([]Receiver, error)

	// OpenBreaker opens a breaker and reports whether it was closed before. It counts one failure, beside those of before if it was closed
	// only a short while, and sets the first probe by the count.
	OpenBreaker(ctx context.Context, r Receiver, reason string, at time.Time, probe func(at time.Time, failures int) time.Time) (bool, error)

	// CloseBreaker closes a breaker and reports whether it was open. If something is parked and no node has the turn, it is due now.
	CloseBreaker(ctx context.Context, r Receiver, at time.Time) (bool, error)

	// BeginTurn takes the turn that was set for turnAt, until the given time. Of nodes that try at once one succeeds; nil when the turn was
	// moved or is over, ErrTurnTaken when another node has it.
	BeginTurn(ctx context.Context, r Receiver, turnAt, at, until time.Time) (*Turn, error)

	// EndTurn gives a turn back, unless it was lost. If anything is parked the next one is set; failed counts a failed probe and lets none
	// happen before.
	EndTurn(ctx context.Context, turn Turn, failed bool, at, next time.Time) error

	// Parked returns up to limit deliveries that are parked for the receiver, in the order of their NextAt; equal ones in any.
	Parked(ctx context.Context, r Receiver, limit int) ([]Delivery, error)

	// Overdue returns up to limit deliveries that are parked for the receiver although their GiveUpAt has passed.
	Overdue(ctx context.Context, r Receiver, at time.Time, limit int) ([]Delivery, error)

	// Succeeded notes that the receivers acknowledged something at that time.
	Succeeded(ctx context.Context, receivers []Receiver, at time.Time) error

	// Health returns all of Health but InFlight, of every receiver that was attempted or has open deliveries.
	Health(ctx context.Context) ([]Health, error)
}
