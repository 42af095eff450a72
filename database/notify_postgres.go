package database

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	reconnectFirst = 50 * time.Millisecond // the pause after a connection that broke
	reconnectMost  = 10 * time.Second      // it doubles up to this while none can be made
	listenPing     = 30 * time.Second      // a silent connection is asked whether it is still there
	listenTimeout  = 5 * time.Second       // of everything but waiting
)

// channelPrefix keeps our channels apart from those of others in the same database.
const channelPrefix = "exeunt_"

func postgresChannel(channel string) string { return channelPrefix + channel }

// listenPostgres serves the listeners until ctx is done, with one connection after the other.
func (d *DB) listenPostgres(ctx context.Context) {
	for pause := reconnectFirst; ; pause = min(2*pause, reconnectMost) {
		listened, err := d.listenOnce(ctx)
		if ctx.Err() != nil {
			return
		}
		if listened {
			pause = reconnectFirst
		}
		d.log.WarnContext(ctx, "notifications of other nodes are not heard; listening again", "in", pause.String(), "error", err)
		select {
		case <-time.After(pause/2 + rand.N(pause/2)):
		case <-ctx.Done():
			return
		}
	}
}

// listenOnce listens on one connection until it breaks. It reports whether it got that far.
func (d *DB) listenOnce(ctx context.Context) (listened bool, err error) {
	connecting, cancel := context.WithTimeout(ctx, listenTimeout)
	defer cancel()
	conn, err := pgx.ConnectConfig(connecting, d.pool.Config().ConnConfig)
	if err != nil {
		return false, err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = conn.Close(ctx) // it is broken, or no longer needed
	}()
	defer d.listeners.onWake(nil)
	var channels []string
	for {
		// From before the listeners are looked at: one that is added meanwhile interrupts the wait.
		waiting, interrupt := context.WithTimeout(ctx, listenPing)
		d.listeners.onWake(interrupt)
		if channels, err = d.subscribe(ctx, conn, channels); err != nil {
			interrupt()
			return listened, err
		}
		listened = true
		d.listeners.greet(conn)
		n, err := conn.WaitForNotification(waiting)
		ended := waiting.Err()
		interrupt()
		switch {
		case err == nil:
			d.listeners.deliver(notification{strings.TrimPrefix(n.Channel, channelPrefix), n.Payload})
		case ended == nil, ctx.Err() != nil, conn.IsClosed():
			return listened, err
		case errors.Is(ended, context.DeadlineExceeded):
			if err := within(ctx, conn.Ping); err != nil {
				return listened, err
			}
		}
	}
}

// subscribe makes the connection listen to the channels of the listeners, and to no other. It returns them.
func (d *DB) subscribe(ctx context.Context, conn *pgx.Conn, have []string) ([]string, error) {
	var want []string
	for _, l := range d.listeners.live() {
		if !slices.Contains(want, l.channel) {
			want = append(want, l.channel)
		}
	}
	change := func(verb string, from, without []string) error {
		for _, channel := range from {
			if slices.Contains(without, channel) {
				continue
			}
			// The name has been checked; LISTEN takes no parameter.
			err := within(ctx, func(ctx context.Context) error {
				_, err := conn.Exec(ctx, verb+" "+postgresChannel(channel))
				return err
			})
			if err != nil {
				return fmt.Errorf("%s %s: %w", verb, channel, err)
			}
		}
		return nil
	}
	return want, errors.Join(change("LISTEN", want, have), change("UNLISTEN", have, want))
}

// within bounds a call on the connection.
func within(ctx context.Context, fn func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, listenTimeout)
	defer cancel()
	return fn(ctx)
}
