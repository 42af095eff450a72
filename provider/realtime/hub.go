package realtime

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider/identity"
	"github.com/exeunt-id/exeunt/provider/signout"
)

// Sessions finds sessions and what has ended of them; *logoutstore.Store has it.
type Sessions interface {
	Find(ctx context.Context, id string) (logout.Session, error)
	FindSID(ctx context.Context, sid string) (logout.Participation, logout.Session, error)
	Endings(ctx context.Context, sessionIDs, sids []string) ([]logout.Ending, error)
	TouchAll(ctx context.Context, sessionIDs []string, at, idleUntil time.Time) error
}

// Origins knows from which origins the pages of any client come.
type Origins interface {
	KnowsOrigin(ctx context.Context, origin string) (bool, error)
}

// Presence records which sessions have a connected page.
type Presence interface {
	Show(ctx context.Context, sessionIDs []string, until time.Time) error
}

// Attachments finds what a client has attached to a device; identity.ErrNoDevice when that is nothing.
type Attachments interface {
	Attachment(ctx context.Context, deviceID, clientID string) (identity.Attachment, error)
}

// Config makes a Hub.
type Config struct {
	Origin      string // the provider's own, as browsers write it
	Tickets     identity.Tickets
	Clients     identity.Clients
	Origins     Origins
	Current     signout.Current
	Sessions    Sessions
	Attachments Attachments
	Presence    Presence
	Lifetimes   signout.Lifetimes

	// Notify, if set, sends a text of at most 7,900 bytes to the other nodes; what it returns is logged. They give it to Hear.
	Notify func(ctx context.Context, payload string) error

	// Told, if set, is called for each page that is told that its session has ended, with the time since that was committed.
	Told func(since time.Duration)

	Now    func() time.Time
	Logger *slog.Logger
}

// Hub holds the connections of this node. Make it with New, Start it, Drain and Stop it. Safe for concurrent use.
type Hub struct {
	cfg   Config
	pages *register
	to    *courier // the other nodes

	running atomic.Pointer[transports]
	missed  chan struct{} // holds one: the table is looked at without waiting for the next turn
	stop    context.CancelFunc
	group   sync.WaitGroup
}

const (
	// lookEvery is how soon a page hears of a logout whose notification was lost, or that a command made beside the node.
	lookEvery = 5 * time.Second
	// showFor is how long a page counts as connected without being shown again, and showEvery how often it is.
	showFor   = 90 * time.Second
	showEvery = 30 * time.Second
	// maxPages of one session, on one node.
	maxPages = 100
)

// New returns a hub. It starts nothing; until Start its endpoints answer 503.
func New(cfg Config) *Hub {
	if cfg.Told == nil {
		cfg.Told = func(time.Duration) {}
	}
	h := &Hub{cfg: cfg, pages: newRegister(), missed: make(chan struct{}, 1)}
	if cfg.Notify != nil {
		h.to = &courier{node: logout.NewID(), send: cfg.Notify, log: cfg.Logger}
	}
	return h
}

// Pages returns how many pages are connected to this node.
func (h *Hub) Pages() int { return h.pages.size() }

// Start accepts connections, and looks after them until Stop.
func (h *Hub) Start(ctx context.Context) error {
	t, err := h.newTransports()
	if err != nil {
		return fmt.Errorf("realtime: %w", err)
	}
	h.running.Store(t)
	ctx, h.stop = context.WithCancel(context.WithoutCancel(ctx))
	h.group.Go(func() { h.watch(ctx) })
	return nil
}

// Drain sends everybody away with the advice to come back, to another node or to this one's next start. It returns when they are gone, or
// after a few seconds.
func (h *Hub) Drain() {
	if t := h.running.Load(); t != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := t.node.Shutdown(ctx); err != nil {
			h.cfg.Logger.InfoContext(ctx, "pages did not close their connections in time", "error", err)
		}
	}
}

// Stop drains, tells the other nodes what they have not been told yet, and returns when nothing of it runs any more.
func (h *Hub) Stop() {
	h.Drain()
	if h.stop != nil {
		h.stop()
	}
	h.group.Wait()
	if h.to != nil {
		h.to.wait()
	}
}

// watch does what is to be done every few seconds.
func (h *Hub) watch(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-h.missed:
		case <-ctx.Done():
			return
		}
		if err := errors.Join(h.look(ctx), h.show(ctx), h.touch(ctx)); err != nil && ctx.Err() == nil {
			h.cfg.Logger.ErrorContext(ctx, "the sessions of connected pages cannot be looked after; it is tried again", "in", lookEvery.String(), "error", err)
		}
	}
}

// look tells the pages whose session has ended unheard.
func (h *Hub) look(ctx context.Context) error {
	sessionIDs, sids := h.pages.ids()
	if len(sessionIDs) == 0 {
		return nil
	}
	endings, err := h.cfg.Sessions.Endings(ctx, sessionIDs, sids)
	for _, e := range endings {
		h.tell(e)
	}
	return err
}

// show keeps the pages present for the other nodes.
func (h *Hub) show(ctx context.Context) error {
	which := func(w *watched) *time.Time { return &w.shownUntil }
	now := h.cfg.Now().UTC()
	until := now.Add(showFor)
	ids := h.pages.due(which, until.Add(-showEvery), until)
	if len(ids) == 0 {
		return nil
	}
	err := h.cfg.Presence.Show(ctx, ids, until)
	if err != nil {
		h.pages.again(which, ids)
	}
	return err
}

// touch records that sessions with a page are in use. Written for all of them in one statement, but not more often than the idle lifetime
// needs: its end is exact to a sixtieth, and at least to a minute.
func (h *Hub) touch(ctx context.Context) error {
	if h.cfg.Lifetimes.Idle <= 0 {
		return nil
	}
	which := func(w *watched) *time.Time { return &w.touchedAt }
	now := h.cfg.Now().UTC()
	ids := h.pages.due(which, now.Add(-max(time.Minute, h.cfg.Lifetimes.Idle/60)), now)
	ids = h.pages.active(ids)
	if len(ids) == 0 {
		return nil
	}
	err := h.cfg.Sessions.TouchAll(ctx, ids, now, now.Add(h.cfg.Lifetimes.Idle))
	if err != nil {
		h.pages.again(which, ids)
	}
	return err
}
