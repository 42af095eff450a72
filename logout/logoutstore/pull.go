package logoutstore

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/logout"
)

// numberBatch bounds how many events one read gives numbers to, so that a client which comes for the first time holds nobody up for long. It is
// one more than a page has, so that whoever reads a page knows whether there are more.
const numberBatch = logout.MaxPull + 1

// Events implements logout.Inbox.
//
// Numbers are given here, not when the rows are written: to what is visible now, under the lock of the client's row, so that a logout pays
// nothing and one that commits late comes later. Numbers become visible with their transaction, and such transactions are one after
// the other, so whoever sees a number sees all below it. They are data like any other: a dump keeps them.
//
//  1. Read what has numbers. A full page, and not the last, needs no more.
//  2. Otherwise give numbers to what has none, if there is any, and read again.
func (s *Store) Events(ctx context.Context, clientID string, after int64, limit int) ([]logout.StoredEvent, int64, error) {
	found, last, err := s.numbered(ctx, clientID, after, limit)
	if err != nil || after > last || len(found) == limit && found[limit-1].Number < last {
		return found, last, err
	}
	var waiting int
	// The order is that of the partial index: without it SQLite would go through all that the client ever had.
	res := s.db.Reader(ctx).Raw("SELECT count(*) FROM (SELECT id FROM logout_deliveries WHERE client_id = ? AND "+unnumbered+" ORDER BY id LIMIT 1) AS first", clientID).Scan(&waiting)
	if res.Error != nil {
		return nil, 0, fmt.Errorf("logoutstore: looking for new events: %w", res.Error)
	}
	if waiting == 0 {
		return found, last, nil
	}
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		if err := s.number(ctx, clientID); err != nil {
			return err
		}
		found, last, err = s.numbered(ctx, clientID, after, limit)
		return err
	})
	return found, last, err
}

// unnumbered is the condition of the partial index: the rows that stand for an event and have no number yet.
const unnumbered = "number IS NULL AND event_id = id"

// number gives the client's events that have none the next numbers, in the order of their ids, which is also the order in which whoever
// changes several deliveries locks them. Call it in a transaction.
func (s *Store) number(ctx context.Context, clientID string) error {
	tx := s.db.Writer(ctx)
	if err := tx.Exec("INSERT INTO logout_pulls (client_id, number) VALUES (?, 0) ON CONFLICT (client_id) DO NOTHING", clientID).Error; err != nil {
		return fmt.Errorf("logoutstore: numbering events: %w", err)
	}
	var last int64
	if err := tx.Raw("SELECT number FROM logout_pulls WHERE client_id = ?"+s.lock("UPDATE"), clientID).Scan(&last).Error; err != nil {
		return fmt.Errorf("logoutstore: numbering events: %w", err)
	}
	res := tx.Exec("UPDATE logout_deliveries SET number = v.place + ? FROM (SELECT id, row_number() OVER (ORDER BY id) AS place FROM "+
		"(SELECT id FROM logout_deliveries WHERE client_id = ? AND "+unnumbered+" ORDER BY id LIMIT ?"+s.lock("NO KEY UPDATE")+") AS waiting) AS v WHERE logout_deliveries.id = v.id",
		last, clientID, numberBatch)
	if res.Error != nil {
		return fmt.Errorf("logoutstore: numbering events: %w", res.Error)
	}
	if err := tx.Exec("UPDATE logout_pulls SET number = ? WHERE client_id = ?", last+res.RowsAffected, clientID).Error; err != nil {
		return fmt.Errorf("logoutstore: numbering events: %w", err)
	}
	return nil
}

type eventRow struct {
	Row    deliveryRow `gorm:"embedded"`
	Number int64
}

// numbered reads the events after a number, and the client's last number.
func (s *Store) numbered(ctx context.Context, clientID string, after int64, limit int) ([]logout.StoredEvent, int64, error) {
	var rows []eventRow
	res := s.db.Reader(ctx).Raw("SELECT "+deliveryColumns+", number FROM logout_deliveries WHERE client_id = ? AND number IS NOT NULL AND number > ? ORDER BY number LIMIT ?",
		clientID, after, limit).Scan(&rows)
	if res.Error != nil {
		return nil, 0, fmt.Errorf("logoutstore: reading events: %w", res.Error)
	}
	// After the events: what is numbered in between is then known as more, not as nothing.
	var last int64
	if err := s.db.Reader(ctx).Raw("SELECT number FROM logout_pulls WHERE client_id = ?", clientID).Scan(&last).Error; err != nil {
		return nil, 0, fmt.Errorf("logoutstore: reading events: %w", err)
	}
	events, err := s.withStates(ctx, rows)
	return events, last, err
}

// Unacknowledged implements logout.Inbox.
func (s *Store) Unacknowledged(ctx context.Context, clientID string, limit int) ([]logout.StoredEvent, error) {
	var rows []eventRow
	var parts []string
	var args []any
	// One for each state, as in a list: by the index only the first of each are read.
	for i, state := range slices.DeleteFunc(logout.States(), func(st logout.State) bool { return st == logout.StateDelivered }) {
		where := s.client(state == logout.StatePending) + " AND " + s.inState(state)
		parts = append(parts, fmt.Sprintf("SELECT * FROM (SELECT %s FROM logout_deliveries l WHERE %s AND event_id = id AND NOT EXISTS "+
			"(SELECT 1 FROM logout_deliveries o WHERE o.event_id = l.id AND o.event_id <> o.id AND o.state = 'delivered') ORDER BY created_at, id LIMIT ?) s%d", deliveryColumns, where, i))
		args = append(args, clientID, limit)
	}
	res := s.db.Reader(ctx).Raw("SELECT * FROM ("+strings.Join(parts, " UNION ALL ")+") u ORDER BY created_at, id LIMIT ?", append(args, limit)...).Scan(&rows)
	if res.Error != nil {
		return nil, fmt.Errorf("logoutstore: reading pending events: %w", res.Error)
	}
	return s.withStates(ctx, rows)
}

// withStates adds the states of the events' other deliveries.
func (s *Store) withStates(ctx context.Context, rows []eventRow) ([]logout.StoredEvent, error) {
	if len(rows) == 0 {
		return nil, nil
	}
	events, place, eventIDs := make([]logout.StoredEvent, len(rows)), make(map[string]int, len(rows)), make([]string, len(rows))
	for i, r := range rows {
		d := r.Row.delivery()
		events[i] = logout.StoredEvent{Delivery: d, Number: r.Number, States: []logout.State{d.State}}
		place[d.ID], eventIDs[i] = i, d.ID
	}
	text, err := encodeIDs(eventIDs)
	if err != nil {
		return nil, err
	}
	var others []struct{ EventID, State string }
	res := s.db.Reader(ctx).Raw("SELECT event_id, state FROM logout_deliveries WHERE event_id <> id AND event_id"+s.among(), text).Scan(&others)
	if res.Error != nil {
		return nil, fmt.Errorf("logoutstore: reading the states of events: %w", res.Error)
	}
	for _, o := range others {
		e := &events[place[o.EventID]]
		e.States = append(e.States, logout.State(o.State))
	}
	return events, nil
}

// Acknowledge implements logout.Inbox. The rows are locked in one order.
func (s *Store) Acknowledge(ctx context.Context, clientID string, eventIDs []string, at time.Time) ([]string, error) {
	text, err := encodeIDs(eventIDs)
	if err != nil {
		return nil, err
	}
	var known []string
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		tx := s.db.Writer(ctx)
		asked := s.among()
		res := tx.Raw("SELECT id FROM logout_deliveries WHERE event_id = id AND client_id = ? AND id"+asked+" ORDER BY id", clientID, text).Scan(&known)
		if res.Error != nil || len(known) == 0 {
			return res.Error
		}
		mine, err := encodeIDs(known)
		if err != nil {
			return err
		}
		var rows []deliveryRow
		// Two indexes, the key and that of an event's other deliveries, so two halves.
		res = tx.Raw("SELECT "+deliveryColumns+" FROM logout_deliveries WHERE id IN (SELECT id FROM logout_deliveries WHERE id"+asked+
			" UNION ALL SELECT id FROM logout_deliveries WHERE event_id <> id AND event_id"+asked+") AND state <> 'delivered' ORDER BY id"+s.lock("UPDATE"), mine, mine).Scan(&rows)
		if res.Error != nil || len(rows) == 0 {
			return res.Error
		}
		return s.acknowledge(ctx, deliveries(rows), at)
	})
	if err != nil {
		return nil, fmt.Errorf("logoutstore: acknowledging events: %w", err)
	}
	return known, nil
}

// byPull is the note of the attempt that records an acknowledgment.
const byPull = "acknowledged by the client, by pull"

// acknowledge makes deliveries, which are locked, delivered. An attempt that is under way records its outcome and moves nothing; a retry's
// job finds nothing.
func (s *Store) acknowledge(ctx context.Context, open []logout.Delivery, at time.Time) error {
	settlements, openIDs := make([]logout.Settlement, len(open)), make([]string, len(open))
	for i, d := range open {
		settlements[i] = logout.Settlement{Delivery: d, State: logout.StateDelivered, Attempt: &logout.Attempt{
			DeliveryID: d.ID, Number: d.Attempts + 1, At: at, Snippet: byPull, State: logout.StateDelivered,
		}}
		openIDs[i] = d.ID
	}
	if err := s.recordAttempts(ctx, settlements); err != nil {
		return err
	}
	text, err := encodeIDs(openIDs)
	if err != nil {
		return err
	}
	res := s.db.Writer(ctx).Exec("UPDATE logout_deliveries SET state = 'delivered', pulled = TRUE, parked = FALSE, attempts = attempts + 1, rejections = 0, settled_at = ?, last_status = 0, "+
		"last_error = '' WHERE id"+s.among(), database.Micros(at), text)
	if res.Error != nil {
		return res.Error
	}
	return s.dropInsurance(ctx, settlements)
}
