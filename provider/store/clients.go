package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider/identity"
	"github.com/exeunt-id/exeunt/provider/signing"
)

const (
	clientLife  = 30 * time.Second // how old an answer may be on a node that has not heard of the change
	unknownLife = time.Second      // the same for "no such client": a client that was just added must soon work
	unknownMost = 1024             // anybody can ask for ids that do not exist
)

// Clients implements identity.Clients out of memory. Every flow, every delivery and every introspection asks it.
type Clients struct {
	db  *database.DB
	now func() time.Time

	// Vault keeps webhook secrets. Without one clients with such secrets are refused.
	Vault *signing.Vault

	mu         sync.RWMutex
	known      map[string]cachedClient
	unknown    map[string]time.Time // until when
	generation uint64               // moves with every change: what was read before it is not kept
	origins    originCache
}

type cachedClient struct {
	client *identity.Client // never changed
	until  time.Time
}

func newClients(db *database.DB, now func() time.Time) *Clients {
	return &Clients{db: db, now: now, known: map[string]cachedClient{}, unknown: map[string]time.Time{}}
}

// Client implements identity.Clients. The caller may change what it gets.
func (c *Clients) Client(ctx context.Context, id string) (identity.Client, error) {
	client, err := c.lookup(ctx, id)
	if err != nil {
		return identity.Client{}, err
	}
	return clone(client), nil
}

// clone copies everything that a Client points to.
func clone(c *identity.Client) identity.Client {
	copied := *c
	for _, list := range []*[]string{
		&copied.Contacts, &copied.GrantTypes, &copied.ResponseTypes, &copied.RedirectURIs, &copied.PostLogoutRedirectURIs, &copied.DefaultACRValues, &copied.WebhookEvents, &copied.AllowedOrigins,
	} {
		*list = slices.Clone(*list)
	}
	copied.SecretHash, copied.JWKS, copied.WebhookSecrets = slices.Clone(c.SecretHash), slices.Clone(c.JWKS), slices.Clone(c.WebhookSecrets)
	if c.DefaultMaxAge != nil {
		age := *c.DefaultMaxAge
		copied.DefaultMaxAge = &age
	}
	return copied
}

// maxClientID is the length in bytes of the longest client_id that can be registered; a longer one is not worth remembering as unknown.
const maxClientID = 255

// lookup returns the cached client itself.
func (c *Clients) lookup(ctx context.Context, id string) (*identity.Client, error) {
	now := c.now()
	c.mu.RLock()
	hit, known := c.known[id]
	missUntil, unknown := c.unknown[id]
	generation := c.generation
	c.mu.RUnlock()
	switch {
	case known && now.Before(hit.until):
		return hit.client, nil
	case unknown && now.Before(missUntil), len(id) > maxClientID, !storable(id):
		return nil, identity.ErrNoClient
	}
	client, err := c.read(ctx, id)
	if err != nil && !errors.Is(err, identity.ErrNoClient) {
		return nil, err
	}
	c.keep(id, client, now, generation)
	return client, err
}

// keep remembers an answer, client or nil, unless something has changed since it was asked for.
func (c *Clients) keep(id string, client *identity.Client, asked time.Time, generation uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if generation != c.generation {
		return
	}
	if client != nil {
		delete(c.unknown, id)
		c.known[id] = cachedClient{client: client, until: asked.Add(clientLife)}
		return
	}
	delete(c.known, id)
	if len(c.unknown) >= unknownMost {
		clear(c.unknown)
	}
	c.unknown[id] = asked.Add(unknownLife)
}

// forget drops everything that was read before a change.
func (c *Clients) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.generation++
	clear(c.known)
	clear(c.unknown)
}

// changed drops what was read of one client before it changed; of all of them when it has no id.
func (c *Clients) changed(id string) {
	if id == "" {
		c.forget()
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.generation++
	delete(c.known, id)
	delete(c.unknown, id)
}

func (c *Clients) read(ctx context.Context, id string) (*identity.Client, error) {
	var (
		secret, webhook  []byte
		metadata         string
		created, updated int64
	)
	err := row(c.db.Reader(ctx).Raw(`SELECT secret_hash, webhook_secrets, metadata, created_at, updated_at FROM clients WHERE id = ?`, id),
		"reading a client", identity.ErrNoClient, &secret, &webhook, &metadata, &created, &updated)
	if err != nil {
		return nil, err
	}
	client := &identity.Client{}
	if err := json.Unmarshal([]byte(metadata), client); err != nil {
		return nil, fmt.Errorf("store: metadata of client %q: %w", id, err)
	}
	client.ID, client.SecretHash = id, secret
	client.CreatedAt, client.UpdatedAt = database.Time(created), database.Time(updated)
	c.openWebhook(client, webhook)
	return client, nil
}

// LogoutClient implements logout.Clients.
func (s *Store) LogoutClient(ctx context.Context, id string) (logout.Client, error) {
	c, err := s.Clients.lookup(ctx, id)
	if errors.Is(err, identity.ErrNoClient) {
		return logout.Client{}, fmt.Errorf("%w: %q", logout.ErrNoClient, id)
	}
	if err != nil {
		return logout.Client{}, err
	}
	return logout.Client{
		ID: c.ID, Name: c.Name, BackchannelLogoutURI: c.BackchannelLogoutURI, BackchannelSessionRequired: c.BackchannelLogoutSessionRequired,
		FrontchannelLogoutURI: c.FrontchannelLogoutURI, SigningAlg: c.IDTokenSigningAlg, AllowPrivateNetwork: c.AllowPrivateNetwork,
		WebhookURI: c.WebhookURI, WebhookKeys: webhookKeys(c), WebhookEvents: c.WebhookEvents, UserToken: c.UserToken,
	}, nil
}
