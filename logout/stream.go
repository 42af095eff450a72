package logout

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Stream is a receiver's standing wish for security event tokens (OpenID Shared Signals Framework 1.0, 8.1.1).
type Stream struct {
	ID            string
	ClientID      string // the receiver, and the audience of its tokens
	Method        StreamMethod
	EndpointURL   string // where tokens are pushed to; empty when they are polled
	Authorization string // value of the Authorization header of a push; secret; empty for none
	Status        StreamStatus
	Events        []string // the types that the receiver gets, of SignalTypes
	Removals      bool     // there are people about whom the receiver wants to hear nothing
}

// StreamMethod is how the events of a stream reach its receiver (Shared Signals Framework 1.0, 6.1).
type StreamMethod string

// The methods.
const (
	StreamPush StreamMethod = "push" // RFC 8935
	StreamPoll StreamMethod = "poll" // RFC 8936
)

// StreamStatus says whether a stream carries events (Shared Signals Framework 1.0, 8.1.2.1).
type StreamStatus string

// The statuses.
const (
	StreamEnabled  StreamStatus = "enabled"
	StreamPaused   StreamStatus = "paused"   // events are held until it is enabled
	StreamDisabled StreamStatus = "disabled" // events are dropped
)

// Valid reports whether the status is one of those above.
func (s StreamStatus) Valid() bool {
	return s == StreamEnabled || s == StreamPaused || s == StreamDisabled
}

// The types of event that a stream can carry.
const (
	SignalSessionRevoked   = "https://schemas.openid.net/secevent/caep/event-type/session-revoked"   // CAEP 1.0, 3.1
	SignalCredentialChange = "https://schemas.openid.net/secevent/caep/event-type/credential-change" // CAEP 1.0, 3.3
	SignalVerification     = "https://schemas.openid.net/secevent/ssf/event-type/verification"       // Shared Signals Framework 1.0, 8.1.4.1
	SignalStreamUpdated    = "https://schemas.openid.net/secevent/ssf/event-type/stream-updated"     // 8.1.5
)

// SignalTypes lists what a receiver may ask for. Verification and stream-updated belong to the stream itself and need no asking.
func SignalTypes() []string { return []string{SignalSessionRevoked, SignalCredentialChange} }

// Deliverable returns what a receiver that asked for these events gets; nil: it did not say, and gets all that there are.
func Deliverable(requested []string) []string {
	return slices.DeleteFunc(SignalTypes(), func(event string) bool {
		return requested != nil && !slices.Contains(requested, event)
	})
}

// ErrNoStream says that the stream does not exist (any more).
var ErrNoStream = errors.New("logout: no such stream")

// Streams looks streams up.
type Streams interface {
	// StreamsOf returns the streams of a client, none when it has none. It is called inside the ending transaction for every client that
	// leaves, so it should answer from memory for those that cannot have any; and what it returns must not change before that transaction
	// ends, or an event could be held for a stream that has just been enabled. Engine.Announce calls it too: give it a transaction.
	StreamsOf(ctx context.Context, clientID string) ([]Stream, error)

	// Stream returns a stream as it is now; ErrNoStream.
	Stream(ctx context.Context, id string) (Stream, error)

	// Removed reports whether the stream's receiver wants to hear nothing about a subject. It is asked only if the stream has Removals.
	Removed(ctx context.Context, streamID, subject string) (bool, error)
}

// pushes reports whether we send the stream's events now; otherwise they lie ready for whoever fetches them, or until it is enabled.
func (s Stream) pushes() bool { return s.Method == StreamPush && s.Status == StreamEnabled }

// Texts of receipts for events that are not on their way.
const (
	waitsForPoll   = "waits until the receiver fetches it"
	waitsForEnable = "held: the receiver has paused its stream"
)

// waiting says why events of the stream are not being sent.
func (s Stream) waiting() string {
	if s.Method == StreamPush && s.Status != StreamEnabled {
		return waitsForEnable
	}
	return waitsForPoll
}

// carry addresses a delivery of the plan to the stream. What the receiver must fetch is unconfirmed until it says that it has it.
func (s Stream) carry(d Delivery, event string, payload any) (Delivery, error) {
	text, err := json.Marshal(payload)
	if err != nil {
		return Delivery{}, fmt.Errorf("logout: event for stream %s: %w", s.ID, err)
	}
	d.StreamID, d.URI, d.Alg, d.Event, d.Payload = s.ID, s.EndpointURL, setAlgorithm, event, string(text)
	// The receiver must hear of a stream that stops although it has stopped (8.1.5).
	if !s.pushes() && (s.Method == StreamPoll || event != SignalStreamUpdated) {
		d.State, d.LastError = StateUnconfirmed, s.waiting()
	}
	return d, nil
}

// Mailbox keeps the events of streams, beside what Outbox and Ledger do with every delivery. Methods join the transaction in ctx.
type Mailbox interface {
	// Waiting returns the stream's deliveries that nobody has acknowledged or refused yet, oldest first; with onlyEvent those of that type.
	Waiting(ctx context.Context, streamID, onlyEvent string, limit int) ([]Delivery, error)

	// Collect records what the receiver said about deliveries of its stream that are Waiting, as attempts, and settles them. Others are left
	// alone. It returns how many it settled.
	Collect(ctx context.Context, streamID string, said []Attempt) (int, error)

	// Shift moves what is on its way or held, but not the first attempts that are being made right now, when a stream changes.
	Shift(ctx context.Context, s Shift) error
}

// Shift says what becomes of a stream's open deliveries.
type Shift struct {
	Stream Stream
	At     time.Time

	// StateUnconfirmed holds what is retrying; StateRetrying makes that, and what is held, due now; StateUnreachable drops all of it.
	To       State
	Reason   string    // shown in receipts
	Spare    string    // type of the events that stay as they are; empty: none
	GiveUpAt time.Time // for StateRetrying
}
