package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/exeunt-id/exeunt/bench/driver"
	"github.com/exeunt-id/exeunt/database"
)

// restartWith stops the provider and starts another on the same database with so many relying parties, the last of which is at a sink of
// its own. People wait so long for relying parties.
func (l *load) restartWith(ctx context.Context, parties int, last *driver.Sink, wait time.Duration) error {
	if err := l.process.Stop(); err != nil {
		return err
	}
	l.clients = l.clients[:parties:parties]
	l.clients[parties-1].LogoutURI = last.URL(l.clients[parties-1].ID)
	var err error
	l.process, err = driver.Start(ctx, driver.Setup{
		Binary: l.o.binary, Dir: l.dir, Database: l.database, Clients: l.clients, Users: users, Extra: map[string]any{"logout": map[string]any{"wait": wait.String()}},
	})
	return err
}

// exeunt runs a command beside the provider.
func (l *load) exeunt(ctx context.Context, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, l.o.binary, append(args, "--config", filepath.Join(l.dir, "exeunt.yaml"))...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("exeunt %v: %w: %s", args, err, out)
	}
	return string(out), nil
}

// write runs statements on the provider's database while the provider is stopped.
func (l *load) write(ctx context.Context, statements ...string) (err error) {
	if err := l.process.Stop(); err != nil {
		return err
	}
	db, err := database.Open(ctx, l.database, database.Options{})
	if err != nil {
		return err
	}
	for _, s := range statements {
		if err := db.Writer(ctx).Exec(s).Error; err != nil {
			return errors.Join(err, db.Close())
		}
	}
	if err := db.Close(); err != nil {
		return err
	}
	return l.process.Restart(ctx)
}

// numbers is a table of the numbers below n, in a column i, and, as text of a fixed width, k.
func numbers(n int) string {
	return fmt.Sprintf("WITH RECURSIVE count(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM count WHERE i < %d), numbers AS (SELECT i, substr(CAST(1000000000000 + i AS TEXT), 2) AS k FROM count) ", n-1)
}

// missed gives a client deliveries that died, and has the provider make them again.
func (l *load) missed(ctx context.Context, clientID string, n int) error {
	now := time.Now().UnixMicro()
	err := l.write(ctx,
		fmt.Sprintf("INSERT INTO logouts (id, cause, actor, target, sessions, created_at) VALUES ('018f0000-missed', 'admin', '{}', '{}', %d, %d)", n, now),
		fmt.Sprintf("INSERT INTO logout_deliveries (id, logout_id, client_id, channel, state, cause, session_id, sid, subject, attempts, created_at, next_at, give_up_at, settled_at) "+
			"%sSELECT '018f0000-0000-7000-8000-' || k, '018f0000-missed', '%s', 'backchannel', 'dead', 'admin', 'session-' || k, 'sid-' || k, 'somebody', 27, %d, %d, %d, %d FROM numbers",
			numbers(n), clientID, now, now, now, now),
	)
	if err != nil {
		return err
	}
	_, err = l.exeunt(ctx, "delivery", "retry", "--client", clientID, "--state", "dead")
	return err
}
