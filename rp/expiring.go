package rp

import (
	"container/list"
	"time"
)

// expiring is a bounded memory of keys, each with a time until which it counts
// and a time that it carries. It is not safe for concurrent use.
//
// Keys leave in the order in which they were put: those of one kind live about
// equally long, and the bound holds in any case.
type expiring struct {
	limit   int
	now     func() time.Time
	entries map[string]*list.Element
	order   *list.List // of expiringEntry, oldest first
}

type expiringEntry struct {
	key       string
	until, at time.Time
}

func newExpiring(limit int, now func() time.Time) *expiring {
	if limit <= 0 {
		limit = 100_000
	}
	if now == nil {
		now = time.Now
	}
	return &expiring{limit: limit, now: now, entries: make(map[string]*list.Element), order: list.New()}
}

// put remembers key until the given time, replacing what was known of it.
func (e *expiring) put(key string, until, at time.Time) {
	if old, ok := e.entries[key]; ok {
		e.remove(old)
	}
	for first := e.order.Front(); first != nil; first = e.order.Front() {
		if len(e.entries) < e.limit && e.now().Before(first.Value.(expiringEntry).until) {
			break
		}
		e.remove(first)
	}
	e.entries[key] = e.order.PushBack(expiringEntry{key: key, until: until, at: at})
}

// get returns the time that key carries, if key still counts.
func (e *expiring) get(key string) (at time.Time, ok bool) {
	element, ok := e.entries[key]
	if !ok {
		return time.Time{}, false
	}
	entry := element.Value.(expiringEntry)
	return entry.at, e.now().Before(entry.until)
}

func (e *expiring) remove(element *list.Element) {
	delete(e.entries, element.Value.(expiringEntry).key)
	e.order.Remove(element)
}
