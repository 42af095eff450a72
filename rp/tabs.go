package rp

import "sync"

// maxTabs bounds the open tabs that one instance serves.
const maxTabs = 10_000

// tabs are the open tabs on this instance, by what may end their sessions. A
// tab that is told looks for itself what has become of its session.
type tabs struct {
	mu     sync.Mutex
	open   map[string]map[*tab]bool
	count  int
	closed chan struct{} // closed when the instance ends
	once   sync.Once
}

type tab struct {
	told chan struct{} // holds one value when there may be news
	keys []string
}

func newTabs() *tabs {
	return &tabs{open: make(map[string]map[*tab]bool), closed: make(chan struct{})}
}

// add opens a tab that is told of keys; nil if there are too many. It begins with
// something to look at: there may have been news before anybody told it.
func (t *tabs) add(keys ...string) *tab {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.count >= maxTabs {
		return nil
	}
	added := &tab{told: make(chan struct{}, 1), keys: keys}
	added.told <- struct{}{}
	for _, key := range keys {
		if t.open[key] == nil {
			t.open[key] = make(map[*tab]bool)
		}
		t.open[key][added] = true
	}
	t.count++
	return added
}

func (t *tabs) remove(removed *tab) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, key := range removed.keys {
		delete(t.open[key], removed)
		if len(t.open[key]) == 0 {
			delete(t.open, key)
		}
	}
	t.count--
}

// tell wakes the tabs of key. It never waits.
func (t *tabs) tell(key string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for each := range t.open[key] {
		select {
		case each.told <- struct{}{}:
		default:
		}
	}
}
