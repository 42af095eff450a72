package store

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/provider/identity"
)

// configuredClient is a client's stored form.
type configuredClient struct {
	id       string
	secret   []byte
	webhook  []byte // encrypted
	metadata string
}

// SyncClients creates and updates clients so that they are as the configuration says, and writes only what differs. CreatedAt and
// UpdatedAt of the given clients are not looked at. A client that registered itself and is in the configuration now is managed there alone.
// Clients that came from the configuration once and are no longer in it stay; their ids
// are returned in order, for a warning.
func (s *Store) SyncClients(ctx context.Context, clients []identity.Client) (removed []string, err error) {
	have, err := s.configuredClients(ctx)
	if err != nil {
		return nil, err
	}
	var changed []configuredClient
	for i, c := range clients {
		metadata, err := json.Marshal(c)
		if err != nil {
			return nil, fmt.Errorf("clients[%d] (client_id %q): %w", i, c.ID, err)
		}
		want := configuredClient{id: c.ID, secret: c.SecretHash, metadata: string(metadata)}
		stored, known := have[c.ID]
		if !known || stored.metadata != want.metadata || !bytes.Equal(stored.secret, want.secret) || !s.Clients.sameWebhook(c, stored.webhook) {
			if want.webhook, err = s.Clients.sealWebhook(c); err != nil {
				return nil, fmt.Errorf("clients[%d] (client_id %q): %w", i, c.ID, err)
			}
			changed = append(changed, want)
		}
		delete(have, c.ID)
	}
	for id := range have {
		removed = append(removed, id)
	}
	slices.Sort(removed)
	if len(changed) == 0 {
		return removed, nil
	}
	err = s.Clients.change(ctx, "", func(ctx context.Context) error {
		for _, c := range changed {
			if err := s.putClient(ctx, c); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return removed, nil
}

func (s *Store) configuredClients(ctx context.Context) (map[string]configuredClient, error) {
	have := map[string]configuredClient{}
	query := s.db.Reader(ctx).Raw(`SELECT id, secret_hash, webhook_secrets, metadata FROM clients WHERE configured`)
	err := rows(query, "reading the configured clients", func(r *sql.Rows) error {
		var c configuredClient
		err := r.Scan(&c.id, &c.secret, &c.webhook, &c.metadata)
		have[c.id] = c
		return err
	})
	return have, err
}

func (s *Store) putClient(ctx context.Context, c configuredClient) error {
	now := database.Micros(s.now())
	_, err := exec(s.db.Writer(ctx), "storing a configured client",
		`INSERT INTO clients (id, secret_hash, webhook_secrets, metadata, configured, created_at, updated_at) VALUES `+placeholders(1, 7)+`
		ON CONFLICT (id) DO UPDATE SET secret_hash = excluded.secret_hash, webhook_secrets = excluded.webhook_secrets, metadata = excluded.metadata, configured = excluded.configured,
			registration_token_hash = NULL, updated_at = excluded.updated_at`,
		c.id, nullBytes(c.secret), nullBytes(c.webhook), c.metadata, true, now, now)
	return err
}
