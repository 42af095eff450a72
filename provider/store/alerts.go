package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/provider/alert"
	"github.com/exeunt-id/exeunt/provider/mail"
)

// Alerts implements alert.Watch and alert.Ladder: it reads the engine's deliveries, and keeps who has been written to about them.
type Alerts struct{ db *database.DB }

var (
	_ alert.Watch  = (*Alerts)(nil)
	_ alert.Ladder = (*Alerts)(nil)
)

// oldestSeen is how many of a client's waiting deliveries are read to see whether any of them has failed.
const oldestSeen = 20

// lateBy is how long after the time that it bears an outcome may become visible, by another node's clock and behind a slow transaction. What is
// seen twice moves no incident twice.
const lateBy = 30 * time.Second

// Look implements alert.Watch.
func (a *Alerts) Look(ctx context.Context, now, next, old, bound time.Time) (view alert.View, ok bool, err error) {
	var due, seen int64
	if err := row(a.db.Reader(ctx).Raw(`SELECT next_at, seen_at FROM alert_looks WHERE id = 1`), "reading whose turn it is to look", sql.ErrNoRows, &due, &seen); err != nil {
		return view, false, err
	}
	if due > database.Micros(now) {
		return view, false, nil
	}
	n, err := exec(a.db.Writer(ctx), "taking the turn to look", `UPDATE alert_looks SET next_at = ? WHERE id = 1 AND next_at = ?`, database.Micros(next), due)
	if err != nil || n == 0 {
		return view, false, err
	}
	if view.Incidents, err = a.incidents(ctx); err != nil {
		return view, false, err
	}
	since := database.Time(seen).Add(-lateBy)
	if since.Before(bound) {
		since = bound
	}
	view.Troubles, err = a.troubles(ctx, now, old, since)
	return view, err == nil, err
}

// Seen implements alert.Watch.
func (a *Alerts) Seen(ctx context.Context, until time.Time) error {
	_, err := exec(a.db.Writer(ctx), "noting what has been looked at", `UPDATE alert_looks SET seen_at = ? WHERE id = 1 AND seen_at < ?`,
		database.Micros(until), database.Micros(until))
	return err
}

func (a *Alerts) incidents(ctx context.Context) ([]alert.Incident, error) {
	var all []alert.Incident
	query := a.db.Reader(ctx).Raw(`SELECT client_id, began_at, first_id, rung, moved_at, version FROM alerts ORDER BY client_id`)
	err := rows(query, "reading incidents", func(r *sql.Rows) error {
		var i alert.Incident
		var began, moved int64
		err := r.Scan(&i.ClientID, &began, &i.FirstID, &i.Rung, &moved, &i.Version)
		i.BeganAt, i.MovedAt = database.Time(began), database.Time(moved)
		all = append(all, i)
		return err
	})
	return all, err
}

// troubles collects, by client, what waits for too long, which breakers are open, and what failed for good. It is asked every half a minute, and
// each part by the index of what was not acknowledged: SQLite needs its condition in its words, and would rather go through all of the deliveries
// in the order of the clients than sort a few.
func (a *Alerts) troubles(ctx context.Context, now, old, since time.Time) ([]alert.Trouble, error) {
	found := map[string]*alert.Trouble{}
	var order []string
	at := func(clientID string, began int64) *alert.Trouble {
		t := found[clientID]
		if t == nil {
			t = &alert.Trouble{ClientID: clientID, BeganAt: database.Time(began)}
			found[clientID], order = t, append(order, clientID)
		}
		if b := database.Time(began); b.Before(t.BeganAt) {
			t.BeganAt = b
		}
		return t
	}
	each := func(doing, query string, take func(*alert.Trouble, int), args ...any) error {
		return rows(a.db.Reader(ctx).Raw(query, args...), doing, func(r *sql.Rows) error {
			var clientID string
			var began int64
			var n int
			err := r.Scan(&clientID, &began, &n)
			take(at(clientID, began), n)
			return err
		})
	}
	err := errors.Join(
		each("reading what waits", `SELECT client_id, min(created_at), count(*) FROM logout_deliveries WHERE detour = 'retrying' AND detour <> '' AND created_at <= ? GROUP BY client_id ORDER BY client_id`,
			func(t *alert.Trouble, _ int) { t.Waiting = true }, database.Micros(old)),
		each("reading open breakers", `SELECT client_id, min(changed_at), count(*) FROM logout_receivers WHERE open GROUP BY client_id ORDER BY client_id`,
			func(t *alert.Trouble, _ int) { t.Open = true }),
		each("reading what failed for good", `SELECT client_id || '' AS client, min(created_at), count(*) FROM logout_deliveries WHERE detour IN ('dead', 'rejected') AND late_at >= ?
			GROUP BY client ORDER BY client`, func(t *alert.Trouble, n int) { t.Lost = n }, database.Micros(since)),
	)
	if err != nil {
		return nil, err
	}
	all := make([]alert.Trouble, len(order))
	for i, id := range order {
		t := found[id]
		if err := a.look(ctx, t, now, old, since); err != nil {
			return nil, err
		}
		all[i] = *t
	}
	return all, nil
}

// look reads the oldest deliveries of a client in trouble. One whose next attempt lies ahead has failed; one whose time has come may just
// have been given another chance. A parked one says nothing: it waits for a breaker, which says it, or behind many others.
func (a *Alerts) look(ctx context.Context, t *alert.Trouble, now, old, since time.Time) error {
	query := a.db.Reader(ctx).Raw(`SELECT id, CASE WHEN attempts > 0 AND NOT parked THEN state ELSE '' END, next_at FROM logout_deliveries
		WHERE client_id = ? AND detour IN ('retrying', 'dead', 'rejected') AND detour <> ''
		AND (detour = 'retrying' AND created_at <= ? OR detour IN ('dead', 'rejected') AND settled_at >= ?) ORDER BY +created_at, id LIMIT ?`,
		t.ClientID, database.Micros(old), database.Micros(since), oldestSeen)
	return rows(query, "reading the oldest deliveries", func(r *sql.Rows) error {
		var id, state string
		var next int64
		err := r.Scan(&id, &state, &next)
		if t.FirstID == "" || id < t.FirstID {
			t.FirstID = id
		}
		t.Failing = t.Failing || state == "retrying" && next > database.Micros(now)
		return err
	})
}

// newestSeen is how many of a client's deliveries are read at most to learn whether it acknowledges.
const newestSeen = 500

// Worked implements alert.Ladder. Deliveries that are older than the first one concerned say nothing. Whoever acknowledges again acknowledges what
// has waited, of which there is an index, or, if nothing does, the newest ones; so the rest of the table is not read.
func (a *Alerts) Worked(ctx context.Context, i alert.Incident) (bool, error) {
	var one int
	began := database.Micros(i.BeganAt)
	err := row(a.db.Reader(ctx).Raw(`SELECT 1 FROM logout_deliveries WHERE client_id = ? AND late_at >= ? AND id >= ? AND state = 'delivered' UNION ALL
		SELECT 1 FROM (SELECT id, state, settled_at FROM logout_deliveries WHERE client_id = ? ORDER BY created_at DESC, id DESC LIMIT ?) AS newest
		WHERE id >= ? AND state = 'delivered' AND settled_at >= ? LIMIT 1`,
		i.ClientID, began, i.FirstID, i.ClientID, newestSeen, i.FirstID, began), "looking for an acknowledgment", sql.ErrNoRows, &one)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

// Facts implements alert.Ladder.
func (a *Alerts) Facts(ctx context.Context, i alert.Incident) (f alert.Facts, err error) {
	reader := a.db.Reader(ctx)
	err = row(reader.Raw(`SELECT count(*), count(DISTINCT subject) FROM logout_deliveries WHERE client_id = ? AND detour = 'retrying' AND detour <> ''`, i.ClientID),
		"counting what waits", sql.ErrNoRows, &f.Messages, &f.People)
	if err != nil {
		return f, err
	}
	var rejected int
	err = row(reader.Raw(`SELECT count(*), CAST(coalesce(sum(CASE WHEN state = 'rejected' THEN 1 ELSE 0 END), 0) AS BIGINT) FROM logout_deliveries
		WHERE client_id = ? AND detour IN ('dead', 'rejected') AND detour <> '' AND created_at >= ? AND settled_at >= ?`, i.ClientID, database.Micros(i.BeganAt), database.Micros(i.BeganAt)),
		"counting what failed", sql.ErrNoRows, &f.Lost, &rejected)
	if err != nil {
		return f, err
	}
	f.Rejected = rejected > 0
	err = row(reader.Raw(`SELECT last_status, last_error FROM logout_deliveries WHERE client_id = ? AND detour IN ('retrying', 'dead', 'rejected') AND detour <> '' AND attempts > 0
		ORDER BY created_at DESC LIMIT 1`, i.ClientID), "reading the last answer", sql.ErrNoRows, &f.LastStatus, &f.LastError)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return f, err
}

// Move implements alert.Ladder.
func (a *Alerts) Move(ctx context.Context, from, to alert.Incident, mails []mail.Message) error {
	return a.db.Tx(ctx, func(ctx context.Context) error {
		moved, err := a.move(ctx, from, to)
		if err != nil || !moved {
			return err
		}
		for _, m := range mails {
			if err := a.enqueue(ctx, to, m); err != nil {
				return err
			}
		}
		return nil
	})
}

func (a *Alerts) move(ctx context.Context, from, to alert.Incident) (bool, error) {
	values := []any{to.ClientID, database.Micros(to.BeganAt), to.FirstID, int(to.Rung), database.Micros(to.MovedAt), from.Version + 1}
	if from.Version == 0 {
		n, err := exec(a.db.Writer(ctx), "beginning an incident", `INSERT INTO alerts (client_id, began_at, first_id, rung, moved_at, version) VALUES `+
			placeholders(1, 6)+` ON CONFLICT (client_id) DO NOTHING`, values...)
		return n == 1, err
	}
	n, err := exec(a.db.Writer(ctx), "moving an incident",
		`UPDATE alerts SET client_id = ?, began_at = ?, first_id = ?, rung = ?, moved_at = ?, version = ? WHERE client_id = ? AND version = ?`,
		append(values, from.ClientID, from.Version)...)
	return n == 1, err
}

func (a *Alerts) enqueue(ctx context.Context, i alert.Incident, m mail.Message) error {
	writer := a.db.Writer(ctx)
	if _, err := exec(writer, "superseding mails", `UPDATE mails SET state = 'superseded', settled_at = ?, body = '' WHERE client_id = ? AND recipient = ? AND state = 'queued'`,
		database.Micros(m.At), i.ClientID, m.To); err != nil {
		return err
	}
	condition, args := "", []any{}
	if i.Rung == alert.Over {
		condition = ` WHERE EXISTS (SELECT 1 FROM mails sent WHERE sent.client_id = ? AND sent.began_at = ? AND sent.recipient = ? AND sent.state IN ('sending', 'sent'))`
		args = []any{i.ClientID, database.Micros(i.BeganAt), m.To}
	}
	at := database.Micros(m.At)
	_, err := exec(writer, "queueing a mail", fmt.Sprintf(`INSERT INTO mails (id, client_id, began_at, rung, recipient, subject, body, state, attempts, created_at, next_at, last_error)
		SELECT CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS BIGINT), CAST(? AS INTEGER), CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS TEXT), 'queued', 0, CAST(? AS BIGINT), CAST(? AS BIGINT), ''%s`, condition),
		append([]any{m.ID, i.ClientID, database.Micros(i.BeganAt), int(i.Rung), m.To, m.Subject, m.Text, at, at}, args...)...)
	return err
}
