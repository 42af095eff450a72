package logoutstore

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/logout"
)

// userTokenColumns are written by MintUserTokens, in this order. Hashes are bytes, which do not travel in JSON.
const userTokenColumns = "hash, client_id, event_id, sid, subject, expires_at"

// MintUserTokens implements logout.UserTokens.
func (s *Store) MintUserTokens(ctx context.Context, tokens []logout.UserToken) error {
	return s.db.Tx(ctx, func(ctx context.Context) error {
		for some := range slices.Chunk(tokens, chunk) {
			args := make([]any, 0, 6*len(some))
			for _, t := range some {
				args = append(args, t.Hash, t.ClientID, t.EventID, t.SID, t.Subject, database.Micros(t.ExpiresAt))
			}
			// The space keeps gorm from taking the hash for a list.
			values := strings.TrimSuffix(strings.Repeat("( ?,?,?,?,?,?),", len(some)), ",")
			if err := s.db.Writer(ctx).Exec("INSERT INTO logout_user_tokens ("+userTokenColumns+") VALUES "+values, args...).Error; err != nil {
				return fmt.Errorf("logoutstore: storing user tokens: %w", err)
			}
		}
		return nil
	})
}

type userTokenRow struct {
	ClientID  string
	EventID   string
	SID       string `gorm:"column:sid"`
	Subject   string
	ExpiresAt int64
	UsedAt    *int64
}

// UseUserToken implements logout.UserTokens. The conditional update decides.
func (s *Store) UseUserToken(ctx context.Context, clientID string, hash []byte, at time.Time) (logout.UserToken, error) {
	const columns = "client_id, event_id, sid, subject, expires_at, used_at"
	now := database.Micros(at)
	var row userTokenRow
	token := func() logout.UserToken {
		return logout.UserToken{Hash: hash, ClientID: row.ClientID, EventID: row.EventID, Subject: row.Subject, SID: row.SID, ExpiresAt: database.Time(row.ExpiresAt)}
	}
	res := s.db.Writer(ctx).Raw("UPDATE logout_user_tokens SET used_at = ? WHERE hash = ? AND client_id = ? AND used_at IS NULL AND expires_at > ? RETURNING "+columns,
		now, hash, clientID, now).Scan(&row)
	switch {
	case res.Error != nil:
		return logout.UserToken{}, fmt.Errorf("logoutstore: using a user token: %w", res.Error)
	case res.RowsAffected == 1:
		return token(), nil
	}
	res = s.db.Writer(ctx).Raw("SELECT "+columns+" FROM logout_user_tokens WHERE hash = ? AND client_id = ?", hash, clientID).Scan(&row)
	if err := one(res, logout.ErrNoUserToken); err != nil {
		return logout.UserToken{}, err
	}
	if row.UsedAt != nil {
		return token(), logout.ErrUserTokenUsed
	}
	return logout.UserToken{}, logout.ErrUserTokenExpired
}

// SweepUserTokens deletes user tokens that expired before the given time. Leave them some time: only one that is still known can be called
// expired, or used again.
func (s *Store) SweepUserTokens(ctx context.Context, before time.Time) error {
	for {
		res := s.db.Writer(ctx).Exec("DELETE FROM logout_user_tokens WHERE hash IN (SELECT hash FROM logout_user_tokens WHERE expires_at < ? LIMIT ?)",
			database.Micros(before), purgeBatch)
		if res.Error != nil {
			return fmt.Errorf("logoutstore: sweeping user tokens: %w", res.Error)
		}
		if res.RowsAffected < purgeBatch {
			return nil
		}
	}
}
