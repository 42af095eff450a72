package cli_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/exeunt-id/exeunt/database/databasetest"
)

func TestKey(t *testing.T) {
	databasetest.EachURL(t, func(t *testing.T, url string) {
		file := configuration(t, url, "127.0.0.1:0")
		node := start(t, "serve", "--config", file)
		at := node.ready(t)
		type jwks struct {
			Keys []struct{ Kid, Alg string }
		}
		published := func() int {
			var set jwks
			if err := json.Unmarshal(get(t, "http://"+at+"/keys"), &set); err != nil {
				t.Fatal(err)
			}
			return len(set.Keys)
		}
		if n := published(); n != 3 {
			t.Fatalf("%d keys at the first start", n)
		}
		run(t, nil, "key", "list", "--config", file).check(t, 0, []string{"KID", "RS256", "ES256", "EdDSA", "active"}, nil)
		run(t, nil, "key", "rotate", "--config", file, "--alg", "PS256").check(t, 1, nil, []string{`"PS256" is not among signing_algorithms`})
		run(t, nil, "key", "rotate", "--config", file, "--now", "--activate-after", "1h").check(t, 2, nil, []string{"contradict"})

		run(t, nil, "key", "rotate", "--config", file, "--alg", "ES256").check(t, 0, []string{"ES256: key ", "is published and signs from"}, nil)
		run(t, nil, "key", "list", "--config", file).check(t, 0, []string{"next"}, nil)
		run(t, nil, "key", "rotate", "--config", file, "--alg", "ES256", "--now").check(t, 0, []string{"signs now"}, []string{"warning: ", "fail to verify"})
		if r := run(t, nil, "key", "rotate", "--config", file, "--json"); r.code != 0 || strings.Count(r.stdout, "\n") != 3 {
			t.Errorf("rotation of all: %d, %s%s", r.code, r.stdout, r.stderr)
		}
		states := map[string]int{}
		for line := range strings.Lines(run(t, nil, "key", "list", "--config", file, "--json").stdout) {
			var key struct{ State string }
			if err := json.Unmarshal([]byte(line), &key); err != nil {
				t.Fatal(err)
			}
			states[key.State]++
		}
		if states["next"] != 3 || states["active"] != 3 || states["retired"] != 1 {
			t.Errorf("states %v; want three next, three active, one retired", states)
		}
	})
}
