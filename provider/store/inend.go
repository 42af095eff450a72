package store

import (
	"context"
	"database/sql"
	"slices"
	"strconv"
	"strings"

	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider/audit"
)

// inEndBatch bounds the parameters of one statement.
const inEndBatch = 500

// InEnd is the logout engine's hook: it runs in the transaction that ends sessions. It writes the logout's entry in the audit trail. Grants that live with their session are dead by that
// transaction alone; here the ones with offline_access are revoked, if the cause is one that they do not survive (Back-Channel Logout 1.0,
// 2.7):
//
//  1. those of the participations that end;
//  2. those that the target names although their session ended long ago.
//
// Grants of client credentials are nobody's, so no logout concerns them.
//
// For logout.CauseTokenReuse only the first: a stolen token says nothing about the person's other grants. For the batches of a mass logout
// too: its last ones are about the others, which then are the plan's participations.
func (s *Store) InEnd(ctx context.Context, plan *logout.Plan) error {
	if err := s.Audit.Record(ctx, audit.Logout(plan)); err != nil {
		return err
	}
	if !plan.RevokeOffline {
		return nil
	}
	now := database.Micros(plan.At)
	sids := make([]any, len(plan.Leaving))
	for i, p := range plan.Leaving {
		sids[i] = p.SID
	}
	for batch := range slices.Chunk(sids, inEndBatch) {
		if err := s.revokeOffline(ctx, now, "sid IN "+placeholders(1, len(batch)), batch...); err != nil {
			return err
		}
	}
	if plan.Request.Cause == logout.CauseTokenReuse || plan.Request.Target.Part != (logout.Part{}) {
		return nil
	}
	where, args := surviving(plan.Request.Target)
	return s.revokeOffline(ctx, now, where, args...)
}

// Surviving is the logout engine's other hook: it finds the participations of ended sessions whose offline grants die with the request, so
// that their clients are told.
func (s *Store) Surviving(ctx context.Context, req logout.Request) ([]logout.Participation, error) {
	where, args := surviving(req.Target)
	limit := ""
	if n := req.Target.Part.Limit; n > 0 {
		limit = " LIMIT " + strconv.Itoa(n)
	}
	var found []logout.Participation
	query := s.db.Writer(ctx).Raw(`SELECT DISTINCT sid, session_id, client_id, subject FROM grants WHERE offline AND revoked_at IS NULL AND sid <> '' AND `+where+`
		AND NOT EXISTS (SELECT 1 FROM logout_sessions live WHERE live.id = grants.session_id AND live.ended_at IS NULL) ORDER BY sid`+limit, args...)
	err := rows(query, "finding surviving grants", func(r *sql.Rows) error {
		var p logout.Participation
		err := r.Scan(&p.SID, &p.SessionID, &p.ClientID, &p.Subject)
		found = append(found, p)
		return err
	})
	return found, err
}

// revokeOffline locks in one order on PostgreSQL, so that two logouts of one person do not deadlock.
func (s *Store) revokeOffline(ctx context.Context, now int64, where string, args ...any) error {
	condition := "offline AND revoked_at IS NULL AND " + where
	if s.db.Postgres() {
		condition = "id IN (SELECT id FROM grants WHERE " + condition + " ORDER BY id FOR NO KEY UPDATE)"
	}
	_, err := exec(s.db.Writer(ctx), "revoking offline grants",
		`UPDATE grants SET revoked_at = ? WHERE `+condition, append([]any{now}, args...)...)
	return err
}

// surviving translates a target into a condition on grants. Its fields narrow each other, as everywhere.
func surviving(t logout.Target) (string, []any) {
	conditions := []string{"subject <> ''"} // not a client's own
	var args []any
	add := func(value, condition string) {
		if value != "" {
			conditions, args = append(conditions, condition), append(args, value)
		}
	}
	add(t.SessionID, "session_id = ?")
	add(t.Subject, "subject = ?")
	add(t.ClientID, "client_id = ?")
	add(t.DeviceID, "EXISTS (SELECT 1 FROM logout_sessions s WHERE s.id = grants.session_id AND s.device_id = ?)")
	add(t.ExceptSessionID, "session_id <> ?")
	if !t.Before.IsZero() {
		conditions = append(conditions, "NOT EXISTS (SELECT 1 FROM logout_sessions s WHERE s.id = grants.session_id AND s.created_at >= ?)")
		args = append(args, database.Micros(t.Before))
	}
	// With nothing more it is Target.Everyone; an empty target does not pass Request.Validate.
	return strings.Join(conditions, " AND "), args
}
