package logout

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Deliveries that wait for their receiver are parked: they are retrying, but carry no job each, so that a hundred thousand of them cost
// nothing while they wait. The receiver has one job for all of them: its turn. One node at a time takes it, and
//
//   - while the breaker is open makes a single attempt, the probe, settles what is overdue, and sets the next turn later each time;
//   - otherwise delivers what is parked, those that wait longest first, at a bounded rate, until nothing is left or the turn is over.
const (
	turnFor     = 5 * time.Second // how long a turn goes on starting attempts
	turnMargin  = 5 * time.Second // what it may take besides them
	turnBatch   = 256             // deliveries that are read at a time
	buryBatch   = 500
	firstUnpark = 8 // after a probe, so many at first, then four times as many each time: what has just come back is not knocked over
)

// Turn is one node's right to work on what is parked for a receiver.
type Turn struct {
	Receiver
	Until    time.Time // afterwards another node may
	Open     bool      // the breaker: only a probe may go out
	Failures int       // openings and failed probes in a row
}

// TurnTimeout is the longest that a turn takes, for the job that calls DeliverParked.
func (e *Engine) TurnTimeout() time.Duration { return turnFor + e.cfg.AttemptTimeout + turnMargin }

// DeliverParked works on the deliveries that are parked for a receiver. The receiver's job, whose turn was set for turnAt, calls it; a job
// whose turn was moved or taken finds nothing to do.
func (e *Engine) DeliverParked(ctx context.Context, r Receiver, turnAt time.Time) error {
	at := e.cfg.Now().UTC()
	turn, err := e.cfg.Store.BeginTurn(ctx, r, turnAt, at, at.Add(e.TurnTimeout()))
	if err != nil {
		return fmt.Errorf("logout: beginning the turn of %s, %s: %w", r.ClientID, r.Channel, err)
	}
	if turn == nil {
		return nil
	}
	failed, wait, err := e.work(ctx, *turn)
	if err != nil && ctx.Err() == nil {
		e.cfg.Logger.WarnContext(ctx, "the backlog of a receiver could not be worked on; its next turn does", "client", r.ClientID, "channel", r.Channel, "error", err)
	}
	// The next turn is set also by a node that is stopping.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), turnMargin)
	defer cancel()
	at = e.cfg.Now().UTC()
	next := at.Add(wait)
	if failed {
		next = later(next, probeAt(at, turn.Failures+1))
	}
	if err := e.cfg.Store.EndTurn(ctx, *turn, failed, at, next); err != nil {
		return fmt.Errorf("logout: ending the turn of %s, %s: %w", r.ClientID, r.Channel, err)
	}
	return nil
}

// work is what a turn does. It reports whether a probe failed, and what pause the receiver asked for.
//
// Only while the receiver is down does what is overdue die. Where it is there, the attempt that each is owed decides: with no time for retries
// everything parked is overdue, and nothing would ever probe, nor close the breaker.
func (e *Engine) work(ctx context.Context, turn Turn) (failed bool, wait time.Duration, err error) {
	limit := turnBatch
	if turn.Open {
		limit = firstUnpark
		e.breakers.see(turn.Receiver, true)
		if failed, wait, err = e.probe(ctx, turn.Receiver); err != nil {
			return failed, wait, err
		}
		if failed {
			return failed, wait, e.bury(ctx, turn.Receiver)
		}
	}
	if err := e.unpark(ctx, turn.Receiver, limit); err != nil {
		return false, firstProbe, err
	}
	return false, 0, nil
}

// bury settles parked deliveries whose time is up.
func (e *Engine) bury(ctx context.Context, r Receiver) error {
	for {
		at := e.cfg.Now().UTC()
		overdue, err := e.cfg.Store.Overdue(ctx, r, at, buryBatch)
		if err != nil || len(overdue) == 0 {
			return err
		}
		dead := make([]Settlement, len(overdue))
		for i, d := range overdue {
			dead[i] = Settlement{Delivery: d, State: StateDead, Rejections: d.Rejections, Reason: "its time was up while the endpoint was down or full; last: " + d.LastError}
		}
		moved, err := e.cfg.Store.Settle(ctx, at, dead)
		if err != nil {
			return err
		}
		for _, s := range dead {
			d := s.after()
			d.SettledAt = at
			e.cfg.Observe.Attempted(ctx, d, Attempt{DeliveryID: s.Delivery.ID, At: at, Error: s.Reason, State: StateDead})
		}
		if moved == 0 || len(overdue) < buryBatch {
			return nil
		}
	}
}

// probe makes one attempt at a receiver whose breaker is open.
func (e *Engine) probe(ctx context.Context, r Receiver) (failed bool, wait time.Duration, err error) {
	parked, err := e.cfg.Store.Parked(ctx, r, 1)
	if err != nil || len(parked) == 0 {
		return false, 0, err
	}
	if e.notifiers[r.Channel] == nil {
		return false, 0, e.settle(ctx, e.unknown(parked[0]))
	}
	if !e.limits.await(ctx, r) {
		return false, 0, ctx.Err()
	}
	s, answer := e.deliverOne(ctx, parked[0])
	if s == nil {
		return false, 0, ctx.Err()
	}
	var retry *RetryError
	if errors.As(answer, &retry) {
		wait = min(retry.After, longestRetry)
	}
	return e.breakers.isOpen(ctx, r), wait, e.settle(ctx, s)
}

// settle writes one outcome and waits for that.
func (e *Engine) settle(ctx context.Context, s *Settlement) error {
	written := make(chan error, 1)
	e.settler.add(*s, func(err error) { written <- err })
	select {
	case err := <-written:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// unpark delivers what is parked, limit of it at first, until nothing is left, the breaker opens or the turn is over.
func (e *Engine) unpark(ctx context.Context, r Receiver, limit int) error {
	starting, cancel := context.WithTimeout(ctx, turnFor)
	defer cancel()
	for starting.Err() == nil && !e.stopping() && !e.breakers.isOpen(ctx, r) {
		parked, err := e.cfg.Store.Parked(ctx, r, limit)
		if err != nil {
			return err
		}
		if err := e.unparkBatch(ctx, starting, r, parked); err != nil {
			return err
		}
		if len(parked) < limit {
			return nil
		}
		limit = min(limit*4, turnBatch)
	}
	return nil
}

// unparkBatch delivers a batch. What is not begun before starting ends stays parked.
func (e *Engine) unparkBatch(ctx, starting context.Context, r Receiver, parked []Delivery) error {
	l := &lane{receiver: r, deliveries: parked}
	var workers, written sync.WaitGroup
	var mu sync.Mutex
	var errs []error
	for range min(len(parked), maxInFlightQueue) {
		workers.Go(func() {
			for d, ok := l.next(); ok && e.pace.wait(starting) && !e.stopping(); d, ok = l.next() {
				s := e.unparkOne(ctx, starting, d)
				if s == nil {
					return
				}
				written.Add(1)
				e.behind.add(*s, func(err error) {
					defer written.Done()
					mu.Lock()
					defer mu.Unlock()
					if err != nil {
						errs = append(errs, err)
					}
				})
			}
		})
	}
	workers.Wait()
	written.Wait()
	return errors.Join(errs...)
}

// unparkOne makes an attempt of a parked delivery; nil when it stays parked.
func (e *Engine) unparkOne(ctx, starting context.Context, d Delivery) *Settlement {
	if e.notifiers[d.Channel] == nil {
		return e.unknown(d)
	}
	if e.breakers.isOpen(ctx, d.receiver()) || !e.limits.await(starting, d.receiver()) {
		return nil
	}
	s, _ := e.deliverOne(ctx, d)
	return s
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
