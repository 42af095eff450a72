package logoutstore

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/riverqueue/river"

	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/logout"
)

type logoutRow struct {
	ID          string
	Cause       string
	Actor       string
	Target      string
	InitiatorID string
	Sessions    int
	JobID       *int64 // its insurance, until nothing is pending: a job, or early
	CreatedAt   int64
}

var record = []column{
	{"id", "TEXT"}, {"cause", "TEXT"}, {"actor", "TEXT"}, {"target", "TEXT"}, {"initiator_id", "TEXT"}, {"sessions", "BIGINT"}, {"job_id", "BIGINT"}, {"created_at", "BIGINT"},
}

func newLogoutRow(p *logout.Plan) (logoutRow, error) {
	actor, err := json.Marshal(p.Request.Actor)
	if err != nil {
		return logoutRow{}, fmt.Errorf("logoutstore: %w", err)
	}
	aim, err := json.Marshal(p.Request.Target)
	if err != nil {
		return logoutRow{}, fmt.Errorf("logoutstore: %w", err)
	}
	return logoutRow{
		ID: p.LogoutID, Cause: string(p.Request.Cause), Actor: string(actor), Target: string(aim), InitiatorID: p.Request.InitiatorClientID,
		Sessions: len(p.Sessions), CreatedAt: database.Micros(p.At),
	}, nil
}

// write writes what plans say: their logouts, what insures them, and their deliveries.
func (s *Store) write(ctx context.Context, plans ...*logout.Plan) error {
	rows := make([]logoutRow, len(plans))
	var queued []int // the places of those that a job carries
	var jobs []river.InsertManyParams
	var all []logout.Delivery
	for i, p := range plans {
		var err error
		if rows[i], err = newLogoutRow(p); err != nil {
			return err
		}
		all = append(all, p.Deliveries...)
		switch {
		case !slices.ContainsFunc(p.Deliveries, func(d logout.Delivery) bool { return d.State == logout.StatePending }):
		case p.Early:
			rows[i].JobID = new(early)
		default:
			queued, jobs = append(queued, i), append(jobs, newInsuranceJob(p.LogoutID))
		}
	}
	if len(jobs) > 0 {
		made, err := s.db.Enqueue(ctx, jobs...)
		if err != nil {
			return err
		}
		for i, place := range queued {
			rows[place].JobID = &made[i]
		}
	}
	if err := insert(ctx, s, "logouts", record, rows, func(r logoutRow) []any {
		return []any{r.ID, r.Cause, r.Actor, r.Target, r.InitiatorID, r.Sessions, r.JobID, r.CreatedAt}
	}); err != nil {
		return fmt.Errorf("logoutstore: writing logouts: %w", err)
	}
	if err := insert(ctx, s, "logout_deliveries", delivery, all, deliveryRecord); err != nil {
		return fmt.Errorf("logoutstore: writing deliveries: %w", err)
	}
	return nil
}
