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

// Due implements logout.Outbox.
func (s *Store) Due(ctx context.Context, scope logout.Scope) ([]logout.Delivery, error) {
	query, args := "logout_id = ? AND state = 'pending' ORDER BY id", []any{scope.LogoutID}
	if scope.DeliveryID != "" {
		query, args = "id = ? AND state = 'retrying' AND next_at = ? AND NOT parked", []any{scope.DeliveryID, database.Micros(scope.NextAt)}
	}
	var rows []deliveryRow
	res := s.db.Reader(ctx).Raw("SELECT "+deliveryColumns+" FROM logout_deliveries WHERE "+query, args...).Scan(&rows)
	return deliveries(rows), res.Error
}

// Settle implements logout.Outbox.
func (s *Store) Settle(ctx context.Context, at time.Time, settlements []logout.Settlement) (int, error) {
	moved := 0
	// In one order, as everywhere that takes several: a client may be reading the events that are settled here.
	settlements = slices.SortedFunc(slices.Values(settlements), func(a, b logout.Settlement) int { return strings.Compare(a.Delivery.ID, b.Delivery.ID) })
	err := s.db.Tx(ctx, func(ctx context.Context) error {
		moved = 0
		if err := s.settings(ctx, genericPlans); err != nil {
			return err
		}
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
	if err := s.recordAttempts(ctx, settlements); err != nil {
		return 0, err
	}
	moved, err := s.move(ctx, at, settlements)
	if err != nil {
		return 0, err
	}
	if err := s.enqueueRetries(ctx, at, moved); err != nil {
		return 0, err
	}
	if err := s.dropInsurance(ctx, moved); err != nil {
		return 0, err
	}
	var parked []logout.Receiver
	for _, st := range moved {
		if st.Parked {
			parked = append(parked, logout.Receiver{ClientID: st.Delivery.ClientID, Channel: st.Delivery.Channel})
		}
	}
	return len(moved), s.arm(ctx, at, parked, false)
}

func (s *Store) recordAttempts(ctx context.Context, settlements []logout.Settlement) error {
	var made []logout.Attempt
	for _, st := range settlements {
		if st.Attempt != nil {
			made = append(made, *st.Attempt)
		}
	}
	if err := insert(ctx, s, "logout_attempts", attempt, made, attemptRecord); err != nil {
		return fmt.Errorf("logoutstore: recording attempts: %w", err)
	}
	return nil
}

// outcome is what a settlement changes, and the row as it must be found.
var outcome = []column{
	{"id", "TEXT"},
	{"made", "BIGINT"},
	{"turn", "BIGINT"},
	{"state", "TEXT"},
	{"attempts", "BIGINT"},
	{"rejections", "BIGINT"},
	{"parked", "BOOLEAN"},
	{"next_at", "BIGINT"},
	{"settled_at", "BIGINT"},
	{"last_status", "BIGINT"},
	{"last_error", "TEXT"},
}

func outcomeRecord(at time.Time) func(st logout.Settlement) []any {
	return func(st logout.Settlement) []any {
		d := st.Delivery
		attempts, status, message, next, settled := d.Attempts, d.LastStatus, st.Reason, st.NextAt, (*int64)(nil)
		if st.Attempt != nil {
			attempts, status, message = st.Attempt.Number, st.Attempt.Status, st.Attempt.Error
		}
		if st.State.Final() {
			next, settled = d.NextAt, database.NullMicros(at)
		}
		return []any{
			d.ID, d.Attempts, database.Micros(d.NextAt),
			st.State, attempts, st.Rejections, st.Parked, database.Micros(next), settled, status, message,
		}
	}
}

// move is one conditional update over all rows; it returns the settlements whose row it moved. The condition is what makes a late or
// doubled outcome harmless: it moves only a row that is still open, and as often attempted and at the same turn as when the attempt began.
// An acknowledgment counts at any turn.
func (s *Store) move(ctx context.Context, at time.Time, settlements []logout.Settlement) ([]logout.Settlement, error) {
	text, err := encode(settlements, outcomeRecord(at))
	if err != nil {
		return nil, err
	}
	with, from := "", s.records(outcome)
	if !s.db.Postgres() {
		// SQLite would take the records apart for each delivery. This way it takes them apart once.
		with, from = "WITH v AS MATERIALIZED (SELECT * FROM "+from+") ", "v"
	}
	var found []string
	res := s.db.Writer(ctx).Raw(with+"UPDATE logout_deliveries SET state = v.state, attempts = v.attempts, rejections = v.rejections, parked = v.parked, next_at = v.next_at, "+
		"settled_at = v.settled_at, last_status = v.last_status, last_error = v.last_error FROM "+from+
		" WHERE logout_deliveries.id = v.id AND logout_deliveries.attempts = v.made AND (logout_deliveries.next_at = v.turn OR v.state = 'delivered') "+
		"AND logout_deliveries.state IN ('pending', 'retrying') RETURNING logout_deliveries.id", text).Scan(&found)
	if res.Error != nil {
		return nil, fmt.Errorf("logoutstore: moving deliveries: %w", res.Error)
	}
	var moved []logout.Settlement
	for _, st := range settlements {
		if slices.Contains(found, st.Delivery.ID) {
			moved = append(moved, st)
		}
	}
	return moved, nil
}

func (s *Store) enqueueRetries(ctx context.Context, at time.Time, moved []logout.Settlement) error {
	var jobs []river.InsertManyParams
	for _, st := range moved {
		if st.State == logout.StateRetrying && !st.Parked {
			jobs = append(jobs, newRetryJob(st.Delivery.ID, st.NextAt, at))
		}
	}
	if len(jobs) == 0 {
		return nil
	}
	_, err := s.db.Enqueue(ctx, jobs...)
	return err
}
