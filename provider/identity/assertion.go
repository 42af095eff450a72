package identity

import (
	"context"
	"errors"
	"time"
)

// ErrReplayed says that a client assertion was used before.
var ErrReplayed = errors.New("identity: the assertion was used before")

// Assertions remembers which client assertions were used, over all nodes, so that each works once (RFC 7523, 3).
type Assertions interface {
	// Use records the jti of a client's assertion until the given time, after which the assertion is expired anyway. Of any number of
	// concurrent calls for one jti exactly one succeeds; the others, and later ones, get ErrReplayed.
	Use(ctx context.Context, clientID, jti string, until time.Time) error
}
