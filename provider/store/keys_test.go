package store_test

import (
	"errors"
	"log/slog"
	"reflect"
	"sync"
	"testing"

	"github.com/exeunt-id/exeunt/provider/identity"
	"github.com/exeunt-id/exeunt/provider/signing"
)

func TestKeys(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		key := func(id, alg string) identity.SigningKey {
			return identity.SigningKey{ID: id, Algorithm: alg, Sealed: []byte{1, 0, 255}, Public: []byte(`{"kid":"` + id + `"}`), CreatedAt: f.now(), ActivatedAt: f.now()}
		}
		errSecond := errors.New("not the first")
		won := race(t, errSecond, func(i int) error {
			if added, err := f.Keys.AddIfNone(ctx, key(string(rune('a'+i)), "ES256")); err != nil || added {
				return err
			}
			return errSecond
		})
		if won != 1 {
			t.Fatalf("%d of %d keys were stored", won, parallel)
		}
		keys, err := f.Keys.Keys(ctx)
		if err != nil || len(keys) != 1 || !reflect.DeepEqual(keys[0], key(keys[0].ID, "ES256")) {
			t.Errorf("Keys = %+v, %v", keys, err)
		}
		if added, err := f.Keys.AddIfNone(ctx, key("rsa", "RS256")); err != nil || !added {
			t.Errorf("another algorithm: %t, %v", added, err)
		}
		// A retired key makes room.
		must(t, f.db.Writer(ctx).Exec(`UPDATE signing_keys SET retired_at = 1 WHERE algorithm = 'ES256'`).Error)
		if added, err := f.Keys.AddIfNone(ctx, key("next", "ES256")); err != nil || !added {
			t.Errorf("after retirement: %t, %v", added, err)
		}
		if keys, err := f.Keys.Keys(ctx); err != nil || len(keys) != 3 {
			t.Errorf("%d keys, %v; want 3, the retired one too", len(keys), err)
		}
	})
}

// Nodes that start at once on an empty database agree on one key per algorithm.
func TestKeyringsOnOneDatabase(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		algorithms := []string{"RS256", "ES256", "EdDSA"}
		var rings [3]*signing.Keyring
		for i := range rings {
			rings[i] = signing.NewKeyring(signing.Options{
				Keys: f.Keys, Secrets: [][32]byte{{1}}, Algorithms: algorithms, Now: f.now, Logger: slog.New(slog.DiscardHandler),
			})
		}
		var wg sync.WaitGroup
		for _, ring := range rings {
			wg.Go(func() {
				if err := ring.Ensure(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		first, err := rings[0].PublicSet(t.Context())
		must(t, err)
		for _, ring := range rings {
			set, err := ring.PublicSet(t.Context())
			if err != nil || len(set.Keys) != len(algorithms) || !reflect.DeepEqual(set, first) {
				t.Errorf("%d keys, %v; want the same %d everywhere", len(set.Keys), err, len(algorithms))
			}
		}
	})
}
