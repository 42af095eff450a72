package logout

import (
	"context"
	"errors"
	"fmt"
)

// verification is the event of Shared Signals Framework 1.0, 8.1.4.1.
type verification struct {
	State *string `json:"state,omitempty"`
}

// streamUpdated is the event of Shared Signals Framework 1.0, 8.1.5.
type streamUpdated struct {
	Status StreamStatus `json:"status"`
	Reason string       `json:"reason,omitempty"`
}

// Verify sends a verification event over a stream, in the transaction of ctx if there is one. state is echoed; nil: the receiver gave none.
// Errors: those of the store.
func (e *Engine) Verify(ctx context.Context, s Stream, state *string) error {
	return e.aboutStream(ctx, s, Actor{Kind: "client", ID: s.ClientID}, SignalVerification, verification{State: state})
}

// StreamUpdated tells a receiver that somebody else than itself has changed its stream's status. The stream is given as it is now; call
// StreamChanged as well. Errors: those of the store.
func (e *Engine) StreamUpdated(ctx context.Context, s Stream, actor Actor, reason string) error {
	return e.aboutStream(ctx, s, actor, SignalStreamUpdated, streamUpdated{Status: s.Status, Reason: reason})
}

// aboutStream posts one event about a stream itself, and makes its first attempt after the commit.
func (e *Engine) aboutStream(ctx context.Context, s Stream, actor Actor, event string, payload any) error {
	if e.cfg.Streams == nil {
		return errors.New("logout: Config.Streams is nil, so there are no streams")
	}
	req := Request{Cause: CauseAnnounced, Actor: actor, Target: Target{ClientID: s.ClientID}}
	plan := e.planner.empty(NewID(), req, e.cfg.Now().UTC())
	d, err := s.carry(plan.delivery(ChannelCAEP, Participation{ClientID: s.ClientID}), event, payload)
	if err != nil {
		return err
	}
	plan.Deliveries = append(plan.Deliveries, d)
	if err := e.write(ctx, plan); err != nil {
		return fmt.Errorf("logout: posting an event of stream %s: %w", s.ID, err)
	}
	return nil
}

// StreamChanged makes a stream's open deliveries follow it: those of one that is polled or paused are held, those of a disabled one are
// dropped, the rest goes out at once. The stream is given as it is now; call it in the transaction that changed it. Errors: those of the store.
func (e *Engine) StreamChanged(ctx context.Context, s Stream) error {
	at := e.cfg.Now().UTC()
	shift := Shift{Stream: s, At: at, To: StateUnconfirmed, Reason: s.waiting()}
	switch {
	case s.Status == StreamDisabled:
		shift.To, shift.Reason, shift.Spare = StateUnreachable, "dropped: the stream was disabled", SignalStreamUpdated
	case s.pushes():
		shift.To, shift.Reason, shift.GiveUpAt = StateRetrying, "", at.Add(e.cfg.RetryFor)
	case s.Status == StreamPaused && s.Method == StreamPush:
		shift.Spare = SignalStreamUpdated
	}
	return e.cfg.Store.Shift(ctx, shift)
}

// StreamDeleted drops what a stream still holds. Call it in the transaction that deletes it. Errors: those of the store.
func (e *Engine) StreamDeleted(ctx context.Context, s Stream) error {
	return e.cfg.Store.Shift(ctx, Shift{Stream: s, At: e.cfg.Now().UTC(), To: StateUnreachable, Reason: "dropped: the receiver deleted its stream"})
}
