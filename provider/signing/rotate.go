package signing

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/exeunt-id/exeunt/provider/identity"
)

const (
	// Overlap is how long a next key is published at least before it signs, unless an operator insists: twice the time after which
	// every receiver has read a key set that holds it. A node that hears nothing answers from a cache of 30 s, a receiver keeps the answer for
	// identity.KeySetLife.
	Overlap = 2 * (cacheLife + identity.KeySetLife)

	// publishAhead is how long before its turn the next key is published by rotation: many receivers keep a key set for longer than they
	// are told to.
	publishAhead = 24 * time.Hour
)

// Rotation is what the keys' lives depend on.
type Rotation struct {
	Every       time.Duration // how long a key signs; 0 never rotates
	KeepRetired time.Duration // how long a retired key still verifies; 0: for ever
}

// ahead is how long before its turn a next key is made: for keys that sign for less than two days, half of that time.
func (r Rotation) ahead() time.Duration { return max(Overlap, min(publishAhead, r.Every/2)) }

// Rotate does what is due, for each configured algorithm:
//
//  1. It makes the next key, a day before the active one has signed for Rotation.Every.
//  2. It activates a next key whose time has come, and retires the one that signed.
//  3. It removes keys that have been retired for longer than Rotation.KeepRetired.
//
// Call it every minute or so, on any number of nodes. With nothing to do it costs one read.
func (k *Keyring) Rotate(ctx context.Context) error {
	have, err := k.reload(ctx)
	if err != nil {
		return err
	}
	now, changed := k.now(), false
	for _, alg := range k.algorithms {
		moved, err := k.rotate(ctx, alg, have, now)
		if err != nil {
			return err
		}
		changed = changed || moved
	}
	if k.rotation.KeepRetired > 0 {
		before := now.Add(-k.rotation.KeepRetired)
		if slices.ContainsFunc(have.stored(), func(sk identity.SigningKey) bool { return !sk.RetiredAt.IsZero() && sk.RetiredAt.Before(before) }) {
			n, err := k.store.RemoveRetired(ctx, before)
			if err != nil {
				return fmt.Errorf("signing: %w", err)
			}
			if n > 0 {
				k.log.InfoContext(ctx, "retired signing keys removed; what they signed no longer verifies", "keys", n)
			}
			changed = true
		}
	}
	if changed {
		_, err = k.reload(ctx)
	}
	return err
}

// rotate does what is due of one algorithm. It reports whether the store may have changed.
func (k *Keyring) rotate(ctx context.Context, alg string, have *snapshot, now time.Time) (bool, error) {
	active, next := have.active[alg], have.next(alg)
	switch {
	case next != nil && !now.Before(next.ActivateAt):
		return true, k.activate(ctx, *next, now)
	case next != nil, active == nil, k.rotation.Every <= 0:
		return false, nil
	}
	turn := active.stored.ActivatedAt.Add(k.rotation.Every)
	if now.Before(turn.Add(-k.rotation.ahead())) {
		return false, nil
	}
	// A node that was off for months publishes first, too.
	if earliest := now.Add(Overlap); turn.Before(earliest) {
		turn = earliest
	}
	_, err := k.publish(ctx, alg, turn)
	return true, err
}

// Change is what RotateNow did to the keys of one algorithm.
type Change struct {
	Algorithm   string
	Next        string // kid of the next key
	PublishedAt time.Time
	ActivateAt  time.Time // from when it signs
	Activated   bool      // it signs already
}

// RotateNow starts the rotation of one algorithm without waiting for its turn. The next key, which is made unless there is one already,
// signs as soon as it has been published for the given time: the running nodes activate it. With 0 it signs at once, and signatures may
// fail to verify at receivers that have not read the key set since. ErrNoKey when the algorithm has no active key.
func (k *Keyring) RotateNow(ctx context.Context, alg string, published time.Duration) (Change, error) {
	have, err := k.reload(ctx)
	if err != nil {
		return Change{}, err
	}
	if have.active[alg] == nil {
		return Change{}, fmt.Errorf("%w: nothing signs %q; start the provider with it in signing_algorithms once", ErrNoKey, alg)
	}
	next := have.next(alg)
	if next == nil {
		if _, err := k.publish(ctx, alg, k.now().Add(published)); err != nil {
			return Change{}, err
		}
		// Another node may have published one in the same moment: then that is the one.
		if have, err = k.reload(ctx); err != nil {
			return Change{}, err
		}
		if next = have.next(alg); next == nil {
			return Change{}, fmt.Errorf("%w: the next %s key was activated by another node in this moment; look at the keys and try again", ErrNoKey, alg)
		}
	}
	change := Change{Algorithm: alg, Next: next.ID, PublishedAt: next.CreatedAt, ActivateAt: next.ActivateAt}
	if at := next.CreatedAt.Add(published); at.Before(next.ActivateAt) {
		if _, err := k.nextKeys.Advance(ctx, next.ID, at); err != nil {
			return Change{}, fmt.Errorf("signing: %w", err)
		}
		change.ActivateAt = at
	}
	if now := k.now(); !now.Before(change.ActivateAt) {
		if err := k.activate(ctx, *next, now); err != nil {
			return Change{}, err
		}
		change.Activated, change.ActivateAt = true, now
	}
	_, err = k.reload(ctx)
	return change, err
}

// Stored returns all keys that are published, oldest first, without their private halves.
func (k *Keyring) Stored(ctx context.Context) ([]identity.SigningKey, error) {
	have, err := k.reload(ctx)
	if err != nil {
		return nil, err
	}
	all := have.stored()
	for i := range all {
		all[i].Sealed = nil
	}
	return all, nil
}

func (k *Keyring) publish(ctx context.Context, alg string, activateAt time.Time) (added bool, err error) {
	candidate, err := k.generate(alg)
	if err != nil {
		return false, err
	}
	candidate.ActivatedAt, candidate.ActivateAt = time.Time{}, activateAt
	if added, err = k.nextKeys.AddNext(ctx, candidate); err != nil {
		return false, fmt.Errorf("signing: storing the next %s key: %w", alg, err)
	}
	if added {
		k.log.InfoContext(ctx, "next signing key published", "kid", candidate.ID, "alg", alg, "activate_at", activateAt)
	}
	return added, nil
}

func (k *Keyring) activate(ctx context.Context, next identity.SigningKey, now time.Time) error {
	// A key that this node cannot open would take signing away from all of them.
	if _, err := k.openStored(next); err != nil {
		return err
	}
	activated, err := k.nextKeys.Activate(ctx, next.ID, now)
	if err != nil {
		return fmt.Errorf("signing: activating key %q: %w", next.ID, err)
	}
	if activated {
		k.log.InfoContext(ctx, "signing key activated", "kid", next.ID, "alg", next.Algorithm)
	}
	return nil
}
