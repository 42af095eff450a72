package logoutstore

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/riverqueue/river"

	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/logout"
)

// Due implements logout.Outbox.
func (s *Store) Due(ctx context.Context, scope logout.Scope) ([]logout.Delivery, error) {
	query, args := "logout_id = ? AND state = 'pending' ORDER BY id", []any{scope.LogoutID}
	if scope.DeliveryID != "" {
		query, args = "id = ? AND state = 'retrying' AND next_at = ?", []any{scope.DeliveryID, database.Micros(scope.NextAt)}
	}
	var rows []deliveryRow
	res := s.db.Reader(ctx).Raw("SELECT "+deliveryColumns+" FROM logout_deliveries WHERE "+query, args...).Scan(&rows)
	return deliveries(rows), res.Error
}

// Settle implements logout.Outbox.
func (s *Store) Settle(ctx context.Context, at time.Time, settlements []logout.Settlement) (int, error) {
	moved := 0
	err := s.db.Tx(ctx, func(ctx context.Context) error {
		moved = 0
		for rest := settlements; len(rest) > 0; {
			n := min(len(rest), chunk)
			m, err := s.settle(ctx, at, rest[:n])
			if err != nil {
				return err
			}
			moved, rest = moved+m, rest[n:]
		}
		return nil
	})
	return moved, err
}

func (s *Store) settle(ctx context.Context, at time.Time, settlements []logout.Settlement) (int, error) {
	var attempts []attemptRow
	for _, st := range settlements {
		if st.Attempt != nil {
			attempts = append(attempts, newAttemptRow(*st.Attempt))
		}
	}
	if len(attempts) > 0 {
		if err := s.db.Writer(ctx).Create(&attempts).Error; err != nil {
			return 0, fmt.Errorf("logoutstore: recording attempts: %w", err)
		}
	}
	moved, err := s.move(ctx, at, settlements)
	if err != nil {
		return 0, err
	}
	if err := s.enqueueRetries(ctx, at, settlements, moved); err != nil {
		return 0, err
	}
	return len(moved), s.dropInsurance(ctx, settlements)
}

// move is one conditional update over all rows. The condition is what makes a late or doubled outcome harmless: it moves only the row
// that is still open and as often attempted as when the turn began.
func (s *Store) move(ctx context.Context, at time.Time, settlements []logout.Settlement) (map[string]bool, error) {
	row := "(CAST(? AS TEXT), CAST(? AS INTEGER), CAST(? AS TEXT), CAST(? AS INTEGER), CAST(? AS INTEGER), CAST(? AS BIGINT), CAST(? AS BIGINT), CAST(? AS INTEGER), CAST(? AS TEXT))"
	values := make([]string, len(settlements))
	args := make([]any, 0, 9*len(settlements))
	for i, st := range settlements {
		d := st.Delivery
		values[i] = row
		attempts, status, message, settled := d.Attempts, d.LastStatus, d.LastError, (*int64)(nil)
		if st.Attempt != nil {
			attempts, status, message = st.Attempt.Number, st.Attempt.Status, st.Attempt.Error
		}
		next := d.NextAt
		if st.State.Final() {
			settled = database.NullMicros(at)
		} else {
			next = st.NextAt
		}
		args = append(args, d.ID, d.Attempts, string(st.State), attempts, st.Rejections, database.Micros(next), settled, status, message)
	}
	var ids []string
	res := s.db.Writer(ctx).Raw("UPDATE logout_deliveries SET state = v.column3, attempts = v.column4, rejections = v.column5, next_at = v.column6, "+
		"settled_at = v.column7, last_status = v.column8, last_error = v.column9 FROM (VALUES "+strings.Join(values, ",")+") AS v "+
		"WHERE logout_deliveries.id = v.column1 AND logout_deliveries.attempts = v.column2 AND logout_deliveries.state IN ('pending', 'retrying') "+
		"RETURNING logout_deliveries.id", args...).Scan(&ids)
	if res.Error != nil {
		return nil, fmt.Errorf("logoutstore: moving deliveries: %w", res.Error)
	}
	moved := make(map[string]bool, len(ids))
	for _, id := range ids {
		moved[id] = true
	}
	return moved, nil
}

func (s *Store) enqueueRetries(ctx context.Context, at time.Time, settlements []logout.Settlement, moved map[string]bool) error {
	var jobs []river.InsertManyParams
	for _, st := range settlements {
		if st.State == logout.StateRetrying && moved[st.Delivery.ID] {
			jobs = append(jobs, newRetryJob(st.Delivery.ID, st.NextAt, at))
		}
	}
	if len(jobs) == 0 {
		return nil
	}
	_, err := s.db.Enqueue(ctx, jobs...)
	return err
}

// dropInsurance deletes the insurance job of every logout whose deliveries all had their first turn. It looks only when some of them had
// it just now.
func (s *Store) dropInsurance(ctx context.Context, settlements []logout.Settlement) error {
	seen := make(map[string]bool)
	var ids []string
	for _, st := range settlements {
		if id := st.Delivery.LogoutID; st.Delivery.State == logout.StatePending && !seen[id] {
			seen[id] = true
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	var jobs []int64
	res := s.db.Writer(ctx).Raw("SELECT job_id FROM logouts l WHERE id IN ? AND job_id IS NOT NULL AND NOT EXISTS "+
		"(SELECT 1 FROM logout_deliveries d WHERE d.logout_id = l.id AND d.state = 'pending')", ids).Scan(&jobs)
	if res.Error != nil {
		return fmt.Errorf("logoutstore: looking for insurance jobs: %w", res.Error)
	}
	return s.db.DeleteJobs(ctx, jobs...)
}
