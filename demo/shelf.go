package demo

import (
	"container/list"
	"crypto/sha256"
	"time"
)

// digest is what is kept of a cookie or another secret: knowing the store does
// not let anybody present it.
type digest = [sha256.Size]byte

func digestOf(secret string) digest { return sha256.Sum256([]byte(secret)) }

// shelf keeps values by the digest of a secret, each for the same time, at most
// limit of them; the oldest of more fall off. It is not safe for concurrent use.
type shelf[V any] struct {
	limit int
	life  time.Duration
	now   func() time.Time
	items map[digest]*list.Element
	order *list.List // of shelved[V], oldest first
}

type shelved[V any] struct {
	key   digest
	until time.Time
	value V
}

func newShelf[V any](limit int, life time.Duration, now func() time.Time) *shelf[V] {
	return &shelf[V]{limit: limit, life: life, now: now, items: make(map[digest]*list.Element), order: list.New()}
}

func (s *shelf[V]) put(key digest, value V) {
	s.drop(key)
	for first := s.order.Front(); first != nil; first = s.order.Front() {
		item := first.Value.(shelved[V])
		if len(s.items) < s.limit && s.now().Before(item.until) {
			break
		}
		s.drop(item.key)
	}
	s.items[key] = s.order.PushBack(shelved[V]{key: key, until: s.now().Add(s.life), value: value})
}

func (s *shelf[V]) get(key digest) (value V, ok bool) {
	element, ok := s.items[key]
	if !ok {
		return value, false
	}
	item := element.Value.(shelved[V])
	if !s.now().Before(item.until) {
		return value, false
	}
	return item.value, true
}

func (s *shelf[V]) drop(key digest) {
	if element, ok := s.items[key]; ok {
		delete(s.items, key)
		s.order.Remove(element)
	}
}

// all calls visit with every value that has not run out.
func (s *shelf[V]) all(visit func(V)) {
	for element := s.order.Front(); element != nil; element = element.Next() {
		if item := element.Value.(shelved[V]); s.now().Before(item.until) {
			visit(item.value)
		}
	}
}
