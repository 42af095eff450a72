package store

import (
	"context"
	"slices"
	"time"

	"github.com/exeunt-id/exeunt/database"
)

// justEnded is how long a session that has ended still counts for whether its device is online.
const justEnded = 90 * time.Second

// Presence knows which sessions have a connected page, over all nodes: each node writes again and again, ahead of time, for those that are
// connected to it, and nobody takes anything back. So whoever has just gone counts as present until the time that was written last.
type Presence struct {
	db  *database.DB
	now func() time.Time
}

// Show records that sessions have a connected page, and have until the given time.
func (p *Presence) Show(ctx context.Context, sessionIDs []string, until time.Time) error {
	// One order for everybody, so that nodes with a session in common do not deadlock.
	for some := range slices.Chunk(slices.Sorted(slices.Values(sessionIDs)), inEndBatch) {
		args := make([]any, 0, 2*len(some))
		for _, id := range some {
			args = append(args, id, database.Micros(until))
		}
		_, err := exec(p.db.Writer(ctx), "recording presence", `INSERT INTO realtime_sessions (session_id, expires_at) VALUES `+placeholders(len(some), 2)+`
			ON CONFLICT (session_id) DO UPDATE SET expires_at = excluded.expires_at`, args...)
		if err != nil {
			return err
		}
	}
	return nil
}

// Online reports whether a page of any session of the device is connected to any node, or was within the last minute and a half. Sessions
// that have just ended count too: whoever asks while a device is being detached asks about the moment before. The empty device is nobody's.
func (p *Presence) Online(ctx context.Context, deviceID string) (bool, error) {
	if deviceID == "" || !storable(deviceID) {
		return false, nil
	}
	var n int
	now := p.now()
	err := row(p.db.Reader(ctx).Raw(`SELECT COUNT(*) FROM realtime_sessions WHERE expires_at > ? AND session_id IN (
		SELECT id FROM logout_sessions WHERE device_id = ? AND device_id <> '' AND ended_at IS NULL UNION
		SELECT id FROM logout_sessions WHERE device_id = ? AND ended_at > ?)`,
		database.Micros(now), deviceID, deviceID, database.Micros(now.Add(-justEnded))), "reading presence", nil, &n)
	return n > 0, err
}

// Sweep deletes what is over. Any number of nodes may sweep at once.
func (p *Presence) Sweep(ctx context.Context, before time.Time) error {
	return sweepExpired(ctx, p.db, "realtime_sessions", "session_id", "", before)
}
