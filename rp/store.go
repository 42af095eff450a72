package rp

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"strings"
	"sync"
	"time"
)

// Store keeps what the instances of an application must know together: its
// sessions, which of them have ended, and which logout tokens did their work.
// Each key has a value and a time until which it counts.
//
// Keys are ASCII, at most 100 bytes, and name what they hold before a colon
// ("session:", "ended:"). Values are opaque, never empty, at most about 60 KiB.
// Package rptest has a suite that every Store must pass. A Store must be safe
// for concurrent use, and what one call has written the next must read, on
// every instance: a replica that lags behind shows people as logged in.
type Store interface {
	// Get returns the value of key; found is false if there is none or its time
	// has passed.
	Get(ctx context.Context, key string) (value []byte, found bool, err error)
	// Put sets the value of key until the given time, whatever was there.
	Put(ctx context.Context, key string, value []byte, until time.Time) error
	// Delete removes key. That it is not there is no error.
	Delete(ctx context.Context, key string) error
}

// Raiser is what a [Store] may do in addition, and should if several instances
// share it. Without it the kit reads and then writes, under a lock of its own
// process; what two instances write within the same moment may then be judged
// by either of them alone.
type Raiser interface {
	// Raise sets the value of key until the given time if there is none, its time
	// has passed, or it is smaller, byte by byte (bytes.Compare); and reports
	// whether it did. It is atomic: of many calls with one key and value exactly
	// one is told true.
	Raise(ctx context.Context, key string, value []byte, until time.Time) (raised bool, err error)
}

// MemoryStore is a [Store] and [Raiser] in the memory of one process. What it
// holds is lost when the process ends.
type MemoryStore struct {
	limit int
	now   func() time.Time

	mu    sync.Mutex
	kinds map[string]*expiring[[]byte] // by what stands before the colon: a flood of one kind pushes out no other
}

// NewMemoryStore returns a store that holds at most limit keys of each kind (0
// means 100,000) and forgets the oldest of more. now is the clock; nil means
// time.Now.
func NewMemoryStore(limit int, now func() time.Time) *MemoryStore {
	return &MemoryStore{limit: limit, now: now, kinds: make(map[string]*expiring[[]byte])}
}

func (m *MemoryStore) kind(key string) *expiring[[]byte] {
	name, _, _ := strings.Cut(key, ":")
	kind, ok := m.kinds[name]
	if !ok {
		kind = newExpiring[[]byte](m.limit, m.now)
		m.kinds[name] = kind
	}
	return kind
}

// Get implements [Store].
func (m *MemoryStore) Get(_ context.Context, key string) ([]byte, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	value, found := m.kind(key).get(key)
	return bytes.Clone(value), found, nil
}

// Put implements [Store].
func (m *MemoryStore) Put(_ context.Context, key string, value []byte, until time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.kind(key).put(key, until, bytes.Clone(value))
	return nil
}

// Delete implements [Store].
func (m *MemoryStore) Delete(_ context.Context, key string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.kind(key).drop(key)
	return nil
}

// Raise implements [Raiser].
func (m *MemoryStore) Raise(_ context.Context, key string, value []byte, until time.Time) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	kind := m.kind(key)
	if old, found := kind.get(key); found && bytes.Compare(old, value) >= 0 {
		return false, nil
	}
	kind.put(key, until, bytes.Clone(value))
	return true, nil
}

// raisingStore is a Store that can raise, one way or the other.
type raisingStore interface {
	Store
	Raiser
}

func withRaise(store Store) raisingStore {
	if able, ok := store.(raisingStore); ok {
		return able
	}
	return &lockedRaise{Store: store}
}

// lockedRaise raises by reading and writing under a lock, which is as much as
// a plain Store allows.
type lockedRaise struct {
	Store
	mu sync.Mutex
}

func (l *lockedRaise) Raise(ctx context.Context, key string, value []byte, until time.Time) (bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	old, found, err := l.Get(ctx, key)
	if err != nil || found && bytes.Compare(old, value) >= 0 {
		return false, err
	}
	return true, l.Put(ctx, key, value, until)
}

// storeKey names something of a kind by its parts, whatever they contain and
// however long they are, and shows none of them to a reader of the store.
func storeKey(kind string, parts ...string) string {
	sum := sha256.New()
	for _, part := range parts {
		// The length first, so that no two lists of parts look alike.
		sum.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
		sum.Write([]byte(part))
	}
	return kind + ":" + hex.EncodeToString(sum.Sum(nil))
}
