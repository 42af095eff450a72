package protocol

import (
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestKeeper(t *testing.T) {
	now := testNow
	clock := func() time.Time { return now }
	old, newest := [32]byte{1}, [32]byte{2}
	keeper := func(secrets ...[32]byte) *Keeper {
		k, err := NewKeeper(secrets, clock)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	sealed, err := keeper(old).seal("/logout", keptRequest{Values: url.Values{"oauth_token": {"top-secret"}}, SessionID: "s"}, time.Minute)
	if err != nil || strings.Contains(sealed, "secret") {
		t.Fatal(sealed, err)
	}
	if r, err := keeper(newest, old).open("/logout", sealed); err != nil || r.Values.Get("oauth_token") != "top-secret" || r.SessionID != "s" {
		t.Errorf("after a new secret: %+v, %v", r, err)
	}
	changed := "A" + sealed[1:]
	if changed == sealed {
		changed = "B" + sealed[1:]
	}
	refused := map[string]func() error{
		"another use":    func() error { _, err := keeper(old).open("/end_session", sealed); return err },
		"another secret": func() error { _, err := keeper(newest).open("/logout", sealed); return err },
		"changed":        func() error { _, err := keeper(old).open("/logout", changed); return err },
		"nothing":        func() error { _, err := keeper(old).open("/logout", ""); return err },
		"too old": func() error {
			now = testNow.Add(2 * time.Minute)
			_, err := keeper(old).open("/logout", sealed)
			return err
		},
	}
	for _, name := range []string{"another use", "another secret", "changed", "nothing", "too old"} {
		if err := refused[name](); !errors.Is(err, errKept) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
