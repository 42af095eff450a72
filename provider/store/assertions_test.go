package store_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/exeunt-id/exeunt/provider/identity"
)

func TestAssertions(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		use := func(client, jti string) error { return f.Assertions.Use(ctx, client, jti, f.now().Add(time.Minute)) }
		if won := race(t, identity.ErrReplayed, func(int) error { return use("shop", "1") }); won != 1 {
			t.Errorf("%d of %d callers used one assertion", won, parallel)
		}
		for _, other := range []struct{ client, jti string }{
			{"wiki", "1"}, {"shop", "2"}, {"shop1", ""}, {"shop", "\x00"}, {"shop", "\xff"}, {"shop", strings.Repeat("x", 10_000)},
		} {
			must(t, use(other.client, other.jti))
		}
		must(t, f.Assertions.Sweep(ctx, f.now()))
		if err := use("shop", "2"); !errors.Is(err, identity.ErrReplayed) {
			t.Errorf("swept too early: %v", err)
		}
		must(t, f.Assertions.Sweep(ctx, f.now().Add(2*time.Minute)))
		must(t, use("shop", "1"))
	})
}
