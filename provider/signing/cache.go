package signing

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/exeunt-id/exeunt/provider/identity"
)

const (
	cacheLife   = 30 * time.Second // how old the keys at hand may be, unless Changed says that they are too old already
	refreshGap  = 5 * time.Second  // between two refreshes that failed or that an unknown kid asked for
	readTimeout = 5 * time.Second  // of one read of the store
)

// snapshot is what was read of the store at one moment. It is never changed.
type snapshot struct {
	readAt time.Time
	change uint64 // how many changes had been heard of before it was read
	byID   map[string]*key
	active map[string]*key // by algorithm
	set    jose.JSONWebKeySet
}

// Changed says that the stored keys have changed, perhaps: whoever needs one next reads them anew. It does not wait.
func (k *Keyring) Changed() { k.changes.Add(1) }

// current returns keys that are at most cacheLife old and not known to have changed, or older ones while the store cannot be read. One caller
// refreshes; the others go on with what is at hand.
func (k *Keyring) current(ctx context.Context) (*snapshot, error) {
	s := k.keys.Load()
	if s == nil {
		return k.first(ctx)
	}
	now := k.now()
	if now.Sub(s.readAt) < cacheLife && s.change == k.changes.Load() {
		return s, nil
	}
	return k.refresh(ctx, now), nil
}

// first reads the keys when there are none at hand.
func (k *Keyring) first(ctx context.Context) (*snapshot, error) {
	k.reading.Lock()
	defer k.reading.Unlock()
	if s := k.keys.Load(); s != nil {
		return s, nil
	}
	return k.read(ctx)
}

// refresh reads the keys anew unless somebody else is doing so, or tried a moment ago. It returns the newest that there are. It must not
// be called before first has succeeded.
func (k *Keyring) refresh(ctx context.Context, now time.Time) *snapshot {
	if !k.reading.TryLock() {
		return k.keys.Load()
	}
	defer k.reading.Unlock()
	s, change := k.keys.Load(), k.changes.Load()
	if now.Sub(k.triedAt) < refreshGap && change == k.triedFor {
		return s
	}
	k.triedAt, k.triedFor = now, change
	// Not in the caller's transaction, and not at the mercy of a caller who leaves: the result is for everybody.
	readCtx, cancel := context.WithTimeout(context.Background(), readTimeout)
	defer cancel()
	fresh, err := k.read(readCtx)
	if err != nil {
		k.log.WarnContext(ctx, "signing keys could not be read; going on with those at hand", "age", now.Sub(s.readAt).String(), "error", err)
		return s
	}
	return fresh
}

// read replaces the keys at hand. The caller holds k.reading.
func (k *Keyring) read(ctx context.Context) (*snapshot, error) {
	now, change := k.now(), k.changes.Load()
	stored, err := k.store.Keys(ctx)
	if err != nil {
		return nil, fmt.Errorf("signing: reading the keys: %w", err)
	}
	slices.SortFunc(stored, func(a, b identity.SigningKey) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID))
	})
	sealers, err := k.sealers()
	if err != nil {
		return nil, err
	}
	fresh := &snapshot{readAt: now, change: change, byID: make(map[string]*key, len(stored)), active: map[string]*key{}}
	old := k.keys.Load()
	for _, sk := range stored {
		parsed := old.unchanged(sk)
		if parsed == nil {
			if parsed, err = parse(sk, sealers); err != nil {
				return nil, err
			}
		}
		fresh.byID[sk.ID] = parsed
		fresh.set.Keys = append(fresh.set.Keys, parsed.public)
		if active(sk) {
			fresh.active[sk.Algorithm] = parsed
		}
	}
	k.keys.Store(fresh)
	return fresh, nil
}

// unchanged returns the parsed form of a stored key that is as it was, so that parsing and signers are not repeated.
func (s *snapshot) unchanged(sk identity.SigningKey) *key {
	if s == nil {
		return nil
	}
	k := s.byID[sk.ID]
	if k == nil || k.stored.State() != sk.State() || !k.stored.ActivateAt.Equal(sk.ActivateAt) || k.stored.Algorithm != sk.Algorithm ||
		!bytes.Equal(k.stored.Sealed, sk.Sealed) || !bytes.Equal(k.stored.Public, sk.Public) {
		return nil
	}
	return k
}

// next returns the key that is to sign next with an algorithm, or nil.
func (s *snapshot) next(alg string) *identity.SigningKey {
	for _, k := range s.byID {
		if k.stored.Algorithm == alg && k.stored.State() == identity.KeyNext {
			next := k.stored
			return &next
		}
	}
	return nil
}

// stored returns all keys as they are kept, oldest first.
func (s *snapshot) stored() []identity.SigningKey {
	all := make([]identity.SigningKey, len(s.set.Keys))
	for i, public := range s.set.Keys {
		all[i] = s.byID[public.KeyID].stored
	}
	return all
}
