package store_test

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider/identity"
)

func TestSyncClients(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		sync := func(removed []string, clients ...identity.Client) {
			t.Helper()
			got, err := f.SyncClients(ctx, clients)
			if err != nil || !slices.Equal(got, removed) {
				t.Errorf("SyncClients = %q, %v; want %q", got, err, removed)
			}
		}
		client := func(id string) identity.Client {
			t.Helper()
			c, err := f.Clients.Client(ctx, id)
			must(t, err)
			return c
		}
		unknown := func(id string) {
			t.Helper()
			if _, err := f.Clients.Client(ctx, id); !errors.Is(err, identity.ErrNoClient) {
				t.Errorf("%q: %v; want ErrNoClient", id, err)
			}
		}
		age := 300
		shop := identity.Client{
			ID: "shop", SecretHash: hash("secret"), Name: "Shop", URI: "https://shop.example.com/", Contacts: []string{"ops@shop.example.com"},
			ApplicationType: "web", TokenEndpointAuthMethod: identity.AuthBasic, GrantTypes: []string{identity.GrantAuthorizationCode},
			ResponseTypes: []string{"code"}, Scope: "openid email", RedirectURIs: []string{"https://shop.example.com/callback"},
			PostLogoutRedirectURIs: []string{"https://shop.example.com/"}, IDTokenSigningAlg: "ES256", DefaultMaxAge: &age, RequireAuthTime: true,
			BackchannelLogoutURI: "https://shop.example.com/backchannel-logout", BackchannelLogoutSessionRequired: true,
			JWKS: json.RawMessage(`{"keys":[]}`), JWKSURI: "https://shop.example.com/keys", TokenEndpointAuthSigningAlg: "EdDSA",
			AccessTokenFormat: identity.AccessTokenJWT, SkipConsent: true, AllowPrivateNetwork: true, RedirectLogout: "confirm", HintLogout: true,
		}
		app := identity.Client{ID: "app", TokenEndpointAuthMethod: identity.AuthNone}
		created := f.now()

		unknown("shop") // and remembered as such, until the change
		sync(nil, shop, app)
		want := shop
		want.CreatedAt, want.UpdatedAt = created, created
		if got := client("shop"); !reflect.DeepEqual(got, want) {
			t.Errorf("Client = %+v\nwant     %+v", got, want)
		}
		if c := client("app"); c.SecretHash != nil || !c.Public() {
			t.Errorf("a public client has the secret %x", c.SecretHash)
		}
		for _, id := range []string{"Shop", "", "shop\x00", "\xff"} {
			unknown(id)
		}

		// What a caller does to its copy is not seen by the next one.
		c := client("shop")
		c.RedirectURIs[0], c.SecretHash[0], *c.DefaultMaxAge, c.GrantTypes[0], c.Contacts[0], c.JWKS[0] = "https://evil.example/", 0, 0, "implicit", "", '!'
		if got := client("shop"); !reflect.DeepEqual(got, want) {
			t.Errorf("the cache was changed through a copy: %+v", got)
		}

		f.advance(time.Minute)
		sync(nil, shop, app)
		if got := client("shop").UpdatedAt; !got.Equal(created) {
			t.Errorf("an unchanged client was written at %s", got)
		}
		shop.SecretHash = hash("rotated")
		sync([]string{"app"}, shop)
		c = client("shop")
		if !c.SecretMatches("rotated") || c.SecretMatches("secret") || !c.CreatedAt.Equal(created) || !c.UpdatedAt.Equal(f.now()) {
			t.Errorf("after the change: %+v", c)
		}
		client("app") // stays
		sync([]string{"app", "shop"})

		lc, err := f.LogoutClient(ctx, "shop")
		if err != nil || !reflect.DeepEqual(lc, logout.Client{
			ID: "shop", Name: "Shop", BackchannelLogoutURI: shop.BackchannelLogoutURI, BackchannelSessionRequired: true, SigningAlg: "ES256", AllowPrivateNetwork: true,
		}) {
			t.Errorf("LogoutClient = %+v, %v", lc, err)
		}
		if _, err := f.LogoutClient(ctx, "nobody"); !errors.Is(err, logout.ErrNoClient) {
			t.Errorf("%v; want logout.ErrNoClient", err)
		}
	})
}

func TestClientCache(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		_, err := f.SyncClients(ctx, []identity.Client{{ID: "shop", Name: "Shop"}})
		must(t, err)
		name := func() string {
			c, err := f.Clients.Client(ctx, "shop")
			if errors.Is(err, identity.ErrNoClient) {
				return "unknown"
			}
			must(t, err)
			return c.Name
		}
		// As another node does it: this one's cache hears nothing.
		elsewhere := func(statement string) {
			t.Helper()
			must(t, f.db.Writer(ctx).Exec(statement).Error)
		}
		expect := func(want string) {
			t.Helper()
			if got := name(); got != want {
				t.Errorf("%q; want %q", got, want)
			}
		}
		expect("Shop")
		elsewhere(`UPDATE clients SET metadata = '{"client_name":"Shop 2"}'`)
		f.advance(29 * time.Second)
		expect("Shop")
		f.advance(time.Second)
		expect("Shop 2")
		elsewhere(`DELETE FROM clients`)
		f.advance(30 * time.Second)
		expect("unknown")
		elsewhere(`INSERT INTO clients (id, metadata, configured, created_at, updated_at) VALUES ('shop', '{"client_name":"Shop 3"}', false, 0, 0)`)
		expect("unknown")
		f.advance(time.Second)
		expect("Shop 3")
	})
}

// What a transaction that rolls back has written must not stay in the cache, nor what it has read.
func TestClientCacheRollback(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		undo := errors.New("undo")
		err := f.db.Tx(ctx, func(ctx context.Context) error {
			if _, err := f.SyncClients(ctx, []identity.Client{{ID: "shop"}}); err != nil {
				return err
			}
			if _, err := f.Clients.Client(ctx, "shop"); err != nil {
				t.Errorf("inside: %v", err)
			}
			return undo
		})
		if !errors.Is(err, undo) {
			t.Fatal(err)
		}
		if _, err := f.Clients.Client(ctx, "shop"); !errors.Is(err, identity.ErrNoClient) {
			t.Errorf("after the rollback: %v; want ErrNoClient", err)
		}
	})
}

// A client that registered itself is not the configuration's: nobody misses it there, until it is.
func TestRegisteredClients(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		must(t, f.Clients.Register(ctx, identity.Client{ID: "rp", SecretHash: hash("secret")}, hash("token")))
		must(t, f.Clients.Create(ctx, identity.Client{ID: "till"}))
		if err := f.Clients.Register(ctx, identity.Client{ID: "rp"}, hash("another")); !errors.Is(err, identity.ErrIDTaken) {
			t.Errorf("%v; want ErrIDTaken", err)
		}
		is := func(id string, registered, configured bool) {
			t.Helper()
			r, err := f.Clients.Record(ctx, id)
			if err != nil || r.Registered() != registered || r.Configured != configured || r.RegistrationTokenMatches("token") != registered || r.RegistrationTokenMatches("") {
				t.Errorf("%s: %+v, %v", id, r, err)
			}
		}
		is("rp", true, false)
		is("till", false, false)
		must(t, f.Clients.Update(ctx, identity.Client{ID: "rp", Name: "Changed"}))
		is("rp", true, false)
		removed, err := f.SyncClients(ctx, []identity.Client{{ID: "shop"}})
		if err != nil || len(removed) > 0 {
			t.Errorf("missed in the configuration: %q, %v", removed, err)
		}
		removed, err = f.SyncClients(ctx, []identity.Client{{ID: "rp", Name: "Changed"}})
		if err != nil || !slices.Equal(removed, []string{"shop"}) {
			t.Errorf("missed in the configuration: %q, %v", removed, err)
		}
		is("rp", false, true)
		if err := f.Clients.Update(ctx, identity.Client{ID: "rp"}); !errors.Is(err, identity.ErrNoClient) {
			t.Errorf("a client of the configuration was changed: %v", err)
		}
	})
}
