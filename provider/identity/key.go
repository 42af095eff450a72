package identity

import (
	"context"
	"time"
)

// KeySetLife is how long whoever reads the published key set may keep it: a key that is to sign must have been in it for longer.
const KeySetLife = 5 * time.Minute

// SigningKey is a key pair as it is kept: its private half encrypted.
type SigningKey struct {
	ID          string // kid
	Algorithm   string // RS256, ES256 or EdDSA
	Sealed      []byte // PKCS #8, encrypted
	Public      []byte // JWK, JSON
	CreatedAt   time.Time
	ActivateAt  time.Time // from when a next key is to sign; zero for one that was made active at once
	ActivatedAt time.Time // zero: published, not signing yet
	RetiredAt   time.Time // zero: signs, or will
}

// The states of a signing key.
const (
	KeyNext    = "next"    // published, not signing yet
	KeyActive  = "active"  // signs; one per algorithm over all nodes
	KeyRetired = "retired" // published so that what it signed can still be verified
)

// State returns KeyNext, KeyActive or KeyRetired.
func (k SigningKey) State() string {
	switch {
	case !k.RetiredAt.IsZero():
		return KeyRetired
	case k.ActivatedAt.IsZero():
		return KeyNext
	}
	return KeyActive
}

// Keys keeps signing keys.
type Keys interface {
	// Keys returns all keys that are still to be published: next, active, and retired ones that have not been removed.
	Keys(ctx context.Context) ([]SigningKey, error)

	// AddIfNone stores k as the active key of its algorithm unless there is an active one already, whoever made it. It reports whether
	// k was stored.
	AddIfNone(ctx context.Context, k SigningKey) (bool, error)

	// RemoveRetired removes the keys that were retired before a time: what they signed can no longer be verified. It returns how many.
	RemoveRetired(ctx context.Context, before time.Time) (int, error)
}

// NextKeys keeps the keys that are to sign next. Each method changes what is stored in one step and only if it is as the caller
// believes, so any number of nodes may call it at once.
type NextKeys interface {
	// AddNext stores k as the next key of its algorithm unless there is one already. It reports whether k was stored.
	AddNext(ctx context.Context, k SigningKey) (bool, error)

	// Advance brings the time from which a next key is to sign forward; it never puts it off. It reports whether anything changed.
	Advance(ctx context.Context, id string, activateAt time.Time) (bool, error)

	// Activate makes a next key the active one of its algorithm and retires the one that was, both at the given time. It reports false,
	// and changes nothing, when id is not a next key (any more).
	Activate(ctx context.Context, id string, at time.Time) (bool, error)
}
