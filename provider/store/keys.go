package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/provider/audit"
	"github.com/exeunt-id/exeunt/provider/identity"
)

// Keys implements identity.Keys and identity.NextKeys.
type Keys struct {
	db    *database.DB
	audit audit.Recorder
}

// Keys implements identity.Keys, oldest first.
func (k *Keys) Keys(ctx context.Context) ([]identity.SigningKey, error) {
	var keys []identity.SigningKey
	query := k.db.Reader(ctx).Raw(`SELECT id, algorithm, sealed, public, created_at, activate_at, activated_at, retired_at
		FROM signing_keys ORDER BY created_at, id`)
	err := rows(query, "reading the signing keys", func(r *sql.Rows) error {
		var (
			key                          identity.SigningKey
			public                       string
			created                      int64
			activate, activated, retired *int64
		)
		if err := r.Scan(&key.ID, &key.Algorithm, &key.Sealed, &public, &created, &activate, &activated, &retired); err != nil {
			return err
		}
		key.Public, key.CreatedAt, key.ActivateAt = []byte(public), database.Time(created), database.NullTime(activate)
		key.ActivatedAt, key.RetiredAt = database.NullTime(activated), database.NullTime(retired)
		keys = append(keys, key)
		return nil
	})
	return keys, err
}

// AddIfNone implements identity.Keys. A unique index decides between nodes.
func (k *Keys) AddIfNone(ctx context.Context, key identity.SigningKey) (bool, error) {
	n, err := k.change(ctx, "storing a signing key",
		`INSERT INTO signing_keys (id, algorithm, sealed, public, created_at, activated_at) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT (algorithm) WHERE activated_at IS NOT NULL AND retired_at IS NULL DO NOTHING`,
		key.ID, key.Algorithm, key.Sealed, string(key.Public), database.Micros(key.CreatedAt), database.Micros(key.ActivatedAt))
	return n == 1, err
}

// RemoveRetired implements identity.Keys.
func (k *Keys) RemoveRetired(ctx context.Context, before time.Time) (int, error) {
	n, err := k.change(ctx, "removing retired signing keys", `DELETE FROM signing_keys WHERE retired_at < ?`, database.Micros(before))
	return int(n), err
}

// AddNext implements identity.NextKeys. A unique index decides between nodes.
func (k *Keys) AddNext(ctx context.Context, key identity.SigningKey) (bool, error) {
	n, err := k.change(ctx, "storing the next signing key",
		`INSERT INTO signing_keys (id, algorithm, sealed, public, created_at, activate_at) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT (algorithm) WHERE activated_at IS NULL AND retired_at IS NULL DO NOTHING`,
		key.ID, key.Algorithm, key.Sealed, string(key.Public), database.Micros(key.CreatedAt), database.Micros(key.ActivateAt))
	return n == 1, err
}

// Advance implements identity.NextKeys.
func (k *Keys) Advance(ctx context.Context, id string, activateAt time.Time) (bool, error) {
	at := database.Micros(activateAt)
	n, err := k.change(ctx, "advancing the next signing key",
		`UPDATE signing_keys SET activate_at = ? WHERE id = ? AND activated_at IS NULL AND retired_at IS NULL AND activate_at > ?`, at, id, at)
	return n == 1, err
}

// errNotNext says that somebody else was faster.
var errNotNext = errors.New("store: no longer a next key")

// Activate implements identity.NextKeys.
//
//  1. Retire the active key. Of nodes that do so at once the first locks its row; the others wait, and find their own condition, that the
//     new key is still a next one, no longer true in the second step.
//  2. Activate the next one; if it is none any more, undo everything.
//  3. Record it: whatever is signed from now on is signed by another key, mostly without anybody having asked for it at this moment.
func (k *Keys) Activate(ctx context.Context, id string, at time.Time) (bool, error) {
	now := database.Micros(at)
	err := k.db.Tx(ctx, func(ctx context.Context) error {
		_, err := exec(k.db.Writer(ctx), "retiring a signing key",
			`UPDATE signing_keys SET retired_at = ?
			WHERE activated_at IS NOT NULL AND retired_at IS NULL AND algorithm = (SELECT algorithm FROM signing_keys WHERE id = ? AND activated_at IS NULL)`,
			now, id)
		if err != nil {
			return err
		}
		var alg string
		err = row(k.db.Writer(ctx).Raw(
			`UPDATE signing_keys SET activated_at = ? WHERE id = ? AND activated_at IS NULL AND retired_at IS NULL RETURNING algorithm`, now, id),
			"activating a signing key", errNotNext, &alg)
		if err != nil {
			return err
		}
		if err := k.audit.Record(ctx, audit.KeyActivated(alg, id)); err != nil {
			return err
		}
		return k.db.Notify(ctx, channelKeys, "")
	})
	if errors.Is(err, errNotNext) {
		return false, nil
	}
	return err == nil, err
}

// change runs a statement and, if it changed a key, tells all nodes so when it commits. It returns how many it changed.
func (k *Keys) change(ctx context.Context, doing, statement string, args ...any) (n int64, err error) {
	err = k.db.Tx(ctx, func(ctx context.Context) error {
		if n, err = exec(k.db.Writer(ctx), doing, statement, args...); err != nil || n == 0 {
			return err
		}
		return k.db.Notify(ctx, channelKeys, "")
	})
	return n, err
}
