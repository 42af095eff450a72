package logout

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
)

// MaxPull bounds what one pull returns, and what one acknowledgment names.
const MaxPull = 1000

// StoredEvent is an event of a client as the store keeps it.
type StoredEvent struct {
	Delivery         // the first of the event's deliveries, which stands for it
	Number   int64   // its place in what the client pulls; 0 while it has none
	States   []State // of all the event's deliveries
}

// Inbox keeps what clients pull. Every event is there once, however many channels carry it.
type Inbox interface {
	// Events returns at most limit events of a client whose numbers come after the given one, by number, and the last number that the
	// client's events have. Numbers begin with 1. Whatever commits after a call gets a higher number than all that the call returned:
	// who goes on from the last one misses nothing, and gets nothing twice.
	Events(ctx context.Context, clientID string, after int64, limit int) (events []StoredEvent, last int64, err error)

	// Unacknowledged returns at most limit events of a client of which no delivery was acknowledged, oldest first, without their numbers.
	Unacknowledged(ctx context.Context, clientID string, limit int) ([]StoredEvent, error)

	// Acknowledge makes all deliveries of the named events of a client delivered, by pull, with an attempt that says so, and stops their
	// retries. It returns which of the events there are.
	Acknowledge(ctx context.Context, clientID string, eventIDs []string, at time.Time) (known []string, err error)
}

// PulledEvent is an event as its client pulls it. In JSON it is one object: id, type and state beside what the event says.
type PulledEvent struct {
	ID    string
	Type  string
	State State // delivered as soon as any channel was acknowledged
	Data  map[string]json.RawMessage
}

// MarshalJSON implements json.Marshaler.
func (p PulledEvent) MarshalJSON() ([]byte, error) {
	all := data(maps.Clone(p.Data))
	if all == nil {
		all = data{}
	}
	all.set("id", p.ID)
	all.set("type", p.Type)
	all.set("state", string(p.State))
	return json.Marshal(map[string]json.RawMessage(all))
}

// Page is what one pull returns.
type Page struct {
	Events []PulledEvent
	Next   string // the cursor to go on from
	More   bool   // there are further events already
}

// Pull returns what a client, which has been authenticated, was or should have been told, in order, from a cursor on; the empty cursor is
// the beginning. limit is 1 to MaxPull.
//
// Errors: ErrInvalidCursor; those of the store.
func (e *Engine) Pull(ctx context.Context, clientID, cursor string, limit int) (Page, error) {
	after, err := parseCursor(clientID, cursor)
	if err != nil {
		return Page{}, err
	}
	found, last, err := e.cfg.Store.Events(ctx, clientID, after, limit)
	if err != nil {
		return Page{}, fmt.Errorf("logout: reading the events of client %q: %w", clientID, err)
	}
	if after > last {
		return Page{}, fmt.Errorf("%w: it is ahead of everything that is kept here, as after a database was restored from an older backup; begin without a cursor",
			ErrInvalidCursor)
	}
	page := Page{Next: formatCursor(clientID, after)}
	if n := len(found); n > 0 {
		page.Next, page.More = formatCursor(clientID, found[n-1].Number), found[n-1].Number < last
	}
	page.Events, err = e.pulled(ctx, clientID, found)
	return page, err
}

// PullPending returns the oldest events of a client that nobody has acknowledged, at most limit (1 to MaxPull) of them.
func (e *Engine) PullPending(ctx context.Context, clientID string, limit int) ([]PulledEvent, error) {
	found, err := e.cfg.Store.Unacknowledged(ctx, clientID, limit)
	if err != nil {
		return nil, fmt.Errorf("logout: reading the pending events of client %q: %w", clientID, err)
	}
	return e.pulled(ctx, clientID, found)
}

func (e *Engine) pulled(ctx context.Context, clientID string, found []StoredEvent) ([]PulledEvent, error) {
	client, err := e.cfg.Clients.LogoutClient(ctx, clientID)
	if err != nil && !errors.Is(err, ErrNoClient) {
		return nil, err
	}
	deliveries := make([]Delivery, len(found))
	for i, event := range found {
		deliveries[i] = event.Delivery
	}
	said, err := e.messages.data(ctx, client, deliveries)
	if err != nil {
		return nil, fmt.Errorf("logout: %w", err)
	}
	events := make([]PulledEvent, len(found))
	for i, event := range found {
		events[i] = PulledEvent{ID: event.EventID, Type: event.EventType(), State: event.state(), Data: said[i]}
	}
	return events, nil
}

// state is what became of the event: delivered if any of its deliveries was, otherwise the one that leaves most hope.
func (s StoredEvent) state() State {
	hope := []State{
		StateDelivered, StatePending, StateRetrying, StateUnconfirmed, StateSuperseded, StateUnreachable, StateRejected, StateDead,
	}
	best := len(hope) - 1
	for _, state := range s.States {
		if i := slices.Index(hope, state); i >= 0 && i < best {
			best = i
		}
	}
	return hope[best]
}

// Acknowledge records that a client, which has been authenticated, knows of events: it need not be told any more. Ids that are not those of
// events of the client are returned as unknown. At most MaxPull ids.
func (e *Engine) Acknowledge(ctx context.Context, clientID string, eventIDs []string) (known, unknown []string, err error) {
	asked := slices.Compact(slices.Sorted(slices.Values(eventIDs)))
	// What is no id of ours may be something that a database does not take.
	ids := slices.DeleteFunc(slices.Clone(asked), func(id string) bool { return len(id) != len(uuid.Nil.String()) || uuid.Validate(id) != nil })
	known, err = e.cfg.Store.Acknowledge(ctx, clientID, ids, e.cfg.Now().UTC())
	if err != nil {
		return nil, nil, fmt.Errorf("logout: acknowledging events of client %q: %w", clientID, err)
	}
	for _, id := range asked {
		if !slices.Contains(known, id) {
			unknown = append(unknown, id)
		}
	}
	return known, unknown, nil
}
