package logout

import (
	"context"
	"sync/atomic"
	"time"
)

// What all backlogs of a node send is spaced out, and makes way for those who are told of what happens now: nothing of it starts shortly
// after a logout began, when signing its tokens needs the processors. On a node that is never quiet it goes on all the same, slowly.
const (
	quietAfter   = 20 * time.Millisecond // since the last logout began
	longestYield = 20 * time.Millisecond
)

type pace struct {
	every time.Duration
	turn  chan struct{} // held by whoever waits for the next start
	next  time.Time     // of the holder
	began atomic.Int64  // when a logout last began, in nanoseconds since origin
}

// origin makes times of the monotonic clock numbers.
var origin = time.Now()

func newPace(rate int) *pace {
	return &pace{every: time.Second / time.Duration(rate), turn: make(chan struct{}, 1)}
}

// begin says that a logout begins.
func (p *pace) begin() { p.began.Store(int64(time.Since(origin))) }

// wait returns when the caller may start one delivery of a backlog; false when ctx is done first.
func (p *pace) wait(ctx context.Context) bool {
	select {
	case p.turn <- struct{}{}:
	case <-ctx.Done():
		return false
	}
	defer func() { <-p.turn }()
	if !sleep(ctx, time.Until(p.next)) {
		return false
	}
	for latest := time.Now().Add(longestYield); ; {
		quiet := time.Duration(p.began.Load()) + quietAfter - time.Since(origin)
		if p.began.Load() == 0 || quiet <= 0 || !time.Now().Before(latest) {
			break
		}
		if !sleep(ctx, min(quiet, time.Until(latest))) {
			return false
		}
	}
	p.next = time.Now().Add(p.every)
	return true
}

// sleep returns after d; false when ctx is done first.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
