package logoutstore

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/logout"
)

// openOfStream is what a stream has not settled, but for what is pending: word for word the condition of the index that serves it.
const openOfStream = "stream_id = ? AND stream_id <> '' AND detour IN ('unconfirmed', 'retrying')"

// Waiting implements logout.Mailbox.
func (s *Store) Waiting(ctx context.Context, streamID, onlyEvent string, limit int) ([]logout.Delivery, error) {
	where, args := openOfStream, []any{streamID}
	if onlyEvent != "" {
		where, args = where+" AND event = ?", append(args, onlyEvent)
	}
	var rows []deliveryRow
	res := s.db.Reader(ctx).Raw("SELECT "+deliveryColumns+" FROM logout_deliveries WHERE "+where+" ORDER BY id LIMIT ?", append(args, limit)...).Scan(&rows)
	if res.Error != nil {
		return nil, fmt.Errorf("logoutstore: reading what waits for a stream: %w", res.Error)
	}
	return deliveries(rows), nil
}

// Collect implements logout.Mailbox. Of any number of calls about one delivery the first counts, and is its only attempt by poll.
func (s *Store) Collect(ctx context.Context, streamID string, said []logout.Attempt) (int, error) {
	settled := 0
	// In one order, as everywhere that takes several: a receiver may say the same in two polls at once.
	said = slices.SortedFunc(slices.Values(said), func(a, b logout.Attempt) int { return strings.Compare(a.DeliveryID, b.DeliveryID) })
	err := s.db.Tx(ctx, func(ctx context.Context) error {
		settled = 0
		for some := range slices.Chunk(said, chunk) {
			n, err := s.collect(ctx, streamID, some)
			if err != nil {
				return err
			}
			settled += n
		}
		return nil
	})
	return settled, err
}

// word is what a receiver said about one delivery.
var word = []column{{"id", "TEXT"}, {"state", "TEXT"}, {"settled_at", "BIGINT"}, {"last_error", "TEXT"}}

func (s *Store) collect(ctx context.Context, streamID string, said []logout.Attempt) (int, error) {
	text, err := encode(said, func(a logout.Attempt) []any { return []any{a.DeliveryID, a.State, database.Micros(a.At), a.Error} })
	if err != nil {
		return 0, err
	}
	var found []struct {
		ID       string
		Attempts int
	}
	res := s.db.Writer(ctx).Raw("UPDATE logout_deliveries SET state = v.state, parked = FALSE, attempts = logout_deliveries.attempts + 1, settled_at = v.settled_at, last_status = 0, "+
		"last_error = v.last_error FROM "+s.records(word)+" WHERE logout_deliveries.id = v.id AND logout_deliveries.stream_id = ? AND logout_deliveries.stream_id <> '' "+
		"AND logout_deliveries.state IN ('unconfirmed', 'retrying', 'pending') RETURNING logout_deliveries.id, logout_deliveries.attempts", text, streamID).Scan(&found)
	if res.Error != nil {
		return 0, fmt.Errorf("logoutstore: collecting: %w", res.Error)
	}
	made := make([]logout.Settlement, 0, len(found))
	for _, row := range found {
		i := slices.IndexFunc(said, func(a logout.Attempt) bool { return a.DeliveryID == row.ID })
		a := said[i]
		a.Number = row.Attempts
		made = append(made, logout.Settlement{Attempt: &a})
	}
	return len(found), s.recordAttempts(ctx, made)
}

// Shift implements logout.Mailbox.
func (s *Store) Shift(ctx context.Context, shift logout.Shift) error {
	chosen, states := "SELECT id FROM logout_deliveries WHERE "+openOfStream, []logout.State{logout.StateUnconfirmed, logout.StateRetrying}
	of := []any{shift.Stream.ID}
	set, args := "parked = ?, last_error = ?, uri = ?", []any{shift.To == logout.StateRetrying, shift.Reason, shift.Stream.EndpointURL}
	at := database.Time(database.Micros(shift.At))
	switch shift.To {
	case logout.StateRetrying:
		set += ", rejections = 0, settled_at = NULL, next_at = ?, give_up_at = ?"
		args = append(args, database.Micros(at), database.Micros(shift.GiveUpAt))
	case logout.StateUnreachable:
		chosen += " UNION ALL SELECT id FROM logout_deliveries WHERE stream_id = ? AND stream_id <> '' AND " + s.pending()
		states, of = append(states, logout.StatePending), append(of, shift.Stream.ID)
		set += ", settled_at = ?"
		args = append(args, database.Micros(at))
	}
	return s.db.Tx(ctx, func(ctx context.Context) error {
		var moved []logout.Receiver
		res := s.db.Writer(ctx).Raw("UPDATE logout_deliveries SET state = ?, "+set+" WHERE id IN ("+chosen+") AND state IN ("+literals(states)+") AND event <> ? RETURNING client_id, channel",
			append(append(append([]any{string(shift.To)}, args...), of...), shift.Spare)...).Scan(&moved)
		if res.Error != nil {
			return fmt.Errorf("logoutstore: shifting the events of a stream: %w", res.Error)
		}
		if shift.To != logout.StateRetrying {
			return nil
		}
		return s.arm(ctx, at, moved, true)
	})
}
