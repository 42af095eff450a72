package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/logout/logouttest"
	"github.com/exeunt-id/exeunt/provider/identity"
	"github.com/exeunt-id/exeunt/provider/signing"
)

// Webhook secrets are encrypted at rest, follow the newest of the provider's secrets, and are nothing to anybody without it.
func TestWebhookSecrets(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		vault := func(seeds ...byte) {
			var secrets [][32]byte
			for _, b := range seeds {
				secrets = append(secrets, [32]byte(bytes.Repeat([]byte{b}, 32)))
			}
			v, err := signing.NewVault(secrets)
			must(t, err)
			f.Clients.Vault = v
		}
		stored := func() (sealed []byte) {
			must(t, f.db.Reader(ctx).Raw("SELECT webhook_secrets FROM clients WHERE id = 'shop'").Row().Scan(&sealed))
			return sealed
		}
		shop := identity.Client{
			ID: "shop", WebhookURI: "https://shop.example.com/hook", WebhookEvents: []string{"session.ended"}, UserToken: true,
			WebhookSecrets: []identity.Secret{identity.Secret(logouttest.WebhookSecret(1)), identity.Secret(logouttest.WebhookSecret(2))},
		}
		if text := fmt.Sprintf("%v %+v %#v %s", shop, shop, shop, shop.WebhookSecrets); strings.Contains(text, "whsec_") {
			t.Errorf("secrets print: %s", text)
		}
		if _, err := f.SyncClients(ctx, []identity.Client{shop}); err == nil {
			t.Error("without a vault the secrets were stored")
		}
		vault(1)
		sync := func() {
			_, err := f.SyncClients(ctx, []identity.Client{shop})
			must(t, err)
		}
		sync()
		first := stored()
		if len(first) == 0 || bytes.Contains(first, []byte("whsec_")) {
			t.Fatalf("stored as %q", first)
		}
		sync()
		if !bytes.Equal(stored(), first) {
			t.Error("unchanged secrets were written again")
		}
		vault(2, 1)
		sync()
		if bytes.Equal(stored(), first) {
			t.Error("they stay under the old secret")
		}
		lc, err := f.LogoutClient(ctx, "shop")
		if err != nil || len(lc.WebhookKeys) != 2 || lc.WebhookURI != shop.WebhookURI || !slices.Equal(lc.WebhookEvents, shop.WebhookEvents) || !lc.UserToken {
			t.Errorf("LogoutClient = %+v, %v", lc, err)
		}

		app := shop
		app.ID = "app"
		must(t, f.Clients.Create(ctx, app))
		record, err := f.Clients.Record(ctx, "app")
		if err != nil || !slices.Equal(record.WebhookSecrets, app.WebhookSecrets) {
			t.Errorf("Record = %+v, %v", record, err)
		}
		app.WebhookSecrets = app.WebhookSecrets[1:]
		must(t, f.Clients.Update(ctx, app))
		if c, err := f.Clients.Client(ctx, "app"); err != nil || !slices.Equal(c.WebhookSecrets, app.WebhookSecrets) {
			t.Errorf("after the update %+v, %v", c, err)
		}

		must(t, f.Clients.Delete(ctx, "app"))
		former, err := f.FormerClient(ctx, "app")
		if err != nil || len(former.WebhookKeys) != 1 || !former.UserToken {
			t.Errorf("the deleted client: %+v, %v", former, err)
		}
		must(t, f.Clients.Create(ctx, app))
		must(t, f.Clients.Delete(ctx, "app"))
		f.advance(time.Hour)
		must(t, f.SweepFormerClients(ctx, f.now()))
		if _, err := f.FormerClient(ctx, "app"); !errors.Is(err, logout.ErrNoClient) {
			t.Errorf("after the sweep: %v", err)
		}
		must(t, f.Clients.Create(ctx, app))

		vault(3)
		for _, id := range []string{"shop", "app"} {
			if c, err := f.Clients.Record(ctx, id); err != nil || len(c.WebhookSecrets) != 0 || c.WebhookURI == "" {
				t.Errorf("without the secret: %+v, %v", c, err)
			}
		}
		shop.WebhookSecrets = nil
		sync()
		if stored() != nil {
			t.Error("the secrets that the configuration no longer has are still there")
		}
	})
}
