package logout

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Position is a place in a list that is ordered by time and then by id. The zero Position is its beginning.
type Position struct {
	At time.Time
	ID string
}

// String returns the position as a cursor for an API; "" for the zero Position.
func (p Position) String() string {
	if p.ID == "" {
		return ""
	}
	return strconv.FormatInt(p.At.UnixMicro(), 36) + "." + p.ID
}

// maxCursor bounds what is read as a cursor; ours are shorter.
const maxCursor = 128

// ParsePosition undoes String. Whatever it accepts is a place in a list, perhaps one that never held anything.
func ParsePosition(cursor string) (Position, error) {
	if cursor == "" {
		return Position{}, nil
	}
	at, id, found := strings.Cut(cursor, ".")
	micros, err := strconv.ParseInt(at, 36, 64)
	if !found || err != nil || id == "" || len(cursor) > maxCursor || strings.Trim(id, "0123456789abcdef-") != "" {
		return Position{}, fmt.Errorf("logout: %.40q is not a cursor of ours", cursor)
	}
	return Position{At: time.UnixMicro(micros).UTC(), ID: id}, nil
}

// Position returns the delivery's place in Ledger.List.
func (d Delivery) Position() Position { return Position{At: d.CreatedAt, ID: d.ID} }

// Tally counts deliveries by state.
type Tally map[State]int

// Open is how many wait to be told.
func (t Tally) Open() int { return t[StatePending] + t[StateRetrying] }

// Failed is how many nobody tells any more, although they could have been.
func (t Tally) Failed() int { return t[StateDead] + t[StateRejected] }

// Total is how many there are.
func (t Tally) Total() int {
	total := 0
	for _, n := range t {
		total += n
	}
	return total
}

// Record is one logout: who ended what, and why.
type Record struct {
	ID                string
	Cause             Cause
	Actor             Actor
	Target            Target
	InitiatorClientID string
	Sessions          int // how many ended, or, with Target.OnlyParticipation, how many were left
	At                time.Time
	Subject           string // whose sessions ended; empty when they were several people's, or when none did
	Deliveries        Tally
}

// Position returns the logout's place in Journal.Logouts.
func (r Record) Position() Position { return Position{At: r.At, ID: r.ID} }

// LogoutFilter selects logouts. Empty fields match everything; the others narrow each other.
type LogoutFilter struct {
	LogoutID string
	Cause    Cause
	Subject  string // of a session that ended, or of a participation that was told
	Since    time.Time
	Until    time.Time
	Before   Position // those after it in the order of Logouts, for paging
	Limit    int      // 0: 100
}

// ErrNoLogout says that no logout has that id.
var ErrNoLogout = errors.New("logout: no such logout")

// Journal reads what the operator of a provider asks.
type Journal interface {
	// Logouts returns logouts, newest first.
	Logouts(ctx context.Context, f LogoutFilter) ([]Record, error)

	// Ended returns at most limit sessions that a logout has ended.
	Ended(ctx context.Context, logoutID string, limit int) ([]Session, error)

	// Figures returns how the delivery to clients goes at a time. With clients it is about these, otherwise about all of which a
	// delivery has not been acknowledged; of those it says nothing about receipts.
	Figures(ctx context.Context, at time.Time, clients ...string) (map[string]Figures, error)
}

// Figures says how the delivery to one client goes.
type Figures struct {
	ClientID      string
	Untold        Tally     // deliveries that were not acknowledged, all that are kept
	OldestOpen    time.Time // when the oldest that is pending or retrying was created; zero when none is
	LastDelivered time.Time // when the last receipt came, to the minute if that was for no logout of the last day; zero when none is known
	Hour, Day     Window    // the last hour and the last 24 hours
}

// Window is what became of the logouts of a period that ends now.
type Window struct {
	Told, Failing int           // of the deliveries that were created in it: acknowledged; tried without success so far, or for good
	Median, P95   time.Duration // from the logout to the receipt, of the receipts that came in it, for the newest MaxSample logouts of the last day; 0 when none came
}

// MaxSample is of how many receipts at most the times of a Window are taken.
const MaxSample = 1000

// Success returns the share of deliveries that were acknowledged, among those that have been tried; false when none has.
func (w Window) Success() (float64, bool) {
	if w.Told+w.Failing == 0 {
		return 0, false
	}
	return float64(w.Told) / float64(w.Told+w.Failing), true
}

// Measure sets the times of a Window from how long each receipt took.
func (w *Window) Measure(took []time.Duration) {
	if len(took) == 0 {
		return
	}
	took = slices.Sorted(slices.Values(took))
	w.Median, w.P95 = took[(len(took)-1)/2], took[(len(took)-1)*95/100]
}

// Overview is how a client is: the figures of its deliveries, and the state of its receivers.
type Overview struct {
	Figures
	Receivers []Health
}

// Overview returns how clients are, each once: those that are named, and, unless one alone is, all others of which a delivery has not been
// acknowledged.
func (e *Engine) Overview(ctx context.Context, clients ...string) (map[string]Overview, error) {
	figures, err := e.cfg.Store.Figures(ctx, e.cfg.Now().UTC(), clients...)
	if err != nil {
		return nil, err
	}
	health, err := e.Health(ctx)
	if err != nil {
		return nil, err
	}
	all := make(map[string]Overview, len(figures))
	for id, f := range figures {
		all[id] = Overview{Figures: f}
	}
	for _, h := range health {
		if o, ok := all[h.ClientID]; ok {
			o.Receivers = append(o.Receivers, h)
			all[h.ClientID] = o
		}
	}
	return all, nil
}

// Breaker returns the receiver whose breaker is open, the longest if several are; false when none is.
func (o Overview) Breaker() (Health, bool) {
	var worst Health
	for _, h := range o.Receivers {
		if h.Open && (!worst.Open || h.Since.Before(worst.Since)) {
			worst = h
		}
	}
	return worst, worst.Open
}

// Worst orders clients for somebody who looks for what is wrong: those that are taken for dead or that somebody waits for first, the longest
// first, then those that were given up, then all others by name.
func Worst(overview map[string]Overview) []Overview {
	rank := func(o Overview) int {
		_, open := o.Breaker()
		switch {
		case open || o.Untold.Open() > 0:
			return 0
		case o.Untold.Failed() > 0:
			return 1
		default:
			return 2
		}
	}
	return slices.SortedFunc(maps.Values(overview), func(a, b Overview) int {
		if d := rank(a) - rank(b); d != 0 {
			return d
		}
		if rank(a) == 0 && !a.OldestOpen.Equal(b.OldestOpen) {
			return a.OldestOpen.Compare(b.OldestOpen)
		}
		return strings.Compare(a.ClientID, b.ClientID)
	})
}
