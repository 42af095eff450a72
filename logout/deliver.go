package logout

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// gather is how long outcomes are collected before they are written, so that ten healthy relying parties cost one transaction and a dead
// one does not keep the receipts of the others from being seen.
const gather = 250 * time.Millisecond

// attempt gives each delivery its turn, all at once, and settles what comes of them as it comes.
func (e *Engine) attempt(ctx context.Context, due []Delivery, p *progress) error {
	outcomes := make(chan *Settlement, len(due))
	for _, d := range due {
		go func() { outcomes <- e.turn(ctx, d) }()
	}
	var batch []Settlement
	var errs []error
	flush := func() {
		if len(batch) == 0 {
			return
		}
		if err := e.settle(ctx, batch); err != nil {
			errs = append(errs, err)
		}
		batch = nil
	}
	timer := time.NewTimer(gather)
	defer timer.Stop()
	for left := len(due); left > 0; {
		select {
		case s := <-outcomes:
			left--
			if s == nil {
				errs = append(errs, context.Cause(ctx))
				continue
			}
			p.record(*s)
			batch = append(batch, *s)
		case <-timer.C:
			flush()
			timer.Reset(gather)
		}
	}
	flush()
	return errors.Join(errs...)
}

// settle writes outcomes. A database that is away for a moment must not turn a delivered token into a second one, so it tries again a
// few times; after that the insurance or retry job does the delivery over.
func (e *Engine) settle(ctx context.Context, batch []Settlement) error {
	ctx = context.WithoutCancel(ctx)
	var err error
	for try := range 4 {
		if try > 0 {
			timer := time.NewTimer(time.Duration(try) * 500 * time.Millisecond)
			<-timer.C
		}
		if _, err = e.cfg.Store.Settle(ctx, e.cfg.Now().UTC(), batch); err == nil {
			return nil
		}
	}
	e.cfg.Logger.ErrorContext(ctx, "outcomes of deliveries could not be written; they will be attempted again", "logout", batch[0].Delivery.LogoutID, "deliveries", len(batch), "error", err)
	return fmt.Errorf("logout: settling: %w", err)
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
	wait := pause(a.Number)
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
