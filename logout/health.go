package logout

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"
)

// Health is what is known of a receiver.
type Health struct {
	ClientID string
	Channel  Channel

	Open      bool      // its breaker: nothing but probes goes out to it
	Since     time.Time // when the breaker opened or closed last; zero: it never opened
	Reason    string    // the failure that opened it; empty while it is closed
	NextProbe time.Time // while it is open and something waits

	InFlight    int       // attempts that run on this node
	Backlog     int       // open deliveries: pending and retrying
	LastSuccess time.Time // last acknowledgment, to the minute; zero: none
}

// Health returns what is known of every receiver that was ever told something or is to be, ordered by client and channel. All of it but
// InFlight is known to all nodes.
func (e *Engine) Health(ctx context.Context) ([]Health, error) {
	all, err := e.cfg.Store.Health(ctx)
	if err != nil {
		return nil, fmt.Errorf("logout: reading the receivers' health: %w", err)
	}
	running := e.limits.running()
	for i, h := range all {
		r := Receiver{h.ClientID, h.Channel}
		all[i].InFlight = running[r]
		delete(running, r)
	}
	for r, n := range running {
		all = append(all, Health{ClientID: r.ClientID, Channel: r.Channel, InFlight: n})
	}
	slices.SortFunc(all, func(a, b Health) int {
		return cmp.Or(cmp.Compare(a.ClientID, b.ClientID), cmp.Compare(a.Channel, b.Channel))
	})
	return all, nil
}

// InFlight returns how many attempts run on this node, by receiver.
func (e *Engine) InFlight() map[Receiver]int { return e.limits.running() }
