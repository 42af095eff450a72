package store_test

import (
	"errors"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider/audit"
)

func TestAudit(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		actor := logout.Actor{Kind: "admin", ID: "root", Address: "192.0.2.1", UserAgent: "curl \xff\x00" + strings.Repeat("é", 1000)}
		const n = 1100 // more than two pages
		for i := range n {
			subject := "alice"
			if i%10 == 0 {
				subject = "bob"
			}
			must(t, f.Audit.Record(ctx, audit.User(audit.KindUserCreated, actor, subject, "")))
			if i%7 == 0 {
				f.advance(time.Second) // the others share a moment
			}
		}
		all, err := f.Audit.List(ctx, audit.Filter{Oldest: true})
		must(t, err)
		newest, err := f.Audit.List(ctx, audit.Filter{})
		must(t, err)
		if len(all) != n || len(newest) != n || newest[0].ID != all[n-1].ID {
			t.Fatalf("%d and %d entries, want %d", len(all), len(newest), n)
		}
		if got := all[0].Actor; len(got.UserAgent) > 512 || !utf8.ValidString(got.UserAgent) || strings.Contains(got.UserAgent, "\x00") || got.ID != "root" || got.Address != "192.0.2.1" {
			t.Errorf("actor %+v", got)
		}
		// By pages of any size, nothing is missing and nothing comes twice.
		var paged []string
		for after := (audit.Cursor{}); ; {
			page, err := f.Audit.List(ctx, audit.Filter{After: after, Limit: 97})
			must(t, err)
			for _, e := range page {
				paged = append(paged, e.ID)
				after = e.Cursor()
			}
			if len(page) < 97 {
				break
			}
		}
		for i, e := range newest {
			if len(paged) != n || paged[i] != e.ID {
				t.Fatalf("paged %d entries, and number %d is another one", len(paged), i)
			}
		}
		for filter, want := range map[audit.Filter]int{
			{Subject: "bob"}: 110, {Subject: "bob", Limit: 10}: 10, {Kind: audit.KindLogout}: 0, {Kind: audit.KindUserCreated}: n,
			{Since: all[500].At, Until: all[500].At.Add(time.Second)}: 7, {Until: all[0].At}: 0, {Since: all[n-1].At}: 7, {Limit: 600}: 600,
		} {
			if got, err := f.Audit.List(ctx, filter); err != nil || len(got) != want {
				t.Errorf("%+v: %d entries, %v; want %d", filter, len(got), err, want)
			}
		}
		stop := errors.New("enough")
		if err := f.Audit.Each(ctx, audit.Filter{}, func(audit.Entry) error { return stop }); !errors.Is(err, stop) {
			t.Errorf("Each: %v", err)
		}
	})
}

// The database itself refuses to change what is recorded, and to delete what no sweep has announced.
func TestAuditIsAppendOnly(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		record := func() {
			t.Helper()
			must(t, f.Audit.Record(ctx, audit.User(audit.KindUserCreated, logout.Actor{Kind: "admin"}, "alice", "alice")))
		}
		record()
		refused := func(statement string) {
			t.Helper()
			if err := f.db.Writer(ctx).Exec(statement).Error; err == nil {
				t.Errorf("%s: was not refused", statement)
			}
		}
		const columns = "id, at, kind, actor_kind, actor_id, address, user_agent, subject, client_id, session_id, logout_id, detail"
		changes := []string{"UPDATE audit SET subject = 'bob'", "DELETE FROM audit", "DELETE FROM audit WHERE subject = 'alice'"}
		if f.db.Postgres() {
			changes = append(changes, "TRUNCATE audit", "TRUNCATE audit_sweeps",
				"INSERT INTO audit SELECT * FROM audit ON CONFLICT (at, id) DO UPDATE SET subject = 'bob'")
		} else {
			changes = append(changes, "INSERT OR REPLACE INTO audit ("+columns+") SELECT id, at, kind, actor_kind, actor_id, address, user_agent, 'bob', '', '', '', '{}' FROM audit",
				"UPDATE OR REPLACE audit SET subject = 'bob'")
		}
		for _, statement := range changes {
			refused(statement)
		}
		// A mark that would free what is younger than a day is no mark.
		refused("INSERT INTO audit_sweeps (before, at) VALUES (1000, 1000)")

		count := func() int {
			t.Helper()
			all, err := f.Audit.List(ctx, audit.Filter{})
			must(t, err)
			return len(all)
		}
		year := 8760 * time.Hour
		f.advance(year + time.Hour)
		record()
		must(t, f.Audit.Sweep(ctx, f.now().Add(-year)))
		if count() != 2 {
			t.Fatal("swept within a day after the retention: there would be a mark for every few minutes")
		}
		f.advance(24 * time.Hour)
		must(t, f.Audit.Sweep(ctx, f.now().Add(-year)))
		if count() != 1 {
			t.Fatal("the old entry is still there, or the young one is gone")
		}
		for _, statement := range append(changes, "DELETE FROM audit_sweeps", "UPDATE audit_sweeps SET before = at") {
			refused(statement)
		}
		if count() != 1 {
			t.Error("the young entry is gone")
		}
	})
}
