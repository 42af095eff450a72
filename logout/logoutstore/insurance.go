package logoutstore

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/riverqueue/river"

	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/logout"
)

// early is the job_id of a logout whose first attempts the node makes that ended the session. Nearly all are over before anybody else would
// look, so they cost the queue nothing; an index holds those that are not.
const early = int64(0)

// Rescue implements logout.Outbox.
func (s *Store) Rescue(ctx context.Context, before time.Time, limit int) (int, error) {
	var overdue []string
	err := s.db.Tx(ctx, func(ctx context.Context) error {
		free := s.lock("NO KEY UPDATE")
		if free != "" {
			free += " SKIP LOCKED" // what another node rescues, or settles, at this moment
		}
		query := "SELECT id FROM logouts WHERE job_id = 0 AND created_at < ? ORDER BY created_at LIMIT ?" + free
		if err := s.db.Writer(ctx).Raw(query, database.Micros(before), limit).Scan(&overdue).Error; err != nil || len(overdue) == 0 {
			return err
		}
		jobs := make([]river.InsertManyParams, len(overdue))
		for i, id := range overdue {
			jobs[i] = newInsuranceJob(id)
		}
		made, err := s.db.Enqueue(ctx, jobs...)
		if err != nil {
			return err
		}
		rows := make([][]any, len(made))
		for i, job := range made {
			rows[i] = []any{overdue[i], job}
		}
		text, err := encode(rows, func(row []any) []any { return row })
		if err != nil {
			return err
		}
		return s.db.Writer(ctx).Exec("UPDATE logouts SET job_id = v.job FROM "+s.records(insurances)+" WHERE logouts.id = v.id", text).Error
	})
	if err != nil {
		return 0, fmt.Errorf("logoutstore: rescuing logouts: %w", err)
	}
	return len(overdue), nil
}

var insurances = []column{{"id", "TEXT"}, {"job", "BIGINT"}}

// Uninsure implements logout.Outbox.
func (s *Store) Uninsure(ctx context.Context, logoutID string) error {
	return s.db.Tx(ctx, func(ctx context.Context) error { return s.uninsure(ctx, logoutID) })
}

// dropInsurance ends the insurance of every logout whose deliveries all had their first turn. It looks only when some of them had it just now.
func (s *Store) dropInsurance(ctx context.Context, moved []logout.Settlement) error {
	var first []string
	for _, st := range moved {
		if id := st.Delivery.LogoutID; st.Delivery.State == logout.StatePending && !slices.Contains(first, id) {
			first = append(first, id)
		}
	}
	if len(first) == 0 {
		return nil
	}
	return s.uninsure(ctx, first...)
}

// uninsure deletes the insurance jobs of those of these logouts of which nothing is pending, and forgets the jobs' ids: SQLite gives them to other
// jobs.
func (s *Store) uninsure(ctx context.Context, logoutIDs ...string) error {
	text, err := encodeIDs(logoutIDs)
	if err != nil {
		return err
	}
	var told []struct {
		ID    string
		JobID int64
	}
	// LIMIT keeps PostgreSQL from joining, for which it may read a whole table.
	res := s.db.Writer(ctx).Raw("SELECT id, job_id FROM logouts l WHERE id"+s.among()+" AND job_id IS NOT NULL AND "+
		"(SELECT d.id FROM logout_deliveries d WHERE d.logout_id = l.id AND d.state = 'pending' LIMIT 1) IS NULL", text).Scan(&told)
	if res.Error != nil {
		return fmt.Errorf("logoutstore: looking for insurance jobs: %w", res.Error)
	}
	if len(told) == 0 {
		return nil
	}
	over, jobs := make([]string, len(told)), make([]int64, 0, len(told))
	for i, row := range told {
		over[i] = row.ID
		if row.JobID != early {
			jobs = append(jobs, row.JobID)
		}
	}
	if text, err = encodeIDs(over); err != nil {
		return err
	}
	if err := s.db.Writer(ctx).Exec("UPDATE logouts SET job_id = NULL WHERE id"+s.among(), text).Error; err != nil {
		return fmt.Errorf("logoutstore: forgetting insurance jobs: %w", err)
	}
	return s.db.DeleteJobs(ctx, jobs...)
}
