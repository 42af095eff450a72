package alert

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/exeunt-id/exeunt/provider/identity"
	"github.com/exeunt-id/exeunt/provider/mail"
)

const (
	// LookEvery is how often somebody looks for trouble, over all nodes.
	LookEvery = 30 * time.Second
	// lookBack bounds how old news may be: whoever turns mail on does not hear of last month.
	lookBack = 24 * time.Hour
	// maxContacts bounds whom one client can make us write to.
	maxContacts = 5
)

// View is what there is to see.
type View struct {
	Incidents []Incident // all that are known, over or not
	Troubles  []Trouble
}

// Watch takes turns at looking.
type Watch interface {
	// Look takes the turn, if nobody has taken it since next was set: then ok, and the next one is at next. It returns what there is to see.
	// Messages count as waiting when they were created before old; the ones that failed for good count since the last call of Seen, and not
	// from before the given bound.
	Look(ctx context.Context, now, next, old, bound time.Time) (view View, ok bool, err error)

	// Seen says that all that Look returned until a time has been dealt with.
	Seen(ctx context.Context, until time.Time) error
}

// Ladder moves incidents.
type Ladder interface {
	// Worked reports whether the client has acknowledged a message since the incident began.
	Worked(ctx context.Context, i Incident) (bool, error)

	// Facts returns what a mail about the incident says.
	Facts(ctx context.Context, i Incident) (Facts, error)

	// Move stores an incident and its mails in one transaction, if the incident is still as it was. Mails that nobody has begun to send, to
	// the same recipients about the same client, are superseded. Those of Over go only to recipients who had one before.
	Move(ctx context.Context, from, to Incident, mails []mail.Message) error
}

// Clients finds the people behind a client.
type Clients interface {
	Client(ctx context.Context, id string) (identity.Client, error)
}

// Watcher looks for trouble.
type Watcher struct {
	Watch    Watch
	Ladder   Ladder
	Clients  Clients
	Operator string // is written to about all clients; empty: nobody
	Issuer   string
	RetryFor time.Duration // how long a message is retried
	PullURL  string        // where a client asks for what it missed
	NewID    func() string
	Now      func() time.Time
	Logger   *slog.Logger
}

// Look takes the turn if it is due, and moves every incident that has to move. A client about which something fails does not keep the others
// from being dealt with; it is looked at again in the next turn.
func (w *Watcher) Look(ctx context.Context) error {
	now := w.Now().UTC()
	view, ok, err := w.Watch.Look(ctx, now, now.Add(LookEvery), now.Add(-patience), now.Add(-lookBack))
	if err != nil || !ok {
		return err
	}
	troubles := make(map[string]Trouble, len(view.Troubles))
	for _, t := range view.Troubles {
		troubles[t.ClientID] = t
	}
	incidents := slices.Clone(view.Incidents)
	for _, t := range view.Troubles {
		if !slices.ContainsFunc(incidents, func(i Incident) bool { return i.ClientID == t.ClientID }) {
			incidents = append(incidents, Incident{ClientID: t.ClientID})
		}
	}
	var errs []error
	for _, i := range incidents {
		if err := w.advance(ctx, i, troubles[i.ClientID], now); err != nil {
			errs = append(errs, fmt.Errorf("alert: client %q: %w", i.ClientID, err))
		}
	}
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	return w.Watch.Seen(ctx, now)
}

func (w *Watcher) advance(ctx context.Context, i Incident, t Trouble, now time.Time) error {
	to, moved, err := i.step(t, now, func() (bool, error) { return w.Ladder.Worked(ctx, i) })
	if err != nil || !moved {
		return err
	}
	client, err := w.Clients.Client(ctx, i.ClientID)
	if err != nil && !errors.Is(err, identity.ErrNoClient) {
		return err
	}
	client.ID = i.ClientID // also of one that has been deleted
	facts, err := w.Ladder.Facts(ctx, to)
	if err != nil {
		return err
	}
	var mails []mail.Message
	for _, recipient := range w.recipients(client) {
		m := mail.Message{ID: w.NewID(), At: now, To: recipient}
		m.Subject, m.Text = w.write(to, client, facts, now)
		mails = append(mails, m)
	}
	if err := w.Ladder.Move(ctx, i, to, mails); err != nil {
		return err
	}
	w.Logger.InfoContext(ctx, "a client's trouble has moved", "client", i.ClientID, "rung", to.Rung.String(), "began_at", to.BeganAt, "mails", len(mails))
	return nil
}

// recipients returns the client's contacts that are e-mail addresses, and the operator, each once.
func (w *Watcher) recipients(c identity.Client) []string {
	var all []string
	add := func(text string) {
		address, err := mail.ParseAddress(text)
		if err == nil && !slices.ContainsFunc(all, func(other string) bool { return strings.EqualFold(other, address) }) {
			all = append(all, address)
		}
	}
	for _, contact := range c.Contacts {
		if add(contact); len(all) == maxContacts {
			break
		}
	}
	add(w.Operator)
	return all
}
