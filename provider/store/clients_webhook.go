package store

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider/identity"
)

// sealWebhook returns the stored form of a client's webhook secrets; nil when it has none.
func (c *Clients) sealWebhook(client identity.Client) ([]byte, error) {
	if len(client.WebhookSecrets) == 0 {
		return nil, nil
	}
	if c.Vault == nil {
		return nil, fmt.Errorf("store: client %q has webhook secrets, and there is no vault to keep them in", client.ID)
	}
	secrets := make([]string, len(client.WebhookSecrets))
	for i, s := range client.WebhookSecrets {
		secrets[i] = s.Reveal()
	}
	sealed, err := c.Vault.Seal(client.ID, secrets)
	if err != nil {
		return nil, fmt.Errorf("store: webhook secrets of client %q: %w", client.ID, err)
	}
	return sealed, nil
}

// openWebhook fills a client's webhook secrets in. Those that cannot be opened, because the secret they are sealed under is gone, are as
// good as none: everything else about the client goes on, and the receipts of its webhooks say what is wrong.
func (c *Clients) openWebhook(client *identity.Client, sealed []byte) {
	secrets, _, ok := c.openSecrets(client.ID, sealed)
	if !ok {
		return
	}
	client.WebhookSecrets = make([]identity.Secret, len(secrets))
	for i, s := range secrets {
		client.WebhookSecrets[i] = identity.Secret(s)
	}
}

func (c *Clients) openSecrets(clientID string, sealed []byte) (secrets []string, newest, ok bool) {
	if len(sealed) == 0 || c.Vault == nil {
		return nil, false, false
	}
	secrets, newest, err := c.Vault.Open(clientID, sealed)
	return secrets, newest, err == nil
}

// sameWebhook reports whether a client's webhook secrets are stored as they should be, under the newest secret.
func (c *Clients) sameWebhook(client identity.Client, sealed []byte) bool {
	if len(client.WebhookSecrets) == 0 {
		return len(sealed) == 0
	}
	secrets, newest, ok := c.openSecrets(client.ID, sealed)
	return ok && newest && slices.EqualFunc(client.WebhookSecrets, secrets, func(a identity.Secret, b string) bool { return a.Reveal() == b })
}

// webhookKeys returns what signs a client's webhooks.
func webhookKeys(client *identity.Client) []logout.WebhookKey {
	var keys []logout.WebhookKey
	for _, secret := range client.WebhookSecrets {
		if key, err := logout.ParseWebhookKey(secret.Reveal()); err == nil { // they were checked when they came
			keys = append(keys, key)
		}
	}
	return keys
}

// remember keeps what signs a client's webhooks, before the client is deleted: it is told of that.
func (c *Clients) remember(ctx context.Context, id string) error {
	_, err := exec(c.db.Writer(ctx), "remembering a client", `INSERT INTO former_clients (id, webhook_secrets, metadata, deleted_at)
		SELECT id, webhook_secrets, metadata, CAST(? AS BIGINT) FROM clients WHERE id = ? AND webhook_secrets IS NOT NULL
		ON CONFLICT (id) DO UPDATE SET webhook_secrets = excluded.webhook_secrets, metadata = excluded.metadata, deleted_at = excluded.deleted_at`,
		database.Micros(c.now()), id)
	return err
}

// FormerClient implements logout.FormerClients.
func (s *Store) FormerClient(ctx context.Context, id string) (logout.Client, error) {
	if !storable(id) {
		return logout.Client{}, logout.ErrNoClient
	}
	var sealed []byte
	var metadata string
	err := row(s.db.Reader(ctx).Raw(`SELECT webhook_secrets, metadata FROM former_clients WHERE id = ?`, id),
		"reading a former client", logout.ErrNoClient, &sealed, &metadata)
	if err != nil {
		return logout.Client{}, err
	}
	client := identity.Client{}
	if err := json.Unmarshal([]byte(metadata), &client); err != nil {
		return logout.Client{}, fmt.Errorf("store: metadata of former client %q: %w", id, err)
	}
	client.ID = id
	s.Clients.openWebhook(&client, sealed)
	return logout.Client{ID: id, Name: client.Name, WebhookKeys: webhookKeys(&client), UserToken: client.UserToken}, nil
}

// SweepFormerClients forgets clients that were deleted before the given time.
func (s *Store) SweepFormerClients(ctx context.Context, before time.Time) error {
	_, err := exec(s.db.Writer(ctx), "forgetting former clients", `DELETE FROM former_clients WHERE deleted_at < ?`, database.Micros(before))
	return err
}
