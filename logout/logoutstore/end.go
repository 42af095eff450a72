package logoutstore

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/logout"
)

// endAlone is End in a transaction of its own, or the one in ctx.
//
//  1. Mark: one conditional update decides who ends what; a concurrent End waits for it and then finds nothing.
//  2. Only then read the participations: whoever was issuing tokens held the session's row (see Lock), so none can be missed.
//  3. Plan, and write the logout, its deliveries and what insures them.
func (s *Store) endAlone(ctx context.Context, id string, req logout.Request, at time.Time, plan logout.PlanFunc) (*logout.Plan, error) {
	var p *logout.Plan
	err := s.db.Tx(ctx, func(ctx context.Context) error {
		mark := s.endSessions
		switch {
		case req.Target.Part.Offline:
			mark = s.endNothing
		case req.Target.OnlyParticipation:
			mark = s.endParticipations
		}
		ended, leaving, err := mark(ctx, id, req, at)
		if err != nil || len(ended) == 0 && !req.ReachesOffline() {
			return err
		}
		if p, err = plan(ctx, ended, leaving); err != nil || p == nil {
			return err
		}
		return s.write(ctx, p)
	})
	if err != nil {
		return nil, err
	}
	return p, nil
}

// Write implements logout.Ender.
func (s *Store) Write(ctx context.Context, plan *logout.Plan) error {
	return s.db.Tx(ctx, func(ctx context.Context) error { return s.write(ctx, plan) })
}

// AfterTx implements logout.Ender.
func (s *Store) AfterTx(ctx context.Context, fn func(committed bool)) { s.db.AfterTx(ctx, fn) }

// endNothing is for what outlived sessions: the plan finds it.
func (s *Store) endNothing(context.Context, string, logout.Request, time.Time) ([]logout.Session, []logout.Participation, error) {
	return nil, nil, nil
}

func (s *Store) endSessions(ctx context.Context, id string, req logout.Request, at time.Time) ([]logout.Session, []logout.Participation, error) {
	where, args := target(req, at)
	if req.Target.SessionID == "" {
		// Several rows are locked in one order, so that two such logouts cannot wait for each other.
		where = "id IN (SELECT id FROM logout_sessions WHERE " + where + " ORDER BY id" + limit(req) + s.lock("UPDATE") + ")"
	}
	var rows []sessionRow
	res := s.db.Writer(ctx).Raw("UPDATE logout_sessions SET ended_at = ?, logout_id = ? WHERE "+where+" RETURNING "+sessionColumns,
		append([]any{database.Micros(at), id}, args...)...).Scan(&rows)
	if res.Error != nil {
		return nil, nil, fmt.Errorf("logoutstore: ending sessions: %w", res.Error)
	}
	ended := sessions(rows)
	leaving, err := s.participationsOf(ctx, ended)
	return ended, leaving, err
}

// endParticipations takes the sessions' rows first, as an issuer does, so that nobody joins between the end and its commit. Of a person it takes
// them all: at one of them the client may be about to join for the first time.
func (s *Store) endParticipations(ctx context.Context, _ string, req logout.Request, at time.Time) ([]logout.Session, []logout.Participation, error) {
	if all := s.lock("UPDATE"); all != "" && req.Target.Subject != "" {
		if err := s.db.Writer(ctx).Exec("SELECT id FROM logout_sessions WHERE subject = ? AND ended_at IS NULL ORDER BY id"+all, req.Target.Subject).Error; err != nil {
			return nil, nil, fmt.Errorf("logoutstore: locking a person's sessions: %w", err)
		}
	}
	where, args := target(req, at)
	var rows []sessionRow
	res := s.db.Writer(ctx).Raw("SELECT "+sessionColumns+" FROM logout_sessions WHERE "+where+" ORDER BY id"+limit(req)+s.lock("UPDATE"), args...).Scan(&rows)
	if res.Error != nil {
		return nil, nil, fmt.Errorf("logoutstore: locking sessions: %w", res.Error)
	}
	var left []participationRow
	for some := range slices.Chunk(rows, chunk) {
		ids := make([]string, len(some))
		for i, row := range some {
			ids[i] = row.ID
		}
		var gone []participationRow
		res := s.db.Writer(ctx).Raw("UPDATE logout_participations SET ended_at = ? WHERE session_id IN ? AND client_id = ? AND ended_at IS NULL RETURNING "+participationColumns,
			database.Micros(at), ids, req.Target.ClientID).Scan(&gone)
		if res.Error != nil {
			return nil, nil, fmt.Errorf("logoutstore: ending participations: %w", res.Error)
		}
		left = append(left, gone...)
	}
	return sessions(rows), participations(left), nil
}

// target turns a request's target into a condition on logout_sessions.
func target(req logout.Request, at time.Time) (string, []any) {
	t := req.Target
	conditions := []string{"ended_at IS NULL"}
	var args []any
	add := func(condition string, values ...any) {
		conditions = append(conditions, condition)
		args = append(args, values...)
	}
	if t.SessionID != "" {
		add("id = ?", t.SessionID)
	}
	if t.Subject != "" {
		add("subject = ?", t.Subject)
	}
	if t.DeviceID != "" {
		add("device_id = ?", t.DeviceID)
	}
	switch {
	case t.ClientID == "":
	case t.Part.Limit > 0:
		// A mass logout goes through the sessions once. SQLite would read all that the client ever took part in for each batch.
		add("EXISTS (SELECT 1 FROM logout_participations p WHERE p.session_id = logout_sessions.id AND p.client_id = ? AND p.ended_at IS NULL)", t.ClientID)
	default:
		add("id IN (SELECT session_id FROM logout_participations WHERE client_id = ? AND ended_at IS NULL)", t.ClientID)
	}
	if t.ExceptSessionID != "" {
		add("id <> ?", t.ExceptSessionID)
	}
	if !t.Before.IsZero() {
		add("created_at < ?", database.Micros(t.Before))
	}
	if t.Part.After != "" {
		add("id > ?", t.Part.After)
	}
	if req.Cause == logout.CauseIdle || req.Cause == logout.CauseExpired {
		add("(idle_until <= ? OR expires_at <= ?)", database.Micros(at), database.Micros(at))
	}
	return strings.Join(conditions, " AND "), args
}

// limit bounds the sessions of a part.
func limit(req logout.Request) string {
	if n := req.Target.Part.Limit; n > 0 {
		return " LIMIT " + strconv.Itoa(n)
	}
	return ""
}
