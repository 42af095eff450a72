package store_test

import (
	"slices"
	"testing"

	"github.com/exeunt-id/exeunt/provider/identity"
)

func TestConsents(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		expect := func(subject, client string, scopes ...string) {
			t.Helper()
			c, err := f.Consents.Consent(ctx, subject, client)
			if err != nil || !slices.Equal(c.Scopes, scopes) || c.Subject != subject || c.ClientID != client {
				t.Errorf("Consent = %+v, %v; want %q", c, err, scopes)
			}
		}
		expect("alice", "shop")
		expect("alice\x00", "shop")
		must(t, f.Consents.Agree(ctx, identity.Consent{Subject: "alice", ClientID: "shop", Scopes: []string{"openid", "email", "openid"}, GrantedAt: f.now()}))
		must(t, f.Consents.Agree(ctx, identity.Consent{Subject: "alice", ClientID: "mail", Scopes: nil, GrantedAt: f.now()}))
		expect("alice", "shop", "email", "openid")
		expect("alice", "mail")
		expect("bob", "shop")

		// Two browsers agree to different things at once: both are remembered.
		race(t, nil, func(i int) error {
			scopes := []string{"openid", "phone", "profile"}
			if i%2 == 0 {
				scopes = []string{"profile", "openid", "address"}
			}
			return f.Consents.Agree(ctx, identity.Consent{Subject: "alice", ClientID: "shop", Scopes: scopes, GrantedAt: f.now()})
		})
		expect("alice", "shop", "address", "email", "openid", "phone", "profile")
		if c, err := f.Consents.Consent(ctx, "alice", "shop"); err != nil || !c.GrantedAt.Equal(f.now()) {
			t.Errorf("granted at %s, %v; want %s", c.GrantedAt, err, f.now())
		}
	})
}
