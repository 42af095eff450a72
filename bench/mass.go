package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/exeunt-id/exeunt/bench/driver"
	"github.com/exeunt-id/exeunt/database"
)

// massParties is how many relying parties each session of the mass logout has.
const massParties = 5

// massLogout ends very many sessions at once, as fast as the node can, and says how long that took, what memory it needed and what the
// database grew by.
func (l *load) massLogout(ctx context.Context) error {
	last, err := driver.NewSink(http.StatusOK)
	if err != nil {
		return err
	}
	defer func() { _ = last.Close() }()
	if err := l.restartWith(ctx, massParties, last, 0); err != nil {
		return err
	}
	if err := l.sessions(ctx, l.o.mass); err != nil {
		return err
	}
	l.sink.Reset()
	before, err := l.size(ctx)
	if err != nil {
		return err
	}
	idle, used := resident(l.process.PID()), cpu(l.process.PID())
	start := time.Now()
	if _, err := l.exeunt(ctx, "session", "end", "--everyone", "--yes"); err != nil {
		return err
	}
	ended, err := l.massOver(ctx, start)
	if err != nil {
		return err
	}
	if _, err := l.sink.Await(ctx, l.o.mass*(massParties-1)); err != nil {
		return err
	}
	told, err := last.Await(ctx, l.o.mass)
	if err != nil {
		return err
	}
	used = cpu(l.process.PID()) - used
	after, err := l.size(ctx)
	if err != nil {
		return err
	}
	what := fmt.Sprintf("mass logout of %d sessions x %d", l.o.mass, massParties)
	l.report(what, fmt.Sprintf("ended after %s, %.0f sessions/s; last told after %s, %.0f tokens/s",
		ended.Round(time.Second), float64(l.o.mass)/ended.Seconds(), told.Sub(start).Round(time.Second), float64(l.o.mass*massParties)/told.Sub(start).Seconds()), "")
	l.report("its node", fmt.Sprintf("%d MiB resident before, %d at most; %.2f ms of CPU each token", idle, peak(l.process.PID()), float64(used.Microseconds())/1000/float64(l.o.mass*massParties)), "")
	l.report("its database", fmt.Sprintf("%d MiB before, %d after", before>>20, after>>20), "")
	return nil
}

// sessions writes live sessions in which every party takes part.
func (l *load) sessions(ctx context.Context, n int) error {
	now := time.Now().Add(-time.Minute).UnixMicro()
	later := now + (12 * time.Hour).Microseconds()
	statements := []string{
		// What earlier measurements left alive would be counted, too.
		fmt.Sprintf("UPDATE logout_sessions SET ended_at = %d WHERE ended_at IS NULL", now),
		fmt.Sprintf("INSERT INTO logout_sessions (id, subject, auth_time, created_at, seen_at, idle_until, expires_at, address, user_agent) "+
			"%sSELECT '018f1111-0000-7000-8000-' || k, 'somebody-' || k, %d, %d, %d, %d, %d, '192.0.2.7', 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0' FROM numbers",
			numbers(n), now, now, now, later, later),
	}
	for i, c := range l.clients {
		statements = append(statements, fmt.Sprintf("INSERT INTO logout_participations (sid, session_id, client_id, subject, joined_at) "+
			"%sSELECT '018f2222-0000-7000-800%d-' || k, '018f1111-0000-7000-8000-' || k, '%s', 'somebody-' || k, %d FROM numbers", numbers(n), i, c.ID, now))
	}
	return l.write(ctx, statements...)
}

// massOver waits until the mass logout is over and returns when, after start, that was.
func (l *load) massOver(ctx context.Context, start time.Time) (time.Duration, error) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		out, err := l.exeunt(ctx, "session", "end", "--status", "--json")
		if err != nil {
			return 0, err
		}
		var m struct {
			State      string
			Done       int
			FinishedAt time.Time `json:"finished_at"`
		}
		if err := json.Unmarshal([]byte(out), &m); err != nil {
			return 0, fmt.Errorf("%w: %s", err, out)
		}
		if m.State != "running" {
			if m.Done < l.o.mass {
				return 0, fmt.Errorf("the mass logout is %s after %d sessions", m.State, m.Done)
			}
			return m.FinishedAt.Sub(start), nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

// size returns the database's size in bytes.
func (l *load) size(ctx context.Context) (int64, error) {
	var total int64
	for _, suffix := range []string{"", "-wal"} {
		if info, err := os.Stat(strings.TrimPrefix(l.database, "sqlite:") + suffix); err == nil {
			total += info.Size()
		}
	}
	if total > 0 {
		return total, nil
	}
	db, err := database.Open(ctx, l.database, database.Options{})
	if err != nil {
		return 0, err
	}
	defer func() { _ = db.Close() }()
	return total, db.Reader(ctx).Raw("SELECT pg_database_size(current_database())").Scan(&total).Error
}
