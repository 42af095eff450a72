package provider

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"slices"

	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider/audit"
	"github.com/exeunt-id/exeunt/provider/browser"
	"github.com/exeunt-id/exeunt/provider/identity"
)

// Client is a client with where it came from.
type Client = identity.ClientRecord

// clientPage is how many clients are read at once.
const clientPage = 500

// NewClientSecret makes a client secret of 256 random bits, and the hash that is kept of it. The secret itself is kept nowhere.
func NewClientSecret() (secret string, hash []byte) {
	secret = browser.NewSecret()
	return secret, browser.Hash(secret)
}

// NewWebhookSecret makes a secret of Standard Webhooks of 256 random bits. It is kept encrypted, since the provider must sign with it.
func NewWebhookSecret() string {
	random := make([]byte, 32)
	_, _ = rand.Read(random) // never fails (crypto/rand)
	return "whsec_" + base64.StdEncoding.EncodeToString(random)
}

// Clients calls fn for each client, by id, until it returns an error, which is returned.
func (o *Operator) Clients(ctx context.Context, fn func(Client) error) error {
	after := ""
	for {
		clients, err := o.store.Clients.List(ctx, after, clientPage)
		if err != nil {
			return err
		}
		for _, client := range clients {
			if err := fn(client); err != nil {
				return err
			}
			after = client.ID
		}
		if len(clients) < clientPage {
			return nil
		}
	}
}

// Client finds a client as it is stored now; identity.ErrNoClient.
func (o *Operator) Client(ctx context.Context, id string) (Client, error) {
	return o.store.Clients.Record(ctx, id)
}

// CreateClient stores a new client, which has been checked; identity.ErrIDTaken. Running providers know it within a second.
func (o *Operator) CreateClient(ctx context.Context, c identity.Client) error {
	return o.cfg.DB.Tx(ctx, func(ctx context.Context) error {
		if err := o.store.Clients.Create(ctx, c); err != nil {
			return err
		}
		return o.trail.Record(ctx, audit.Client(audit.KindClientCreated, o.actor, c.ID))
	})
}

// UpdateClient replaces a client's metadata and secret, which have been checked. Running providers go by them at once on PostgreSQL, and
// within half a minute beside an SQLite file. A client of the configuration is refused.
func (o *Operator) UpdateClient(ctx context.Context, c identity.Client) error {
	have, err := o.Client(ctx, c.ID)
	if err != nil {
		return err
	}
	if have.Configured {
		return fmt.Errorf("client %q comes from the configuration file; change its entry in `clients` and start the provider again", c.ID)
	}
	changed := identity.ChangedMembers(have.Client, c)
	return o.cfg.DB.Tx(ctx, func(ctx context.Context) error {
		if err := o.store.Clients.Update(ctx, c); err != nil {
			return err
		}
		return o.trail.Record(ctx, audit.Client(audit.KindClientUpdated, o.actor, c.ID, changed...))
	})
}

// DeleteClient deletes a client. In the same transaction it leaves all sessions, which live on, and its grants are revoked; it is told of
// the people that it lost, from what is known of it now. A client that is in the configuration is refused: the next start would bring it
// back. A provider that runs beside an SQLite file may know the client for half a minute more; what it issues to it then can be used by
// nobody who must authenticate as the client, and lives no longer than the session.
func (o *Operator) DeleteClient(ctx context.Context, id string, actor logout.Actor) (*logout.Outcome, error) {
	if slices.ContainsFunc(o.cfg.Clients, func(c identity.Client) bool { return c.ID == id }) {
		return nil, fmt.Errorf("client %q is in the configuration file, and would be created again at the next start; remove the entry from `clients` first", id)
	}
	var out *logout.Outcome
	err := o.cfg.DB.Tx(ctx, func(ctx context.Context) error {
		if _, err := o.Client(ctx, id); err != nil {
			return err
		}
		// Consents before sessions, as whoever issues a code takes them.
		err := o.store.Consents.RevokeAll(ctx, id)
		if err != nil {
			return err
		}
		out, err = o.End(ctx, logout.Request{
			Cause: logout.CauseAdmin, Actor: actor, Target: logout.Target{ClientID: id, Everyone: true, OnlyParticipation: true},
		})
		if err != nil {
			return err
		}
		if err := o.store.Clients.Delete(ctx, id); err != nil {
			return err
		}
		return o.trail.Record(ctx, audit.Client(audit.KindClientDeleted, actor, id))
	})
	return out, err
}
