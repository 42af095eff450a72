package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/provider/identity"
)

// Authorizations implements identity.Authorizations.
//
//	waiting --Grant--> granted --Consume--> consumed
//	   \--Refuse--> deleted
type Authorizations struct {
	db  *database.DB
	now func() time.Time
}

// Create implements identity.Authorizations.
func (a *Authorizations) Create(ctx context.Context, auth identity.Authorization) error {
	request, err := json.Marshal(auth.Request)
	if err != nil {
		return fmt.Errorf("store: an authorization request: %w", err)
	}
	_, err = exec(a.db.Writer(ctx), "storing an authorization",
		`INSERT INTO authorizations (id, client_id, browser_hash, request, created_at, expires_at, session_id, subject, auth_time, code_hash,
			logged_in_at, consented_at, consumed_at, grant_id) VALUES `+placeholders(1, 14),
		auth.ID, auth.ClientID, auth.BrowserHash, string(request), database.Micros(auth.CreatedAt), database.Micros(auth.ExpiresAt),
		auth.SessionID, auth.Subject, database.NullMicros(auth.AuthTime), nullBytes(auth.CodeHash),
		database.NullMicros(auth.LoggedInAt), database.NullMicros(auth.ConsentedAt), database.NullMicros(auth.ConsumedAt), auth.GrantID)
	return err
}

// nullBytes keeps an empty hash out of the unique index of codes.
func nullBytes(b []byte) any {
	if len(b) == 0 {
		return nil
	}
	return b
}

// Find implements identity.Authorizations.
func (a *Authorizations) Find(ctx context.Context, id string, at time.Time) (identity.Authorization, error) {
	if !storable(id) {
		return identity.Authorization{}, identity.ErrNoAuthorization
	}
	return a.find(ctx, "id = ? AND code_hash IS NULL AND expires_at > ?", id, database.Micros(at))
}

// FindCode implements identity.Authorizations.
func (a *Authorizations) FindCode(ctx context.Context, codeHash []byte) (identity.Authorization, error) {
	return a.find(ctx, "code_hash = ?", codeHash)
}

func (a *Authorizations) find(ctx context.Context, where string, args ...any) (identity.Authorization, error) {
	var (
		auth                                    identity.Authorization
		request                                 string
		created, expires                        int64
		authTime, loggedIn, consented, consumed *int64
	)
	err := row(a.db.Reader(ctx).Raw(`SELECT id, client_id, browser_hash, request, created_at, expires_at, session_id, subject, auth_time,
		code_hash, logged_in_at, consented_at, consumed_at, grant_id FROM authorizations WHERE `+where, args...),
		"reading an authorization", identity.ErrNoAuthorization,
		&auth.ID, &auth.ClientID, &auth.BrowserHash, &request, &created, &expires, &auth.SessionID, &auth.Subject, &authTime,
		&auth.CodeHash, &loggedIn, &consented, &consumed, &auth.GrantID)
	if err != nil {
		return identity.Authorization{}, err
	}
	if err := json.Unmarshal([]byte(request), &auth.Request); err != nil {
		return identity.Authorization{}, fmt.Errorf("store: request of authorization %s: %w", auth.ID, err)
	}
	auth.CreatedAt, auth.ExpiresAt, auth.AuthTime = database.Time(created), database.Time(expires), database.NullTime(authTime)
	auth.LoggedInAt, auth.ConsentedAt = database.NullTime(loggedIn), database.NullTime(consented)
	auth.ConsumedAt = database.NullTime(consumed)
	return auth, nil
}

// Progress implements identity.Authorizations. ErrNoAuthorization when the request is no longer waiting.
func (a *Authorizations) Progress(ctx context.Context, id string, loggedInAt, consentedAt time.Time) error {
	if !storable(id) {
		return identity.ErrNoAuthorization
	}
	return once(a.db.Writer(ctx), "advancing an authorization", identity.ErrNoAuthorization,
		`UPDATE authorizations SET logged_in_at = COALESCE(?, logged_in_at), consented_at = COALESCE(?, consented_at)
		WHERE id = ? AND code_hash IS NULL AND expires_at > ?`,
		database.NullMicros(loggedInAt), database.NullMicros(consentedAt), id, database.Micros(a.now()))
}

// Grant implements identity.Authorizations.
func (a *Authorizations) Grant(ctx context.Context, auth identity.Authorization) error {
	if len(auth.CodeHash) == 0 {
		return fmt.Errorf("store: granting authorization %s: it has no code", auth.ID)
	}
	return once(a.db.Writer(ctx), "granting an authorization", identity.ErrNoAuthorization,
		`UPDATE authorizations SET session_id = ?, subject = ?, auth_time = ?, code_hash = ?, expires_at = ?
		WHERE id = ? AND code_hash IS NULL AND expires_at > ?`,
		auth.SessionID, auth.Subject, database.NullMicros(auth.AuthTime), auth.CodeHash, database.Micros(auth.ExpiresAt),
		auth.ID, database.Micros(a.now()))
}

// Refuse implements identity.Authorizations: the request is gone, ErrNoAuthorization the second time.
func (a *Authorizations) Refuse(ctx context.Context, id string) error {
	if !storable(id) {
		return identity.ErrNoAuthorization
	}
	return once(a.db.Writer(ctx), "refusing an authorization", identity.ErrNoAuthorization,
		`DELETE FROM authorizations WHERE id = ? AND code_hash IS NULL`, id)
}

// Consume implements identity.Authorizations.
func (a *Authorizations) Consume(ctx context.Context, codeHash []byte, grantID string, at time.Time) error {
	return once(a.db.Writer(ctx), "consuming a code", identity.ErrNoAuthorization,
		`UPDATE authorizations SET consumed_at = ?, grant_id = ? WHERE code_hash = ? AND consumed_at IS NULL AND expires_at > ?`,
		database.Micros(at), grantID, codeHash, database.Micros(at))
}

// DropCodes deletes the codes that a client was given for a person and has not exchanged yet. It is for what ends a client's part in
// sessions that live on, where a code would let it in again; a session that ends takes its codes with it.
//
// The index on expires_at leads to the few rows that are in question: codes live for minutes.
func (a *Authorizations) DropCodes(ctx context.Context, subject, clientID string) error {
	_, err := exec(a.db.Writer(ctx), "dropping codes",
		`DELETE FROM authorizations WHERE expires_at > ? AND subject = ? AND client_id = ? AND code_hash IS NOT NULL AND consumed_at IS NULL`,
		database.Micros(a.now()), subject, clientID)
	return err
}
