package provider

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/exeunt-id/exeunt/provider/audit"
	"github.com/exeunt-id/exeunt/provider/identity"
	"github.com/exeunt-id/exeunt/provider/signing"
)

// KeyOverlap is how long a next key should be published before it signs: after that time every receiver has read it.
const KeyOverlap = signing.Overlap

// KeyChange is what RotateKeys did to the keys of one algorithm.
type KeyChange = signing.Change

// Keys returns the signing keys that are published, oldest first, without their private halves.
func (o *Operator) Keys(ctx context.Context) ([]identity.SigningKey, error) {
	return o.keyring.Stored(ctx)
}

// RotateKeys replaces the active key of an algorithm, or of all configured ones when alg is empty, by the next one, once that has been
// published for the given time; a running provider activates it then. 0 activates at once, which can make signatures fail to verify at
// receivers that have not read the key set since; KeyOverlap is safe.
func (o *Operator) RotateKeys(ctx context.Context, alg string, published time.Duration) ([]KeyChange, error) {
	algorithms := o.cfg.Algorithms
	if alg != "" {
		if !slices.Contains(algorithms, alg) {
			return nil, fmt.Errorf("%q is not among signing_algorithms; use %s", alg, strings.Join(algorithms, ", "))
		}
		algorithms = []string{alg}
	}
	var changes []KeyChange
	for _, alg := range algorithms {
		change, err := o.keyring.RotateNow(ctx, alg, published)
		if err != nil {
			return changes, err
		}
		changes = append(changes, change)
		// Not in one transaction: the keyring makes keys outside of any, because that takes long.
		if err := o.trail.Record(ctx, audit.KeyRotated(o.actor, alg, change.Next, change.ActivateAt)); err != nil {
			return changes, err
		}
	}
	return changes, nil
}
