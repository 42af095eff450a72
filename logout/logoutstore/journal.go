package logoutstore

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/logout"
)

var _ logout.Journal = (*Store)(nil)

// Logouts implements logout.Journal.
func (s *Store) Logouts(ctx context.Context, f logout.LogoutFilter) ([]logout.Record, error) {
	var c condition
	c.given("id = ?", f.LogoutID)
	c.given("cause = ?", string(f.Cause))
	if f.Subject != "" {
		c.add("id IN (SELECT logout_id FROM logout_sessions WHERE subject = ? AND logout_id <> '' UNION SELECT logout_id FROM logout_deliveries WHERE subject = ?)",
			f.Subject, f.Subject)
	}
	c.page(f.Since, f.Until, f.Before)
	limit := f.Limit
	if limit <= 0 {
		limit = defaultLimit
	}
	var rows []logoutRow
	res := s.db.Reader(ctx).Raw("SELECT id, cause, actor, target, initiator_id, sessions, created_at FROM logouts WHERE "+c.String()+
		" ORDER BY created_at DESC, id DESC LIMIT ?", append(c.args, limit)...).Scan(&rows)
	if res.Error != nil {
		return nil, fmt.Errorf("logoutstore: listing logouts: %w", res.Error)
	}
	records, index := make([]logout.Record, len(rows)), make(map[string]*logout.Record, len(rows))
	for i, row := range rows {
		record, err := row.record()
		if err != nil {
			return nil, err
		}
		records[i], index[row.ID] = record, &records[i]
	}
	if err := s.complete(ctx, index); err != nil {
		return nil, err
	}
	return records, nil
}

func (r logoutRow) record() (logout.Record, error) {
	record := logout.Record{
		ID: r.ID, Cause: logout.Cause(r.Cause), InitiatorClientID: r.InitiatorID, Sessions: r.Sessions, At: database.Time(r.CreatedAt), Deliveries: logout.Tally{},
	}
	if err := json.Unmarshal([]byte(r.Actor), &record.Actor); err != nil {
		return record, fmt.Errorf("logoutstore: actor of logout %s: %w", r.ID, err)
	}
	if err := json.Unmarshal([]byte(r.Target), &record.Target); err != nil {
		return record, fmt.Errorf("logoutstore: target of logout %s: %w", r.ID, err)
	}
	record.Subject = record.Target.Subject
	return record, nil
}

// complete adds what other tables know of logouts: what became of their deliveries, and whose sessions they ended.
func (s *Store) complete(ctx context.Context, records map[string]*logout.Record) error {
	if len(records) == 0 {
		return nil
	}
	list := make([]string, 0, len(records))
	for id := range records {
		list = append(list, id)
	}
	text, err := encodeIDs(list)
	if err != nil {
		return err
	}
	among := s.among()
	var tallies []struct {
		LogoutID, State string
		N               int
	}
	res := s.db.Reader(ctx).Raw("SELECT logout_id, state, count(*) AS n FROM logout_deliveries WHERE logout_id"+among+" GROUP BY logout_id, state", text).Scan(&tallies)
	if res.Error != nil {
		return fmt.Errorf("logoutstore: counting deliveries: %w", res.Error)
	}
	for _, t := range tallies {
		records[t.LogoutID].Deliveries[logout.State(t.State)] = t.N
	}
	var people []struct{ LogoutID, Subject string }
	res = s.db.Reader(ctx).Raw("SELECT logout_id, min(subject) AS subject FROM logout_sessions WHERE logout_id"+among+" AND logout_id <> '' GROUP BY logout_id HAVING min(subject) = max(subject)", text).Scan(&people)
	if res.Error != nil {
		return fmt.Errorf("logoutstore: reading whose sessions ended: %w", res.Error)
	}
	for _, p := range people {
		records[p.LogoutID].Subject = p.Subject
	}
	return nil
}

// Ended implements logout.Journal.
func (s *Store) Ended(ctx context.Context, logoutID string, limit int) ([]logout.Session, error) {
	if logoutID == "" {
		return nil, nil
	}
	var rows []sessionRow
	res := s.db.Reader(ctx).Raw("SELECT "+sessionColumns+" FROM logout_sessions WHERE logout_id = ? AND logout_id <> '' ORDER BY subject, id LIMIT ?", logoutID, limit).Scan(&rows)
	if res.Error != nil {
		return nil, fmt.Errorf("logoutstore: reading sessions that ended: %w", res.Error)
	}
	return sessions(rows), nil
}

// Figures implements logout.Journal. Every part is found by an index, and only as much of it is read as the answer is about.
func (s *Store) Figures(ctx context.Context, at time.Time, clients ...string) (map[string]logout.Figures, error) {
	hour, day := database.Micros(at.Add(-time.Hour)), database.Micros(at.Add(-24*time.Hour))
	all := make(map[string]logout.Figures, len(clients))
	for _, id := range clients {
		all[id] = logout.Figures{ClientID: id, Untold: logout.Tally{}}
	}
	only := ""
	if len(clients) == 1 {
		only = clients[0]
	}
	if err := s.untold(ctx, all, only, hour, day); err != nil {
		return nil, err
	}
	for _, id := range clients {
		f := all[id]
		if err := s.told(ctx, &f, hour, day); err != nil {
			return nil, err
		}
		all[id] = f
	}
	return all, nil
}

// untold counts what was not acknowledged, by all clients or only by one.
func (s *Store) untold(ctx context.Context, all map[string]logout.Figures, only string, hour, day int64) error {
	var off, waiting condition
	off.given(s.client(false), only)
	off.add(astray)
	waiting.given(s.client(true), only)
	waiting.add(s.pending())
	var rows []struct {
		ClientID, State   string
		N, Oldest         int64
		LastHour, LastDay int
	}
	const columns = "count(*) AS n, min(created_at) AS oldest, " +
		"sum(CASE WHEN created_at >= ? THEN 1 ELSE 0 END) AS last_hour, sum(CASE WHEN created_at >= ? THEN 1 ELSE 0 END) AS last_day FROM logout_deliveries WHERE "
	args := append([]any{hour, day}, off.args...)
	res := s.db.Reader(ctx).Raw("SELECT client_id, detour AS state, "+columns+off.String()+" GROUP BY client_id, detour UNION ALL "+
		"SELECT client_id, state, "+columns+waiting.String()+" GROUP BY client_id, state", append(args, args...)...).Scan(&rows)
	if res.Error != nil {
		return fmt.Errorf("logoutstore: counting deliveries: %w", res.Error)
	}
	for _, r := range rows {
		f, ok := all[r.ClientID]
		if !ok {
			f = logout.Figures{ClientID: r.ClientID, Untold: logout.Tally{}}
		}
		state, oldest := logout.State(r.State), database.Time(r.Oldest)
		f.Untold[state] = int(r.N)
		if !state.Final() && (f.OldestOpen.IsZero() || oldest.Before(f.OldestOpen)) {
			f.OldestOpen = oldest
		}
		switch state {
		case logout.StateRetrying, logout.StateDead, logout.StateRejected:
			f.Hour.Failing += r.LastHour
			f.Day.Failing += r.LastDay
		}
		all[r.ClientID] = f
	}
	return nil
}

// told reads the receipts of one client, for logouts of the last day.
func (s *Store) told(ctx context.Context, f *logout.Figures, hour, day int64) error {
	var count struct{ LastHour, LastDay int }
	res := s.db.Reader(ctx).Raw("SELECT coalesce(sum(CASE WHEN created_at >= ? THEN 1 ELSE 0 END), 0) AS last_hour, count(*) AS last_day "+
		"FROM logout_deliveries WHERE client_id = ? AND state = 'delivered' AND created_at >= ?", hour, f.ClientID, day).Scan(&count)
	if res.Error != nil {
		return fmt.Errorf("logoutstore: counting receipts: %w", res.Error)
	}
	f.Hour.Told, f.Day.Told = count.LastHour, count.LastDay
	var sample []struct{ CreatedAt, SettledAt int64 }
	res = s.db.Reader(ctx).Raw("SELECT created_at, settled_at FROM logout_deliveries WHERE client_id = ? AND state = 'delivered' AND created_at >= ? ORDER BY created_at DESC LIMIT ?",
		f.ClientID, day, logout.MaxSample).Scan(&sample)
	if res.Error != nil {
		return fmt.Errorf("logoutstore: reading receipts: %w", res.Error)
	}
	var lastHour, lastDay []time.Duration
	for _, r := range sample {
		if at := database.Time(r.SettledAt); at.After(f.LastDelivered) {
			f.LastDelivered = at
		}
		took := time.Duration(r.SettledAt-r.CreatedAt) * time.Microsecond
		if r.SettledAt >= hour {
			lastHour = append(lastHour, took)
		}
		if r.SettledAt >= day {
			lastDay = append(lastDay, took)
		}
	}
	f.Hour.Measure(lastHour)
	f.Day.Measure(lastDay)
	// What waited for more than a day is told too.
	var last *int64
	res = s.db.Reader(ctx).Raw("SELECT max(succeeded_at) FROM logout_receivers WHERE client_id = ?", f.ClientID).Scan(&last)
	if res.Error != nil {
		return fmt.Errorf("logoutstore: reading the last success: %w", res.Error)
	}
	if at := database.NullTime(last); at.After(f.LastDelivered) {
		f.LastDelivered = at
	}
	return nil
}
