package logout

import (
	"context"
	"errors"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// beginWithin is how long a receiver may take before the rest of what it is to be told is parked. An attempt begins longestTurnWait later at the
// latest, and so is over when Rescue gives the logout a job, or times out: otherwise both would tell the same receivers.
const beginWithin = rescueMargin - longestTurnWait - 500*time.Millisecond

// attempt gives each delivery its turn: all receivers beside each other, and each as many at once as it may have in flight. So the number
// of goroutines depends on the receivers, not on the sessions, and none waits behind another's. The client named first has its turn first.
// It returns a function that waits until what came of them is written.
func (e *Engine) attempt(ctx context.Context, due []Delivery, p *progress, first string) (written func() error) {
	var group sync.WaitGroup
	group.Add(len(due))
	var mu sync.Mutex
	var errs []error
	done := func(err error) {
		if err != nil {
			mu.Lock()
			errs = append(errs, err)
			mu.Unlock()
		}
		group.Done()
	}
	// Whichever goroutine runs first takes the first lane.
	lanes := lanesOf(due, first)
	latest := time.Now().Add(beginWithin)
	var started atomic.Int64
	for range lanes {
		go func() {
			l := lanes[started.Add(1)-1]
			for d, ok := l.next(); ok; d, ok = l.next() {
				var s *Settlement
				if time.Now().Before(latest) {
					s = e.turn(ctx, d)
				} else {
					s = park(d, "not attempted: it is one of many, and the endpoint takes its time for those before this one")
				}
				p.record(d.ID, s)
				if s == nil {
					done(context.Cause(ctx))
				} else {
					e.settler.add(*s, done)
				}
			}
		}()
	}
	return func() error {
		group.Wait()
		return errors.Join(errs...)
	}
}

// lane is what one receiver is to be told.
type lane struct {
	receiver   Receiver
	deliveries []Delivery
	taken      atomic.Int64
}

func (l *lane) next() (Delivery, bool) {
	i := int(l.taken.Add(1)) - 1
	if i >= len(l.deliveries) {
		return Delivery{}, false
	}
	return l.deliveries[i], true
}

// lanesOf sorts deliveries by receiver, those of the client named first before the others. Each lane is returned as often as it may be
// worked at once, but first each of them once.
func lanesOf(due []Delivery, first string) []*lane {
	index := make(map[Receiver]*lane)
	var all []*lane
	for _, d := range due {
		l := index[d.receiver()]
		if l == nil {
			l = &lane{receiver: d.receiver()}
			index[l.receiver] = l
			all = append(all, l)
		}
		l.deliveries = append(l.deliveries, d)
	}
	slices.SortStableFunc(all, func(a, b *lane) int {
		switch {
		case (a.receiver.ClientID == first) == (b.receiver.ClientID == first):
			return 0
		case a.receiver.ClientID == first:
			return -1
		}
		return 1
	})
	lanes := slices.Clone(all)
	for _, l := range all {
		for range min(len(l.deliveries), maxInFlightPerRP) - 1 {
			lanes = append(lanes, l)
		}
	}
	return lanes
}

// turn makes one attempt and decides what becomes of the delivery; one whose receiver is down or full is parked without an attempt. It
// returns nil when ctx ended first: that says nothing about the receiver, so nothing is recorded and the job does it over.
func (e *Engine) turn(ctx context.Context, d Delivery) *Settlement {
	switch {
	case e.notifiers[d.Channel] == nil:
		return e.unknown(d)
	case e.breakers.isOpen(ctx, d.receiver()):
		return park(d, "not attempted: the endpoint is down; it is probed, and told once it is back")
	case e.limits.acquire(ctx, d.receiver()):
		s, _ := e.deliverOne(ctx, d)
		return s
	case ctx.Err() != nil:
		return nil
	}
	return park(d, "not attempted: the endpoint answers slowly or not at all, and others are before this one")
}

// deliverOne makes an attempt whose place in flight is taken, and gives the place back. The error is that of the attempt.
func (e *Engine) deliverOne(ctx context.Context, d Delivery) (*Settlement, error) {
	start := e.cfg.Now().UTC()
	clock := time.Now()
	tracing, done := e.cfg.Trace.Attempting(ctx, d)
	answer, err := e.notify(tracing, d)
	if err != nil && ctx.Err() != nil {
		done(d, Attempt{})
		return nil, err
	}
	a := &Attempt{DeliveryID: d.ID, Number: d.Attempts + 1, At: start, Duration: time.Since(clock), Status: answer.Status, Snippet: answer.Snippet}
	if err != nil {
		a.Error = snippet([]byte(err.Error()))
	}
	e.breakers.record(ctx, d.receiver(), signOf(err, answer.Status), a.Error)
	s := &Settlement{Delivery: d, Attempt: a}
	s.State, s.Rejections, s.NextAt = verdict(d, err, a)
	s.Parked = s.State == StateRetrying && e.breakers.isOpen(ctx, d.receiver())
	a.State = s.State
	after := s.after()
	done(after, *a)
	e.cfg.Observe.Attempted(ctx, after, *a)
	return s, err
}

// notify makes the attempt. A panic in it is an error of this delivery alone.
func (e *Engine) notify(ctx context.Context, d Delivery) (answer Answer, err error) {
	ctx, cancel := context.WithTimeout(ctx, e.cfg.AttemptTimeout)
	defer cancel()
	defer func() {
		if r := recover(); r != nil {
			e.cfg.Logger.ErrorContext(ctx, "panic while delivering", "delivery", d.ID, "panic", r, "stack", string(debug.Stack()))
			err = errors.New("an internal error; the provider's log has more")
		}
		e.limits.release(d.receiver(), answer.Status != 0)
	}()
	return e.notifiers[d.Channel].Notify(ctx, d)
}

// park leaves a delivery to its receiver's next turn. It keeps its own place in time: those that wait longest go first.
func park(d Delivery, reason string) *Settlement {
	return &Settlement{Delivery: d, State: StateRetrying, Parked: true, Rejections: d.Rejections, NextAt: d.NextAt, Reason: reason}
}

// unknown leaves a delivery to a job of its own, which another node may work.
func (e *Engine) unknown(d Delivery) *Settlement {
	s := &Settlement{
		Delivery: d, State: StateRetrying, Rejections: d.Rejections, NextAt: e.cfg.Now().UTC().Add(jitter(longestRetry)),
		Reason: "this node does not know the channel " + string(d.Channel) + "; a newer one does",
	}
	if s.NextAt.After(d.GiveUpAt) {
		s.State, s.NextAt = StateDead, time.Time{}
	}
	return s
}

// verdict turns the outcome of an attempt into the delivery's next state. A delivery dies when its time is up, not before: the last pause is
// as long as what is left.
func verdict(d Delivery, err error, a *Attempt) (state State, rejections int, next time.Time) {
	if err == nil {
		return StateDelivered, 0, time.Time{}
	}
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
		wait = min(max(retry.After, min(wait, longestAsked)), longestRetry)
	}
	if !now.Before(d.GiveUpAt) {
		return StateDead, rejections, time.Time{}
	}
	if next = now.Add(wait); next.After(d.GiveUpAt) {
		next = d.GiveUpAt
	}
	return StateRetrying, rejections, next
}
