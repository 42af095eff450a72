package rp

import (
	"container/list"
	"time"
)

// expiring is a bounded memory of keys, each with a value and a time until
// which it counts. It is not safe for concurrent use.
//
// Keys leave in the order in which they were put: those of one kind live about
// equally long, and the bound holds in any case.
type expiring[V any] struct {
	limit   int
	now     func() time.Time
	entries map[string]*list.Element
	order   *list.List // of expiringEntry[V], oldest first
}

type expiringEntry[V any] struct {
	key   string
	until time.Time
	value V
}

func newExpiring[V any](limit int, now func() time.Time) *expiring[V] {
	if limit <= 0 {
		limit = defaultLimit
	}
	if now == nil {
		now = time.Now
	}
	return &expiring[V]{limit: limit, now: now, entries: make(map[string]*list.Element), order: list.New()}
}

// defaultLimit bounds what is remembered where nobody said otherwise.
const defaultLimit = 100_000

// put remembers key until the given time, replacing what was known of it.
func (e *expiring[V]) put(key string, until time.Time, value V) {
	e.drop(key)
	for first := e.order.Front(); first != nil; first = e.order.Front() {
		entry := first.Value.(expiringEntry[V])
		if len(e.entries) < e.limit && e.now().Before(entry.until) {
			break
		}
		e.drop(entry.key)
	}
	e.entries[key] = e.order.PushBack(expiringEntry[V]{key: key, until: until, value: value})
}

// get returns the value of key, if key still counts.
func (e *expiring[V]) get(key string) (value V, ok bool) {
	element, ok := e.entries[key]
	if !ok {
		return value, false
	}
	entry := element.Value.(expiringEntry[V])
	if !e.now().Before(entry.until) {
		return value, false
	}
	return entry.value, true
}

func (e *expiring[V]) drop(key string) {
	if element, ok := e.entries[key]; ok {
		delete(e.entries, key)
		e.order.Remove(element)
	}
}
