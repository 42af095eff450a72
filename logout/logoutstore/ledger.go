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

// defaultLimit is how many rows a list has for which nobody named a number.
const defaultLimit = 100

// condition collects the parts of a WHERE and their arguments.
type condition struct {
	parts []string
	args  []any
}

func (c *condition) add(part string, args ...any) {
	c.parts, c.args = append(c.parts, part), append(c.args, args...)
}

// given adds a comparison for a value that is not empty.
func (c *condition) given(part, value string) {
	if value != "" {
		c.add(part, value)
	}
}

func (c *condition) String() string {
	if len(c.parts) == 0 {
		return "1 = 1"
	}
	return strings.Join(c.parts, " AND ")
}

// page adds the bounds of time and place that every list has.
func (c *condition) page(since, until time.Time, before logout.Position) {
	if !since.IsZero() {
		c.add("created_at >= ?", database.Micros(since))
	}
	if !until.IsZero() {
		c.add("created_at < ?", database.Micros(until))
	}
	if before.ID != "" {
		c.add("(created_at, id) < (?, ?)", database.Micros(before.At), before.ID)
	}
}

// astray is the condition of the partial indexes over deliveries that have left the straight way from pending to delivered, in their words: SQLite
// compares no others. Their state is their detour. See migration 12 for the reason.
const astray = "detour <> ''"

// pending is the condition of deliveries that are pending. No index has them; they are found by their logouts, which are insured.
func (s *Store) pending() string {
	if s.db.Postgres() {
		return "state = 'pending' AND logout_id = ANY (ARRAY(SELECT id FROM logouts WHERE job_id IS NOT NULL))" // no join, which might begin with the deliveries
	}
	return "state = 'pending' AND logout_id IN (SELECT id FROM logouts WHERE job_id IS NOT NULL)"
}

// selective reports whether the filter names so few deliveries that nothing else should be looked for by an index.
func selective(f logout.Filter) bool {
	return f.DeliveryID != "" || f.LogoutID != "" || f.SessionID != "" || f.Subject != ""
}

// selections turns a filter into conditions on logout_deliveries, whose results together are the answer; no row meets two of them. There is
// one for each state, because an index holds the deliveries of one state in order, and only by that is a handful found among a million.
func (s *Store) selections(f logout.Filter) []condition {
	states := f.States
	if f.ErrorText != "" && len(states) == 0 {
		states = slices.DeleteFunc(logout.States(), func(st logout.State) bool { return st == logout.StateDelivered }) // a receipt leaves no error
	}
	if selective(f) {
		c := s.selection(f, true)
		if len(states) > 0 {
			c.add("state IN (" + literals(states) + ")")
		}
		return []condition{c}
	}
	if len(states) == 0 {
		return []condition{s.selection(f, false)}
	}
	var all []condition
	for _, state := range slices.Compact(slices.Sorted(slices.Values(states))) {
		c := s.selection(f, state == logout.StatePending)
		c.add(s.inState(state))
		all = append(all, c)
	}
	return all
}

// inState is the condition of deliveries in one state, as the indexes have it.
func (s *Store) inState(state logout.State) string {
	switch state {
	case logout.StateDelivered:
		return "state = 'delivered'"
	case logout.StatePending:
		return s.pending()
	default:
		return "detour = " + literals([]logout.State{state}) + " AND " + astray
	}
}

// client is the condition on a client. Of a few rows that something else finds, narrow, SQLite must not look for it by an index: it counts nothing,
// and might prefer that one, because it is a single comparison or happens to have the order.
func (s *Store) client(narrow bool) string {
	if narrow && !s.db.Postgres() {
		return "+client_id = ?"
	}
	return "client_id = ?"
}

// selection is everything of a filter but its states.
func (s *Store) selection(f logout.Filter, narrow bool) condition {
	var c condition
	c.given("id = ?", f.DeliveryID)
	c.given("logout_id = ?", f.LogoutID)
	if f.SessionID != "" { // there is no index for it, but whose session it was is known
		c.add("subject IN (SELECT subject FROM logout_participations WHERE session_id = ?) AND session_id = ?", f.SessionID, f.SessionID)
	}
	c.given("subject = ?", f.Subject)
	c.given(s.client(narrow), f.ClientID)
	c.given("channel = ?", string(f.Channel))
	c.given("cause = ?", string(f.Cause))
	if f.ErrorText != "" {
		c.add(`lower(last_error) LIKE ? ESCAPE '!'`, "%"+escapeLike(strings.ToLower(f.ErrorText))+"%")
	}
	c.page(f.Since, f.Until, f.Before)
	return c
}

// literals writes states into a statement: a partial index is used only where the planner sees the value. Whatever is no state of ours
// matches nothing.
func literals(states []logout.State) string {
	known := make([]string, len(states))
	for i, state := range states {
		if slices.Contains(logout.States(), state) {
			known[i] = "'" + string(state) + "'"
		} else {
			known[i] = "''"
		}
	}
	return strings.Join(known, ", ")
}

func escapeLike(s string) string {
	return strings.NewReplacer("!", "!!", "%", "!%", "_", "!_").Replace(s)
}

// query selects columns of the deliveries that a filter names, newest first, at most limit.
func (s *Store) query(columns string, f logout.Filter, limit int) (string, []any) {
	const newest = " ORDER BY created_at DESC, id DESC LIMIT ?"
	var parts []string
	var args []any
	for i, c := range s.selections(f) {
		parts = append(parts, fmt.Sprintf("SELECT * FROM (SELECT %s FROM logout_deliveries WHERE %s%s) s%d", columns, c.String(), newest, i))
		args = append(append(args, c.args...), limit)
	}
	if len(parts) == 1 {
		return parts[0], args
	}
	return "SELECT * FROM (" + strings.Join(parts, " UNION ALL ") + ") u" + newest, append(args, limit)
}

// List implements logout.Ledger.
func (s *Store) List(ctx context.Context, f logout.Filter) ([]logout.Delivery, error) {
	limit := f.Limit
	if limit <= 0 {
		limit = defaultLimit
	}
	query, args := s.query(deliveryColumns, f, limit)
	var rows []deliveryRow
	if err := s.db.Reader(ctx).Raw(query, args...).Scan(&rows).Error; err != nil {
		return nil, fmt.Errorf("logoutstore: listing deliveries: %w", err)
	}
	return deliveries(rows), nil
}

// Count returns how many deliveries a filter names, without regard to Before and Limit, but never more than most.
func (s *Store) Count(ctx context.Context, f logout.Filter, most int) (int, error) {
	f.Before = logout.Position{}
	query, args := s.query("created_at, id", f, most)
	var n int
	if err := s.db.Reader(ctx).Raw("SELECT count(*) FROM ("+query+") n", args...).Scan(&n).Error; err != nil {
		return 0, fmt.Errorf("logoutstore: counting deliveries: %w", err)
	}
	return n, nil
}

// Show implements logout.Ledger.
func (s *Store) Show(ctx context.Context, id string) (logout.Delivery, []logout.Attempt, error) {
	found, err := s.List(ctx, logout.Filter{DeliveryID: id, Limit: 1})
	if err != nil {
		return logout.Delivery{}, nil, err
	}
	if id == "" || len(found) == 0 {
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

// redeliverBatch bounds one transaction, so that SQLite's only writer is soon free for people who log in or out.
const redeliverBatch = 1000

// Redeliver implements logout.Ledger. It goes through the list page by page, so that what it has moved is not found again.
func (s *Store) Redeliver(ctx context.Context, f logout.Filter, at, giveUpAt time.Time, moved func(ctx context.Context, count int) error) (int, error) {
	allowed := logout.Redeliverable(f.Acknowledged)
	if len(f.States) == 0 {
		f.States = allowed
	} else {
		f.States = slices.DeleteFunc(slices.Clone(f.States), func(st logout.State) bool { return !slices.Contains(allowed, st) })
		if len(f.States) == 0 {
			return 0, nil
		}
	}
	at, total := database.Time(database.Micros(at)), 0
	for {
		var page []struct {
			ID        string
			CreatedAt int64
		}
		query, args := s.query("id, created_at", f, redeliverBatch)
		if err := s.db.Writer(ctx).Raw(query, args...).Scan(&page).Error; err != nil {
			return total, fmt.Errorf("logoutstore: redelivering: %w", err)
		}
		if len(page) > 0 {
			chosen := make([]string, len(page))
			for i, row := range page {
				chosen[i] = row.ID
			}
			n, err := s.redeliver(ctx, chosen, f.States, at, giveUpAt, moved)
			total += n
			if err != nil {
				return total, err
			}
		}
		if len(page) < redeliverBatch {
			return total, nil
		}
		last := page[len(page)-1]
		f.Before = logout.Position{At: database.Time(last.CreatedAt), ID: last.ID}
	}
}

// What nobody sends goes back to where it lay: fetched is what its receiver or a browser comes for, and pulledAlone what a client without an
// address had pulled. Parked, they would be attempted at no address.
const (
	fetched     = "(channel = 'frontchannel' OR stream_id <> '' AND uri = '')"
	pulledAlone = "(pulled AND uri = '')"
)

// redeliver parks some deliveries in one transaction. What is parked gets no job of its own, however much it is; the job of an old turn finds
// nothing. What its receiver must fetch or pull lies ready again.
func (s *Store) redeliver(ctx context.Context, chosen []string, states []logout.State, at, giveUpAt time.Time, then func(ctx context.Context, count int) error) (int, error) {
	text, err := encodeIDs(chosen)
	if err != nil {
		return 0, err
	}
	var moved []struct{ ID, ClientID, Channel, State string }
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		res := s.db.Writer(ctx).Raw("UPDATE logout_deliveries SET state = CASE WHEN "+fetched+" THEN 'unconfirmed' WHEN "+pulledAlone+" THEN 'unreachable' ELSE 'retrying' END, "+
			"parked = NOT ("+fetched+" OR "+pulledAlone+"), pulled = FALSE, "+
			"rejections = 0, next_at = ?, give_up_at = ?, settled_at = NULL "+
			"WHERE id IN (SELECT id FROM logout_deliveries WHERE id"+s.among()+" AND state IN ("+literals(states)+") ORDER BY id"+s.lock("UPDATE")+
			") RETURNING id, client_id, channel, state", database.Micros(at), database.Micros(giveUpAt), text).Scan(&moved)
		if res.Error != nil {
			return fmt.Errorf("logoutstore: redelivering: %w", res.Error)
		}
		var receivers []logout.Receiver
		for _, d := range moved {
			if logout.State(d.State) == logout.StateRetrying {
				receivers = append(receivers, logout.Receiver{ClientID: d.ClientID, Channel: logout.Channel(d.Channel)})
			}
		}
		if err := s.arm(ctx, at, receivers, true); err != nil || then == nil || len(moved) == 0 {
			return err
		}
		return then(ctx, len(moved))
	})
	if err != nil {
		return 0, err
	}
	return len(moved), nil
}
