package logoutstore

import (
	"context"
	"fmt"
	"time"

	"github.com/exeunt-id/exeunt/database"
)

// purgeBatch bounds one delete, so that SQLite's only writer is free again soon.
const purgeBatch = 200

// Purge deletes sessions that ended, and logouts whose deliveries are all final, before the given time.
func (s *Store) Purge(ctx context.Context, before time.Time) error {
	for _, query := range []string{
		"DELETE FROM logouts WHERE id IN (SELECT id FROM logouts l WHERE created_at < ? AND NOT EXISTS " +
			"(SELECT 1 FROM logout_deliveries d WHERE d.logout_id = l.id AND d.state IN ('pending', 'retrying')) LIMIT ?)",
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
