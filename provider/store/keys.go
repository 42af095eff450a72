package store

import (
	"context"
	"database/sql"

	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/provider/identity"
)

// Keys implements identity.Keys.
type Keys struct{ db *database.DB }

// Keys implements identity.Keys, oldest first.
func (k *Keys) Keys(ctx context.Context) ([]identity.SigningKey, error) {
	var keys []identity.SigningKey
	query := k.db.Reader(ctx).Raw(`SELECT id, algorithm, sealed, public, created_at, activated_at, retired_at FROM signing_keys ORDER BY created_at, id`)
	err := rows(query, "reading the signing keys", func(r *sql.Rows) error {
		var (
			key                identity.SigningKey
			public             string
			created            int64
			activated, retired *int64
		)
		if err := r.Scan(&key.ID, &key.Algorithm, &key.Sealed, &public, &created, &activated, &retired); err != nil {
			return err
		}
		key.Public, key.CreatedAt = []byte(public), database.Time(created)
		key.ActivatedAt, key.RetiredAt = database.NullTime(activated), database.NullTime(retired)
		keys = append(keys, key)
		return nil
	})
	return keys, err
}

// AddIfNone implements identity.Keys. A unique index decides between nodes.
func (k *Keys) AddIfNone(ctx context.Context, key identity.SigningKey) (bool, error) {
	n, err := exec(k.db.Writer(ctx), "storing a signing key",
		`INSERT INTO signing_keys (id, algorithm, sealed, public, created_at, activated_at) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT (algorithm) WHERE activated_at IS NOT NULL AND retired_at IS NULL DO NOTHING`,
		key.ID, key.Algorithm, key.Sealed, string(key.Public), database.Micros(key.CreatedAt), database.Micros(key.ActivatedAt))
	return n == 1, err
}
