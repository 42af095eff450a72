package store

import (
	"context"
	"database/sql"
	"slices"
)

// namesBatch bounds the parameters of one query.
const namesBatch = 500

// Names returns the usernames of users by their ids. Ids that are nobody's are missing.
func (u *Users) Names(ctx context.Context, ids []string) (map[string]string, error) {
	asked := make([]any, 0, len(ids))
	for _, id := range slices.Compact(slices.Sorted(slices.Values(ids))) {
		if id != "" && storable(id) {
			asked = append(asked, id)
		}
	}
	names := make(map[string]string, len(asked))
	for batch := range slices.Chunk(asked, namesBatch) {
		query := u.db.Reader(ctx).Raw(`SELECT id, username FROM users WHERE id IN `+placeholders(1, len(batch)), batch...)
		err := rows(query, "reading the names of users", func(r *sql.Rows) error {
			var id, name string
			err := r.Scan(&id, &name)
			names[id] = name
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return names, nil
}
