package logoutstore

import (
	"context"
	"fmt"

	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/logout"
)

// troubled is the condition of the index over what was tried and not acknowledged, by receiver, in its words.
const troubled = "detour IN ('retrying', 'dead', 'rejected')"

// Health implements logout.Receivers.
func (s *Store) Health(ctx context.Context) ([]logout.Health, error) {
	var rows []struct {
		ClientID    string
		Channel     string
		Open        int
		ChangedAt   *int64
		Reason      string
		TurnAt      *int64
		SucceededAt *int64
		Backlog     int
	}
	// The union is a full join, which keeps those that only one of them knows.
	res := s.db.Reader(ctx).Raw("SELECT client_id, channel, max(open) AS open, max(changed_at) AS changed_at, max(reason) AS reason, max(turn_at) AS turn_at, " +
		"max(succeeded_at) AS succeeded_at, CAST(sum(backlog) AS BIGINT) AS backlog FROM (" +
		"SELECT client_id, channel, CASE WHEN open THEN 1 ELSE 0 END AS open, changed_at, reason, turn_at, succeeded_at, 0 AS backlog FROM logout_receivers UNION ALL " +
		"SELECT client_id, channel, 0, NULL, '', NULL, NULL, count(*) FROM logout_deliveries WHERE " + troubled + " AND detour = 'retrying' GROUP BY client_id, channel UNION ALL " +
		"SELECT client_id, channel, 0, NULL, '', NULL, NULL, count(*) FROM logout_deliveries WHERE " + s.pending() + " GROUP BY client_id, channel) AS known " +
		"GROUP BY client_id, channel ORDER BY client_id, channel").Scan(&rows)
	if res.Error != nil {
		return nil, fmt.Errorf("logoutstore: reading receivers: %w", res.Error)
	}
	all := make([]logout.Health, len(rows))
	for i, r := range rows {
		all[i] = logout.Health{
			ClientID: r.ClientID, Channel: logout.Channel(r.Channel), Open: r.Open != 0, Since: database.NullTime(r.ChangedAt),
			Backlog: r.Backlog, LastSuccess: database.NullTime(r.SucceededAt),
		}
		if r.Open != 0 {
			all[i].Reason, all[i].NextProbe = r.Reason, database.NullTime(r.TurnAt)
		}
	}
	return all, nil
}
