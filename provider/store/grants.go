package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider/identity"
)

// Grants implements identity.Grants.
type Grants struct{ db *database.DB }

// Create implements identity.Grants.
func (g *Grants) Create(ctx context.Context, grant identity.Grant, tokens ...identity.Token) error {
	return g.db.Tx(ctx, func(ctx context.Context) error {
		claims, err := encodeClaims(grant.Claims)
		if err != nil {
			return err
		}
		_, err = exec(g.db.Writer(ctx), "storing a grant",
			`INSERT INTO grants (id, client_id, subject, session_id, sid, scopes, offline, nonce, claims, auth_time, created_at, revoked_at)
			VALUES `+placeholders(1, 12),
			grant.ID, grant.ClientID, grant.Subject, grant.SessionID, grant.SID, joinScopes(grant.Scopes), grant.Offline, grant.Nonce, claims,
			database.Micros(grant.AuthTime), database.Micros(grant.CreatedAt), database.NullMicros(grant.RevokedAt))
		if err != nil {
			return err
		}
		return g.insert(ctx, grant.ID, tokens)
	})
}

// encodeClaims returns "" for a request for nothing, which almost all are.
func encodeClaims(c identity.ClaimsRequest) (string, error) {
	if c.Empty() {
		return "", nil
	}
	text, err := json.Marshal(c)
	if err != nil {
		return "", fmt.Errorf("store: a claims request: %w", err)
	}
	return string(text), nil
}

func decodeClaims(text string) (identity.ClaimsRequest, error) {
	var c identity.ClaimsRequest
	if text == "" {
		return c, nil
	}
	err := json.Unmarshal([]byte(text), &c)
	return c, err
}

// insert stores the tokens of a grant.
func (g *Grants) insert(ctx context.Context, grantID string, tokens []identity.Token) error {
	if len(tokens) == 0 {
		return nil
	}
	args := make([]any, 0, 8*len(tokens))
	for _, t := range tokens {
		if t.GrantID != grantID {
			return fmt.Errorf("store: a token of grant %q cannot be stored with those of grant %q", t.GrantID, grantID)
		}
		args = append(args, t.Hash, t.Kind, t.GrantID, t.ClientID, joinScopes(t.Scopes),
			database.Micros(t.IssuedAt), database.Micros(t.ExpiresAt), database.NullMicros(t.RotatedAt))
	}
	_, err := exec(g.db.Writer(ctx), "storing tokens",
		`INSERT INTO tokens (hash, kind, grant_id, client_id, scopes, issued_at, expires_at, rotated_at) VALUES `+placeholders(len(tokens), 8), args...)
	return err
}

// Token implements identity.Grants. It is asked at every introspection: one query, by primary keys alone, never cached.
//
// A grant whose session is gone has zero times there, which is a dead session. One whose participation is gone counts as left.
func (g *Grants) Token(ctx context.Context, hash []byte) (identity.TokenState, error) {
	var (
		s                                identity.TokenState
		tokenScopes, grantScopes, claims string
		issued, expires, auth, created   int64
		rotated, revoked                 *int64
		ended, idle, absolute, partEnded *int64
		participates                     bool
	)
	err := row(g.db.Reader(ctx).Raw(`
		SELECT t.kind, t.client_id, t.scopes, t.issued_at, t.expires_at, t.rotated_at,
			g.id, g.client_id, g.subject, g.session_id, g.sid, g.scopes, g.offline, g.nonce, g.claims, g.auth_time, g.created_at, g.revoked_at,
			s.ended_at, s.idle_until, s.expires_at, p.sid IS NOT NULL, p.ended_at
		FROM tokens t
		JOIN grants g ON g.id = t.grant_id
		LEFT JOIN logout_sessions s ON s.id = g.session_id
		LEFT JOIN logout_participations p ON p.sid = g.sid
		WHERE t.hash = ?`, hash),
		"reading a token", identity.ErrNoToken,
		&s.Token.Kind, &s.Token.ClientID, &tokenScopes, &issued, &expires, &rotated,
		&s.Grant.ID, &s.Grant.ClientID, &s.Grant.Subject, &s.Grant.SessionID, &s.Grant.SID, &grantScopes, &s.Grant.Offline, &s.Grant.Nonce,
		&claims, &auth, &created, &revoked, &ended, &idle, &absolute, &participates, &partEnded)
	if err != nil {
		return identity.TokenState{}, err
	}
	if s.Grant.Claims, err = decodeClaims(claims); err != nil {
		return identity.TokenState{}, fmt.Errorf("store: claims of grant %s: %w", s.Grant.ID, err)
	}
	s.Token.Hash, s.Token.GrantID, s.Token.Scopes = hash, s.Grant.ID, splitScopes(tokenScopes)
	s.Token.IssuedAt, s.Token.ExpiresAt, s.Token.RotatedAt = database.Time(issued), database.Time(expires), database.NullTime(rotated)
	s.Grant.Scopes = splitScopes(grantScopes)
	s.Grant.AuthTime, s.Grant.CreatedAt, s.Grant.RevokedAt = database.Time(auth), database.Time(created), database.NullTime(revoked)
	s.SessionEndedAt, s.SessionIdleUntil, s.SessionExpiresAt = database.NullTime(ended), database.NullTime(idle), database.NullTime(absolute)
	s.ParticipationEnded = !participates || partEnded != nil
	return s, nil
}

// Lock implements identity.Grants. On SQLite the transaction itself is the lock.
func (g *Grants) Lock(ctx context.Context, id string) error {
	query := `SELECT id FROM grants WHERE id = ? AND revoked_at IS NULL`
	if g.db.Postgres() {
		// Not FOR SHARE: two refreshes of one grant would then both go on to write.
		query += ` FOR NO KEY UPDATE`
	}
	return row(g.db.Writer(ctx).Raw(query, id), "locking a grant", identity.ErrNoToken, &id)
}

// Rotate implements identity.Grants.
func (g *Grants) Rotate(ctx context.Context, oldHash []byte, at time.Time, tokens ...identity.Token) error {
	return g.db.Tx(ctx, func(ctx context.Context) error {
		var grantID string
		err := row(g.db.Writer(ctx).Raw(
			`UPDATE tokens SET rotated_at = ? WHERE hash = ? AND kind = ? AND rotated_at IS NULL AND expires_at > ? RETURNING grant_id`,
			database.Micros(at), oldHash, identity.KindRefresh, database.Micros(at)),
			"rotating a refresh token", identity.ErrNoToken, &grantID)
		if err != nil {
			return err
		}
		return g.insert(ctx, grantID, tokens)
	})
}

// Revoke implements identity.Grants. A grant that had died with its session is revoked too, but was not alive.
func (g *Grants) Revoke(ctx context.Context, id string, at time.Time) (bool, error) {
	if !storable(id) {
		return false, nil
	}
	now := database.Micros(at)
	var alive bool
	err := g.db.Tx(ctx, func(ctx context.Context) error {
		return row(g.db.Writer(ctx).Raw(`
			UPDATE grants SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL
			RETURNING offline OR EXISTS (
				SELECT 1 FROM logout_sessions s JOIN logout_participations p ON p.session_id = s.id
				WHERE s.id = grants.session_id AND p.sid = grants.sid
					AND s.ended_at IS NULL AND s.idle_until > ? AND s.expires_at > ? AND p.ended_at IS NULL)`,
			now, id, now, now),
			"revoking a grant", errRevoked, &alive)
	})
	if errors.Is(err, errRevoked) {
		return false, nil
	}
	return alive, err
}

// Offline returns the grants with offline_access that a logout of the target would revoke, in sessions that live and in those that have ended: for
// whom they are, and the sessions they came from.
func (g *Grants) Offline(ctx context.Context, t logout.Target) ([]identity.Grant, error) {
	where, args := surviving(t)
	var grants []identity.Grant
	query := g.db.Reader(ctx).Raw(`SELECT id, client_id, subject, session_id, sid FROM grants WHERE offline AND revoked_at IS NULL AND `+where+` ORDER BY id`, args...)
	err := rows(query, "finding offline grants", func(r *sql.Rows) error {
		grant := identity.Grant{Offline: true}
		err := r.Scan(&grant.ID, &grant.ClientID, &grant.Subject, &grant.SessionID, &grant.SID)
		grants = append(grants, grant)
		return err
	})
	return grants, err
}

// Outliving returns those of the sessions of which a grant with offline_access survives. By the session one knows from which device it came.
func (g *Grants) Outliving(ctx context.Context, sessionIDs []string) ([]string, error) {
	if len(sessionIDs) == 0 {
		return nil, nil
	}
	args := make([]any, len(sessionIDs))
	for i, id := range sessionIDs {
		args[i] = id
	}
	var outlived []string
	query := g.db.Reader(ctx).Raw(`SELECT DISTINCT session_id FROM grants WHERE offline AND revoked_at IS NULL AND session_id IN `+placeholders(1, len(args)), args...)
	err := rows(query, "finding sessions that are outlived", func(r *sql.Rows) error {
		var id string
		err := r.Scan(&id)
		outlived = append(outlived, id)
		return err
	})
	return outlived, err
}

var errRevoked = errors.New("store: revoked before")
