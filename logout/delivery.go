package logout

import (
	"context"
	"errors"
	"time"
)

// Channel is a way by which a relying party is told.
type Channel string

// The channels.
const (
	ChannelBackchannel  Channel = "backchannel"  // OpenID Connect Back-Channel Logout 1.0
	ChannelFrontchannel Channel = "frontchannel" // OpenID Connect Front-Channel Logout 1.0
	ChannelWebhook      Channel = "webhook"      // Standard Webhooks
	ChannelCAEP         Channel = "caep"         // OpenID Continuous Access Evaluation Profile 1.0 over a stream of shared signals
)

// Channels returns all channels.
func Channels() []Channel {
	return []Channel{ChannelBackchannel, ChannelFrontchannel, ChannelWebhook, ChannelCAEP}
}

// State of a delivery; see the package documentation for the diagram.
type State string

// The states of a delivery.
const (
	StatePending     State = "pending"     // the ending node makes, or is about to make, the first attempt; insured by the logout's job
	StateRetrying    State = "retrying"    // waits for its own job
	StateDelivered   State = "delivered"   // acknowledged
	StateRejected    State = "rejected"    // refused in a way that a retry cannot mend
	StateDead        State = "dead"        // every attempt failed until its time was up
	StateUnconfirmed State = "unconfirmed" // left to the person's browser, which reports nothing back, or for the receiver to fetch
	StateUnreachable State = "unreachable" // the client registered no channel that could carry it
	StateSuperseded  State = "superseded"  // a newer login makes it harmful
)

// States returns all states, in the order of a delivery's life.
func States() []State {
	return []State{
		StatePending, StateRetrying, StateDelivered, StateRejected, StateDead, StateUnconfirmed, StateUnreachable, StateSuperseded,
	}
}

// Redeliverable returns the states from which an operator can bring a delivery back: those where somebody has not been told who could be, and,
// if wanted, those where somebody has.
func Redeliverable(acknowledged bool) []State {
	states := []State{StateDead, StateRejected, StateRetrying}
	if acknowledged {
		states = append(states, StateDelivered)
	}
	return states
}

// Final reports whether nobody will try again by itself.
func (s State) Final() bool { return s != StatePending && s != StateRetrying }

// Delivery is one message to one client about one participation that ended.
type Delivery struct {
	ID        string
	LogoutID  string
	EventID   string // of the first delivery to the client about the same thing: the deliveries of all channels are one event
	ClientID  string
	Channel   Channel
	State     State
	Cause     Cause
	SessionID string

	// What the message says. Taken when the session ended, because the user may be deleted meanwhile.
	SID     string
	Subject string
	Event   string // type of the event, for channels that carry several; empty: the end of a participation
	Payload string // what else this channel must say, in the channel's own form

	StreamID string // the stream of shared signals that carries it; empty for other channels

	// Where it goes and how it is signed, used only when the client itself has been deleted meanwhile.
	URI     string
	Alg     string
	Private bool // it may be on a private or loopback address

	Attempts   int  // made so far
	Rejections int  // consecutive answers that mean "this token is invalid"
	Parked     bool // retrying, but not at a time of its own: it waits until its receiver is there again, or has room
	CreatedAt  time.Time
	NextAt     time.Time // when the next attempt is due
	GiveUpAt   time.Time // no attempt after this
	SettledAt  time.Time // when it became final
	LastStatus int       // HTTP status of the last attempt; 0 when there was no answer
	LastError  string
	Pulled     bool // the client came and acknowledged it: delivered by pull
}

func (d Delivery) receiver() Receiver { return Receiver{ClientID: d.ClientID, Channel: d.Channel} }

// Attempt is one try of one delivery, kept for ever so that everybody can see what happened.
type Attempt struct {
	DeliveryID string
	Number     int // from 1
	At         time.Time
	Duration   time.Duration
	Status     int    // HTTP status; 0 when there was no answer
	Snippet    string // first bytes of the answer
	Error      string
	State      State // what the delivery became
}

// Settlement is the outcome of a delivery's turn: an attempt that was made, or, with a nil Attempt, a turn that passed without one.
type Settlement struct {
	Delivery   Delivery // as it was before the turn
	Attempt    *Attempt
	State      State
	Rejections int
	NextAt     time.Time // for StateRetrying; of a parked one, its place among the parked
	Parked     bool      // for StateRetrying: it waits for its receiver's turn instead of one of its own
	Reason     string    // why there was no attempt
}

// after returns the delivery as the settlement leaves it.
func (s Settlement) after() Delivery {
	d := s.Delivery
	d.State, d.NextAt, d.Rejections, d.Parked = s.State, s.NextAt, s.Rejections, s.Parked
	if s.Attempt == nil {
		d.LastError = s.Reason
	} else {
		d.Attempts, d.LastStatus, d.LastError = s.Attempt.Number, s.Attempt.Status, s.Attempt.Error
		if s.State.Final() {
			d.SettledAt = s.Attempt.At.Add(s.Attempt.Duration)
		}
	}
	return d
}

// Receipt is what users, relying parties and operators see of a delivery.
type Receipt struct {
	DeliveryID string
	LogoutID   string
	ClientID   string
	Channel    Channel
	State      State
	Attempts   int
	LastStatus int
	LastError  string
	CreatedAt  time.Time
	NextAt     time.Time
	SettledAt  time.Time
	Pulled     bool // delivered by pull
}

// Receipt returns the delivery's receipt.
func (d Delivery) Receipt() Receipt {
	return Receipt{
		DeliveryID: d.ID, LogoutID: d.LogoutID, ClientID: d.ClientID, Channel: d.Channel, State: d.State, Attempts: d.Attempts,
		LastStatus: d.LastStatus, LastError: d.LastError, CreatedAt: d.CreatedAt, NextAt: d.NextAt, SettledAt: d.SettledAt, Pulled: d.Pulled,
	}
}

// Scope names the deliveries that a job is about: the pending ones of a logout, or the one turn of a single delivery.
type Scope struct {
	LogoutID string

	DeliveryID string
	NextAt     time.Time // the turn: a job whose turn was replaced by an earlier or later one finds nothing
}

// Outbox is the durable queue of deliveries.
type Outbox interface {
	// Due returns the deliveries that the scope's job is to attempt: of a logout its pending ones; a single one if it is retrying, not
	// parked, and its next turn is still the scope's.
	Due(ctx context.Context, scope Scope) ([]Delivery, error)

	// Settle records attempts and moves states in one transaction, by conditional update: a row that somebody else has settled, or that
	// was given another turn meanwhile, is left alone, except that an acknowledgment always counts (its attempt is recorded all the same).
	// Rows that become retrying get their own job; those that are parked need none, but their receiver gets a turn if it has none: now, or
	// when its next probe is due. When nothing of a logout is pending any more, its insurance job is deleted. It returns how many rows
	// moved.
	Settle(ctx context.Context, at time.Time, settlements []Settlement) (int, error)

	// Rescue gives an insurance job, due at once, to the oldest logouts that were written before a time by plans that were Early and that are
	// insured still, at most limit. It returns how many. Several nodes may do so at the same time: no logout gets two jobs.
	Rescue(ctx context.Context, before time.Time, limit int) (int, error)

	// Uninsure ends the insurance of a logout of which nothing is pending any more.
	Uninsure(ctx context.Context, logoutID string) error
}

// Filter selects deliveries. Empty fields match everything; the others narrow each other.
type Filter struct {
	DeliveryID string
	LogoutID   string
	ClientID   string
	SessionID  string
	Subject    string
	States     []State // any of these
	Channel    Channel
	Cause      Cause
	Since      time.Time // created at this time or later
	Until      time.Time // created before this time
	ErrorText  string    // part of the last error, without regard to case
	Before     Position  // those after it in the order of List, for paging
	Limit      int       // 0: 100

	// Acknowledged makes Redeliver tell also those again that have been acknowledged: for a receiver that has lost what it knew.
	Acknowledged bool
}

// ErrNoDelivery says that no delivery has that id.
var ErrNoDelivery = errors.New("logout: no such delivery")

// Ledger reads receipts and gives a delivery another chance.
type Ledger interface {
	// List returns deliveries, newest first: by the time when they were created, then by id.
	List(ctx context.Context, f Filter) ([]Delivery, error)

	// Show returns one delivery and its attempts, oldest first; ErrNoDelivery if there is none.
	Show(ctx context.Context, id string) (Delivery, []Attempt, error)

	// Redeliver parks the matching deliveries that are dead, rejected or retrying, and those that are delivered if the filter says
	// Acknowledged, with a fresh period of retries until giveUpAt, and gives their receivers a turn at once, be it a probe. What nobody sends
	// is open again as it was before: unconfirmed if it is fetched, unreachable if it was pulled by a client without an address. It works in
	// batches, each a transaction of its own unless ctx has one. moved, if it is not nil, is called in the transaction of each batch that
	// parks any, with their number; its error undoes that batch and ends the work. It returns how many were parked, also beside an error.
	Redeliver(ctx context.Context, f Filter, at, giveUpAt time.Time, moved func(ctx context.Context, count int) error) (int, error)
}

// Notifier carries one delivery over one channel.
//
// A nil error means acknowledged; *RejectedError that this message will never be accepted; *RetryError that the receiver named a
// time; any other error that the schedule decides. The answer is returned in every case where there was one.
type Notifier interface {
	Notify(ctx context.Context, d Delivery) (Answer, error)
}

// Answer is what the receiver said.
type Answer struct {
	Status  int
	Snippet string
}

// RejectedError says that the receiver called this message invalid.
type RejectedError struct{ Reason string }

func (e *RejectedError) Error() string { return "rejected: " + e.Reason }

// RetryError says that the receiver asked to be tried again after a time.
type RetryError struct {
	After  time.Duration
	Reason string
}

func (e *RetryError) Error() string { return e.Reason }
