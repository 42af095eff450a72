package store_test

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/database/databasetest"
	"github.com/exeunt-id/exeunt/provider/identity"
)

func TestTokenReadsBack(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		id, sids := f.session(t, "alice", "shop")
		g := f.grant(t, identity.Grant{ClientID: "shop", Subject: "alice", SessionID: id, SID: sids[0], Nonce: "n-0S6"})
		want := identity.TokenState{
			Token: f.token(g, identity.KindRefresh, "r", 720*time.Hour), Grant: g,
			SessionIdleUntil: f.now().Add(time.Hour), SessionExpiresAt: f.now().Add(24 * time.Hour),
		}
		if got := f.state(t, g, "r"); !reflect.DeepEqual(got, want) {
			t.Errorf("Token = %+v\nwant    %+v", got, want)
		}
		if _, err := f.Grants.Token(t.Context(), hash("never issued")); !errors.Is(err, identity.ErrNoToken) {
			t.Errorf("%v; want ErrNoToken", err)
		}
	})
}

// What kills a token, and what a grant with offline access survives.
func TestTokenLive(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		type death func(f *fixture, t *testing.T, g identity.Grant)
		sql := func(statement string, args func(f *fixture, g identity.Grant) []any) death {
			return func(f *fixture, t *testing.T, g identity.Grant) {
				t.Helper()
				must(t, f.db.Writer(t.Context()).Exec(statement, args(f, g)...).Error)
			}
		}
		session := func(f *fixture, g identity.Grant) []any { return []any{database.Micros(f.now()), g.SessionID} }
		for _, tt := range []struct {
			name           string
			after          time.Duration
			death          death
			bound, offline bool // whether the refresh token is alive afterwards
		}{
			{"nothing happens", 0, nil, true, true},
			{"session ends", 0, sql(`UPDATE logout_sessions SET ended_at = ? WHERE id = ?`, session), false, true},
			{"session row is swept", 0, sql(`DELETE FROM logout_sessions WHERE created_at <= ? AND id = ?`, session), false, true},
			{"client leaves", 0, sql(`UPDATE logout_participations SET ended_at = ? WHERE session_id = ?`, session), false, true},
			{"participation row is gone", 0, sql(`DELETE FROM logout_participations WHERE joined_at <= ? AND session_id = ?`, session), false, true},
			{"idle lifetime passes", time.Hour, nil, false, true},
			{"absolute lifetime passes", 24 * time.Hour, nil, false, true},
			{"refresh token expires", 720 * time.Hour, nil, false, false},
			{"grant is revoked", 0, func(f *fixture, t *testing.T, g identity.Grant) {
				alive, err := f.Grants.Revoke(t.Context(), g.ID, f.now())
				must(t, err)
				if !alive {
					t.Error("the grant was alive, and Revoke says it was not")
				}
			}, false, false},
		} {
			t.Run(tt.name, func(t *testing.T) {
				f := newFixture(f.db)
				for _, offline := range []bool{false, true} {
					id, sids := f.session(t, "alice", "shop")
					g := f.grant(t, identity.Grant{ClientID: "shop", Subject: "alice", SessionID: id, SID: sids[0], Offline: offline})
					if tt.death != nil {
						tt.death(f, t, g)
					}
					want := tt.bound
					if offline {
						want = tt.offline
					}
					if got := f.state(t, g, "r").Live(f.now().Add(tt.after)); got != want {
						t.Errorf("offline %t: live %t; want %t", offline, got, want)
					}
				}
			})
		}
	})
}

func TestRotate(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		g := f.grant(t, identity.Grant{ClientID: "shop", Subject: "alice", Offline: true})
		other := f.grant(t, identity.Grant{ClientID: "shop", Subject: "alice", Offline: true})
		refused := func(what string, err error) {
			t.Helper()
			if !errors.Is(err, identity.ErrNoToken) {
				t.Errorf("%s: %v; want ErrNoToken", what, err)
			}
		}
		next := func(name string) identity.Token { return f.token(g, identity.KindRefresh, name, 720*time.Hour) }
		refused("an access token", f.Grants.Rotate(ctx, hash(g.ID+"/a"), f.now(), next("x")))
		refused("an unknown token", f.Grants.Rotate(ctx, hash("guess"), f.now(), next("x")))
		refused("an expired token", f.Grants.Rotate(ctx, hash(g.ID+"/r"), f.now().Add(720*time.Hour), next("x")))
		if err := f.Grants.Rotate(ctx, hash(g.ID+"/r"), f.now(), f.token(other, identity.KindRefresh, "stray", time.Hour)); err == nil {
			t.Error("a token of another grant became this one's successor")
		}
		if f.state(t, g, "r").Token.RotatedAt != (time.Time{}) {
			t.Error("a rotation that failed left the token rotated")
		}

		var names [parallel]string
		won := race(t, identity.ErrNoToken, func(i int) error {
			names[i] = "r" + string(rune('a'+i))
			return f.Grants.Rotate(ctx, hash(g.ID+"/r"), f.now(), next(names[i]), f.token(g, identity.KindAccess, "a"+names[i], time.Minute))
		})
		if won != 1 {
			t.Fatalf("%d of %d refreshes succeeded", won, parallel)
		}
		stored := 0
		for _, name := range names {
			if state, err := f.Grants.Token(ctx, hash(g.ID+"/"+name)); err == nil && state.Live(f.now()) {
				stored++
			}
		}
		if stored != 1 {
			t.Errorf("%d successors are stored; want 1", stored)
		}
		old := f.state(t, g, "r")
		if old.Live(f.now()) || !old.Token.RotatedAt.Equal(f.now()) || !old.GrantLive(f.now()) {
			t.Errorf("the old token: live %t, rotated at %s, grant live %t", old.Live(f.now()), old.Token.RotatedAt, old.GrantLive(f.now()))
		}
	})
}

func TestRevoke(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		revoke := func(what, id string, want bool) {
			t.Helper()
			if alive, err := f.Grants.Revoke(ctx, id, f.now()); err != nil || alive != want {
				t.Errorf("%s: %t, %v; want %t", what, alive, err, want)
			}
		}
		g := f.grant(t, identity.Grant{ClientID: "shop", Subject: "alice", Offline: true})
		errNotAlive := errors.New("not alive")
		won := race(t, errNotAlive, func(int) error {
			alive, err := f.Grants.Revoke(ctx, g.ID, f.now())
			if err == nil && !alive {
				return errNotAlive
			}
			return err
		})
		if won != 1 {
			t.Errorf("%d of %d revocations found the grant alive", won, parallel)
		}
		revoke("unknown", "g0", false)
		revoke("unstorable", "g\x00", false)

		id, sids := f.session(t, "alice", "shop")
		dead := f.grant(t, identity.Grant{ClientID: "shop", Subject: "alice", SessionID: id, SID: sids[0]})
		must(t, f.db.Writer(ctx).Exec(`UPDATE logout_sessions SET ended_at = ? WHERE id = ?`, 1, id).Error)
		revoke("died with its session", dead.ID, false)
		if f.state(t, dead, "a").Grant.RevokedAt.IsZero() {
			t.Error("a grant that died with its session was not revoked")
		}
	})
}

// A refresh that holds the grant and a revocation are one after the other.
func TestLock(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		g := f.grant(t, identity.Grant{ClientID: "shop", Subject: "alice", Offline: true})
		revoked := make(chan error, 1)
		must(t, f.db.Tx(ctx, func(tx context.Context) error {
			if err := f.Grants.Lock(tx, g.ID); err != nil {
				return err
			}
			go func() {
				_, err := f.Grants.Revoke(ctx, g.ID, f.now())
				revoked <- err
			}()
			if err := f.Grants.Rotate(tx, hash(g.ID+"/r"), f.now(), f.token(g, identity.KindRefresh, "r2", time.Hour)); err != nil {
				return err
			}
			select {
			case err := <-revoked:
				t.Errorf("the revocation did not wait: %v", err)
			default:
			}
			return nil
		}))
		must(t, <-revoked)
		if f.state(t, g, "r2").Live(f.now()) {
			t.Error("a token that was issued beside the revocation is alive")
		}
		err := f.db.Tx(ctx, func(ctx context.Context) error { return f.Grants.Lock(ctx, g.ID) })
		if !errors.Is(err, identity.ErrNoToken) {
			t.Errorf("locking a revoked grant: %v; want ErrNoToken", err)
		}
	})
}

func BenchmarkToken(b *testing.B) {
	for name, url := range map[string]func(testing.TB) string{"sqlite": databasetest.SQLiteURL, "postgres": databasetest.PostgresURL} {
		b.Run(name, func(b *testing.B) {
			f := newFixture(databasetest.Open(b, url(b)))
			id, sids := f.session(b, "alice", "shop")
			g := f.grant(b, identity.Grant{ClientID: "shop", Subject: "alice", SessionID: id, SID: sids[0]})
			token := hash(g.ID + "/a")
			b.ReportAllocs()
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if state, err := f.Grants.Token(b.Context(), token); err != nil || !state.Live(f.now()) {
						b.Error(state, err)
					}
				}
			})
		})
	}
}
