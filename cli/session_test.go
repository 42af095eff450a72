package cli_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/exeunt-id/exeunt/database/databasetest"
)

func TestSession(t *testing.T) {
	databasetest.EachURL(t, func(t *testing.T, url string) {
		s := newSite(t, url)
		fixed := s.subject("fixed")
		s.run("", "session", "list").check(t, 0, []string{"No live sessions."}, nil)
		first, grants := s.login(fixed, "shop", "wiki")
		second, _ := s.login(fixed, "wiki")
		third, _ := s.login("a user who is gone", "shop")
		lines := func(args ...string) int {
			t.Helper()
			r := s.run("", append([]string{"session", "list", "--json"}, args...)...)
			if r.code != 0 {
				t.Errorf("%v: %s", args, r.stderr)
			}
			return strings.Count(r.stdout, "\n")
		}
		for args, want := range map[string]int{"": 3, "--user fixed": 2, "--client shop": 2, "--user fixed --client shop": 1, "--limit 1": 1, "--client nothing": 0} {
			if n := lines(strings.Fields(args)...); n != want {
				t.Errorf("session list %s: %d, want %d", args, n, want)
			}
		}
		s.run("", "session", "list").check(t, 0, []string{"fixed ", "shop,wiki", "192.0.2.7", "Firefox", "a user who is gone", first}, nil)
		s.run("", "session", "list", "--user", "nobody").check(t, 1, nil, []string{"there is no user nobody"})
		s.run("", "session", "end").check(t, 2, nil, []string{"nothing is chosen"})
		s.run("", "session", "end", "--everyone").check(t, 2, nil, []string{"add --yes"})
		s.run("", "session", "end", first, "--user", "fixed").check(t, 2, nil, []string{"exclude each other"})
		s.run("", "session", "end", first, "mistyped").check(t, 1, nil, []string{"no live session mistyped", "nothing was ended"})

		s.run("", "session", "end", first).check(t, 0, []string{"1 session ended, 2 deliveries to make"}, nil)
		if !s.ended(first) || s.ended(second) || s.ended(third) || s.cause(first) != "admin" || s.alive(grants[0]) {
			t.Errorf("ended: %t, %t, %t, cause %s", s.ended(first), s.ended(second), s.ended(third), s.cause(first))
		}
		s.told("shop", 1)
		s.told("wiki", 1)
		s.run("", "session", "end", first).check(t, 1, nil, []string{"no live session"})
		s.run("", "session", "end", "--client", "shop").check(t, 0, []string{"1 session ended, 1 delivery to make"}, nil)
		s.run("", "session", "end", "--user", "fixed").check(t, 0, []string{"1 session ended, 1 delivery to make"}, nil)
		s.run("", "session", "end", "--user", "fixed").check(t, 0, []string{"No session was live."}, nil)
		if !s.ended(second) || !s.ended(third) {
			t.Errorf("ended: %t, %t", s.ended(second), s.ended(third))
		}
		s.login(fixed, "shop")
		s.login("a user who is gone", "wiki")
		s.run("", "session", "end", "--everyone", "--yes").check(t, 0, []string{"2 sessions ended, 2 deliveries to make"}, nil)
		s.told("shop", 3)
		s.told("wiki", 3)
		if n := lines(); n != 0 {
			t.Errorf("%d sessions are live after everyone's ended", n)
		}
	})
}

func TestMassLogout(t *testing.T) {
	databasetest.EachURL(t, func(t *testing.T, url string) {
		s := newSite(t, url)
		s.run("", "session", "end", "--status").check(t, 0, []string{"No mass logouts."}, nil)
		for args, problem := range map[string]string{
			"--everyone --yes --rate fast": "100/s", "--everyone --yes --rate 0": "100/s", "an-id --rate 5/s": "--rate is for", "--cancel": "needs the id",
			"--status --everyone": "exclude each other", "--cancel --status": "exclude each other",
		} {
			s.run("", append([]string{"session", "end"}, strings.Fields(args)...)...).check(t, 2, nil, []string{problem})
		}
		s.run("", "session", "end", "--status", "nothing").check(t, 1, nil, []string{"no mass logout nothing"})
		for range 5 {
			s.login(s.subject("fixed"), "shop")
		}
		old := s.grant(s.subject("fixed"), "shop", "a session that ended long ago", "its sid") // and left an offline grant
		s.run("", "session", "end", "--client", "shop", "--rate", "1/s").check(t, 0, []string{"ends 5 sessions", "session end --status"}, nil)
		s.run("", "session", "end", "--status").check(t, 0, []string{"client shop", "1/s", " 5 "}, nil)
		type mass struct {
			ID, State            string
			Total, Done, Offline int
		}
		status := func(args ...string) (m mass) {
			t.Helper()
			r := s.run("", append([]string{"session", "end"}, args...)...)
			first, _, _ := strings.Cut(r.stdout, "\n")
			if err := json.Unmarshal([]byte(first), &m); err != nil {
				t.Fatalf("%v: %s%s", err, r.stdout, r.stderr)
			}
			return m
		}
		s.run("", "session", "end", "--cancel", status("--status", "--json").ID).check(t, 0, []string{"cancelled"}, nil)
		if m := status("--status", "--json"); m.State != "cancelled" || m.Total != 5 || m.Done == 5 || !s.alive(old) {
			t.Errorf("cancelled at once: %+v", m)
		}
		_, grants := s.login(s.subject("fixed"), "shop")
		s.run("", "session", "end", "--everyone", "--yes", "--rate", "500").check(t, 0, []string{"session end --status"}, nil)
		for m := status("--status", "--json"); m.State != "done"; m = status("--status", m.ID, "--json") {
			if t.Context().Err() != nil || m.State != "running" {
				t.Fatalf("%+v", m)
			}
		}
		s.told("shop", 7)
		if m := status("--status", "--json"); m.Done != m.Total || m.Offline != 1 || s.alive(old) || s.alive(grants[0]) {
			t.Errorf("%+v; offline grants alive: %t, %t", m, s.alive(old), s.alive(grants[0]))
		}
	})
}
