package protocol

import "sync"

// Waiting bounds how many requests wait for events at once on this node, in all and of one client, so that none keeps the places from the others.
// Those for which there is no place are answered at once.
type Waiting struct {
	most, mostOfOne int

	mu  sync.Mutex
	all int
	of  map[string]int // by client
}

// NewWaiting returns places for so many requests, of which one client has at most mostOfOne.
func NewWaiting(most, mostOfOne int) *Waiting {
	return &Waiting{most: most, mostOfOne: mostOfOne, of: map[string]int{}}
}

// enter takes a place; false when there is none.
func (w *Waiting) enter(clientID string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.all >= w.most || w.of[clientID] >= w.mostOfOne {
		return false
	}
	w.all++
	w.of[clientID]++
	return true
}

// leave gives a place back.
func (w *Waiting) leave(clientID string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all--
	if w.of[clientID]--; w.of[clientID] == 0 {
		delete(w.of, clientID)
	}
}
