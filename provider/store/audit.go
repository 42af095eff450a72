package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider/audit"
)

// Audit keeps the audit trail. The database refuses every change of an entry, and every deletion that Sweep has not announced.
type Audit struct {
	db  *database.DB
	now func() time.Time
}

const (
	maxAuditText   = 512 // bytes of what comes from outside
	auditBatch     = 500 // entries that are read at once
	auditColumns   = "id, at, kind, actor_kind, actor_id, address, user_agent, subject, client_id, session_id, logout_id, detail"
	noAuditDetail  = "{}"
	auditSweepSlop = 24 * time.Hour
)

// Record implements audit.Recorder.
func (a *Audit) Record(ctx context.Context, e audit.Entry) error {
	if e.At.IsZero() {
		e.At = a.now()
	}
	text := string(e.Detail)
	if text == "" {
		text = noAuditDetail
	}
	_, err := exec(a.db.Writer(ctx), "writing the audit trail", `INSERT INTO audit (`+auditColumns+`) VALUES `+placeholders(1, 12),
		logout.NewID(), database.Micros(e.At), string(e.Kind), auditText(e.Actor.Kind), auditText(e.Actor.ID), auditText(e.Actor.Address),
		auditText(e.Actor.UserAgent), auditText(e.Subject), auditText(e.ClientID), auditText(e.SessionID), auditText(e.LogoutID), text)
	return err
}

// auditText makes a text storable: a request must not fail, or go unrecorded, because of what its sender calls its browser.
func auditText(s string) string {
	if len(s) > maxAuditText {
		s = s[:maxAuditText]
	}
	return strings.ReplaceAll(strings.ToValidUTF8(s, ""), "\x00", "")
}

// List returns the entries that a filter chooses, all of them if it has no limit.
func (a *Audit) List(ctx context.Context, f audit.Filter) ([]audit.Entry, error) {
	var all []audit.Entry
	err := a.Each(ctx, f, func(e audit.Entry) error {
		all = append(all, e)
		return nil
	})
	return all, err
}

// Each calls fn for each entry that a filter chooses, in its order, until fn returns an error, which is returned. It reads page by page, so
// that a long export neither fills the memory nor keeps a transaction open.
func (a *Audit) Each(ctx context.Context, f audit.Filter, fn func(audit.Entry) error) error {
	for left := f.Limit; ; {
		page := auditBatch
		if f.Limit > 0 {
			page = min(page, left)
		}
		entries, err := a.page(ctx, f, page)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if err := fn(e); err != nil {
				return err
			}
		}
		left -= len(entries)
		if len(entries) < page || f.Limit > 0 && left <= 0 {
			return nil
		}
		f.After = entries[len(entries)-1].Cursor()
	}
}

func (a *Audit) page(ctx context.Context, f audit.Filter, limit int) ([]audit.Entry, error) {
	conditions, args := []string{"1 = 1"}, []any{}
	add := func(condition string, values ...any) {
		conditions, args = append(conditions, condition), append(args, values...)
	}
	if !f.Since.IsZero() {
		add("at >= ?", database.Micros(f.Since))
	}
	if !f.Until.IsZero() {
		add("at < ?", database.Micros(f.Until))
	}
	if f.Kind != "" {
		add("kind = ?", string(f.Kind))
	}
	if f.Subject != "" {
		add("subject = ? AND subject <> ''", f.Subject) // the second half lets SQLite use the partial index
	}
	order, beyond := "DESC", "<"
	if f.Oldest {
		order, beyond = "ASC", ">"
	}
	if f.After != (audit.Cursor{}) {
		add("(at, id) "+beyond+" (?, ?)", database.Micros(f.After.At), f.After.ID)
	}
	query := `SELECT ` + auditColumns + ` FROM audit WHERE ` + strings.Join(conditions, " AND ") + ` ORDER BY at ` + order + `, id ` + order + ` LIMIT ?`
	var all []audit.Entry
	err := rows(a.db.Reader(ctx).Raw(query, append(args, limit)...), "reading the audit trail", func(r *sql.Rows) error {
		var e audit.Entry
		var at int64
		var kind, text string
		err := r.Scan(&e.ID, &at, &kind, &e.Actor.Kind, &e.Actor.ID, &e.Actor.Address, &e.Actor.UserAgent, &e.Subject, &e.ClientID, &e.SessionID,
			&e.LogoutID, &text)
		e.At, e.Kind = database.Time(at), audit.Kind(kind)
		if text != noAuditDetail {
			e.Detail = json.RawMessage(text)
		}
		all = append(all, e)
		return err
	})
	return all, err
}

var errNoAudit = errors.New("store: the audit trail is empty")

// Sweep deletes the entries before a time, which must be more than a day past, once the oldest of them is a day older than that: it leaves
// a mark for each sweep, and one a day is enough.
func (a *Audit) Sweep(ctx context.Context, before time.Time) error {
	var oldest int64
	err := row(a.db.Reader(ctx).Raw(`SELECT at FROM audit ORDER BY at LIMIT 1`), "reading the audit trail", errNoAudit, &oldest)
	switch {
	case errors.Is(err, errNoAudit):
		return nil
	case err != nil:
		return err
	case database.Time(oldest).After(before.Add(-auditSweepSlop)):
		return nil
	}
	if _, err := exec(a.db.Writer(ctx), "marking a sweep of the audit trail",
		`INSERT INTO audit_sweeps (before, at) VALUES `+placeholders(1, 2)+` ON CONFLICT DO NOTHING`, database.Micros(before), database.Micros(a.now())); err != nil {
		return err
	}
	for {
		n, err := exec(a.db.Writer(ctx), "sweeping the audit trail",
			`DELETE FROM audit WHERE (at, id) IN (SELECT at, id FROM audit WHERE at < ? ORDER BY at, id LIMIT ?)`, database.Micros(before), sweepBatch)
		if err != nil || n < sweepBatch {
			return err
		}
	}
}
