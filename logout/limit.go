package logout

import (
	"context"
	"sync"
	"time"
)

const (
	maxInFlight      = 256 // POSTs of this node at once
	maxInFlightPerRP = 10
	maxInFlightMute  = 2                      // for a receiver whose last POST got no answer at all, and for each while the node is crowded
	maxInFlightQueue = maxInFlightPerRP - 2   // of a receiver's backlog, so that what happens now is not behind it
	maxWaiting       = 100                    // deliveries that wait for a turn at one receiver; more are parked
	stuckAfter       = 500 * time.Millisecond // a full receiver that has answered nobody for so long is stuck
	longestTurnWait  = 2 * time.Second        // nobody waits longer for a turn, however lively the receiver, but the backlog
)

// limits bounds the POSTs in flight, in all and per receiver, so that a dead one holds a few connections and not the node.
type limits struct {
	all       chan struct{}
	mu        sync.Mutex
	receivers map[Receiver]*share
}

// share is one receiver's part. Waiters get their turn in order.
type share struct {
	inFlight int
	mute     bool      // the last POST that ended got no answer
	moved    time.Time // when a POST last began from nothing or ended
	waiting  []chan struct{}
}

func newLimits() *limits {
	return &limits{all: make(chan struct{}, maxInFlight), receivers: make(map[Receiver]*share)}
}

// acquire takes a place for a POST. It waits while the receiver is full but answering, and gives up when it is stuck or ctx is done.
func (l *limits) acquire(ctx context.Context, r Receiver) bool {
	ctx, cancel := context.WithTimeout(ctx, longestTurnWait)
	defer cancel()
	return l.take(ctx, r, false)
}

// await takes a place however long it takes, until ctx is done.
func (l *limits) await(ctx context.Context, r Receiver) bool { return l.take(ctx, r, true) }

func (l *limits) take(ctx context.Context, r Receiver, patient bool) bool {
	if !l.takeShare(ctx, r, patient) {
		return false
	}
	select {
	case l.all <- struct{}{}:
		return true
	case <-ctx.Done():
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.leave(r)
	return false
}

// release gives a place back after a POST; answered says whether the receiver said anything at all.
func (l *limits) release(r Receiver, answered bool) {
	<-l.all
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.receivers[r]
	s.mute, s.moved = !answered, time.Now()
	l.leave(r)
}

// leave frees a place of a receiver, lets waiters in, and drops what says nothing any more. The caller holds the lock.
func (l *limits) leave(r Receiver) {
	s := l.receivers[r]
	s.inFlight--
	for len(s.waiting) > 0 && s.inFlight < l.room(s) {
		close(s.waiting[0])
		s.waiting = s.waiting[1:]
		s.inFlight++
	}
	if s.inFlight == 0 && len(s.waiting) == 0 && !s.mute {
		delete(l.receivers, r)
	}
}

// room is how many places a receiver may have. When most of the node's are taken, by receivers that hold theirs long, each has to do with
// fewer, so that the others find one.
func (l *limits) room(s *share) int {
	if s.mute || len(l.all) > maxInFlight/2 {
		return maxInFlightMute
	}
	return maxInFlightPerRP
}

// running returns how many POSTs are in flight to whom.
func (l *limits) running() map[Receiver]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make(map[Receiver]int, len(l.receivers))
	for r, s := range l.receivers {
		if s.inFlight > 0 {
			all[r] = s.inFlight
		}
	}
	return all
}

func (l *limits) takeShare(ctx context.Context, r Receiver, patient bool) bool {
	l.mu.Lock()
	s := l.receivers[r]
	if s == nil {
		s = &share{}
		l.receivers[r] = s
	}
	if s.inFlight < l.room(s) {
		if s.inFlight == 0 {
			s.moved = time.Now()
		}
		s.inFlight++
		l.mu.Unlock()
		return true
	}
	if !patient && (s.stuck() || len(s.waiting) >= maxWaiting) {
		l.mu.Unlock()
		return false
	}
	turn := make(chan struct{})
	s.waiting = append(s.waiting, turn)
	l.mu.Unlock()
	return l.awaitTurn(ctx, s, turn, patient)
}

func (s *share) stuck() bool { return s.mute || time.Since(s.moved) > stuckAfter }

func (l *limits) awaitTurn(ctx context.Context, s *share, turn chan struct{}, patient bool) bool {
	look := time.NewTicker(stuckAfter / 2)
	defer look.Stop()
	for {
		select {
		case <-turn:
			return true
		case <-look.C:
			l.mu.Lock()
			over := !patient && s.stuck()
			l.mu.Unlock()
			if !over {
				continue
			}
		case <-ctx.Done():
		}
		return !l.giveUp(s, turn)
	}
}

// giveUp takes a waiter out of the queue. It reports false when its turn came at the same moment: then it has the place.
func (l *limits) giveUp(s *share, turn chan struct{}) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, w := range s.waiting {
		if w == turn {
			s.waiting = append(s.waiting[:i], s.waiting[i+1:]...)
			return true
		}
	}
	return false
}
