package logout

import (
	"context"
	"time"
)

// Observer hears what the engine does, so that metrics, traces and mails can be made of it. Its methods are called beside deliveries: they
// must be quick, and safe for concurrent use.
type Observer interface {
	// Attempted is called after each attempt, on the node that made it: d is the delivery as the attempt leaves it, a the attempt. The time
	// since the logout is that since d.CreatedAt. A delivery whose time is up while it waits dies without an attempt; then a.Number is 0.
	Attempted(ctx context.Context, d Delivery, a Attempt)

	// Breaker is called when the breaker of a receiver opens or closes: once over all nodes, by the one that changed it.
	Breaker(ctx context.Context, change BreakerChange)
}

// BreakerChange says that a receiver is taken for dead, or lives again.
type BreakerChange struct {
	ClientID string
	Channel  Channel
	Open     bool      // true: nothing but probes goes out to it from now on; false: it has answered
	Since    time.Time // when it changed
	Reason   string    // the failure that opened it
}

// nobody observes nothing.
type nobody struct{}

func (nobody) Attempted(context.Context, Delivery, Attempt) {}
func (nobody) Breaker(context.Context, BreakerChange)       {}
