package store_test

import (
	"context"
	"slices"
	"testing"

	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider/identity"
)

func TestClientsOf(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		_, _ = f.session(t, "alice", "shop", "mail")
		old, sids := f.session(t, "alice", "bank", "past")
		f.grant(t, identity.Grant{ClientID: "bank", Subject: "alice", SessionID: old, SID: sids[0], Offline: true})
		f.grant(t, identity.Grant{ClientID: "past", Subject: "alice", SessionID: old, SID: sids[1]})
		revoked := f.grant(t, identity.Grant{ClientID: "revoked", Subject: "alice", SessionID: old, Offline: true})
		if _, err := f.Grants.Revoke(ctx, revoked.ID, f.now()); err != nil {
			t.Fatal(err)
		}
		must(t, f.Consents.Agree(ctx, identity.Consent{Subject: "alice", ClientID: "agreed", Scopes: []string{"openid", "email"}, GrantedAt: f.now()}))
		_, _ = f.session(t, "bob", "other")
		req := logout.Request{Cause: logout.CauseRedirect, Target: logout.Target{SessionID: old}}
		_, err := f.sessions.End(ctx, logout.NewID(), req, f.now(), func(context.Context, []logout.Session, []logout.Participation) (*logout.Plan, error) {
			return &logout.Plan{LogoutID: logout.NewID(), Request: req, At: f.now()}, nil
		})
		must(t, err)
		for subject, want := range map[string][]string{
			"alice": {"agreed", "bank", "mail", "shop"}, "bob": {"other"}, "nobody": nil, "": nil, "a\x00": nil,
		} {
			if got, err := f.ClientsOf(ctx, subject); err != nil || !slices.Equal(got, want) {
				t.Errorf("ClientsOf(%q) = %q, %v; want %q", subject, got, err, want)
			}
		}
	})
}
