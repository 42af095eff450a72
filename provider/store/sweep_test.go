package store_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/exeunt-id/exeunt/provider/identity"
)

func TestSweep(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		count := func(table string) (n int) {
			t.Helper()
			must(t, f.db.Reader(ctx).Raw(`SELECT count(*) FROM `+table).Row().Scan(&n))
			return n
		}
		expect := func(what string, want map[string]int) {
			t.Helper()
			for table, n := range want {
				if got := count(table); got != n {
					t.Errorf("%s: %d %s; want %d", what, got, table, n)
				}
			}
		}
		must(t, f.Authorizations.Create(ctx, identity.Authorization{ID: "a1", CreatedAt: f.now(), ExpiresAt: f.now().Add(time.Minute), CodeHash: hash("1")}))
		must(t, f.Authorizations.Create(ctx, identity.Authorization{ID: "a2", CreatedAt: f.now(), ExpiresAt: f.now().Add(time.Hour)}))
		must(t, f.Failures.Fail(ctx, f.now(), time.Minute, "x", "y"))
		must(t, f.Failures.Fail(ctx, f.now(), time.Hour, "z"))
		f.grant(t, identity.Grant{ClientID: "shop"}) // access 10 minutes, refresh 720 hours
		short := f.grant(t, identity.Grant{ClientID: "shop"})
		must(t, f.db.Writer(ctx).Exec(`DELETE FROM tokens WHERE hash = ?`, hash(short.ID+"/r")).Error)
		many := f.grant(t, identity.Grant{ClientID: "shop"})
		for i := range 1200 { // more than two batches
			must(t, f.db.Writer(ctx).Exec(`INSERT INTO tokens (kind, hash, grant_id, client_id, scopes, issued_at, expires_at) VALUES ('access', ?, ?, '', '', 0, ?)`,
				hash(fmt.Sprint(i)), many.ID, i+1).Error)
		}

		must(t, f.Sweep(ctx, time.UnixMicro(0)))
		expect("nothing has expired", map[string]int{"authorizations": 2, "login_failures": 3, "grants": 3, "tokens": 1205})
		must(t, f.Sweep(ctx, f.now().Add(30*time.Minute)))
		expect("after half an hour", map[string]int{"authorizations": 1, "login_failures": 1, "grants": 2, "tokens": 2})
		race(t, nil, func(int) error { return f.Sweep(ctx, f.now().Add(1000*time.Hour)) })
		expect("after years, by many nodes", map[string]int{"authorizations": 0, "login_failures": 0, "grants": 0, "tokens": 0})
	})
}
