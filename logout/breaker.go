package logout

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

const (
	// breakAfter is how many failures in a row, on one node, open a receiver's breaker.
	breakAfter = 5
	// viewLife is how long a node goes by what it read of the breakers, and so how soon it learns of those that others opened or closed.
	viewLife = time.Second
)

// NoAnswerError says that the receiver could not be reached, or did not answer in time. Notifiers return it for what fails on the wire, so
// that it counts against the receiver; an error of the provider itself does not.
type NoAnswerError struct{ Err error }

func (e *NoAnswerError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *NoAnswerError) Unwrap() error { return e.Err }

// sign is what the outcome of an attempt says of its receiver.
type sign int

const (
	signNone   sign = iota // nothing: it asked for time, or the error was ours
	signAlive              // it takes messages, or it read this one and refused it
	signFailed             // what answers there, if anything, is not the relying party
)

// signOf judges the receiver by the outcome of an attempt. One that asks to be left alone for a while is busy, not dead.
func signOf(err error, status int) sign {
	var rejected *RejectedError
	var retry *RetryError
	var noAnswer *NoAnswerError
	var network net.Error
	switch {
	case err == nil, errors.As(err, &rejected):
		return signAlive
	case errors.As(err, &retry), status == http.StatusBadRequest, status == http.StatusTooManyRequests:
		return signNone
	case errors.As(err, &noAnswer), errors.As(err, &network), status != 0:
		return signFailed
	}
	return signNone
}

// breakers keeps attempts away from receivers that are down, those of all nodes: the state is in the store, written only when it changes,
// and each node goes by a view of it that is a second old at most.
//
//	closed ── breakAfter failures in a row ──▶ open ──┐
//	  ▲                                          ▲    │ a probe, at growing intervals, for ever;
//	  │                                          └────┘ between them nothing goes out
//	  └──────────── it answers ────────────────────┘
//
// Deliveries to an open receiver are parked; see Engine.DeliverParked.
type breakers struct {
	store   Receivers
	now     func() time.Time
	log     *slog.Logger
	observe Observer

	mu      sync.Mutex
	open    map[Receiver]bool // the view
	readAt  time.Time
	version int              // of the view
	failed  map[Receiver]int // failures in a row on this node
}

func newBreakers(cfg Config) *breakers {
	return &breakers{store: cfg.Store, now: cfg.Now, log: cfg.Logger, observe: cfg.Observe, failed: make(map[Receiver]int)}
}

// isOpen reports whether nothing but probes may go out to the receiver.
func (b *breakers) isOpen(ctx context.Context, r Receiver) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if time.Since(b.readAt) > viewLife {
		b.readAt = time.Now() // whoever comes meanwhile goes by the old view
		b.read(ctx)
	}
	return b.open[r]
}

// read renews the view. The caller holds the lock, which is given up meanwhile.
func (b *breakers) read(ctx context.Context) {
	version := b.version
	b.mu.Unlock()
	open, err := b.store.OpenBreakers(ctx)
	b.mu.Lock()
	if err != nil {
		b.log.WarnContext(ctx, "breakers cannot be read; this node goes by what it knew", "error", err)
		return
	}
	if b.version != version {
		return // older than what this node has changed itself
	}
	b.open = make(map[Receiver]bool, len(open))
	for _, r := range open {
		b.open[r] = true
	}
}

// see changes the view.
func (b *breakers) see(r Receiver, open bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.version++
	if !open {
		delete(b.open, r)
		return
	}
	if b.open == nil {
		b.open = make(map[Receiver]bool)
	}
	b.open[r] = true
}

// record takes what an attempt says of its receiver, and opens or closes its breaker.
func (b *breakers) record(ctx context.Context, r Receiver, s sign, reason string) {
	b.mu.Lock()
	open := b.open[r]
	switch s {
	case signAlive:
		delete(b.failed, r)
	case signFailed:
		if !open {
			b.failed[r]++
		}
	}
	breaks := b.failed[r] >= breakAfter
	b.mu.Unlock()
	switch {
	case s == signAlive && open:
		b.close(ctx, r)
	case s == signFailed && !open && breaks:
		b.trip(ctx, r, reason)
	}
}

func (b *breakers) trip(ctx context.Context, r Receiver, reason string) {
	at := b.now().UTC()
	opened, err := b.store.OpenBreaker(ctx, r, reason, at, probeAt)
	if err != nil {
		b.log.WarnContext(ctx, "a breaker cannot be opened; the next failure tries again", "client", r.ClientID, "channel", r.Channel, "error", err)
		return
	}
	b.mu.Lock()
	delete(b.failed, r)
	b.mu.Unlock()
	b.see(r, true)
	if opened {
		b.observe.Breaker(ctx, BreakerChange{ClientID: r.ClientID, Channel: r.Channel, Open: true, Since: at, Reason: reason})
	}
}

func (b *breakers) close(ctx context.Context, r Receiver) {
	at := b.now().UTC()
	closed, err := b.store.CloseBreaker(ctx, r, at)
	if err != nil {
		b.log.WarnContext(ctx, "a breaker cannot be closed; the next answer tries again", "client", r.ClientID, "channel", r.Channel, "error", err)
		return
	}
	b.see(r, false)
	if closed {
		b.observe.Breaker(ctx, BreakerChange{ClientID: r.ClientID, Channel: r.Channel, Since: at})
	}
}
