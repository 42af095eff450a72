package logout

import (
	"context"
	"sync"
	"time"
)

// progress follows the first attempts of one logout on the node that makes them.
type progress struct {
	mu       sync.Mutex
	receipts map[string]Receipt // by delivery
	left     int
	done     chan struct{} // closed when every delivery has had its turn
}

func newProgress(deliveries []Delivery) *progress {
	return &progress{receipts: make(map[string]Receipt, len(deliveries)), left: len(deliveries), done: make(chan struct{})}
}

// record takes the outcome of one delivery's turn.
func (p *progress) record(s Settlement) {
	d := s.Delivery
	d.State, d.NextAt, d.Rejections = s.State, s.NextAt, s.Rejections
	if s.Attempt != nil {
		d.Attempts, d.LastStatus, d.LastError = s.Attempt.Number, s.Attempt.Status, s.Attempt.Error
		if s.State.Final() {
			d.SettledAt = s.Attempt.At.Add(s.Attempt.Duration)
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.receipts[d.ID] = d.Receipt()
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

// Wait is the bounded wait: it returns when every relying party of the logout has had its first attempt, or after d, or when ctx is done,
// whichever comes first, with the receipts as they are then. It is meant for the node that called End; elsewhere it returns at once.
func (e *Engine) Wait(ctx context.Context, logoutID string, d time.Duration) []Receipt {
	e.mu.Lock()
	p := e.progress[logoutID]
	e.mu.Unlock()
	if p != nil && d > 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-p.done:
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	receipts, err := e.Receipts(ctx, logoutID)
	if err != nil {
		e.cfg.Logger.WarnContext(ctx, "receipts cannot be read", "logout", logoutID, "error", err)
	}
	return receipts
}

// Receipts returns the state of every delivery of a logout, in the order they were planned.
func (e *Engine) Receipts(ctx context.Context, logoutID string) ([]Receipt, error) {
	// Looked up before the table is read: whatever was settled and forgotten before then is in the table.
	e.mu.Lock()
	p := e.progress[logoutID]
	e.mu.Unlock()
	deliveries, err := e.cfg.Store.List(ctx, Filter{LogoutID: logoutID, Limit: 10_000})
	if err != nil {
		return nil, err
	}
	receipts := make([]Receipt, len(deliveries))
	for i, d := range deliveries {
		receipts[len(receipts)-1-i] = d.Receipt() // List is newest first
	}
	if p == nil {
		return receipts, nil
	}
	// What this node knows already but has not written yet is newer than the table.
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, r := range receipts {
		if fresh, ok := p.receipts[r.DeliveryID]; ok && r.State == StatePending {
			receipts[i] = fresh
		}
	}
	return receipts, nil
}
