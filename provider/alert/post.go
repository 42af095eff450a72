package alert

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/exeunt-id/exeunt/provider/mail"
)

const (
	// SendEvery is how often a node looks for mails that are due.
	SendEvery = 10 * time.Second
	// lease is how long a node may take over a mail before another one sends it.
	lease = 2 * time.Minute
	// sendFor is how long a mail is tried.
	sendFor = 72 * time.Hour

	firstPause   = time.Minute
	longestPause = time.Hour
)

// Queued is a mail that waits to be sent.
type Queued struct {
	mail.Message
	ClientID string
	Attempts int // that were made before
}

// Sent is what became of an attempt to send a mail.
type Sent struct {
	ID      string
	At      time.Time
	Error   string    // empty: the mail server has it
	RetryAt time.Time // zero: it is over
}

// Outbox keeps mails until they are sent.
type Outbox interface {
	// Claim takes the oldest mail that is due, until a time at which it is due again; ok false when there is none. No two callers get it.
	Claim(ctx context.Context, now, until time.Time) (m Queued, ok bool, err error)

	// Settle records an attempt.
	Settle(ctx context.Context, s Sent) error
}

// Post sends mails.
type Post struct {
	Outbox Outbox
	Sender mail.Sender
	Now    func() time.Time
	Logger *slog.Logger
}

// maxFailures is after how many failures in a row a mail server is taken to be away.
const maxFailures = 3

// Send sends what is due, one after the other, until the mail server seems to be away.
func (p *Post) Send(ctx context.Context) error {
	for failures := 0; ctx.Err() == nil && failures < maxFailures; {
		now := p.Now().UTC()
		m, ok, err := p.Outbox.Claim(ctx, now, now.Add(lease))
		if err != nil || !ok {
			return err
		}
		sending, cancel := context.WithTimeout(ctx, lease/2)
		failed := p.Sender.Send(sending, m.Message)
		cancel()
		if failed != nil && ctx.Err() != nil {
			return nil // this node ends; the lease does, too
		}
		sent := p.judge(m, failed)
		if err := p.Outbox.Settle(context.WithoutCancel(ctx), sent); err != nil {
			return fmt.Errorf("alert: recording mail %s: %w", m.ID, err)
		}
		if failed == nil {
			failures = 0
			continue
		}
		failures++
		p.Logger.WarnContext(ctx, "a mail could not be sent", "mail", m.ID, "client", m.ClientID, "attempt", m.Attempts+1, "again", !sent.RetryAt.IsZero(), "error", failed)
	}
	return nil
}

func (p *Post) judge(m Queued, err error) Sent {
	s := Sent{ID: m.ID, At: p.Now().UTC()}
	if err == nil {
		return s
	}
	s.Error = plain(err.Error(), 300)
	var refused *mail.RefusedError
	if retry := s.At.Add(pause(m.Attempts)); !errors.As(err, &refused) && retry.Before(m.At.Add(sendFor)) {
		s.RetryAt = retry
	}
	return s
}

func pause(attempts int) time.Duration {
	return min(firstPause<<min(attempts, 10), longestPause)
}
