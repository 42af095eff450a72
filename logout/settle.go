package logout

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// linger is how long the first outcome of a batch waits for others, so that the ten answers of a logout, and of the logouts beside it, cost
// one transaction. It is also all that a killed process forgets of what was acknowledged. Nobody waits for the outcomes of a backlog, and
// each transaction is one that an ending session may have to wait for, so they linger longer.
const (
	linger        = 5 * time.Millisecond
	lingerBacklog = 200 * time.Millisecond
)

// maxBatch bounds the outcomes of one transaction.
const maxBatch = 500

// settler writes outcomes, those of all logouts together. It runs while there is something to write.
type settler struct {
	store interface {
		Outbox
		Receivers
	}
	now    func() time.Time
	log    *slog.Logger
	linger time.Duration

	noted map[Receiver]time.Time // when a success was noted last; of the goroutine that runs

	mu      sync.Mutex
	waiting []outcome
	running bool
}

// outcome is a settlement and whoever waits for its being written.
type outcome struct {
	Settlement
	written func(error)
}

func newSettler(cfg Config, linger time.Duration) *settler {
	return &settler{store: cfg.Store, now: cfg.Now, log: cfg.Logger, linger: linger, noted: make(map[Receiver]time.Time)}
}

// add hands an outcome over. written is called once it is durable, or could not be made so.
func (s *settler) add(settlement Settlement, written func(error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting = append(s.waiting, outcome{settlement, written})
	if !s.running {
		s.running = true
		go s.run()
	}
}

func (s *settler) run() {
	for {
		pause(s.linger)
		s.mu.Lock()
		n := min(len(s.waiting), maxBatch)
		batch := s.waiting[:n:n]
		s.waiting = s.waiting[n:]
		if n == 0 {
			s.running = false
		}
		s.mu.Unlock()
		if n == 0 {
			return
		}
		s.write(batch)
		s.note(batch)
	}
}

// noteEvery is how exactly the last success of a receiver is kept, so that keeping it costs nothing.
const noteEvery = time.Minute

// note keeps when receivers acknowledged something. It belongs to no outcome: a lost note is made up for by the next.
func (s *settler) note(batch []outcome) {
	at := s.now().UTC()
	var receivers []Receiver
	for _, o := range batch {
		if r := o.Delivery.receiver(); o.State == StateDelivered && at.Sub(s.noted[r]) >= noteEvery {
			s.noted[r] = at
			receivers = append(receivers, r)
		}
	}
	if len(receivers) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := s.store.Succeeded(ctx, receivers, at); err != nil {
		s.log.Warn("the time of the last success could not be kept", "receivers", len(receivers), "error", err)
	}
}

// write settles a batch. A database that is away for a moment must not turn a delivered token into a second one, so it tries for a while;
// one outcome that cannot be written must not spoil the others, so it halves the batch. What is not written in the end is attempted again
// by its job.
func (s *settler) write(batch []outcome) {
	if err := s.try(batch); err != nil {
		pause(settlePause)
		s.writeUntil(batch, time.Now().Add(settleFor))
		return
	}
	done(batch, nil)
}

const (
	settlePause = 500 * time.Millisecond
	settleFor   = 3 * time.Second
)

func (s *settler) writeUntil(batch []outcome, deadline time.Time) {
	err := s.try(batch)
	switch {
	case err == nil:
		done(batch, nil)
	case time.Now().After(deadline) || len(batch) == 1:
		s.log.Error("outcomes of deliveries could not be written; they will be attempted again", "delivery", batch[0].Delivery.ID, "outcomes", len(batch), "error", err)
		done(batch, fmt.Errorf("logout: settling: %w", err))
	default:
		half := len(batch) / 2
		s.writeUntil(batch[:half], deadline)
		s.writeUntil(batch[half:], deadline)
	}
}

func done(batch []outcome, err error) {
	for _, o := range batch {
		o.written(err)
	}
}

// try runs one transaction. It belongs to no request: many wait for it.
func (s *settler) try(batch []outcome) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	settlements := make([]Settlement, len(batch))
	for i, o := range batch {
		settlements[i] = o.Settlement
	}
	_, err := s.store.Settle(ctx, s.now().UTC(), settlements)
	return err
}

func pause(d time.Duration) { <-time.After(d) }
