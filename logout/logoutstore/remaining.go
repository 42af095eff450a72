package logoutstore

import (
	"context"
	"fmt"
	"hash/fnv"
	"slices"
	"time"

	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/logout"
)

// Remaining implements logout.Ender.
//
// Two logouts of one person at the same moment each see the other's session as live, and then nobody would be the last. So whoever finds
// another session takes the person's lock, until its transaction ends, and looks again: the second then sees what the first has done.
// It is the last lock that a logout takes, and only logouts take it; those that share a transaction take theirs in order.
func (s *Store) Remaining(ctx context.Context, leaving []logout.Participation, at time.Time) (map[string]bool, error) {
	remaining, people, err := s.remaining(ctx, leaving, at)
	if err != nil || len(remaining) == 0 || !s.db.Postgres() {
		return remaining, err // SQLite has one writer
	}
	// A lock for each of some groups of people, in order: everybody's logout must not fill the server's table of locks.
	groups := make([]int32, len(people))
	for i, subject := range people {
		groups[i] = lockGroup(subject)
	}
	slices.Sort(groups)
	for _, group := range slices.Compact(groups) {
		if err := s.db.Writer(ctx).Exec("SELECT pg_advisory_xact_lock(?, ?)", lockClass, group).Error; err != nil {
			return nil, fmt.Errorf("logoutstore: waiting for other logouts of a person: %w", err)
		}
	}
	remaining, _, err = s.remaining(ctx, leaving, at)
	return remaining, err
}

// lockClass keeps these advisory locks apart from others: "exeu".
const lockClass int32 = 0x65786575

// lockGroups is into how many groups people fall.
const lockGroups = 64

// lockGroup returns the group of a person.
func lockGroup(subject string) int32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(subject))
	return int32(h.Sum32() % lockGroups) //nolint:gosec // a small number
}

// about is what is looked up for each participation.
var about = []column{{"sid", "TEXT"}, {"session_id", "TEXT"}, {"client_id", "TEXT"}, {"subject", "TEXT"}}

// remaining returns the SIDs, and the people they belong to. Sessions are found by the provider's subject, which a client may know by another
// name; the participation's own is used only when the session itself has been purged.
func (s *Store) remaining(ctx context.Context, leaving []logout.Participation, at time.Time) (sids map[string]bool, people []string, err error) {
	sids, now := make(map[string]bool), database.Micros(at)
	for some := range slices.Chunk(leaving, chunk) {
		text, err := encode(some, func(p logout.Participation) []any { return []any{p.SID, p.SessionID, p.ClientID, p.Subject} })
		if err != nil {
			return nil, nil, err
		}
		var found []struct {
			SID    string `gorm:"column:sid"`
			Person string
		}
		res := s.db.Writer(ctx).Raw("SELECT v.sid, COALESCE(mine.subject, v.subject) AS person FROM "+s.records(about)+
			" LEFT JOIN logout_sessions mine ON mine.id = v.session_id WHERE EXISTS (SELECT 1 FROM logout_sessions s JOIN logout_participations p ON p.session_id = s.id"+
			" WHERE s.subject = COALESCE(mine.subject, v.subject) AND s.ended_at IS NULL AND s.idle_until > ? AND s.expires_at > ?"+
			" AND p.client_id = v.client_id AND p.ended_at IS NULL)", text, now, now).Scan(&found)
		if res.Error != nil {
			return nil, nil, fmt.Errorf("logoutstore: looking for other sessions: %w", res.Error)
		}
		for _, f := range found {
			sids[f.SID] = true
			people = append(people, f.Person)
		}
	}
	return sids, people, nil
}
