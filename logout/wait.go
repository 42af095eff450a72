package logout

import (
	"context"
	"slices"
	"sync"
	"time"
)

// progress follows the first attempts of one logout on the node that makes them.
type progress struct {
	mu       sync.Mutex
	receipts []Receipt      // of all its deliveries, as planned
	index    map[string]int // of each in receipts, by delivery
	left     int
	done     chan struct{} // closed when every delivery has had its turn
	written  chan struct{} // closed when what came of them is in the table, or could not be written
}

func newProgress(deliveries []Delivery) *progress {
	p := &progress{receipts: make([]Receipt, len(deliveries)), index: make(map[string]int, len(deliveries)), done: make(chan struct{}), written: make(chan struct{})}
	for i, d := range deliveries {
		p.receipts[i], p.index[d.ID] = d.Receipt(), i
		if !d.State.Final() {
			p.left++
		}
	}
	return p
}

// now returns the receipts as they are.
func (p *progress) now() []Receipt {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.receipts)
}

// record takes the outcome of a delivery's turn; nil when there was none, because the node is stopping.
func (p *progress) record(deliveryID string, s *Settlement) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s != nil {
		p.receipts[p.index[deliveryID]] = s.after().Receipt()
	}
	if p.left--; p.left == 0 {
		close(p.done)
	}
}

func (e *Engine) track(logoutID string, p *progress) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.progress[logoutID] = p
}

func (e *Engine) untrack(logoutID string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.progress, logoutID)
}

// following returns the progress of a logout whose first attempts run here; nil when none do (any more).
func (e *Engine) following(logoutID string) *progress {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.progress[logoutID]
}

// Wait is the bounded wait: it returns when every relying party of the logout has had its first attempt, or after d, or when ctx is done,
// whichever comes first, with the receipts as they are then. It is meant for the node that called End; elsewhere it returns at once.
func (e *Engine) Wait(ctx context.Context, logoutID string, d time.Duration) []Receipt {
	if p := e.following(logoutID); p != nil {
		if d > 0 {
			timer := time.NewTimer(d)
			defer timer.Stop()
			select {
			case <-p.done:
			case <-timer.C:
			case <-ctx.Done():
			}
		}
		return p.now()
	}
	receipts, err := e.Receipts(ctx, logoutID)
	if err != nil {
		e.cfg.Logger.WarnContext(ctx, "receipts cannot be read", "logout", logoutID, "error", err)
	}
	return receipts
}

// Receipts returns the state of every delivery of a logout, in the order they were planned. While their first attempts run on this node it
// knows more than the table.
func (e *Engine) Receipts(ctx context.Context, logoutID string) ([]Receipt, error) {
	if p := e.following(logoutID); p != nil {
		return p.now(), nil
	}
	deliveries, err := e.cfg.Store.List(ctx, Filter{LogoutID: logoutID, Limit: maxReceipts})
	if err != nil {
		return nil, err
	}
	receipts := make([]Receipt, len(deliveries))
	for i, d := range deliveries {
		receipts[len(receipts)-1-i] = d.Receipt() // List is newest first
	}
	return receipts, nil
}

// maxReceipts bounds what one page or answer shows of a logout of very many sessions.
const maxReceipts = 10_000
