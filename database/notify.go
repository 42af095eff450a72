package database

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"unicode/utf8"
)

// maxPayload of a notification in bytes; PostgreSQL takes less than 8000.
const maxPayload = 7999

// channelName: what a channel may be called, on both databases.
var channelName = regexp.MustCompile(`^[a-z][a-z_]{0,39}$`)

// ErrClosed says that the database has been closed.
var ErrClosed = errors.New("database: closed")

// Notify tells whoever listens to a channel, on this node and on all others, when the transaction in ctx has committed; at once when there
// is none, and never if it rolls back. The payload is text of at most 7999 bytes. It names what has changed rather than saying what it is
// now: a notification is a hint, and a row is the record.
//
// On PostgreSQL it travels by NOTIFY. A commit that notifies waits for every other one on the server that does, and identical ones of one
// transaction are told once. On SQLite, whose file has one node, it reaches the handles of this process; commands beside it tell nobody.
func (d *DB) Notify(ctx context.Context, channel, payload string) error {
	switch {
	case !channelName.MatchString(channel):
		return fmt.Errorf("database: %q is not the name of a channel; use at most 40 lower-case letters and underscores", channel)
	case len(payload) > maxPayload:
		return fmt.Errorf("database: a notification of %d bytes on %s; at most %d can be sent", len(payload), channel, maxPayload)
	case !utf8.ValidString(payload), strings.Contains(payload, "\x00"):
		return fmt.Errorf("database: a notification on %s is not UTF-8 text without NUL", channel)
	}
	if !d.Postgres() {
		d.AfterCommit(ctx, func() { tellHandles(d.path, notification{channel, payload}) })
		return nil
	}
	if err := d.Writer(ctx).Exec(`SELECT pg_notify(?, ?)`, postgresChannel(channel), payload).Error; err != nil {
		return fmt.Errorf("database: notifying: %w", err)
	}
	return nil
}

// Listen calls fn with the payload of every notification of a channel, those of this node included, until ctx is done or the database is
// closed. It returns at once.
//
// missed is called when notifications may have been lost: once when listening has begun, and again after every broken connection. Whoever
// keeps what it has read drops all of it then. So nothing is lost for good, but while the connection is down nothing is heard: let what you
// keep grow old, too.
//
// All functions of one DB are called by one goroutine, one after the other and in the order of the commits. They must not wait.
//
// On PostgreSQL all channels share one connection beside the pool, which is made anew, with growing pauses, when it breaks. Behind PgBouncer
// it needs session pooling.
func (d *DB) Listen(ctx context.Context, channel string, fn func(payload string), missed func()) error {
	if !channelName.MatchString(channel) {
		return fmt.Errorf("database: %q is not the name of a channel; use at most 40 lower-case letters and underscores", channel)
	}
	return d.listeners.add(d, &listener{ctx: ctx, channel: channel, fn: fn, missed: missed})
}

// notification is what is sent.
type notification struct{ channel, payload string }

// listener is one call of Listen.
type listener struct {
	ctx     context.Context
	channel string
	fn      func(payload string)
	missed  func()
	since   any // what it listens to: a connection, or the handle of an SQLite file; nil: nothing yet
}

// listeners are those of one DB, and the goroutine that serves them, which the first one starts.
type listeners struct {
	mu     sync.Mutex
	all    []*listener
	stop   context.CancelFunc // of the goroutine; nil: not started
	done   chan struct{}      // closed when it has returned
	wake   func()             // makes it look at the listeners anew; nil while it will do so anyway
	closed bool
}

func (l *listeners) add(d *DB, added *listener) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return ErrClosed
	}
	l.all = append(l.all, added)
	context.AfterFunc(added.ctx, l.look)
	if l.stop == nil {
		ctx, stop := context.WithCancel(context.Background())
		l.stop, l.done = stop, make(chan struct{})
		go func() {
			defer close(l.done)
			if d.Postgres() {
				d.listenPostgres(ctx)
			} else {
				d.listenSQLite(ctx)
			}
		}()
	}
	l.lookLocked()
	return nil
}

// look makes the goroutine notice listeners that were added or are done.
func (l *listeners) look() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lookLocked()
}

func (l *listeners) lookLocked() {
	if l.wake != nil {
		l.wake()
	}
}

// onWake sets what look does.
func (l *listeners) onWake(wake func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wake = wake
}

// live returns the listeners whose context is not done, and forgets the others.
func (l *listeners) live() []*listener {
	l.mu.Lock()
	defer l.mu.Unlock()
	var live []*listener
	for _, one := range l.all {
		if one.ctx.Err() == nil {
			live = append(live, one)
		}
	}
	l.all = live
	return live
}

// greet tells listeners that do not listen to source yet that they do now, and have missed what came before.
func (l *listeners) greet(source any) {
	for _, one := range l.live() {
		if one.since != source {
			one.since = source
			one.missed()
		}
	}
}

// deliver calls those who listen to the channel.
func (l *listeners) deliver(n notification) {
	for _, one := range l.live() {
		if one.channel == n.channel && one.since != nil {
			one.fn(n.payload)
		}
	}
}

// close ends the goroutine and waits for it.
func (l *listeners) close() {
	l.mu.Lock()
	l.closed = true
	stop, done := l.stop, l.done
	l.mu.Unlock()
	if stop != nil {
		stop()
		<-done
	}
}
