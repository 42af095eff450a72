package database

import (
	"context"
	"sync"
)

// handles are the DBs of this process that listen on SQLite files, by path.
var handles = struct {
	sync.Mutex
	byPath map[string][]*mailbox
}{byPath: map[string][]*mailbox{}}

// mailbox holds the notifications that one DB has not delivered yet. It is not bounded: whoever commits waits for no listener.
type mailbox struct {
	mu     sync.Mutex
	queued []notification
	wake   chan struct{} // holds one
}

func (m *mailbox) put(n notification) {
	m.mu.Lock()
	m.queued = append(m.queued, n)
	m.mu.Unlock()
	m.ring()
}

func (m *mailbox) ring() {
	select {
	case m.wake <- struct{}{}:
	default: // it will look anyway
	}
}

func (m *mailbox) take() []notification {
	m.mu.Lock()
	defer m.mu.Unlock()
	taken := m.queued
	m.queued = nil
	return taken
}

// tellHandles sends a notification to all that listen on a file.
func tellHandles(path string, n notification) {
	handles.Lock()
	defer handles.Unlock()
	for _, m := range handles.byPath[path] {
		m.put(n)
	}
}

// listenSQLite serves the listeners until ctx is done.
func (d *DB) listenSQLite(ctx context.Context) {
	m := &mailbox{wake: make(chan struct{}, 1)}
	handles.Lock()
	handles.byPath[d.path] = append(handles.byPath[d.path], m)
	handles.Unlock()
	defer m.leave(d.path)
	d.listeners.onWake(m.ring)
	for {
		d.listeners.greet(m)
		for _, n := range m.take() {
			d.listeners.deliver(n)
		}
		select {
		case <-m.wake:
		case <-ctx.Done():
			return
		}
	}
}

// leave takes the mailbox away.
func (m *mailbox) leave(path string) {
	handles.Lock()
	defer handles.Unlock()
	var rest []*mailbox
	for _, other := range handles.byPath[path] {
		if other != m {
			rest = append(rest, other)
		}
	}
	if handles.byPath[path] = rest; rest == nil {
		delete(handles.byPath, path)
	}
}
