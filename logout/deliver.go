package logout

import (
	"context"
	"errors"
	"sync"
	"time"
)

// attempt gives each delivery its turn, all at once. It returns a function that waits until what came of them is written.
func (e *Engine) attempt(ctx context.Context, due []Delivery, p *progress) (written func() error) {
	errs := make([]error, len(due))
	var wg sync.WaitGroup
	for i, d := range due {
		wg.Add(1)
		go func() {
			s := e.turn(ctx, d)
			p.record(d.ID, s)
			if s == nil {
				errs[i] = context.Cause(ctx)
				wg.Done()
				return
			}
			e.settler.add(*s, func(err error) {
				errs[i] = err
				wg.Done()
			})
		}()
	}
	return func() error {
		wg.Wait()
		return errors.Join(errs...)
	}
}

// turn makes one attempt and decides what becomes of the delivery. It returns nil when ctx ended first: that says nothing about the
// receiver, so nothing is recorded and the job does it over.
func (e *Engine) turn(ctx context.Context, d Delivery) *Settlement {
	if !e.limits.acquire(ctx, d.ClientID) {
		if ctx.Err() != nil {
			return nil
		}
		return e.putOff(d)
	}
	start := e.cfg.Now().UTC()
	clock := time.Now()
	attemptCtx, cancel := context.WithTimeout(ctx, e.cfg.AttemptTimeout)
	answer, err := e.notifiers[d.Channel].Notify(attemptCtx, d)
	cancel()
	e.limits.release(d.ClientID)
	if err != nil && ctx.Err() != nil {
		return nil
	}
	a := &Attempt{DeliveryID: d.ID, Number: d.Attempts + 1, At: start, Duration: time.Since(clock), Status: answer.Status, Snippet: answer.Snippet}
	s := &Settlement{Delivery: d, Attempt: a}
	s.State, s.Rejections, s.NextAt = verdict(d, err, a)
	a.State = s.State
	return s
}

// putOff leaves a delivery to a receiver that answers nobody to its own job, without an attempt.
func (e *Engine) putOff(d Delivery) *Settlement {
	return &Settlement{Delivery: d, State: StateRetrying, Rejections: d.Rejections, NextAt: e.cfg.Now().UTC().Add(jitter(stuckRetry))}
}

// verdict turns the outcome of an attempt into the delivery's next state.
func verdict(d Delivery, err error, a *Attempt) (state State, rejections int, next time.Time) {
	if err == nil {
		return StateDelivered, 0, time.Time{}
	}
	a.Error = err.Error()
	now := a.At.Add(a.Duration)
	wait := backoff(a.Number)
	var rejected *RejectedError
	var retry *RetryError
	switch {
	case errors.As(err, &rejected):
		// Twice, the second time with a fresh token after a minute: then it is not a clock or a replay, and a retry cannot mend it.
		if rejections = d.Rejections + 1; rejections >= 2 {
			return StateRejected, rejections, time.Time{}
		}
		wait = rejectedRetry
	case errors.As(err, &retry):
		wait = min(max(retry.After, firstRetry), longestRetry)
	}
	if next = now.Add(wait); next.After(d.GiveUpAt) {
		return StateDead, rejections, time.Time{}
	}
	return StateRetrying, rejections, next
}
