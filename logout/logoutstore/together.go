package logoutstore

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/logout"
)

// Ends that are asked for while others are being written share the next transaction, as commits share a write of the disk: under load it costs
// each of them a fraction. Whoever comes when there is room waits for nobody.
const (
	// lanes is how many such transactions run at once. SQLite has one writer anyway.
	lanesPostgres, lanesSQLite = 2, 1
	// company is the most ends of one transaction.
	company = 32
)

// ends are the calls of End that wait.
type ends struct {
	mu      sync.Mutex
	running int // transactions
	waiting []*ending
}

// ending is one call of End.
type ending struct {
	ctx     context.Context
	id      string
	req     logout.Request
	at      time.Time
	plan    logout.PlanFunc
	planned *logout.Plan
	done    chan bool // whether it is done: otherwise it must be done alone
}

// shareable reports whether a request may be carried out together with others: the end of one session and nothing else, which locks one row, for
// somebody who does not stop waiting.
func shareable(ctx context.Context, req logout.Request) bool {
	id := req.Target.SessionID
	return ctx.Done() == nil && id != "" && req.Target == (logout.Target{SessionID: id}) && !req.Cause.RevokesOffline() &&
		req.Cause != logout.CauseIdle && req.Cause != logout.CauseExpired
}

// End implements logout.Ender.
func (s *Store) End(ctx context.Context, id string, req logout.Request, at time.Time, plan logout.PlanFunc) (*logout.Plan, error) {
	if s.db.InTx(ctx) || !shareable(ctx, req) {
		return s.endAlone(ctx, id, req, at, plan)
	}
	e := &ending{ctx: ctx, id: id, req: req, at: at, plan: plan, done: make(chan bool, 1)}
	if s.enter(e) {
		s.endBatch([]*ending{e})
		go s.leave()
	}
	if <-e.done {
		return e.planned, nil
	}
	return s.endAlone(ctx, id, req, at, plan)
}

// enter takes a lane for an ending, or else makes it wait for one.
func (s *Store) enter(e *ending) bool {
	lanes := lanesPostgres
	if !s.db.Postgres() {
		lanes = lanesSQLite
	}
	s.ends.mu.Lock()
	defer s.ends.mu.Unlock()
	if s.ends.running < lanes {
		s.ends.running++
		return true
	}
	s.ends.waiting = append(s.ends.waiting, e)
	return false
}

// leave carries out what waits, and gives the lane back when nothing does.
func (s *Store) leave() {
	for {
		s.ends.mu.Lock()
		n := min(len(s.ends.waiting), company)
		batch := s.ends.waiting[:n:n]
		s.ends.waiting = s.ends.waiting[n:]
		if n == 0 {
			s.ends.running--
		}
		s.ends.mu.Unlock()
		if n == 0 {
			return
		}
		if later := s.endBatch(batch); len(later) > 0 {
			s.ends.mu.Lock()
			s.ends.waiting = append(later, s.ends.waiting...)
			s.ends.mu.Unlock()
		}
	}
}

// endBatch tells each of its endings whether it is done, but for those that must wait for the next transaction, which it returns.
func (s *Store) endBatch(batch []*ending) (later []*ending) {
	batch, later, err := s.onePerson(batch)
	if err == nil {
		err = s.endTogether(batch)
	}
	for _, e := range batch {
		e.done <- err == nil && e.planned != nil
	}
	return later
}

// onePerson returns one ending for each person, and the others: of one's sessions each must see which of the others have ended before it.
func (s *Store) onePerson(batch []*ending) (now, later []*ending, err error) {
	if len(batch) == 1 {
		return batch, nil, nil
	}
	text, err := encode(batch, func(e *ending) []any { return []any{e.req.Target.SessionID} })
	if err != nil {
		return batch, nil, err
	}
	var found []struct{ ID, Subject string }
	if err := s.db.Reader(context.Background()).Raw("SELECT id, subject FROM logout_sessions WHERE id"+s.among(), text).Scan(&found).Error; err != nil {
		return batch, nil, fmt.Errorf("logoutstore: reading whose sessions end: %w", err)
	}
	people := make(map[string]string, len(found))
	for _, session := range found {
		people[session.ID] = session.Subject
	}
	taken := make(map[string]bool, len(batch))
	for _, e := range batch {
		if person := cmp.Or(people[e.req.Target.SessionID], e.id); !taken[person] { // what is not there is nobody's
			taken[person], now = true, append(now, e)
		} else {
			later = append(later, e)
		}
	}
	return now, later, nil
}

// endTogether ends sessions in one transaction, in the steps of endAlone. It does not wait for a session that somebody holds, because a token is
// being issued, say: that is left out, and its planned stays nil, as does that of one that has ended. After an error nothing has ended, unless it
// is that of the commit.
func (s *Store) endTogether(batch []*ending) (err error) {
	defer func() {
		if r := recover(); r != nil { // each alone meets it again, where it belongs
			err = fmt.Errorf("logoutstore: panic: %v", r)
		}
	}()
	return s.db.Tx(context.Background(), func(ctx context.Context) error {
		// They would all wait for whomever one of them has to wait for.
		if err := s.settings(ctx, "set_config('lock_timeout', '200ms', true)", genericPlans); err != nil {
			return err
		}
		ended, err := s.markFree(ctx, batch)
		if err != nil || len(ended) == 0 {
			return err
		}
		// In the order of the locks that the plans may take (see Remaining), so that two transactions never wait for each other.
		slices.SortFunc(ended, func(a, b logout.Session) int { return cmp.Compare(lockGroup(a.Subject), lockGroup(b.Subject)) })
		parts, err := s.participationsOf(ctx, ended)
		if err != nil {
			return err
		}
		leaving := make(map[string][]logout.Participation, len(ended))
		for _, p := range parts {
			leaving[p.SessionID] = append(leaving[p.SessionID], p)
		}
		asked := make(map[string]*ending, len(batch))
		for _, e := range batch {
			asked[e.id] = e
		}
		var plans []*logout.Plan
		for _, session := range ended {
			e := asked[session.LogoutID]
			if e.planned, err = e.plan(s.db.Within(e.ctx, ctx), []logout.Session{session}, leaving[session.ID]); err != nil {
				return err
			}
			if e.planned != nil {
				plans = append(plans, e.planned)
			}
		}
		return s.write(ctx, plans...)
	})
}

// aim is a session and the logout that ends it.
var aim = []column{{"session", "TEXT"}, {"ended", "BIGINT"}, {"logout", "TEXT"}}

// markFree marks those of the endings' sessions that are live and that nobody holds.
func (s *Store) markFree(ctx context.Context, batch []*ending) ([]logout.Session, error) {
	asked, err := encode(batch, func(e *ending) []any { return []any{e.req.Target.SessionID} })
	if err != nil {
		return nil, err
	}
	marks, err := encode(batch, func(e *ending) []any { return []any{e.req.Target.SessionID, database.Micros(e.at), e.id} })
	if err != nil {
		return nil, err
	}
	free := s.lock("UPDATE")
	if free != "" {
		free += " SKIP LOCKED"
	}
	var rows []sessionRow
	res := s.db.Writer(ctx).Raw("UPDATE logout_sessions SET ended_at = v.ended, logout_id = v.logout FROM "+s.records(aim)+" WHERE id = v.session AND "+
		"id IN (SELECT id FROM logout_sessions WHERE id"+s.among()+" AND ended_at IS NULL ORDER BY id"+free+") RETURNING "+sessionColumns, marks, asked).Scan(&rows)
	if res.Error != nil {
		return nil, fmt.Errorf("logoutstore: ending sessions: %w", res.Error)
	}
	return sessions(rows), nil
}
