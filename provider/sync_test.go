package provider_test

import (
	"slices"
	"testing"

	"github.com/exeunt-id/exeunt/database/databasetest"
	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/logout/logouttest"
	"github.com/exeunt-id/exeunt/provider"
	"github.com/exeunt-id/exeunt/provider/audit"
	"github.com/exeunt-id/exeunt/provider/identity"
)

// What an entry of the configuration changes at a start has the consequences that an operator's command has: whoever has another password is
// out everywhere, clients hear of it, and the trail says so. An entry that changes nothing says nothing.
func TestConfigurationChangesUsers(t *testing.T) {
	t.Parallel()
	shop := logouttest.NewHook(t, "shop")
	database := databasetest.SQLiteURL(t)
	var cfg provider.Config
	w := newWorld(t, databasetest.Open(t, database), withHook(shop, func(c *identity.Client) {
		c.WebhookEvents = []string{logout.EventUserCreated, logout.EventUserUpdated, logout.EventUserPasswordChanged}
	}), func(c *provider.Config) { cfg = *c })
	alices, bobs := w.browser().firstSignOn("shop", "alice"), w.browser().firstSignOn("shop", "bob")
	alice, bob := claims(t, alices.id)["sub"], claims(t, bobs.id)["sub"]
	tr := w.trail(cfg)
	start := func(users []provider.User) {
		t.Helper()
		again := cfg
		again.DB, again.Users = databasetest.Open(t, database), users
		p, err := provider.New(t.Context(), again)
		if err == nil {
			err = p.Start(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	start(cfg.Users)
	if n := tr.count(audit.KindUserUpdated) + tr.count(audit.KindUserPasswordChanged); n != 0 || tr.count(audit.KindUserCreated) != len(cfg.Users) {
		t.Errorf("a start that changes nothing left %d entries", n)
	}

	users := append(slices.Clone(cfg.Users), provider.User{Username: "carol"})
	users[0].Password, users[1].Email = "looking-glass", "bob@example.com"
	start(users)
	if w.active("shop", alices.access) || w.refresh("shop", alices.refresh).status == 200 {
		t.Error("whoever knew the old password is still in")
	}
	if !w.active("shop", bobs.access) {
		t.Error("another e-mail address ended a session")
	}
	if m := w.hears(shop, logout.EventUserPasswordChanged, 1)[0]; m.Data["sub"] != alice || m.Data["by"] != "system" {
		t.Errorf("%s", m.Body)
	}
	if m := w.hears(shop, logout.EventUserUpdated, 1)[0]; m.Data["sub"] != bob {
		t.Errorf("%s", m.Body)
	}
	w.hears(shop, logout.EventUserCreated, 1)
	for kind, subject := range map[audit.Kind]any{audit.KindUserPasswordChanged: alice, audit.KindUserUpdated: bob} {
		if line := tr.last(kind); line.Subject != subject || line.Actor != "system" || line.ActorID != "configuration" || tr.count(kind) != 1 {
			t.Errorf("%s: %+v", kind, line)
		}
	}
	if line := tr.last(audit.KindLogout, `"cause":"password_changed"`); line.Subject != alice || line.ActorID != "configuration" {
		t.Errorf("logout: %+v", line)
	}
}
