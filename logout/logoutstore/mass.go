package logoutstore

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/riverqueue/river"

	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/logout"
)

type massRow struct {
	ID         string
	Cause      string
	Actor      string
	Target     string
	Rate       int
	State      string
	Total      int
	Done       int
	Offline    int
	After      string
	CreatedAt  int64 `gorm:"autoCreateTime:false"`
	ChangedAt  int64
	FinishedAt *int64
}

func (massRow) TableName() string { return "logout_masses" }

func newMassRow(m logout.Mass) (massRow, error) {
	actor, err := json.Marshal(m.Request.Actor)
	if err != nil {
		return massRow{}, fmt.Errorf("logoutstore: %w", err)
	}
	aim, err := json.Marshal(m.Request.Target)
	if err != nil {
		return massRow{}, fmt.Errorf("logoutstore: %w", err)
	}
	return massRow{
		ID: m.ID, Cause: string(m.Request.Cause), Actor: string(actor), Target: string(aim), Rate: m.Rate, State: string(m.State), Total: m.Total,
		Done: m.Done, Offline: m.Offline, After: m.After, CreatedAt: database.Micros(m.CreatedAt), ChangedAt: database.Micros(m.ChangedAt),
		FinishedAt: database.NullMicros(m.FinishedAt),
	}, nil
}

func (r massRow) mass() (logout.Mass, error) {
	m := logout.Mass{
		ID: r.ID, Request: logout.Request{Cause: logout.Cause(r.Cause)}, Rate: r.Rate, State: logout.MassState(r.State), Total: r.Total, Done: r.Done,
		Offline: r.Offline, After: r.After, CreatedAt: database.Time(r.CreatedAt), ChangedAt: database.Time(r.ChangedAt), FinishedAt: database.NullTime(r.FinishedAt),
	}
	if err := json.Unmarshal([]byte(r.Actor), &m.Request.Actor); err != nil {
		return m, fmt.Errorf("logoutstore: the actor of mass logout %s: %w", r.ID, err)
	}
	if err := json.Unmarshal([]byte(r.Target), &m.Request.Target); err != nil {
		return m, fmt.Errorf("logoutstore: the target of mass logout %s: %w", r.ID, err)
	}
	return m, nil
}

// massJob is what goes on with a mass logout until it is over.
type massJob struct {
	MassID string `json:"mass_id"`
}

// Kind implements river.JobArgs.
func (massJob) Kind() string { return "logout_mass" }

type massWorker struct {
	river.WorkerDefaults[massJob]
	engine *logout.Engine
}

// Work implements river.Worker.
func (w *massWorker) Work(ctx context.Context, job *river.Job[massJob]) error {
	over, err := w.engine.WorkMass(ctx, job.Args.MassID)
	if err == nil && !over {
		return river.JobSnooze(0)
	}
	return err
}

// Timeout implements river.Worker.
func (w *massWorker) Timeout(*river.Job[massJob]) time.Duration { return w.engine.MassTimeout() }

// NextRetry implements river.Worker.
func (w *massWorker) NextRetry(job *river.Job[massJob]) time.Time { return soon(job.Attempt) }

// CountLive implements logout.Masses.
func (s *Store) CountLive(ctx context.Context, t logout.Target, at time.Time, limit int) (int, error) {
	where, args := target(logout.Request{Target: t}, at)
	query := "SELECT id FROM logout_sessions WHERE " + where + " AND idle_until > ? AND expires_at > ?"
	args = append(args, database.Micros(at), database.Micros(at))
	if limit > 0 {
		query, args = query+" LIMIT ?", append(args, limit)
	}
	var n int
	if err := s.db.Reader(ctx).Raw("SELECT count(*) FROM ("+query+") AS live", args...).Scan(&n).Error; err != nil {
		return 0, fmt.Errorf("logoutstore: counting sessions: %w", err)
	}
	return n, nil
}

// StartMass implements logout.Masses.
func (s *Store) StartMass(ctx context.Context, m logout.Mass) error {
	row, err := newMassRow(m)
	if err != nil {
		return err
	}
	return s.db.Tx(ctx, func(ctx context.Context) error {
		if err := s.db.Writer(ctx).Create(&row).Error; err != nil {
			return fmt.Errorf("logoutstore: writing a mass logout: %w", err)
		}
		_, err := s.db.Enqueue(ctx, river.InsertManyParams{Args: massJob{MassID: m.ID}, InsertOpts: options(queueMass, m.CreatedAt, m.CreatedAt)})
		return err
	})
}

// AdvanceMass implements logout.Masses.
func (s *Store) AdvanceMass(ctx context.Context, id string, step func(context.Context, *logout.Mass) error) (logout.Mass, error) {
	var m logout.Mass
	err := s.db.Tx(ctx, func(ctx context.Context) (err error) {
		if m, err = s.mass(ctx, id, s.lock("UPDATE")); err != nil || m.State != logout.MassRunning {
			return err
		}
		if err := step(ctx, &m); err != nil {
			return err
		}
		res := s.db.Writer(ctx).Exec("UPDATE logout_masses SET state = ?, done = ?, offline = ?, after = ?, changed_at = ?, finished_at = ? WHERE id = ?",
			m.State, m.Done, m.Offline, m.After, database.Micros(m.ChangedAt), database.NullMicros(m.FinishedAt), id)
		if res.Error != nil {
			return fmt.Errorf("logoutstore: advancing a mass logout: %w", res.Error)
		}
		return nil
	})
	return m, err
}

// Mass implements logout.Masses.
func (s *Store) Mass(ctx context.Context, id string) (logout.Mass, error) { return s.mass(ctx, id, "") }

func (s *Store) mass(ctx context.Context, id, lock string) (logout.Mass, error) {
	var row massRow
	res := s.db.Reader(ctx).Raw("SELECT * FROM logout_masses WHERE id = ?"+lock, id).Scan(&row)
	if err := one(res, logout.ErrNoMass); err != nil {
		return logout.Mass{}, err
	}
	return row.mass()
}

// ListMasses implements logout.Masses.
func (s *Store) ListMasses(ctx context.Context, limit int) ([]logout.Mass, error) {
	var rows []massRow
	if err := s.db.Reader(ctx).Raw("SELECT * FROM logout_masses ORDER BY id DESC LIMIT ?", limit).Scan(&rows).Error; err != nil {
		return nil, fmt.Errorf("logoutstore: listing mass logouts: %w", err)
	}
	all := make([]logout.Mass, len(rows))
	for i, r := range rows {
		var err error
		if all[i], err = r.mass(); err != nil {
			return nil, err
		}
	}
	return all, nil
}
