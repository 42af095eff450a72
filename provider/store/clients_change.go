package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"

	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/provider/identity"
)

const selectClient = `SELECT id, secret_hash, webhook_secrets, metadata, configured, registration_token_hash, created_at, updated_at FROM clients WHERE `

// Record returns a client as it is stored now, not out of memory; identity.ErrNoClient.
func (c *Clients) Record(ctx context.Context, id string) (identity.ClientRecord, error) {
	if !storable(id) {
		return identity.ClientRecord{}, identity.ErrNoClient
	}
	return c.scan(func(dest ...any) error {
		return row(c.db.Reader(ctx).Raw(selectClient+`id = ?`, id), "reading a client", identity.ErrNoClient, dest...)
	})
}

// List returns at most limit clients whose ids come after a given one, by id.
func (c *Clients) List(ctx context.Context, after string, limit int) ([]identity.ClientRecord, error) {
	var all []identity.ClientRecord
	err := rows(c.db.Reader(ctx).Raw(selectClient+`id > ? ORDER BY id LIMIT ?`, after, limit), "listing clients", func(r *sql.Rows) error {
		client, err := c.scan(r.Scan)
		all = append(all, client)
		return err
	})
	return all, err
}

// scan reads the columns of selectClient.
func (c *Clients) scan(scan func(dest ...any) error) (identity.ClientRecord, error) {
	var (
		record           identity.ClientRecord
		id, metadata     string
		secret, webhook  []byte
		created, updated int64
	)
	if err := scan(&id, &secret, &webhook, &metadata, &record.Configured, &record.RegistrationTokenHash, &created, &updated); err != nil {
		return identity.ClientRecord{}, err
	}
	if err := json.Unmarshal([]byte(metadata), &record.Client); err != nil {
		return identity.ClientRecord{}, fmt.Errorf("store: metadata of client %q: %w", id, err)
	}
	record.ID, record.SecretHash, record.CreatedAt, record.UpdatedAt = id, secret, database.Time(created), database.Time(updated)
	c.openWebhook(&record.Client, webhook)
	return record, nil
}

// Create stores a new client that does not come from the configuration; identity.ErrIDTaken when there is one of that id.
func (c *Clients) Create(ctx context.Context, client identity.Client) error {
	return c.create(ctx, client, nil)
}

// Register is Create for a client that registered itself, with the hash of the token by which it manages its registration.
func (c *Clients) Register(ctx context.Context, client identity.Client, registrationToken []byte) error {
	return c.create(ctx, client, registrationToken)
}

func (c *Clients) create(ctx context.Context, client identity.Client, registrationToken []byte) error {
	metadata, err := json.Marshal(client)
	if err != nil {
		return fmt.Errorf("store: metadata of client %q: %w", client.ID, err)
	}
	webhook, err := c.sealWebhook(client)
	if err != nil {
		return err
	}
	now := database.Micros(c.now())
	return c.change(ctx, client.ID, func(ctx context.Context) error {
		return once(c.db.Writer(ctx), "storing a client", fmt.Errorf("%w: %q", identity.ErrIDTaken, client.ID),
			`INSERT INTO clients (id, secret_hash, webhook_secrets, metadata, configured, registration_token_hash, created_at, updated_at)
			VALUES `+placeholders(1, 8)+` ON CONFLICT (id) DO NOTHING`,
			client.ID, nullBytes(client.SecretHash), nullBytes(webhook), string(metadata), false, nullBytes(registrationToken), now, now)
	})
}

// Update replaces the metadata and the secret of a client that does not come from the configuration; identity.ErrNoClient when there is none.
func (c *Clients) Update(ctx context.Context, client identity.Client) error {
	metadata, err := json.Marshal(client)
	if err != nil {
		return fmt.Errorf("store: metadata of client %q: %w", client.ID, err)
	}
	webhook, err := c.sealWebhook(client)
	if err != nil {
		return err
	}
	return c.change(ctx, client.ID, func(ctx context.Context) error {
		return once(c.db.Writer(ctx), "updating a client", identity.ErrNoClient,
			`UPDATE clients SET secret_hash = ?, webhook_secrets = ?, metadata = ?, updated_at = ? WHERE id = ? AND NOT configured`,
			nullBytes(client.SecretHash), nullBytes(webhook), string(metadata), database.Micros(c.now()), client.ID)
	})
}

// Delete deletes a client and revokes all its grants, its own ones from client credentials included; identity.ErrNoClient when there is none.
// What people have agreed to for it is forgotten before, by Consents.RevokeAll.
func (c *Clients) Delete(ctx context.Context, id string) error {
	return c.change(ctx, id, func(ctx context.Context) error {
		if err := c.remember(ctx, id); err != nil {
			return err
		}
		if err := once(c.db.Writer(ctx), "deleting a client", identity.ErrNoClient, `DELETE FROM clients WHERE id = ?`, id); err != nil {
			return err
		}
		mine := "client_id = ? AND revoked_at IS NULL"
		if c.db.Postgres() { // in one order, as everywhere that takes several
			mine = "id IN (SELECT id FROM grants WHERE " + mine + " ORDER BY id FOR NO KEY UPDATE)"
		}
		if _, err := exec(c.db.Writer(ctx), "revoking a client's grants", `UPDATE grants SET revoked_at = ? WHERE `+mine, database.Micros(c.now()), id); err != nil {
			return err
		}
		// Whoever gets the client_id next must not read it.
		if _, err := exec(c.db.Writer(ctx), "deleting what a client attached to devices", `DELETE FROM device_attachments WHERE client_id = ?`, id); err != nil {
			return err
		}
		return closeStreams(ctx, c.db, id, c.now())
	})
}

// change changes a client, or all of them when it has no id, in a transaction. After it nothing that was read before it, or inside it, is
// remembered, here or on the other nodes.
func (c *Clients) change(ctx context.Context, id string, fn func(context.Context) error) error {
	return c.db.Tx(ctx, func(ctx context.Context) error {
		// After a rollback too: what was read inside the transaction never was.
		c.db.AfterTx(ctx, func(bool) { c.changed(id) })
		if err := fn(ctx); err != nil {
			return err
		}
		return c.db.Notify(ctx, channelClients, id)
	})
}
