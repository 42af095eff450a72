package logout

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// The types of events. The first two belong to logouts: Engine.End plans them. The others end no session of themselves and come through
// Engine.Announce, mostly beside a logout in one transaction.
const (
	EventUserLoggedOut  = "user.logged_out" // no live session of the person is left at the client
	EventSessionEnded   = "session.ended"   // one participation ended
	EventDeviceDetached = "device.detached"
	EventDeviceSignal   = "device.signal" // a login looked strange, or was on one device too many
	EventTokenRevoked   = "token.revoked" // an authorization was revoked, although its session lives or had ended before

	EventUserCreated         = "user.created"
	EventUserUpdated         = "user.updated"
	EventUserDisabled        = "user.disabled"
	EventUserDeleted         = "user.deleted"
	EventUserPasswordChanged = "user.password_changed"
)

// EventTypes lists every type of event.
func EventTypes() []string {
	return []string{
		EventUserLoggedOut, EventSessionEnded, EventDeviceDetached, EventDeviceSignal, EventTokenRevoked,
		EventUserCreated, EventUserUpdated, EventUserDisabled, EventUserDeleted, EventUserPasswordChanged,
	}
}

// CauseAnnounced stands in the record of an event that ends no session. No request can have it, and whoever lists logouts leaves it out.
const CauseAnnounced Cause = "announced"

// Event is something that happened to a person and that clients are told although it ends no session of itself.
type Event struct {
	Type      string         // one of EventTypes, or a type of the caller's own
	Subject   string         // whom it happened to
	ClientIDs []string       // who is told; empty: whoever Config.ClientsOf names
	SID       string         // of the participation that it is about, when it is about one; only beside a single client
	At        time.Time      // when it happened; zero: now
	Data      map[string]any // what else there is to say: values that JSON can carry, no secret
}

// ErrInvalidEvent is the parent of every refusal of an event.
var ErrInvalidEvent = errors.New("logout: invalid event")

func (e Event) validate() error {
	switch {
	case e.Type == "":
		return fmt.Errorf("%w: it has no type", ErrInvalidEvent)
	case e.Type == EventUserLoggedOut || e.Type == EventSessionEnded:
		return fmt.Errorf("%w: %s comes from ending a session; use Engine.End", ErrInvalidEvent, e.Type)
	case e.Subject == "":
		return fmt.Errorf("%w: %s has no subject", ErrInvalidEvent, e.Type)
	case e.SID != "" && len(e.ClientIDs) != 1:
		return fmt.Errorf("%w: %s has a sid, which only one client may see, but is for %d", ErrInvalidEvent, e.Type, len(e.ClientIDs))
	}
	return nil
}

// announcer is a channel that also carries events which end no session.
type announcer interface {
	// announce returns how the client hears of the event through this channel: nothing when it did not ask for it. plan has neither
	// sessions nor participations; Plan.message starts a delivery, whose Event stays as it is.
	announce(ctx context.Context, plan *Plan, event Event, client Client) ([]Delivery, error)
}

// Announce tells clients of an event that ends no session. It writes, in the transaction in ctx if there is one, what a logout writes: a
// record, whose cause is CauseAnnounced, its deliveries and their insurance; they are attempted, retried, shown and redelivered like
// a logout's. When no client wants the event, nothing is written.
//
// Together with a logout in one transaction it comes first: the logout may take away by what Config.ClientsOf finds the clients.
//
// Errors: ErrInvalidEvent; those of the store, and then nobody is told.
func (e *Engine) Announce(ctx context.Context, event Event) error {
	at := e.cfg.Now().UTC()
	if event.At.IsZero() {
		event.At = at
	}
	if err := event.validate(); err != nil {
		return err
	}
	if len(event.ClientIDs) == 0 {
		if e.cfg.ClientsOf == nil {
			return fmt.Errorf("%w: %s names no clients, and Config.ClientsOf is not set", ErrInvalidEvent, event.Type)
		}
		var err error
		if event.ClientIDs, err = e.cfg.ClientsOf(ctx, event.Subject); err != nil {
			return fmt.Errorf("logout: looking for the clients of %s: %w", event.Type, err)
		}
	}
	plan, err := e.planner.announce(ctx, event, at)
	if err != nil || len(plan.Deliveries) == 0 {
		return err
	}
	return e.write(ctx, plan)
}

// write writes a plan that ends nothing, and makes its first attempts after the commit.
func (e *Engine) write(ctx context.Context, plan *Plan) error {
	plan.Early = len(plan.pending()) > 0 && e.reserve()
	if err := e.cfg.Store.Write(ctx, plan); err != nil {
		e.release(plan.Early)
		return err
	}
	if plan.Early {
		e.startEarly(ctx, plan)
	}
	return nil
}

// announce plans who is told of an event. A client that was deleted is not.
func (p planner) announce(ctx context.Context, event Event, at time.Time) (*Plan, error) {
	event.Data = maps.Clone(event.Data) // a channel keeps it in a form of its own
	plan := p.empty(NewID(), Request{Cause: CauseAnnounced, Actor: Actor{Kind: "system"}, Target: Target{Subject: event.Subject}}, at)
	for _, id := range slices.Compact(slices.Sorted(slices.Values(event.ClientIDs))) {
		client, err := p.clients.LogoutClient(ctx, id)
		if errors.Is(err, ErrNoClient) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("logout: planning %s for client %q: %w", event.Type, id, err)
		}
		told := len(plan.Deliveries)
		for _, c := range p.channels {
			a, ok := c.(announcer)
			if !ok {
				continue
			}
			deliveries, err := a.announce(ctx, plan, event, client)
			if err != nil {
				return nil, fmt.Errorf("logout: planning %s for client %q: %w", event.Type, id, err)
			}
			plan.Deliveries = append(plan.Deliveries, deliveries...)
		}
		oneEvent(plan.Deliveries[told:])
	}
	return plan, nil
}

// message returns what is the same in every channel for an event: a delivery that is pending.
func (p *Plan) message(channel Channel, event Event, clientID string) Delivery {
	d := p.delivery(channel, Participation{ClientID: clientID, SID: event.SID, Subject: event.Subject})
	d.Event = event.Type
	return d
}
