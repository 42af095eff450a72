package logoutstore

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/riverqueue/river"

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

// Redeliver implements logout.Ledger. A retrying delivery gets a new turn, which makes the job of its old one find nothing. What its receiver
// must fetch lies ready again, without a job.
func (s *Store) Redeliver(ctx context.Context, f logout.Filter, at, giveUpAt time.Time) (int, error) {
	where, args := conditions(f)
	at = database.Time(database.Micros(at))
	count := 0
	err := s.db.Tx(ctx, func(ctx context.Context) error {
		var again []struct{ ID, State string }
		res := s.db.Writer(ctx).Raw("UPDATE logout_deliveries SET state = CASE WHEN stream_id <> '' AND uri = '' THEN 'unconfirmed' ELSE 'retrying' END, "+
			"rejections = 0, next_at = ?, give_up_at = ?, settled_at = NULL WHERE state IN ('dead', 'rejected', 'retrying') AND "+where+" RETURNING id, state",
			append([]any{database.Micros(at), database.Micros(giveUpAt)}, args...)...).Scan(&again)
		if res.Error != nil {
			return fmt.Errorf("logoutstore: redelivering: %w", res.Error)
		}
		count = len(again)
		var open []string
		for _, row := range again {
			if row.State == string(logout.StateRetrying) {
				open = append(open, row.ID)
			}
		}
		return s.retryNow(ctx, open, at)
	})
	return count, err
}

// retryNow enqueues the jobs of deliveries whose turn has been set for now.
func (s *Store) retryNow(ctx context.Context, ids []string, at time.Time) error {
	for some := range slices.Chunk(ids, chunk) {
		jobs := make([]river.InsertManyParams, len(some))
		for i, id := range some {
			jobs[i] = newRetryJob(id, at, at)
		}
		if _, err := s.db.Enqueue(ctx, jobs...); err != nil {
			return err
		}
	}
	return nil
}
