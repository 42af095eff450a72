package logout

import (
	"context"
	"sync"
	"time"
)

const (
	maxInFlight      = 256 // POSTs of this node at once
	maxInFlightPerRP = 10
	maxInFlightMute  = 2                      // for an RP whose last POST got no answer at all
	maxWaiting       = 100                    // deliveries that wait for a turn at one RP; more are put off
	longestPutOff    = 5 * time.Minute        // an RP that has recovered hears within about this time of what was put off
	stuckAfter       = 500 * time.Millisecond // a full RP that has answered nobody for so long is stuck
	longestTurnWait  = 2 * time.Second        // nobody waits longer for a turn, however lively the RP
)

// limits bounds the POSTs in flight, in all and per relying party, so that a dead receiver holds a few connections and not the node.
type limits struct {
	all chan struct{}
	mu  sync.Mutex
	rps map[Receiver]*rpLimit
}

// rpLimit is one relying party's share. Waiters get their turn in order.
type rpLimit struct {
	inFlight int
	mute     bool          // the last POST that ended got no answer
	moved    time.Time     // when a POST last began from nothing or ended
	took     time.Duration // of the last POST that got no answer
	putOff   int           // deliveries sent away since the last answer
	waiting  []chan struct{}
}

func newLimits() *limits {
	return &limits{all: make(chan struct{}, maxInFlight), rps: make(map[Receiver]*rpLimit)}
}

// acquire takes a place for a POST to the client. It waits while the client is full but answering, and gives up when it is stuck or ctx is
// done; then it returns after what time to come again. That grows with the deliveries that were sent away, so that they return no faster
// than such a client lets them in.
func (l *limits) acquire(ctx context.Context, r Receiver) (again time.Duration, ok bool) {
	if !l.acquireRP(ctx, r) {
		return l.sendAway(r), false
	}
	giveUp := time.NewTimer(longestTurnWait)
	defer giveUp.Stop()
	select {
	case l.all <- struct{}{}:
		return 0, true
	case <-giveUp.C:
	case <-ctx.Done():
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rps[r].pass()
	l.forget(r)
	return stuckRetry, false
}

// release gives a place back after a POST that took so long; answered says whether the client said anything at all.
func (l *limits) release(r Receiver, took time.Duration, answered bool) {
	<-l.all
	l.mu.Lock()
	defer l.mu.Unlock()
	rp := l.rps[r]
	rp.mute = !answered
	if answered {
		rp.putOff = 0
	} else {
		rp.took = took
	}
	rp.moved = time.Now()
	rp.pass()
	l.forget(r)
}

// pass hands a place to the next waiter, or frees it. A client that has gone mute gets its smaller share from now on.
func (rp *rpLimit) pass() {
	if len(rp.waiting) > 0 && rp.inFlight <= rp.share() {
		close(rp.waiting[0])
		rp.waiting = rp.waiting[1:]
		return
	}
	rp.inFlight--
}

func (rp *rpLimit) share() int {
	if rp.mute {
		return maxInFlightMute
	}
	return maxInFlightPerRP
}

// forget drops what says nothing any more.
func (l *limits) forget(r Receiver) {
	if rp := l.rps[r]; rp.inFlight == 0 && len(rp.waiting) == 0 && !rp.mute {
		delete(l.rps, r)
	}
}

// running returns how many POSTs are in flight to whom.
func (l *limits) running() map[Receiver]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make(map[Receiver]int, len(l.rps))
	for r, rp := range l.rps {
		if rp.inFlight > 0 {
			all[r] = rp.inFlight
		}
	}
	return all
}

func (l *limits) sendAway(r Receiver) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	rp := l.rps[r]
	if rp == nil {
		return stuckRetry
	}
	rp.putOff++
	return min(max(stuckRetry, rp.took*time.Duration(rp.putOff)/maxInFlightMute), longestPutOff)
}

func (l *limits) acquireRP(ctx context.Context, r Receiver) bool {
	l.mu.Lock()
	rp := l.rps[r]
	if rp == nil {
		rp = &rpLimit{}
		l.rps[r] = rp
	}
	if rp.inFlight < rp.share() {
		if rp.inFlight == 0 {
			rp.moved = time.Now()
		}
		rp.inFlight++
		l.mu.Unlock()
		return true
	}
	if rp.mute || len(rp.waiting) >= maxWaiting || time.Since(rp.moved) > stuckAfter {
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
			stuck := rp.mute || time.Since(rp.moved) > stuckAfter
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
