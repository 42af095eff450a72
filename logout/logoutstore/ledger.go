package logoutstore

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/logout"
)

func conditions(f logout.Filter) (string, []any) {
	parts, args := []string{"1 = 1"}, []any(nil)
	add := func(condition string, value any) {
		parts, args = append(parts, condition), append(args, value)
	}
	if f.DeliveryID != "" {
		add("id = ?", f.DeliveryID)
	}
	if f.LogoutID != "" {
		add("logout_id = ?", f.LogoutID)
	}
	if f.ClientID != "" {
		add("client_id = ?", f.ClientID)
	}
	if f.State != "" {
		add("state = ?", string(f.State))
	}
	if !f.Since.IsZero() {
		add("created_at >= ?", database.Micros(f.Since))
	}
	if f.Before != "" {
		add("id < ?", f.Before)
	}
	return strings.Join(parts, " AND "), args
}

// List implements logout.Ledger.
func (s *Store) List(ctx context.Context, f logout.Filter) ([]logout.Delivery, error) {
	where, args := conditions(f)
	limit := f.Limit
	if limit <= 0 {
		limit = 100
	}
	var rows []deliveryRow
	res := s.db.Reader(ctx).Raw("SELECT "+deliveryColumns+" FROM logout_deliveries WHERE "+where+" ORDER BY id DESC LIMIT ?", append(args, limit)...).Scan(&rows)
	if res.Error != nil {
		return nil, fmt.Errorf("logoutstore: listing deliveries: %w", res.Error)
	}
	return deliveries(rows), nil
}

// Show implements logout.Ledger.
func (s *Store) Show(ctx context.Context, id string) (logout.Delivery, []logout.Attempt, error) {
	found, err := s.List(ctx, logout.Filter{DeliveryID: id, Limit: 1})
	if err != nil {
		return logout.Delivery{}, nil, err
	}
	if len(found) == 0 {
		return logout.Delivery{}, nil, logout.ErrNoDelivery
	}
	var rows []attemptRow
	res := s.db.Reader(ctx).Raw("SELECT "+attemptColumns+" FROM logout_attempts WHERE delivery_id = ? ORDER BY number, at", id).Scan(&rows)
	if res.Error != nil {
		return logout.Delivery{}, nil, fmt.Errorf("logoutstore: reading attempts: %w", res.Error)
	}
	attempts := make([]logout.Attempt, len(rows))
	for i, r := range rows {
		attempts[i] = r.attempt()
	}
	return found[0], attempts, nil
}

// redeliverBatch bounds one transaction of Redeliver, so that SQLite's only writer is free again soon.
const redeliverBatch = 1000

// fetched is the condition of what its receiver comes for: nobody sends it.
const fetched = "stream_id <> '' AND uri = ''"

// Redeliver implements logout.Ledger. What it parks gets no job of its own, however much it is; the job of an old turn finds nothing. What its
// receiver must fetch lies ready again.
func (s *Store) Redeliver(ctx context.Context, f logout.Filter, at, giveUpAt time.Time) (int, error) {
	where, args := conditions(f)
	count := 0
	for after := ""; ; {
		var batch []struct{ ID, ClientID, Channel, State string }
		err := s.db.Tx(ctx, func(ctx context.Context) error {
			res := s.db.Writer(ctx).Raw("UPDATE logout_deliveries SET state = CASE WHEN "+fetched+" THEN 'unconfirmed' ELSE 'retrying' END, "+
				"parked = NOT ("+fetched+"), rejections = 0, next_at = ?, give_up_at = ?, settled_at = NULL "+
				"WHERE id IN (SELECT id FROM logout_deliveries WHERE state IN ('dead', 'rejected', 'retrying') AND id > ? AND "+where+" ORDER BY id LIMIT ?"+s.lock("UPDATE")+
				") RETURNING id, client_id, channel, state", append(append([]any{database.Micros(at), database.Micros(giveUpAt), after}, args...), redeliverBatch)...).Scan(&batch)
			if res.Error != nil {
				return fmt.Errorf("logoutstore: redelivering: %w", res.Error)
			}
			var receivers []logout.Receiver
			for _, d := range batch {
				after = max(after, d.ID)
				if logout.State(d.State) == logout.StateRetrying {
					receivers = append(receivers, logout.Receiver{ClientID: d.ClientID, Channel: logout.Channel(d.Channel)})
				}
			}
			return s.arm(ctx, at, receivers, true)
		})
		if err != nil {
			return count, err
		}
		if count += len(batch); len(batch) < redeliverBatch {
			return count, nil
		}
	}
}
