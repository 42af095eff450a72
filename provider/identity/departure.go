package identity

import (
	"context"
	"time"
)

// Departures remembers which apps people have left on their own page (logout.CauseAccountApp). In the sessions of that time such a client gets
// no silent sign-on any more, until the person has said that they want to go on, or has proved again who they are. Methods join the
// transaction in ctx.
type Departures interface {
	// Leave records that the person has left the client at the given time.
	Leave(ctx context.Context, subject, clientID string, at time.Time) error

	// LeftAt returns when the person left the client; the zero time when they have not, or have come back since.
	LeftAt(ctx context.Context, subject, clientID string) (time.Time, error)

	// Return records that the person has come back.
	Return(ctx context.Context, subject, clientID string) error
}
