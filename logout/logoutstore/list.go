package logoutstore

import (
	"context"
	"fmt"
	"time"

	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/logout"
)

// Live returns at most limit sessions of a target that are live at a time, newest first. The empty target is all of them.
func (s *Store) Live(ctx context.Context, t logout.Target, at time.Time, limit int) ([]logout.Session, error) {
	return s.LiveAfter(ctx, t, at, "", limit)
}

// LiveAfter is Live for those after a session in that order, by its id; "" begins at the newest.
func (s *Store) LiveAfter(ctx context.Context, t logout.Target, at time.Time, after string, limit int) ([]logout.Session, error) {
	where, args := target(logout.Request{Target: t}, at)
	if after != "" {
		where, args = where+" AND id < ?", append(args, after)
	}
	var rows []sessionRow
	res := s.db.Reader(ctx).Raw("SELECT "+sessionColumns+" FROM logout_sessions WHERE "+where+" AND idle_until > ? AND expires_at > ? ORDER BY id DESC LIMIT ?",
		append(args, database.Micros(at), database.Micros(at), limit)...).Scan(&rows)
	if res.Error != nil {
		return nil, fmt.Errorf("logoutstore: listing sessions: %w", res.Error)
	}
	return sessions(rows), nil
}
