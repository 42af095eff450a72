package store

import (
	"context"
	"database/sql"
	"errors"
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

// Hold is Consent, and keeps it from being revoked until the transaction in ctx ends. One row is enough for that, because a consent is revoked
// as a whole, and one lock waits for nobody in a circle. On SQLite the transaction itself is the lock.
func (c *Consents) Hold(ctx context.Context, subject, clientID string) (identity.Consent, error) {
	if c.db.Postgres() && storable(subject) && storable(clientID) {
		var scope string
		err := row(c.db.Writer(ctx).Raw(`SELECT scope FROM consents WHERE subject = ? AND client_id = ? ORDER BY scope LIMIT 1 FOR KEY SHARE`, subject, clientID),
			"holding a consent", errNoConsent, &scope)
		if errors.Is(err, errNoConsent) {
			return identity.Consent{Subject: subject, ClientID: clientID}, nil
		}
		if err != nil {
			return identity.Consent{}, err
		}
	}
	return c.Consent(ctx, subject, clientID)
}

var errNoConsent = errors.New("store: nothing is agreed")

// RevokeAll forgets what everybody has agreed to about a client.
func (c *Consents) RevokeAll(ctx context.Context, clientID string) error {
	_, err := exec(c.db.Writer(ctx), "deleting a client's consents", `DELETE FROM consents WHERE client_id = ?`, clientID)
	return err
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

// List returns all that a person has agreed to, by client.
func (c *Consents) List(ctx context.Context, subject string) ([]identity.Consent, error) {
	var all []identity.Consent
	query := c.db.Reader(ctx).Raw(`SELECT client_id, scope, granted_at FROM consents WHERE subject = ? ORDER BY client_id, scope`, subject)
	err := rows(query, "listing consents", func(r *sql.Rows) error {
		var clientID, scope string
		var granted int64
		if err := r.Scan(&clientID, &scope, &granted); err != nil {
			return err
		}
		if len(all) == 0 || all[len(all)-1].ClientID != clientID {
			all = append(all, identity.Consent{Subject: subject, ClientID: clientID})
		}
		last := &all[len(all)-1]
		last.Scopes = append(last.Scopes, scope)
		if at := database.Time(granted); at.After(last.GrantedAt) {
			last.GrantedAt = at
		}
		return nil
	})
	return all, err
}

// Revoke forgets what a person has agreed to. It reports false when that was nothing.
func (c *Consents) Revoke(ctx context.Context, subject, clientID string) (bool, error) {
	n, err := exec(c.db.Writer(ctx), "forgetting a consent", `DELETE FROM consents WHERE subject = ? AND client_id = ?`, subject, clientID)
	return n > 0, err
}
