package logout

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// A mass logout ends more sessions than one transaction should: those of a client, or everybody's. It is a row and a job. The job ends a
// batch at a time through End, each in a transaction of its own together with the row's progress, so what has ended and what is known to
// have ended never differ; a node that dies is followed by another, from where it was. The commit of each batch is the moment of logout for
// its sessions. Sessions that began after it was asked for live on.

// MassAbove is the number of sessions from which on a logout should be a mass logout.
const MassAbove = 500

const (
	massBatch = 100             // sessions that end in one transaction
	massFor   = 5 * time.Second // how long a job goes on before others of its queue may
	massWait  = 2 * time.Second // how long the next batch waits for the first attempts of the one before
	massBeat  = 4               // batches per second, at least, when there is a rate

	// massOffline stands for a session id when all sessions have ended and what outlived older ones is next. It sorts after them all.
	massOffline = "offline"
)

// MassState says how far a mass logout is.
type MassState string

// The states of a mass logout.
const (
	MassRunning   MassState = "running"
	MassDone      MassState = "done"
	MassCancelled MassState = "cancelled" // what had ended stays so
)

// Mass is a mass logout.
type Mass struct {
	ID      string
	Request Request // its Target.Before is CreatedAt
	Rate    int     // sessions per second at most; 0: as fast as possible
	State   MassState
	Total   int    // sessions that were live when it was asked for
	Done    int    // sessions that it has ended
	Offline int    // participations of sessions that had ended before, whose grants with offline_access it has revoked
	After   string // how far it is: the last session that it looked at

	CreatedAt  time.Time
	ChangedAt  time.Time // last progress
	FinishedAt time.Time
}

// ErrNoMass says that no mass logout has that id.
var ErrNoMass = errors.New("logout: no such mass logout")

// Masses keeps mass logouts.
type Masses interface {
	// CountLive returns how many sessions of a target are live, in at most limit of them; 0 for no limit.
	CountLive(ctx context.Context, t Target, at time.Time, limit int) (int, error)

	// StartMass writes a mass logout and its job in one transaction.
	StartMass(ctx context.Context, m Mass) error

	// AdvanceMass calls step with a mass logout that is running and writes what step makes of it, in one transaction in which no other node
	// advances it. It returns the mass logout as it is then; ErrNoMass if there is none.
	AdvanceMass(ctx context.Context, id string, step func(ctx context.Context, m *Mass) error) (Mass, error)

	// ListMasses returns the newest mass logouts.
	ListMasses(ctx context.Context, limit int) ([]Mass, error)

	// Mass returns one; ErrNoMass if there is none.
	Mass(ctx context.Context, id string) (Mass, error)
}

// EndMany has the sessions of a request ended by a job, in batches, at most rate of them per second (0: as fast as the nodes can). It returns
// when the job is durable; see Mass for its progress.
//
// Errors: ErrInvalidRequest, also for a single session, which End ends.
func (e *Engine) EndMany(ctx context.Context, req Request, rate int) (Mass, error) {
	at := e.cfg.Now().UTC()
	if req.Target.Before.IsZero() || req.Target.Before.After(at) {
		req.Target.Before = at
	}
	if err := req.Validate(); err != nil {
		return Mass{}, err
	}
	switch {
	case req.Target.SessionID != "" || req.Target.Part != (Part{}):
		return Mass{}, fmt.Errorf("%w: a mass logout needs a target of many sessions", ErrInvalidRequest)
	case rate < 0:
		return Mass{}, fmt.Errorf("%w: a rate of %d sessions per second; 0 is unlimited", ErrInvalidRequest, rate)
	}
	total, err := e.cfg.Store.CountLive(ctx, req.Target, at, 0)
	if err != nil {
		return Mass{}, err
	}
	m := Mass{ID: NewID(), Request: req, Rate: rate, State: MassRunning, Total: total, CreatedAt: at, ChangedAt: at}
	return m, e.cfg.Store.StartMass(ctx, m)
}

// Mass returns a mass logout; ErrNoMass if there is none.
func (e *Engine) Mass(ctx context.Context, id string) (Mass, error) { return e.cfg.Store.Mass(ctx, id) }

// Masses returns the newest mass logouts.
func (e *Engine) Masses(ctx context.Context, limit int) ([]Mass, error) {
	return e.cfg.Store.ListMasses(ctx, limit)
}

// CancelMass stops a mass logout after the batch that runs. It returns it as it is then; one that is over stays as it is.
func (e *Engine) CancelMass(ctx context.Context, id string) (Mass, error) {
	return e.cfg.Store.AdvanceMass(ctx, id, func(_ context.Context, m *Mass) error {
		m.finish(MassCancelled, e.cfg.Now().UTC())
		return nil
	})
}

// MassTimeout is the longest that the job of a mass logout takes, for whoever works it.
func (e *Engine) MassTimeout() time.Duration { return massFor + massWait + turnMargin }

// WorkMass goes on with a mass logout for a while and reports whether it is over. Its job calls it until it is.
func (e *Engine) WorkMass(ctx context.Context, id string) (over bool, err error) {
	until := time.Now().Add(massFor)
	for time.Now().Before(until) && !e.stopping() {
		start := time.Now()
		var out *Outcome
		m, err := e.cfg.Store.AdvanceMass(ctx, id, func(ctx context.Context, m *Mass) (err error) {
			out, err = e.advance(ctx, m)
			return err
		})
		switch {
		case errors.Is(err, ErrNoMass):
			return true, nil // deleted with what it ended
		case err != nil:
			return false, fmt.Errorf("logout: mass logout %s: %w", id, err)
		case m.State != MassRunning:
			return true, nil
		}
		if err := e.rest(ctx, m, out, start); err != nil {
			return false, err
		}
	}
	return false, nil
}

// advance ends the next batch inside the transaction in ctx.
func (e *Engine) advance(ctx context.Context, m *Mass) (*Outcome, error) {
	at := e.cfg.Now().UTC()
	req := m.Request
	req.Target.Part = Part{MassID: m.ID, After: m.After, Limit: massBatch}
	if m.Rate > 0 {
		req.Target.Part.Limit = min(massBatch, max(1, m.Rate/massBeat))
	}
	if m.After == massOffline {
		req.Target.Part.After, req.Target.Part.Offline = "", true
	}
	out, err := e.End(ctx, req)
	if err != nil {
		return nil, err
	}
	m.ChangedAt = at
	if m.After == massOffline {
		m.Offline += len(out.Leaving)
		if len(out.Leaving) < req.Target.Part.Limit {
			m.finish(MassDone, at)
		}
		return out, nil
	}
	m.Done += len(out.Sessions)
	for _, s := range out.Sessions {
		m.After = max(m.After, s.ID)
	}
	if len(out.Sessions) < req.Target.Part.Limit {
		m.After = massOffline
		if !m.Request.ReachesOffline() {
			m.finish(MassDone, at)
		}
	}
	return out, nil
}

func (m *Mass) finish(s MassState, at time.Time) {
	m.State, m.ChangedAt, m.FinishedAt = s, at, at
}

// rest waits until the first attempts of a batch are written, so that no more begins than gets done, and until the rate allows the next.
func (e *Engine) rest(ctx context.Context, m Mass, out *Outcome, start time.Time) error {
	if p := e.following(out.LogoutID); p != nil {
		waiting, cancel := context.WithTimeout(ctx, massWait)
		defer cancel()
		select {
		case <-p.written:
		case <-waiting.Done():
		}
	}
	if m.Rate == 0 {
		return ctx.Err()
	}
	n := len(out.Sessions)
	if n == 0 {
		n = len(out.Leaving)
	}
	sleep(ctx, time.Until(start.Add(time.Second*time.Duration(n)/time.Duration(m.Rate))))
	return ctx.Err()
}
