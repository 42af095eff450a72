package logout

import (
	"context"
	"sync"
	"time"
)

const (
	maxInFlight      = 256 // POSTs of this node at once
	maxInFlightPerRP = 10
	stuckAfter       = 500 * time.Millisecond // a full RP that has answered nobody for so long is stuck
	longestTurnWait  = 2 * time.Second        // nobody waits longer for a turn, however lively the RP
)

// limits bounds the POSTs in flight, in all and per relying party, so that a dead receiver holds ten connections and not the node.
type limits struct {
	all chan struct{}
	mu  sync.Mutex
	rps map[string]*rpLimit
}

// rpLimit is one relying party's share. Waiters get their turn in order.
type rpLimit struct {
	inFlight int
	moved    time.Time // when a POST last ended, or the first of a burst began
	waiting  []chan struct{}
}

func newLimits() *limits {
	return &limits{all: make(chan struct{}, maxInFlight), rps: make(map[string]*rpLimit)}
}

// acquire takes a place for a POST to the client. It waits while the client is full but answering, and gives up, returning false, when it
// is stuck or ctx is done.
func (l *limits) acquire(ctx context.Context, clientID string) bool {
	if !l.acquireRP(ctx, clientID) {
		return false
	}
	select {
	case l.all <- struct{}{}:
		return true
	case <-ctx.Done():
		l.releaseRP(clientID)
		return false
	}
}

func (l *limits) release(clientID string) {
	<-l.all
	l.releaseRP(clientID)
}

func (l *limits) acquireRP(ctx context.Context, clientID string) bool {
	l.mu.Lock()
	rp := l.rps[clientID]
	if rp == nil {
		rp = &rpLimit{}
		l.rps[clientID] = rp
	}
	if rp.inFlight < maxInFlightPerRP {
		if rp.inFlight == 0 {
			rp.moved = time.Now()
		}
		rp.inFlight++
		l.mu.Unlock()
		return true
	}
	if time.Since(rp.moved) > stuckAfter {
		l.mu.Unlock()
		return false
	}
	turn := make(chan struct{})
	rp.waiting = append(rp.waiting, turn)
	l.mu.Unlock()
	return l.awaitTurn(ctx, rp, turn)
}

func (l *limits) awaitTurn(ctx context.Context, rp *rpLimit, turn chan struct{}) bool {
	giveUp := time.NewTimer(longestTurnWait)
	defer giveUp.Stop()
	look := time.NewTicker(stuckAfter / 2)
	defer look.Stop()
	for {
		select {
		case <-turn:
			return true
		case <-look.C:
			l.mu.Lock()
			stuck := time.Since(rp.moved) > stuckAfter
			l.mu.Unlock()
			if !stuck {
				continue
			}
		case <-giveUp.C:
		case <-ctx.Done():
		}
		return !l.leave(rp, turn)
	}
}

// leave takes a waiter out of the queue. It reports false when its turn came at the same moment: then it has the place.
func (l *limits) leave(rp *rpLimit, turn chan struct{}) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, w := range rp.waiting {
		if w == turn {
			rp.waiting = append(rp.waiting[:i], rp.waiting[i+1:]...)
			return true
		}
	}
	return false
}

func (l *limits) releaseRP(clientID string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	rp := l.rps[clientID]
	rp.moved = time.Now()
	if len(rp.waiting) > 0 { // the place passes on
		close(rp.waiting[0])
		rp.waiting = rp.waiting[1:]
		return
	}
	if rp.inFlight--; rp.inFlight == 0 {
		delete(l.rps, clientID)
	}
}
