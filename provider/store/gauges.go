package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/provider/metrics"
)

// Gauges reads what metrics say of deliveries: how many wait or have failed, by receiver, and which breakers are open. It reads an index, and
// those rows alone that wait for their first attempt, which are few. The conditions are in the words of the partial indexes, which SQLite needs.
func (s *Store) Gauges(ctx context.Context) (backlog []metrics.Backlog, breakers []metrics.Breaker, err error) {
	now := s.now()
	waiting := `logout_id IN (SELECT id FROM logouts WHERE job_id IS NOT NULL)`
	if s.db.Postgres() { // no join, for which it may read all deliveries
		waiting = `logout_id = ANY (ARRAY(SELECT id FROM logouts WHERE job_id IS NOT NULL))`
	}
	const figures = `count(*), min(created_at) FROM logout_deliveries WHERE `
	query := s.db.Reader(ctx).Raw(`SELECT client_id, channel, detour, ` + figures + `detour IN ('retrying', 'dead', 'rejected') GROUP BY client_id, channel, detour UNION ALL ` +
		`SELECT client_id, channel, 'pending', ` + figures + `state = 'pending' AND ` + waiting + ` GROUP BY client_id, channel`)
	first := rows(query, "counting the backlog", func(r *sql.Rows) error {
		var b metrics.Backlog
		var oldest int64
		err := r.Scan(&b.ClientID, &b.Channel, &b.State, &b.Count, &oldest)
		b.Oldest = max(now.Sub(database.Time(oldest)), time.Duration(0))
		backlog = append(backlog, b)
		return err
	})
	second := rows(s.db.Reader(ctx).Raw(`SELECT client_id, channel, open FROM logout_receivers`), "reading breakers", func(r *sql.Rows) error {
		var b metrics.Breaker
		err := r.Scan(&b.ClientID, &b.Channel, &b.Open)
		breakers = append(breakers, b)
		return err
	})
	return backlog, breakers, errors.Join(first, second)
}
