package rp

import (
	"context"
	"errors"
	"sync"
	"time"
)

// ErrReplayed is returned by a [ReplayStore] for a logout token that has done
// its work before.
var ErrReplayed = errors.New("rp: the logout token was received before")

// ReplayStore remembers which logout tokens have done their work.
type ReplayStore interface {
	// Once calls end, and remembers key until the given time if, and only if,
	// end succeeds: both happen or neither does. A token that was recorded
	// although its session lives on would be lost, because its retry would be
	// refused. A store in a database inserts key (unique) and calls end in one
	// transaction, which it hands on in the context.
	//
	// It returns ErrReplayed, without calling end, if key is remembered; the
	// error of end; or its own. Two calls with one key never both succeed.
	Once(ctx context.Context, key string, until time.Time, end func(context.Context) error) error
}

// MemoryReplays is a [ReplayStore] in the memory of one process. It is safe for
// concurrent use and holds no lock while end runs.
type MemoryReplays struct {
	mu      sync.Mutex
	seen    *expiring[struct{}]
	running map[string]chan struct{} // closed when that end has returned
}

// NewMemoryReplays returns a store that remembers at most limit tokens (0 means
// 100,000) and forgets the oldest of more. now is the clock; nil means time.Now.
func NewMemoryReplays(limit int, now func() time.Time) *MemoryReplays {
	return &MemoryReplays{seen: newExpiring[struct{}](limit, now), running: make(map[string]chan struct{})}
}

// Once implements [ReplayStore]. A second call with a key whose end is running
// waits for its outcome, or until ctx is done.
func (m *MemoryReplays) Once(ctx context.Context, key string, until time.Time, end func(context.Context) error) error {
	done := make(chan struct{})
	for {
		running, err := m.claim(key, done)
		if err != nil {
			return err
		}
		if running == nil {
			break
		}
		select {
		case <-running:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	succeeded := false
	defer func() { // deferred, so that a panic in end leaves nobody waiting
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.running, key)
		if succeeded {
			m.seen.put(key, until, struct{}{})
		}
		close(done)
	}()
	if err := end(ctx); err != nil {
		return err
	}
	succeeded = true
	return nil
}

// claim takes key for the caller, or returns the channel of the one who has it.
func (m *MemoryReplays) claim(key string, done chan struct{}) (running chan struct{}, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.seen.get(key); ok {
		return nil, ErrReplayed
	}
	if running, ok := m.running[key]; ok {
		return running, nil
	}
	m.running[key] = done
	return nil, nil
}

// StoreReplays is a [ReplayStore] over a [Store], for an application of several
// instances. The ends that it is given must be idempotent, as marking a
// tombstone is: two instances that receive one token in the same moment may
// both run it, and one of them then says ErrReplayed.
type StoreReplays struct{ store raisingStore }

// NewStoreReplays returns a ReplayStore that keeps its keys in store.
func NewStoreReplays(store Store) *StoreReplays { return &StoreReplays{withRaise(store)} }

// Once implements [ReplayStore]. The key is written after end has succeeded, so
// that a failure between the two leads to a retry and never to a lost logout.
func (s *StoreReplays) Once(ctx context.Context, key string, until time.Time, end func(context.Context) error) error {
	key = storeKey("jti", key)
	if _, found, err := s.store.Get(ctx, key); err != nil {
		return err
	} else if found {
		return ErrReplayed
	}
	if err := end(ctx); err != nil {
		return err
	}
	raised, err := s.store.Raise(ctx, key, []byte{1}, until)
	if err == nil && !raised {
		err = ErrReplayed
	}
	return err
}
