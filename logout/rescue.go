package logout

import (
	"context"
	"fmt"
	"time"
)

// A logout is rescued only when the node that began with it cannot be at it any more: an attempt takes its timeout, and begins rescueMargin after the
// first at the latest. That one begins after the commit; rescueSpare is for it, and for clocks that differ.
const (
	rescueMargin = 5 * time.Second
	rescueSpare  = 3 * time.Second
)

// rescueBatch is how many logouts get their jobs in one transaction.
const rescueBatch = 200

// Rescue sees to the logouts whose first attempts a node was to make and has not: it died, or could not write what came of them. Each gets a
// job, which any node takes. It returns how many there were. Every node calls it every few seconds; they share the work.
func (e *Engine) Rescue(ctx context.Context) (int, error) {
	rescued := 0
	for {
		n, err := e.cfg.Store.Rescue(ctx, e.cfg.Now().UTC().Add(-e.cfg.AttemptTimeout-rescueMargin-rescueSpare), rescueBatch)
		if err != nil {
			return rescued, fmt.Errorf("logout: rescuing first attempts: %w", err)
		}
		if rescued += n; n < rescueBatch {
			return rescued, nil
		}
	}
}
