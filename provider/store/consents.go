package store

import (
	"context"
	"database/sql"
	"slices"

	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/provider/identity"
)

// Consents implements identity.Consents.
type Consents struct{ db *database.DB }

// Consent implements identity.Consents. GrantedAt is the latest agreement; the scopes are in alphabetical order.
func (c *Consents) Consent(ctx context.Context, subject, clientID string) (identity.Consent, error) {
	consent := identity.Consent{Subject: subject, ClientID: clientID}
	if !storable(subject) || !storable(clientID) {
		return consent, nil
	}
	query := c.db.Reader(ctx).Raw(`SELECT scope, granted_at FROM consents WHERE subject = ? AND client_id = ?`, subject, clientID)
	err := rows(query, "reading a consent", func(r *sql.Rows) error {
		var scope string
		var granted int64
		if err := r.Scan(&scope, &granted); err != nil {
			return err
		}
		consent.Scopes = append(consent.Scopes, scope)
		if at := database.Time(granted); at.After(consent.GrantedAt) {
			consent.GrantedAt = at
		}
		return nil
	})
	slices.Sort(consent.Scopes)
	return consent, err
}

// Agree implements identity.Consents.
func (c *Consents) Agree(ctx context.Context, consent identity.Consent) error {
	// One order for everybody: two browsers that agree to the same scopes at once wait for each other instead of locking each other out.
	scopes := slices.Compact(slices.Sorted(slices.Values(consent.Scopes)))
	if len(scopes) == 0 {
		return nil
	}
	args := make([]any, 0, 4*len(scopes))
	for _, scope := range scopes {
		args = append(args, consent.Subject, consent.ClientID, scope, database.Micros(consent.GrantedAt))
	}
	_, err := exec(c.db.Writer(ctx), "remembering a consent",
		`INSERT INTO consents (subject, client_id, scope, granted_at) VALUES `+placeholders(len(scopes), 4)+
			` ON CONFLICT (subject, client_id, scope) DO UPDATE SET granted_at = excluded.granted_at`, args...)
	return err
}
