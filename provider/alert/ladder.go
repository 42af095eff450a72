package alert

import "time"

// Rung is how far up the ladder an incident is.
type Rung int

// The rungs.
const (
	Over  Rung = iota // the client acknowledges again, or was never in trouble
	First             // an endpoint does not take messages
	Hour              // still so an hour later
	Lost              // messages were given up, or rejected for good
)

const (
	// patience is how long messages must have failed before that is trouble; an open breaker is at once.
	patience = 5 * time.Minute
	// stillAfter is how long after the first mail the second one follows.
	stillAfter = time.Hour
	// quiet is how long after an incident no other one of the same client begins: an endpoint that comes and goes must not make a flood.
	quiet = time.Hour
)

// Incident is a client's trouble and the last rung that was reached.
type Incident struct {
	ClientID string
	BeganAt  time.Time
	FirstID  string // the oldest delivery concerned; empty: none
	Rung     Rung
	MovedAt  time.Time // to this rung
	Version  int64     // of what is stored; 0: nothing is
}

// Trouble is what the deliveries say of a client now.
type Trouble struct {
	ClientID string
	BeganAt  time.Time // of the oldest message concerned, or of the breaker
	FirstID  string
	Open     bool // a breaker is
	Waiting  bool // messages that are older than the patience wait
	Failing  bool // and their next attempt lies ahead, so that one has failed
	Lost     int  // messages that were given up or rejected since somebody looked last
}

func (t Trouble) none() bool { return !t.Open && !t.Waiting && t.Lost == 0 }

// step returns the incident as it is now, and whether it has moved. worked says that the client has acknowledged something since the
// incident began; it is asked only when that decides.
func (i Incident) step(t Trouble, now time.Time, worked func() (bool, error)) (Incident, bool, error) {
	to := i
	to.MovedAt = now
	switch {
	case i.Rung == Over:
		if !t.Open && !t.Failing && t.Lost == 0 || i.Version > 0 && now.Sub(i.MovedAt) < quiet {
			return i, false, nil
		}
		to.BeganAt, to.FirstID, to.Rung = t.BeganAt, t.FirstID, First
		if t.Lost > 0 {
			to.Rung = Lost
		}
		return to, true, nil
	case t.Lost > 0 && i.Rung != Lost:
		to.Rung = Lost
		return to, true, nil
	case t.none():
		ok, err := worked()
		to.Rung = Over
		return to, ok, err
	case i.Rung == First && now.Sub(i.MovedAt) >= stillAfter:
		to.Rung = Hour
		return to, true, nil
	}
	return i, false, nil
}
