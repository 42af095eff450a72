package store_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/exeunt-id/exeunt/provider/identity"
	"github.com/exeunt-id/exeunt/provider/store"
)

const importedHash = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"

func TestSyncUsers(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		var hashed []string
		hasher := func(_ context.Context, password string) (string, error) {
			hashed = append(hashed, password)
			return "hash of " + password, nil
		}
		var told []store.SyncedUser
		changed := func(_ context.Context, c store.SyncedUser) error {
			told = append(told, c)
			return nil
		}
		keys := [][32]byte{{1}}
		// sync reports which passwords were hashed.
		sync := func(users ...store.ConfiguredUser) []string {
			t.Helper()
			hashed, told = nil, nil
			must(t, f.SyncUsers(ctx, users, hasher, changed, keys...))
			return hashed
		}
		find := func(name string) identity.User {
			t.Helper()
			u, err := f.Users.UserByName(ctx, name)
			must(t, err)
			return u
		}
		expect := func(what string, got, want any) {
			t.Helper()
			if !reflect.DeepEqual(got, want) {
				t.Errorf("%s: %+v; want %+v", what, got, want)
			}
		}
		alice := store.ConfiguredUser{
			Username: "alice", Password: "wonderland", Email: "alice@example.com", Admin: true,
			Claims: map[string]any{"name": "Alice Doe", "email_verified": true, "address": map[string]any{"country": "GB"}},
		}
		bob := store.ConfiguredUser{Username: "bob", PasswordHash: importedHash}
		ghost := store.ConfiguredUser{Username: "ghost"}

		expect("hashed at first", sync(alice, bob, ghost), []string{"wonderland"})
		first := find("alice")
		expect("told at first", told, []store.SyncedUser{
			{ID: first.ID, Username: "alice", Created: true}, {ID: find("bob").ID, Username: "bob", Created: true}, {ID: find("ghost").ID, Username: "ghost", Created: true},
		})
		expect("alice", first, identity.User{
			ID: first.ID, Username: "alice", PasswordHash: "hash of wonderland", Email: "alice@example.com", Admin: true, Claims: alice.Claims,
			CreatedAt: f.now(), UpdatedAt: f.now(),
		})
		if byID, err := f.Users.User(ctx, first.ID); err != nil || !reflect.DeepEqual(byID, first) {
			t.Errorf("by id: %+v, %v", byID, err)
		}
		expect("bob's hash", find("bob").PasswordHash, importedHash)
		expect("ghost's hash", find("ghost").PasswordHash, "")
		for _, name := range []string{"Alice", "alice ", "", "alice\x00", "\xff"} {
			if _, err := f.Users.UserByName(ctx, name); !errors.Is(err, identity.ErrNoUser) {
				t.Errorf("%q: %v; want ErrNoUser", name, err)
			}
		}

		// Nothing changed: nothing is hashed, nothing written.
		f.advance(time.Hour)
		expect("hashed again", sync(alice, bob, ghost), []string(nil))
		expect("alice, unchanged", find("alice"), first)
		expect("told of nothing", told, []store.SyncedUser(nil))

		// Another e-mail: written, but a password that the person has chosen since stays.
		must(t, f.Users.SetPasswordHash(ctx, first.ID, "hash of wonderland", "chosen"))
		alice.Email = "alice@example.org"
		expect("hashed for an e-mail", sync(alice, bob), []string(nil))
		after := find("alice")
		expect("id", after.ID, first.ID)
		expect("e-mail", after.Email, "alice@example.org")
		expect("password", after.PasswordHash, "chosen")
		expect("updated", after.UpdatedAt, f.now())
		expect("created", after.CreatedAt, first.CreatedAt)
		expect("told of an e-mail", told, []store.SyncedUser{{ID: first.ID, Username: "alice", Updated: true}})

		// Another password.
		alice.Password = "looking-glass"
		expect("hashed for a password", sync(alice), []string{"looking-glass"})
		expect("new password", find("alice").PasswordHash, "hash of looking-glass")
		expect("told of a password", told, []store.SyncedUser{{ID: first.ID, Username: "alice", Password: true}})
		find("bob") // stays although no longer configured

		// The hash is replaced only while it is the one that was verified.
		must(t, f.Users.SetPasswordHash(ctx, first.ID, "chosen", "late rehash"))
		expect("after a late rehash", find("alice").PasswordHash, "hash of looking-glass")

		// A new key before the old one: written under it, but not hashed. Then the old one may go.
		keys = [][32]byte{{2}, {1}}
		expect("hashed under a new key", sync(alice), []string(nil))
		expect("told of a new key", told, []store.SyncedUser(nil))
		keys = [][32]byte{{2}}
		expect("hashed under the new key alone", sync(alice), []string(nil))

		// A key that nobody knows: everything counts as changed.
		keys = [][32]byte{{3}}
		expect("hashed under an unknown key", sync(alice), []string{"looking-glass"})

		for _, tt := range []struct {
			user store.ConfiguredUser
			want []string
		}{
			{store.ConfiguredUser{Username: "eve", Password: "p", PasswordHash: importedHash}, []string{"users[1]", `"eve"`, "password_hash"}},
			{store.ConfiguredUser{Username: "eve", PasswordHash: "$2y$10$secret-part"}, []string{"users[1]", `"eve"`, "password_hash"}},
			{store.ConfiguredUser{Username: "eve\xff"}, []string{"users[1].username"}},
			{store.ConfiguredUser{}, []string{"users[1].username"}},
		} {
			err := f.SyncUsers(ctx, []store.ConfiguredUser{alice, tt.user}, hasher, changed, keys...)
			if err == nil {
				t.Errorf("%+v was accepted", tt.user)
				continue
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret-part") {
					t.Errorf("%q; want it to name %q and no secret", err, want)
				}
			}
		}
	})
}

func TestSyncUsersOnTwoNodes(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		users := []store.ConfiguredUser{{Username: "alice", Password: "p"}, {Username: "bob", Password: "p"}}
		var told atomic.Int64
		once := func(_ context.Context, c store.SyncedUser) error {
			if told.Add(1); !c.Created {
				return fmt.Errorf("%+v is new", c)
			}
			return nil
		}
		won := race(t, nil, func(int) error {
			return f.SyncUsers(t.Context(), users, func(context.Context, string) (string, error) { return "h", nil }, once, [32]byte{})
		})
		var count int
		must(t, f.db.Reader(t.Context()).Raw(`SELECT count(*) FROM users`).Row().Scan(&count))
		if won != parallel || count != 2 || told.Load() != 2 {
			t.Errorf("%d of %d succeeded, %d users, told of %d", won, parallel, count, told.Load())
		}
	})
}
