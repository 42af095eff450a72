package logoutstore

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/logout"
)

// Endings returns which of these sessions have ended, and which of these participations while their sessions live on.
func (s *Store) Endings(ctx context.Context, sessionIDs, sids []string) ([]logout.Ending, error) {
	var all []logout.Ending
	read := func(ids []string, query string) error {
		for some := range slices.Chunk(ids, chunk) {
			var rows []struct {
				SessionID string
				SID       string `gorm:"column:sid"`
				Cause     string
				EndedAt   int64
			}
			if err := s.db.Reader(ctx).Raw(query, some).Scan(&rows).Error; err != nil {
				return fmt.Errorf("logoutstore: looking for what has ended: %w", err)
			}
			for _, r := range rows {
				all = append(all, logout.Ending{SessionID: r.SessionID, SID: r.SID, Cause: logout.Cause(r.Cause), At: database.Time(r.EndedAt)})
			}
		}
		return nil
	}
	if err := read(sessionIDs, "SELECT s.id AS session_id, '' AS sid, COALESCE(l.cause, '') AS cause, s.ended_at FROM logout_sessions s "+
		"LEFT JOIN logouts l ON l.id = s.logout_id WHERE s.id IN ? AND s.ended_at IS NOT NULL"); err != nil {
		return nil, err
	}
	err := read(sids, "SELECT session_id, sid, '' AS cause, ended_at FROM logout_participations WHERE sid IN ? AND ended_at IS NOT NULL")
	return all, err
}

// TouchAll records activity of all those of these sessions that are live: their idle lifetime lasts until idleUntil, or their end, and never
// becomes shorter. A session that somebody else holds at the moment is left out: whoever does knows better, and the next call comes soon.
func (s *Store) TouchAll(ctx context.Context, sessionIDs []string, at, idleUntil time.Time) error {
	now, until := database.Micros(at), database.Micros(idleUntil)
	least, free := "MIN(expires_at, ?)", ""
	if s.db.Postgres() {
		least, free = "LEAST(expires_at, ?)", " ORDER BY id FOR NO KEY UPDATE SKIP LOCKED"
	}
	// One order for everybody who takes several rows, as when they end.
	for some := range slices.Chunk(slices.Sorted(slices.Values(sessionIDs)), chunk) {
		where := strings.Replace(live, "id = ?", "id IN ?", 1)
		res := s.db.Writer(ctx).Exec("UPDATE logout_sessions SET seen_at = ?, idle_until = "+least+
			" WHERE id IN (SELECT id FROM logout_sessions WHERE "+where+" AND idle_until < ?"+free+")", now, until, some, now, now, until)
		if res.Error != nil {
			return fmt.Errorf("logoutstore: touching sessions: %w", res.Error)
		}
	}
	return nil
}
