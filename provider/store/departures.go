package store

import (
	"context"
	"errors"
	"time"

	"github.com/exeunt-id/exeunt/database"
)

// Departures implements identity.Departures.
type Departures struct{ db *database.DB }

// errStayed says that the person has not left the client.
var errStayed = errors.New("store: no departure")

// Leave implements identity.Departures.
func (d *Departures) Leave(ctx context.Context, subject, clientID string, at time.Time) error {
	_, err := exec(d.db.Writer(ctx), "recording a departure",
		`INSERT INTO departures (subject, client_id, left_at) VALUES (?, ?, ?) ON CONFLICT (subject, client_id) DO UPDATE SET left_at = excluded.left_at`,
		subject, clientID, database.Micros(at))
	return err
}

// LeftAt implements identity.Departures. It is asked in the transaction that issues a code, by primary key.
func (d *Departures) LeftAt(ctx context.Context, subject, clientID string) (time.Time, error) {
	var left int64
	err := row(d.db.Writer(ctx).Raw(`SELECT left_at FROM departures WHERE subject = ? AND client_id = ?`, subject, clientID), "reading a departure", errStayed, &left)
	if errors.Is(err, errStayed) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, err
	}
	return database.Time(left), nil
}

// Return implements identity.Departures.
func (d *Departures) Return(ctx context.Context, subject, clientID string) error {
	_, err := exec(d.db.Writer(ctx), "forgetting a departure", `DELETE FROM departures WHERE subject = ? AND client_id = ?`, subject, clientID)
	return err
}

// sweep forgets those that concern no session any more: sessions that began later sign on as ever.
func (d *Departures) sweep(ctx context.Context) error {
	_, err := exec(d.db.Writer(ctx), "sweeping departures", `
		DELETE FROM departures WHERE NOT EXISTS (
			SELECT 1 FROM logout_sessions s WHERE s.subject = departures.subject AND s.ended_at IS NULL AND s.created_at <= departures.left_at)`)
	return err
}
