package logout

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"
)

const (
	maxPolled    = 100              // tokens of one answer to a poll; the receiver is told that there are more
	longestPoll  = 30 * time.Second // that a poll waits for something to be said
	pollLook     = time.Second      // how often a poll that waits looks
	maxPollsWait = 4                // polls of one stream that wait on this node at once; more are answered immediately
)

// Poll is what a receiver says and asks (RFC 8936, 2.2).
type Poll struct {
	Acknowledged []string           // jti of tokens that it has
	Refused      map[string]Refusal // jti of tokens that it does not take
	Max          int                // tokens that it wants at most; negative: it did not say
	Wait         bool               // until there is something, for at most half a minute
}

// Refusal is why a receiver does not take a token (RFC 8936, 2.4.4).
type Refusal struct {
	Code        string `json:"err"`
	Description string `json:"description"`
}

// Polled is the answer to a poll (RFC 8936, 2.3).
type Polled struct {
	Tokens map[string]string // by jti
	More   bool              // there are more than these
}

// Poll settles what the receiver has and returns what it does not have: the same tokens again and again until it acknowledges or refuses
// them. Of a stream that is not enabled it returns only that fact (Shared Signals Framework 1.0, 8.1.2.1). Waiting ends early when ctx is
// done or the engine drains.
//
// Errors: ErrNoStream, those of the store and of the signer.
func (e *Engine) Poll(ctx context.Context, streamID string, p Poll) (Polled, error) {
	if err := e.collect(ctx, streamID, p); err != nil {
		return Polled{}, err
	}
	limit := maxPolled
	if p.Max >= 0 {
		limit = min(p.Max, maxPolled)
	}
	if limit == 0 {
		return Polled{}, nil
	}
	waiting, err := e.awaitSignals(ctx, streamID, limit+1, p.Wait)
	if err != nil {
		return Polled{}, err
	}
	answer := Polled{Tokens: make(map[string]string, len(waiting)), More: len(waiting) > limit}
	for _, d := range waiting[:min(len(waiting), limit)] {
		if answer.Tokens[d.ID], err = mintSET(ctx, e.cfg.Signer, e.cfg.Issuer, d); err != nil {
			return Polled{}, fmt.Errorf("logout: signing a security event token: %w", err)
		}
	}
	return answer, nil
}

// collect records acknowledgments and refusals. What is no jti of ours is nothing that we sent.
func (e *Engine) collect(ctx context.Context, streamID string, p Poll) error {
	at := e.cfg.Now().UTC()
	said := make([]Attempt, 0, len(p.Acknowledged)+len(p.Refused))
	for _, jti := range p.Acknowledged {
		if _, refused := p.Refused[jti]; !refused && isID(jti) {
			said = append(said, Attempt{DeliveryID: jti, At: at, Snippet: "acknowledged in a poll", State: StateDelivered})
		}
	}
	for jti, why := range p.Refused {
		if !isID(jti) {
			continue
		}
		said = append(said, Attempt{
			DeliveryID: jti, At: at, Snippet: snippet([]byte(why.Description)), State: StateRejected,
			Error: "rejected: the receiver refuses the security event token (" + snippet([]byte(why.Code)) + ")",
		})
	}
	if len(said) == 0 {
		return nil
	}
	_, err := e.cfg.Store.Collect(ctx, streamID, said)
	return err
}

// isID reports whether a text has the form of NewID.
func isID(s string) bool { return len(s) == 36 && uuid.Validate(s) == nil }

// awaitSignals returns what waits for the receiver, and waits itself while that is nothing.
func (e *Engine) awaitSignals(ctx context.Context, streamID string, limit int, wait bool) ([]Delivery, error) {
	if wait {
		if wait = e.polls.enter(streamID); wait {
			defer e.polls.leave(streamID)
		}
	}
	giveUp := time.NewTimer(longestPoll)
	defer giveUp.Stop()
	look := time.NewTicker(pollLook)
	defer look.Stop()
	for {
		found, err := e.signals(ctx, streamID, limit)
		if err != nil || len(found) > 0 || !wait {
			return found, err
		}
		select {
		case <-look.C:
		case <-giveUp.C:
			wait = false
		case <-e.draining:
			wait = false
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

func (e *Engine) signals(ctx context.Context, streamID string, limit int) ([]Delivery, error) {
	s, err := e.cfg.Streams.Stream(ctx, streamID)
	if err != nil {
		return nil, err
	}
	only := ""
	if s.Status != StreamEnabled {
		only = SignalStreamUpdated
	}
	return e.cfg.Store.Waiting(ctx, streamID, only, limit)
}

// Drain answers every poll that waits, and lets none wait any more: the process is about to end.
func (e *Engine) Drain() { e.drain.Do(func() { close(e.draining) }) }

// pollCount counts the polls that wait, by stream.
type pollCount struct {
	mu      sync.Mutex
	waiting map[string]int
}

// enter takes a place; false when the stream has none left.
func (p *pollCount) enter(streamID string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.waiting[streamID] >= maxPollsWait {
		return false
	}
	if p.waiting == nil {
		p.waiting = make(map[string]int)
	}
	p.waiting[streamID]++
	return true
}

func (p *pollCount) leave(streamID string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.waiting[streamID]--; p.waiting[streamID] == 0 {
		delete(p.waiting, streamID)
	}
}
