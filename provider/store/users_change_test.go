package store_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider/identity"
)

func (f *fixture) user(t testing.TB, name string) identity.User {
	t.Helper()
	u := identity.User{
		ID: logout.NewID(), Username: name, PasswordHash: "hash", Email: name + "@example.com", Claims: map[string]any{"name": name}, CreatedAt: f.now(), UpdatedAt: f.now(),
	}
	must(t, f.Users.Create(t.Context(), u))
	return u
}

func TestChangeUsers(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		alice, bob := f.user(t, "alice"), f.user(t, "bob")
		if err := f.Users.Create(ctx, identity.User{ID: logout.NewID(), Username: "bob", CreatedAt: f.now()}); !errors.Is(err, identity.ErrNameTaken) {
			t.Errorf("a second bob: %v", err)
		}
		for _, tt := range []struct {
			after string
			limit int
			want  []identity.User
		}{{"", 10, []identity.User{alice, bob}}, {"", 1, []identity.User{alice}}, {"alice", 10, []identity.User{bob}}, {"bob", 10, nil}} {
			if got, err := f.Users.List(ctx, tt.after, tt.limit); err != nil || !reflect.DeepEqual(got, tt.want) {
				t.Errorf("List(%q, %d) = %+v, %v; want %+v", tt.after, tt.limit, got, err, tt.want)
			}
		}

		must(t, f.Users.Lock(ctx, alice))
		for _, disabled := range []bool{true, false} {
			at := f.now()
			if !disabled {
				at = time.Time{}
			}
			for _, want := range []bool{true, false} {
				if changed, err := f.Users.SetDisabled(ctx, alice.ID, at); changed != want || err != nil {
					t.Errorf("disabled %t: %t, %v; want %t", disabled, changed, err, want)
				}
			}
			if err := f.Users.Lock(ctx, alice); errors.Is(err, identity.ErrLoginFailed) != disabled {
				t.Errorf("Lock while disabled is %t: %v", disabled, err)
			}
		}
		must(t, f.Users.ChangePassword(ctx, alice.ID, "another"))
		if err := f.Users.Lock(ctx, alice); !errors.Is(err, identity.ErrLoginFailed) {
			t.Errorf("Lock after a change of the password: %v", err)
		}

		must(t, f.Consents.Agree(ctx, identity.Consent{Subject: alice.ID, ClientID: "shop", Scopes: []string{"openid"}, GrantedAt: f.now()}))
		must(t, f.Users.Delete(ctx, alice.ID))
		if consent, err := f.Consents.Consent(ctx, alice.ID, "shop"); err != nil || len(consent.Scopes) != 0 {
			t.Errorf("consent of a deleted user: %+v, %v", consent, err)
		}
		for what, err := range map[string]error{
			"Delete": f.Users.Delete(ctx, alice.ID), "ChangePassword": f.Users.ChangePassword(ctx, alice.ID, "x"),
		} {
			if !errors.Is(err, identity.ErrNoUser) {
				t.Errorf("%s of a deleted user: %v", what, err)
			}
		}
	})
}

// A login that races with the disabling of its user leaves no session that lives.
func TestLoginAgainstDisabling(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		plan := func(_ context.Context, sessions []logout.Session, _ []logout.Participation) (*logout.Plan, error) {
			return &logout.Plan{LogoutID: logout.NewID(), At: f.now(), Sessions: sessions}, nil
		}
		for i := range 100 {
			u := f.user(t, fmt.Sprint("user", i))
			var both sync.WaitGroup
			both.Go(func() {
				err := f.db.Tx(ctx, func(ctx context.Context) error {
					if err := f.Users.Lock(ctx, u); err != nil {
						return err
					}
					return f.sessions.Start(ctx, logout.Session{ID: logout.NewID(), Subject: u.ID, SecretHash: hash(u.ID), IdleUntil: f.now().Add(1e12), ExpiresAt: f.now().Add(1e12)})
				})
				if err != nil && !errors.Is(err, identity.ErrLoginFailed) {
					t.Error(err)
				}
			})
			both.Go(func() {
				err := f.db.Tx(ctx, func(ctx context.Context) error {
					if _, err := f.Users.SetDisabled(ctx, u.ID, f.now()); err != nil {
						return err
					}
					_, err := f.sessions.End(ctx, logout.NewID(), logout.Request{Cause: logout.CauseUserDisabled, Target: logout.Target{Subject: u.ID}}, f.now(), plan)
					return err
				})
				if err != nil {
					t.Error(err)
				}
			})
			both.Wait()
			if s, err := f.sessions.FindBySecret(ctx, hash(u.ID)); err == nil && s.EndedAt.IsZero() {
				t.Fatalf("round %d: a session of a disabled user lives", i)
			}
		}
	})
}
