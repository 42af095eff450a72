package logout

import (
	"context"
	"errors"
	"runtime/debug"
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
	notifier, ok := e.notifiers[d.Channel]
	if !ok {
		return e.putOff(d, longestRetry, "this node does not know the channel "+string(d.Channel)+"; a newer one does")
	}
	if again, ok := e.limits.acquire(ctx, d.receiver()); !ok {
		if ctx.Err() != nil {
			return nil
		}
		return e.putOff(d, again, "not attempted: the endpoint answers nobody, and others are before this one")
	}
	start := e.cfg.Now().UTC()
	clock := time.Now()
	answer, err := e.notify(ctx, notifier, d)
	if err != nil && ctx.Err() != nil {
		return nil
	}
	a := &Attempt{DeliveryID: d.ID, Number: d.Attempts + 1, At: start, Duration: time.Since(clock), Status: answer.Status, Snippet: answer.Snippet}
	s := &Settlement{Delivery: d, Attempt: a}
	s.State, s.Rejections, s.NextAt = verdict(d, err, a)
	a.State = s.State
	e.cfg.Observe.Attempted(ctx, s.after(), *a)
	return s
}

// notify makes the attempt. A panic in it is an error of this delivery alone.
func (e *Engine) notify(ctx context.Context, notifier Notifier, d Delivery) (answer Answer, err error) {
	ctx, cancel := context.WithTimeout(ctx, e.cfg.AttemptTimeout)
	defer cancel()
	start := time.Now()
	defer func() {
		if r := recover(); r != nil {
			e.cfg.Logger.ErrorContext(ctx, "panic while delivering", "delivery", d.ID, "panic", r, "stack", string(debug.Stack()))
			err = errors.New("an internal error; the provider's log has more")
		}
		e.limits.release(d.receiver(), time.Since(start), answer.Status != 0)
	}()
	return notifier.Notify(ctx, d)
}

// putOff leaves a delivery to its own job after about the given time, without an attempt.
func (e *Engine) putOff(d Delivery, wait time.Duration, reason string) *Settlement {
	s := &Settlement{Delivery: d, State: StateRetrying, Rejections: d.Rejections, NextAt: e.cfg.Now().UTC().Add(jitter(wait)), Reason: reason}
	if s.NextAt.After(d.GiveUpAt) {
		s.State, s.NextAt = StateDead, time.Time{}
	}
	return s
}

// verdict turns the outcome of an attempt into the delivery's next state.
func verdict(d Delivery, err error, a *Attempt) (state State, rejections int, next time.Time) {
	if err == nil {
		return StateDelivered, 0, time.Time{}
	}
	a.Error = snippet([]byte(err.Error()))
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
