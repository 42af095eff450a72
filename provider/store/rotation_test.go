package store_test

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/exeunt-id/exeunt/provider/audit"
	"github.com/exeunt-id/exeunt/provider/identity"
	"github.com/exeunt-id/exeunt/provider/signing"
)

func TestNextKeys(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		key := func(id string) identity.SigningKey {
			return identity.SigningKey{ID: id, Algorithm: "ES256", Sealed: []byte{1}, Public: []byte(`{}`), CreatedAt: f.now(), ActivateAt: f.now().Add(time.Hour)}
		}
		first := key("first")
		first.ActivatedAt = f.now()
		_, err := f.Keys.AddIfNone(ctx, first)
		must(t, err)
		errLost := errors.New("not the first")
		decide := func(done bool, err error) error {
			if err == nil && !done {
				return errLost
			}
			return err
		}
		if won := race(t, errLost, func(i int) error { return decide(f.Keys.AddNext(ctx, key("next "+string(rune('a'+i))))) }); won != 1 {
			t.Fatalf("%d next keys were stored", won)
		}
		keys, err := f.Keys.Keys(ctx)
		must(t, err)
		next := keys[1]
		for _, tt := range []struct {
			at   time.Time
			want bool
		}{{f.now().Add(2 * time.Hour), false}, {f.now().Add(time.Minute), true}, {f.now().Add(time.Minute), false}} {
			if got, err := f.Keys.Advance(ctx, next.ID, tt.at); got != tt.want || err != nil {
				t.Errorf("Advance to %v: %t, %v", tt.at, got, err)
			}
		}
		f.advance(time.Minute)
		if won := race(t, errLost, func(int) error { return decide(f.Keys.Activate(ctx, next.ID, f.now())) }); won != 1 {
			t.Errorf("the key was activated %d times", won)
		}
		var entries []audit.Entry
		must(t, f.Audit.Each(ctx, audit.Filter{}, func(e audit.Entry) error { entries = append(entries, e); return nil }))
		if len(entries) != 1 || entries[0].Kind != audit.KindKeyActivated || entries[0].Actor.Kind != "system" || string(entries[0].Detail) != `{"alg":"ES256","kid":"`+next.ID+`"}` {
			t.Errorf("recorded: %+v", entries)
		}
		keys, err = f.Keys.Keys(ctx)
		must(t, err)
		if keys[0].State() != identity.KeyRetired || keys[1].State() != identity.KeyActive || !keys[0].RetiredAt.Equal(keys[1].ActivatedAt) {
			t.Errorf("after activation: %+v", keys)
		}
		for _, id := range []string{"first", "unknown", next.ID} {
			if activated, err := f.Keys.Activate(ctx, id, f.now()); activated || err != nil {
				t.Errorf("Activate(%q): %t, %v", id, activated, err)
			}
		}
		for _, tt := range []struct {
			before time.Time
			want   int
		}{{f.now(), 0}, {f.now().Add(time.Second), 1}} {
			if n, err := f.Keys.RemoveRetired(ctx, tt.before); n != tt.want || err != nil {
				t.Errorf("RemoveRetired(%v): %d, %v; want %d", tt.before, n, err, tt.want)
			}
		}
	})
}

// slowReceiver is a relying party that reads the key set as seldom as it may, and never because it does not know a key.
type slowReceiver struct {
	mu     sync.Mutex
	now    func() time.Time
	node   *signing.Keyring
	readAt time.Time
	set    jose.JSONWebKeySet
}

func (r *slowReceiver) key(ctx context.Context, kid string) (*jose.JSONWebKey, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now := r.now(); now.Sub(r.readAt) >= identity.KeySetLife {
		set, err := r.node.PublicSet(ctx)
		if err != nil {
			return nil, err
		}
		r.set, r.readAt = set, now
	}
	if found := r.set.Key(kid); len(found) == 1 {
		return &found[0], nil
	}
	return nil, signing.ErrNoKey
}

// Two nodes sign and verify at full speed, and receivers verify with key sets as old as they may be, while both nodes rotate the keys
// every hour and a retired key is removed after a quarter of one. Nothing ever fails to verify.
func TestRotationFailsNoVerification(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		algorithms := []string{"ES256", "EdDSA"}
		var rings [2]*signing.Keyring
		var receivers [2]*slowReceiver
		for i := range rings {
			rings[i] = signing.NewKeyring(signing.Options{
				Keys: f.Keys, NextKeys: f.Keys, Secrets: [][32]byte{{1}}, Algorithms: algorithms, Now: f.now, Logger: slog.New(slog.DiscardHandler),
				Rotation: signing.Rotation{Every: time.Hour, KeepRetired: 15 * time.Minute},
			})
			must(t, rings[i].Ensure(ctx))
			receivers[i] = &slowReceiver{now: f.now, node: rings[i]}
		}
		var verified atomic.Int64
		var kids sync.Map
		check := func(signer int, alg string) error {
			compact, err := rings[signer].Sign(ctx, alg, "JWT", []byte("{}"))
			if err != nil {
				return err
			}
			jws, err := jose.ParseSignedCompact(compact, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(alg)})
			if err != nil {
				return err
			}
			kid := jws.Signatures[0].Protected.KeyID
			kids.Store(kid, true)
			for i := range rings {
				for _, find := range []func(context.Context, string) (*jose.JSONWebKey, error){rings[i].PublicKey, receivers[i].key} {
					public, err := find(ctx, kid)
					if err != nil {
						return err
					}
					if _, err := jws.Verify(public); err != nil {
						return err
					}
				}
			}
			verified.Add(1)
			return nil
		}
		ended := make(chan struct{})
		var group sync.WaitGroup
		for i := range 2 {
			group.Go(func() {
				for turn := i; ; turn++ {
					select {
					case <-ended:
						return
					default:
					}
					if err := check(turn%2, algorithms[turn/2%2]); err != nil {
						t.Errorf("node %d, %s: %v", turn%2, algorithms[turn/2%2], err)
						return
					}
				}
			})
		}
		// Two hours and a half in steps of twenty seconds. Each waits until both nodes have looked at the store in its time, and some signatures are made.
		for range 450 {
			f.advance(20 * time.Second)
			var rotating sync.WaitGroup
			for _, ring := range rings {
				rotating.Go(func() {
					if err := ring.Rotate(ctx); err != nil {
						t.Error(err)
					}
				})
			}
			rotating.Wait()
			for until := verified.Load() + 4; verified.Load() < until && !t.Failed(); {
				runtime.Gosched()
			}
			if t.Failed() {
				break
			}
		}
		close(ended)
		group.Wait()
		count := 0
		kids.Range(func(any, any) bool { count++; return true })
		if count < 3*len(algorithms) {
			t.Errorf("%d keys have signed; want at least %d", count, 3*len(algorithms))
		}
		keys, err := f.Keys.Keys(ctx)
		must(t, err)
		if len(keys) > 3*len(algorithms) {
			t.Errorf("%d keys are left; old ones were not removed", len(keys))
		}
		t.Logf("%d signatures verified four times each, by %d keys", verified.Load(), count)
	})
}
