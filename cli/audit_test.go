package cli_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/exeunt-id/exeunt/database/databasetest"
	"github.com/exeunt-id/exeunt/provider/audit"
)

func TestAudit(t *testing.T) {
	databasetest.EachURL(t, func(t *testing.T, url string) {
		s := newSite(t, url)
		fixed := s.subject("fixed")
		s.login(fixed, "shop")
		s.run("", "session", "end", "--user", "fixed")
		s.run("", "key", "rotate", "--alg", "ES256")

		s.run("", "audit", "list", "--kind", "logout").check(t, 0, []string{"AT ", "logout", "admin ", fixed, "cause=admin", "sessions=1"}, nil)
		s.run("", "audit", "list", "--kind", "key.rotated", "--limit", "1").check(t, 0, []string{"alg=ES256"}, []string{"There may be more than these 1 entry"})
		s.run("", "audit", "list", "--until", "2000-01-01").check(t, 0, []string{"No entries."}, nil)

		export := func(args ...string) []map[string]json.RawMessage {
			t.Helper()
			r := s.run("", append([]string{"audit", "export"}, args...)...)
			if r.code != 0 || r.stderr != "" {
				t.Fatalf("exit code %d: %s", r.code, r.stderr)
			}
			var lines []map[string]json.RawMessage
			for text := range strings.Lines(r.stdout) {
				var line map[string]json.RawMessage
				if err := json.Unmarshal([]byte(text), &line); err != nil {
					t.Fatalf("%v: %s", err, text)
				}
				lines = append(lines, line)
			}
			return lines
		}
		if lines := export("--kind", "logout", "--since", "1h"); len(lines) != 1 {
			t.Errorf("%d logouts", len(lines))
		} else if got, want := slices.Sorted(maps.Keys(lines[0])), []string{"actor", "actor_id", "at", "detail", "id", "kind", "logout_id", "session_id", "sub"}; !slices.Equal(got, want) {
			t.Errorf("fields %q, want %q", got, want)
		}
		all := export()
		if first, last := string(all[0]["kind"]), string(all[len(all)-1]["kind"]); !strings.HasSuffix(first, `.created"`) || last != `"`+string(audit.KindKeyRotated)+`"` {
			t.Errorf("from %s to %s; want oldest first", first, last)
		}
		for _, line := range export("--subject", fixed) {
			if string(line["sub"]) != `"`+fixed+`"` {
				t.Errorf("not about %s: %s", fixed, line)
			}
		}

		s.run("", "audit", "list", "--limit", "0").check(t, 2, nil, []string{"--limit 0 is too small"})
		s.run("", "audit", "list", "--since", "yesterday").check(t, 2, nil, []string{`--since "yesterday" is no time`})
		s.run("", "audit", "export", "--until", "tomorrow").check(t, 2, nil, []string{`--until "tomorrow" is no time`})
		s.run("", "audit", "export", "--kind", "party").check(t, 2, nil, []string{"kind is none of logout, login.succeeded"})
	})
}
