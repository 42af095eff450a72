package logoutstore

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/exeunt-id/exeunt/database"
)

// purgeBatch bounds one delete, so that SQLite's only writer is free again soon.
const purgeBatch = 200

// Purge deletes logouts whose deliveries are all final, mass logouts that are over and receivers that nothing was heard of since, before the given
// time, and the sessions that ended before it, except those that spared returns. They are still needed: by them one knows what somebody's device, say,
// left behind. Nil spares none.
func (s *Store) Purge(ctx context.Context, before time.Time, spared func(ctx context.Context, sessionIDs []string) ([]string, error)) error {
	for {
		n, err := s.purgeLogouts(ctx, before)
		if err != nil {
			return err
		}
		if n < purgeBatch {
			break
		}
	}
	for _, query := range []string{
		"DELETE FROM logout_masses WHERE id IN (SELECT id FROM logout_masses WHERE finished_at < ? LIMIT ?)",
		// The outer condition is looked at again on a row that somebody has just given a turn: without its row that turn would never come.
		"DELETE FROM logout_receivers WHERE turn_at IS NULL AND NOT open AND (client_id, channel) IN (SELECT client_id, channel FROM logout_receivers WHERE turn_at IS NULL AND NOT open " +
			"AND coalesce(succeeded_at, changed_at, 0) < ? LIMIT ?)",
	} {
		for {
			res := s.db.Writer(ctx).Exec(query, database.Micros(before), purgeBatch)
			if res.Error != nil {
				return fmt.Errorf("logoutstore: purging: %w", res.Error)
			}
			if res.RowsAffected < purgeBatch {
				break
			}
		}
	}
	return s.purgeSessions(ctx, before, spared)
}

// purgeLogouts deletes some logouts with their deliveries and attempts. A delivery that is given another chance meanwhile stays, with its logout.
func (s *Store) purgeLogouts(ctx context.Context, before time.Time) (int, error) {
	var old []string
	err := s.db.Tx(ctx, func(ctx context.Context) error {
		tx := s.db.Writer(ctx)
		if err := tx.Raw("SELECT id FROM logouts l WHERE created_at < ? AND NOT EXISTS "+
			"(SELECT 1 FROM logout_deliveries d WHERE d.logout_id = l.id AND d.state IN ('pending', 'retrying')) LIMIT ?", database.Micros(before), purgeBatch).Scan(&old).Error; err != nil || len(old) == 0 {
			return err
		}
		text, err := encodeIDs(old)
		if err != nil {
			return err
		}
		var gone []string
		if err := tx.Raw("DELETE FROM logout_deliveries WHERE logout_id"+s.among()+" AND state NOT IN ('pending', 'retrying') RETURNING id", text).Scan(&gone).Error; err != nil {
			return err
		}
		for some := range slices.Chunk(gone, chunk) {
			theirs, err := encodeIDs(some)
			if err != nil {
				return err
			}
			if err := tx.Exec("DELETE FROM logout_attempts WHERE delivery_id"+s.among(), theirs).Error; err != nil {
				return err
			}
		}
		return tx.Exec("DELETE FROM logouts WHERE id"+s.among()+" AND NOT EXISTS (SELECT 1 FROM logout_deliveries d WHERE d.logout_id = logouts.id)", text).Error
	})
	if err != nil {
		return 0, fmt.Errorf("logoutstore: purging logouts: %w", err)
	}
	return len(old), nil
}

// purgeSessions goes through them in the order of their ends, so that the ones that stay are passed once.
func (s *Store) purgeSessions(ctx context.Context, before time.Time, spared func(ctx context.Context, sessionIDs []string) ([]string, error)) error {
	var endedAt int64
	for after := ""; ; {
		var rows []struct {
			ID      string
			EndedAt int64
		}
		res := s.db.Reader(ctx).Raw("SELECT id, ended_at FROM logout_sessions WHERE ended_at < ? AND (ended_at, id) > (?, ?) ORDER BY ended_at, id LIMIT ?",
			database.Micros(before), endedAt, after, purgeBatch).Scan(&rows)
		if res.Error != nil {
			return fmt.Errorf("logoutstore: purging sessions: %w", res.Error)
		}
		if len(rows) == 0 {
			return nil
		}
		ids := make([]string, len(rows))
		for i, row := range rows {
			ids[i], endedAt, after = row.ID, row.EndedAt, row.ID
		}
		if spared != nil {
			stay, err := spared(ctx, ids)
			if err != nil {
				return err
			}
			ids = slices.DeleteFunc(ids, func(id string) bool { return slices.Contains(stay, id) })
		}
		if len(ids) > 0 {
			if err := s.db.Writer(ctx).Exec("DELETE FROM logout_sessions WHERE id IN ?", ids).Error; err != nil {
				return fmt.Errorf("logoutstore: purging sessions: %w", err)
			}
		}
	}
}
