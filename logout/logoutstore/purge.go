package logoutstore

import (
	"context"
	"fmt"
	"time"

	"github.com/exeunt-id/exeunt/database"
)

// purgeBatch bounds one delete, so that SQLite's only writer is free again soon.
const purgeBatch = 200

// Purge deletes sessions that ended, logouts whose deliveries are all final, mass logouts that are over and receivers that nothing was heard
// of since, before the given time.
func (s *Store) Purge(ctx context.Context, before time.Time) error {
	for _, query := range []string{
		"DELETE FROM logouts WHERE id IN (SELECT id FROM logouts l WHERE created_at < ? AND NOT EXISTS " +
			"(SELECT 1 FROM logout_deliveries d WHERE d.logout_id = l.id AND d.state IN ('pending', 'retrying')) LIMIT ?)",
		"DELETE FROM logout_masses WHERE id IN (SELECT id FROM logout_masses WHERE finished_at < ? LIMIT ?)",
		// The outer condition is looked at again on a row that somebody has just given a turn: without its row that turn would never come.
		"DELETE FROM logout_receivers WHERE turn_at IS NULL AND NOT open AND (client_id, channel) IN (SELECT client_id, channel FROM logout_receivers WHERE turn_at IS NULL AND NOT open " +
			"AND coalesce(succeeded_at, changed_at, 0) < ? LIMIT ?)",
		"DELETE FROM logout_sessions WHERE id IN (SELECT id FROM logout_sessions WHERE ended_at < ? LIMIT ?)",
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
	return nil
}
