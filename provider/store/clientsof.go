package store

import (
	"context"
	"database/sql"
)

// ClientsOf names the clients that know a person, in order: those that take part in a live session, that hold a grant which outlives its
// session, or to which the person has agreed. The logout engine asks it whom to tell of an event.
func (s *Store) ClientsOf(ctx context.Context, subject string) ([]string, error) {
	if subject == "" || !storable(subject) {
		return nil, nil
	}
	var ids []string
	query := s.db.Reader(ctx).Raw(`
		SELECT p.client_id AS id FROM logout_sessions s JOIN logout_participations p ON p.session_id = s.id
			WHERE s.subject = ? AND s.ended_at IS NULL AND p.ended_at IS NULL
		UNION SELECT client_id FROM grants WHERE subject = ? AND offline AND revoked_at IS NULL
		UNION SELECT client_id FROM consents WHERE subject = ?
		ORDER BY 1`, subject, subject, subject)
	err := rows(query, "finding a person's clients", func(r *sql.Rows) error {
		var id string
		err := r.Scan(&id)
		ids = append(ids, id)
		return err
	})
	return ids, err
}
