package logoutstore

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/riverqueue/river"

	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/logout"
)

// calm is how long a breaker must have been closed for its count of failures to begin anew: a receiver that answers every probe and fails
// under the first load must not be probed every two seconds.
const calm = 10 * time.Minute

// farthest is beyond any time that a node sets for a turn, a probe or the end of a turn: what lies further ahead was set by a clock that was
// wrong, and nobody shall wait for it.
const farthest = 6 * time.Hour

type receiverRow struct {
	Open      bool
	ChangedAt *int64
	Failures  int
	ProbeAt   int64
	TurnAt    *int64
	BusyUntil int64
}

// busy reports whether a node has the turn.
func (r receiverRow) busy(at time.Time) bool {
	return r.BusyUntil > database.Micros(at) && !far(r.BusyUntil, at)
}

// far reports whether a time cannot be meant.
func far(micros int64, at time.Time) bool { return micros > database.Micros(at.Add(farthest)) }

// lockReceiver returns a receiver's row, which it makes if there is none, and holds it until the transaction in ctx ends: whoever parks
// something and whoever finds nothing parked must not pass each other.
func (s *Store) lockReceiver(ctx context.Context, r logout.Receiver) (receiverRow, error) {
	query := "SELECT open, changed_at, failures, probe_at, turn_at, busy_until FROM logout_receivers WHERE client_id = ? AND channel = ?" + s.lock("UPDATE")
	for range 2 {
		var rows []receiverRow
		if err := s.db.Writer(ctx).Raw(query, r.ClientID, r.Channel).Scan(&rows).Error; err != nil {
			return receiverRow{}, fmt.Errorf("logoutstore: locking a receiver: %w", err)
		}
		if len(rows) == 1 {
			return rows[0], nil
		}
		if err := s.db.Writer(ctx).Exec("INSERT INTO logout_receivers (client_id, channel) VALUES (?, ?) ON CONFLICT DO NOTHING", r.ClientID, r.Channel).Error; err != nil {
			return receiverRow{}, fmt.Errorf("logoutstore: making a receiver: %w", err)
		}
	}
	return receiverRow{}, fmt.Errorf("logoutstore: the receiver %s, %s cannot be made", r.ClientID, r.Channel)
}

func (s *Store) updateReceiver(ctx context.Context, r logout.Receiver, set string, args ...any) error {
	err := s.db.Writer(ctx).Exec("UPDATE logout_receivers SET "+set+" WHERE client_id = ? AND channel = ?", append(args, r.ClientID, r.Channel)...).Error
	if err != nil {
		return fmt.Errorf("logoutstore: changing a receiver: %w", err)
	}
	return nil
}

// OpenBreakers implements logout.Receivers.
func (s *Store) OpenBreakers(ctx context.Context) ([]logout.Receiver, error) {
	var open []logout.Receiver
	if err := s.db.Reader(ctx).Raw("SELECT client_id, channel FROM logout_receivers WHERE open").Scan(&open).Error; err != nil {
		return nil, fmt.Errorf("logoutstore: reading breakers: %w", err)
	}
	return open, nil
}

// OpenBreaker implements logout.Receivers.
func (s *Store) OpenBreaker(ctx context.Context, r logout.Receiver, reason string, at time.Time, probe func(time.Time, int) time.Time) (bool, error) {
	opened := false
	err := s.db.Tx(ctx, func(ctx context.Context) error {
		row, err := s.lockReceiver(ctx, r)
		if err != nil || row.Open {
			return err
		}
		opened = true
		failures := 0
		if row.ChangedAt != nil && at.Sub(database.Time(*row.ChangedAt)) < calm {
			failures = row.Failures + 1
		}
		return s.updateReceiver(ctx, r, "open = TRUE, changed_at = ?, reason = ?, failures = ?, probe_at = ?",
			database.Micros(at), reason, failures, database.Micros(probe(at, failures)))
	})
	return opened && err == nil, err
}

// CloseBreaker implements logout.Receivers.
func (s *Store) CloseBreaker(ctx context.Context, r logout.Receiver, at time.Time) (bool, error) {
	closed := false
	err := s.db.Tx(ctx, func(ctx context.Context) error {
		row, err := s.lockReceiver(ctx, r)
		if err != nil || !row.Open {
			return err
		}
		closed = true
		if err := s.updateReceiver(ctx, r, "open = FALSE, changed_at = ?, reason = ''", database.Micros(at)); err != nil {
			return err
		}
		if row.TurnAt == nil || *row.TurnAt <= database.Micros(at) || row.busy(at) {
			return nil
		}
		return s.setTurn(ctx, r, at, at)
	})
	return closed && err == nil, err
}

// setTurn makes the receiver's next turn due at a time and enqueues its job. The job of the turn before finds its turn moved.
func (s *Store) setTurn(ctx context.Context, r logout.Receiver, turn, at time.Time) error {
	if err := s.updateReceiver(ctx, r, "turn_at = ?, busy_until = 0", database.Micros(turn)); err != nil {
		return err
	}
	_, err := s.db.Enqueue(ctx, river.InsertManyParams{
		Args:       receiverJob{ClientID: r.ClientID, Channel: string(r.Channel), TurnAt: database.Micros(turn)},
		InsertOpts: options(queueReceiver, turn, at),
	})
	return err
}

// arm gives every receiver for which something was parked in this transaction a turn, if it has none. It takes them in one order, so that
// two nodes that park at once do not wait for each other.
func (s *Store) arm(ctx context.Context, at time.Time, receivers []logout.Receiver, soon bool) error {
	slices.SortFunc(receivers, func(a, b logout.Receiver) int {
		return cmp.Or(cmp.Compare(a.ClientID, b.ClientID), cmp.Compare(a.Channel, b.Channel))
	})
	for _, r := range slices.Compact(receivers) {
		row, err := s.lockReceiver(ctx, r)
		if err != nil {
			return err
		}
		busy := row.busy(at) // and will see what was parked when it ends its turn
		if row.TurnAt != nil && !far(*row.TurnAt, at) && (!soon || busy || *row.TurnAt <= database.Micros(at)) {
			continue
		}
		turn := at
		if probe := database.Time(row.ProbeAt); row.Open && !soon && probe.After(at) && !far(row.ProbeAt, at) {
			turn = probe
		}
		if err := s.setTurn(ctx, r, turn, at); err != nil {
			return err
		}
	}
	return nil
}

// BeginTurn implements logout.Receivers.
func (s *Store) BeginTurn(ctx context.Context, r logout.Receiver, turnAt, at, until time.Time) (*logout.Turn, error) {
	until = database.Time(database.Micros(until))
	var rows []receiverRow
	res := s.db.Writer(ctx).Raw("UPDATE logout_receivers SET busy_until = ? WHERE client_id = ? AND channel = ? AND turn_at = ? AND (busy_until <= ? OR busy_until > ?) RETURNING open, failures",
		database.Micros(until), r.ClientID, r.Channel, database.Micros(turnAt), database.Micros(at), database.Micros(at.Add(farthest))).Scan(&rows)
	if res.Error != nil {
		return nil, fmt.Errorf("logoutstore: taking a turn: %w", res.Error)
	}
	if len(rows) == 1 {
		return &logout.Turn{Receiver: r, Until: until, Open: rows[0].Open, Failures: rows[0].Failures}, nil
	}
	var taken int
	res = s.db.Writer(ctx).Raw("SELECT count(*) FROM logout_receivers WHERE client_id = ? AND channel = ? AND turn_at = ?", r.ClientID, r.Channel, database.Micros(turnAt)).Scan(&taken)
	if res.Error == nil && taken > 0 {
		return nil, logout.ErrTurnTaken
	}
	return nil, res.Error
}

// EndTurn implements logout.Receivers.
func (s *Store) EndTurn(ctx context.Context, turn logout.Turn, failed bool, at, next time.Time) error {
	return s.db.Tx(ctx, func(ctx context.Context) error {
		row, err := s.lockReceiver(ctx, turn.Receiver)
		if err != nil || row.BusyUntil != database.Micros(turn.Until) {
			return err
		}
		if failed {
			if err := s.updateReceiver(ctx, turn.Receiver, "failures = failures + 1, probe_at = ?", database.Micros(next)); err != nil {
				return err
			}
		}
		// Only now, with the row locked: what was parked before is seen, and what is parked later finds no turn.
		left, err := s.Parked(ctx, turn.Receiver, 1)
		if err != nil {
			return err
		}
		if len(left) == 0 {
			return s.updateReceiver(ctx, turn.Receiver, "turn_at = NULL, busy_until = 0")
		}
		return s.setTurn(ctx, turn.Receiver, next, at)
	})
}

// Parked implements logout.Receivers.
func (s *Store) Parked(ctx context.Context, r logout.Receiver, limit int) ([]logout.Delivery, error) {
	return s.parked(ctx, r, "ORDER BY next_at LIMIT ?", limit)
}

// Overdue implements logout.Receivers.
func (s *Store) Overdue(ctx context.Context, r logout.Receiver, at time.Time, limit int) ([]logout.Delivery, error) {
	return s.parked(ctx, r, "AND give_up_at <= ? ORDER BY give_up_at LIMIT ?", database.Micros(at), limit)
}

func (s *Store) parked(ctx context.Context, r logout.Receiver, rest string, args ...any) ([]logout.Delivery, error) {
	var rows []deliveryRow
	res := s.db.Reader(ctx).Raw("SELECT "+deliveryColumns+" FROM logout_deliveries WHERE parked AND client_id = ? AND channel = ? "+rest,
		append([]any{r.ClientID, r.Channel}, args...)...).Scan(&rows)
	if res.Error != nil {
		return nil, fmt.Errorf("logoutstore: reading what is parked: %w", res.Error)
	}
	return deliveries(rows), nil
}

// Succeeded implements logout.Receivers.
func (s *Store) Succeeded(ctx context.Context, receivers []logout.Receiver, at time.Time) error {
	text, err := encode(receivers, func(r logout.Receiver) []any { return []any{r.ClientID, r.Channel} })
	if err != nil {
		return err
	}
	// SQLite takes ON CONFLICT after a SELECT for a join without the WHERE.
	res := s.db.Writer(ctx).Exec("INSERT INTO logout_receivers (client_id, channel, succeeded_at) SELECT client_id, channel, ? FROM "+
		s.records([]column{{"client_id", "TEXT"}, {"channel", "TEXT"}})+" WHERE TRUE ORDER BY client_id, channel "+
		"ON CONFLICT (client_id, channel) DO UPDATE SET succeeded_at = excluded.succeeded_at", database.Micros(at), text)
	if res.Error != nil {
		return fmt.Errorf("logoutstore: keeping the last success: %w", res.Error)
	}
	return nil
}
