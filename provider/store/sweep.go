package store

import (
	"context"
	"database/sql"
	"slices"
	"strings"
	"time"

	"github.com/exeunt-id/exeunt/database"
)

// sweepBatch is how many rows one transaction deletes, so that nobody waits long for the writer.
const sweepBatch = 500

// Sweep deletes authorizations, tokens and failed logins that expired before the given time, and grants with their last token. Leave them
// some time beyond their expiry: only a code or refresh token that is still known can be recognised when it is used again. Any number of
// nodes may sweep at once. Departures that concern no session any more go too.
func (s *Store) Sweep(ctx context.Context, before time.Time) error {
	cut := database.Micros(before)
	for _, old := range []struct {
		table, key, and string
		before          time.Time
	}{
		{"authorizations", "id", "", before},
		// A request that never had a code cannot be used again, and anybody can make one.
		{"authorizations", "id", " AND code_hash IS NULL", s.now()},
		{"login_failures", "throttle", "", before},
		{"device_choices", "hash", "", before},
	} {
		if err := sweepExpired(ctx, s.db, old.table, old.key, old.and, old.before); err != nil {
			return err
		}
	}
	if err := s.Departures.sweep(ctx); err != nil {
		return err
	}
	for {
		n, err := s.sweepTokens(ctx, cut)
		if err != nil {
			return err
		}
		if n < sweepBatch {
			return nil
		}
	}
}

// sweepExpired deletes the rows of a table that expired before the given time, batch by batch.
func sweepExpired(ctx context.Context, db *database.DB, table, key, and string, before time.Time) error {
	cut := database.Micros(before)
	for {
		n, err := exec(db.Writer(ctx), "sweeping "+table, deleteExpired(db, table, key, and), cut, sweepBatch, cut)
		if err != nil || n < sweepBatch {
			return err
		}
	}
}

// deleteExpired narrows the rows by and, a further condition. It takes the parameters cut, limit and cut again: a counter that started anew since the inner query saw it stays. Nodes that
// sweep at once leave each other's rows alone instead of locking each other out.
func deleteExpired(db *database.DB, table, key, and string) string {
	skip := ""
	if db.Postgres() {
		skip = " FOR UPDATE SKIP LOCKED"
	}
	return "DELETE FROM " + table + " WHERE " + key + " IN (SELECT " + key + " FROM " + table +
		" WHERE expires_at < ?" + and + " ORDER BY expires_at LIMIT ?" + skip + ") AND expires_at < ?"
}

// sweepTokens deletes one batch of tokens, and the grants that have none left.
func (s *Store) sweepTokens(ctx context.Context, cut int64) (n int, err error) {
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		var grants []any
		collect := func(r *sql.Rows) error {
			var id string
			err := r.Scan(&id)
			grants = append(grants, id)
			return err
		}
		query := s.db.Writer(ctx).Raw(deleteExpired(s.db, "tokens", "hash", "")+" RETURNING grant_id", cut, sweepBatch, cut)
		if err := rows(query, "sweeping tokens", collect); err != nil {
			return err
		}
		if n = len(grants); n == 0 {
			return nil
		}
		slices.SortFunc(grants, func(a, b any) int { return strings.Compare(a.(string), b.(string)) })
		grants = slices.Compact(grants)
		in := placeholders(1, len(grants))
		if s.db.Postgres() {
			// Two nodes may have deleted the last two tokens of a grant, each unseen by the other. Whoever holds the grant second sees both gone.
			_, err := exec(s.db.Writer(ctx), "locking grants to sweep", `SELECT id FROM grants WHERE id IN `+in+` ORDER BY id FOR UPDATE`, grants...)
			if err != nil {
				return err
			}
		}
		_, err := exec(s.db.Writer(ctx), "sweeping grants", `
			DELETE FROM grants WHERE id IN `+in+` AND NOT EXISTS (SELECT 1 FROM tokens WHERE tokens.grant_id = grants.id)`, grants...)
		return err
	})
	return n, err
}
