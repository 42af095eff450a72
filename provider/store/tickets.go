package store

import (
	"context"
	"time"

	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/provider/identity"
)

// maxTickets is how many tickets of one participation may wait: each of its pages needs one at a time.
const maxTickets = 100

// Tickets implements identity.Tickets.
type Tickets struct{ db *database.DB }

// Issue implements identity.Tickets.
func (t *Tickets) Issue(ctx context.Context, hash []byte, ticket identity.Ticket, at time.Time) error {
	return once(t.db.Writer(ctx), "storing a ticket", identity.ErrTooManyTickets,
		`INSERT INTO realtime_tickets (hash, client_id, session_id, sid, quiet, expires_at)
		SELECT ?, ?, ?, ?, ?, ? WHERE (SELECT COUNT(*) FROM realtime_tickets WHERE sid = ? AND expires_at > ?) < ?`,
		hash, ticket.ClientID, ticket.SessionID, ticket.SID, ticket.Quiet, database.Micros(ticket.ExpiresAt), ticket.SID, database.Micros(at), maxTickets)
}

// Redeem implements identity.Tickets.
func (t *Tickets) Redeem(ctx context.Context, hash []byte, at time.Time) (identity.Ticket, error) {
	var ticket identity.Ticket
	var until int64
	err := row(t.db.Writer(ctx).Raw(`DELETE FROM realtime_tickets WHERE hash = ? AND expires_at > ?
		RETURNING client_id, session_id, sid, quiet, expires_at`, hash, database.Micros(at)),
		"redeeming a ticket", identity.ErrNoTicket, &ticket.ClientID, &ticket.SessionID, &ticket.SID, &ticket.Quiet, &until)
	ticket.ExpiresAt = database.Time(until)
	return ticket, err
}

// Sweep deletes the tickets that expired before the given time. Any number of nodes may sweep at once.
func (t *Tickets) Sweep(ctx context.Context, before time.Time) error {
	return sweepExpired(ctx, t.db, "realtime_tickets", "hash", "", before)
}
