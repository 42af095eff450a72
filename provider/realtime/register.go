package realtime

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/centrifugal/centrifuge"

	"github.com/exeunt-id/exeunt/logout"
)

// page is one connection.
type page struct {
	client    *centrifuge.Client
	sessionID string
	sid       string // of the application's page; empty for one of ours
	quiet     bool
}

// concerns reports whether an ending is about the page.
func (p page) concerns(e logout.Ending) bool {
	return p.sessionID == e.SessionID && (e.SID == "" || e.SID == p.sid)
}

// watched is a session with at least one page.
type watched struct {
	pages      []page
	shownUntil time.Time // other nodes know until then that it has a page
	touchedAt  time.Time // when its activity was last recorded
}

// register holds the pages that are connected to this node.
type register struct {
	mu       sync.Mutex
	sessions map[string]*watched
	count    int
}

func newRegister() *register { return &register{sessions: map[string]*watched{}} }

// add enters a page, unless its session has as many as it may.
func (r *register) add(p page, most int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	w := r.sessions[p.sessionID]
	if w == nil {
		w = &watched{}
		r.sessions[p.sessionID] = w
	}
	if len(w.pages) >= most {
		return false
	}
	w.pages = append(w.pages, p)
	r.count++
	return true
}

// take removes the pages that an ending concerns, and returns them.
func (r *register) take(e logout.Ending) []page {
	return r.remove(e.SessionID, func(p page) bool { return p.concerns(e) })
}

// drop removes one page.
func (r *register) drop(p page) {
	r.remove(p.sessionID, func(other page) bool { return other.client == p.client })
}

func (r *register) remove(sessionID string, which func(page) bool) []page {
	r.mu.Lock()
	defer r.mu.Unlock()
	w := r.sessions[sessionID]
	if w == nil {
		return nil
	}
	var taken []page
	w.pages = slices.DeleteFunc(w.pages, func(p page) bool {
		gone := which(p)
		if gone {
			taken = append(taken, p)
		}
		return gone
	})
	r.count -= len(taken)
	if len(w.pages) == 0 {
		delete(r.sessions, sessionID)
	}
	return taken
}

// each calls fn for the pages of a session. Nobody is taken away meanwhile, so what fn sends comes before a farewell, never after it. fn must not
// wait.
func (r *register) each(sessionID string, fn func(page)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if w := r.sessions[sessionID]; w != nil {
		for _, p := range w.pages {
			fn(p)
		}
	}
}

// ids returns the sessions that have pages, and the sids of those pages.
func (r *register) ids() (sessionIDs, sids []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	distinct := map[string]bool{}
	for _, w := range r.sessions {
		for _, p := range w.pages {
			if p.sid != "" {
				distinct[p.sid] = true
			}
		}
	}
	return slices.Collect(maps.Keys(r.sessions)), slices.Collect(maps.Keys(distinct))
}

// due returns the sessions for which something was last done before a time, and notes that it is done now. which finds the note.
func (r *register) due(which func(*watched) *time.Time, before, now time.Time) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var ids []string
	for id, w := range r.sessions {
		if note := which(w); note.Before(before) {
			*note = now
			ids = append(ids, id)
		}
	}
	return ids
}

// active leaves those sessions that have a page which keeps them alive.
func (r *register) active(ids []string) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.DeleteFunc(ids, func(id string) bool {
		w := r.sessions[id]
		return w == nil || !slices.ContainsFunc(w.pages, func(p page) bool { return !p.quiet })
	})
}

// again forgets the notes of sessions for which it could not be done.
func (r *register) again(which func(*watched) *time.Time, ids []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, id := range ids {
		if w := r.sessions[id]; w != nil {
			*which(w) = time.Time{}
		}
	}
}

// size returns the number of pages.
func (r *register) size() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.count
}
