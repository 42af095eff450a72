package store

import (
	"context"
	"crypto/sha256"
	"time"

	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/provider/identity"
)

// Assertions implements identity.Assertions.
type Assertions struct{ db *database.DB }

// Use implements identity.Assertions. The row's key is a hash, so that it is short and can hold whatever clients put into a jti.
func (a *Assertions) Use(ctx context.Context, clientID, jti string, until time.Time) error {
	// A client_id has no NUL, so no two pairs have the same text.
	key := sha256.Sum256([]byte(clientID + "\x00" + jti))
	return once(a.db.Writer(ctx), "recording a client assertion", identity.ErrReplayed,
		`INSERT INTO client_assertions (hash, expires_at) VALUES `+placeholders(1, 2)+` ON CONFLICT (hash) DO NOTHING`,
		key[:], database.Micros(until))
}

// Sweep deletes the assertions that expired before the given time. Any number of nodes may sweep at once.
func (a *Assertions) Sweep(ctx context.Context, before time.Time) error {
	return sweepExpired(ctx, a.db, "client_assertions", "hash", "", before)
}
