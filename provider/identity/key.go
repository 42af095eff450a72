package identity

import (
	"context"
	"time"
)

// SigningKey is a key pair as it is kept: its private half encrypted.
type SigningKey struct {
	ID          string // kid
	Algorithm   string // RS256, ES256 or EdDSA
	Sealed      []byte // PKCS #8, encrypted
	Public      []byte // JWK, JSON
	CreatedAt   time.Time
	ActivatedAt time.Time // zero: published, not signing yet
	RetiredAt   time.Time // zero: signs, or will
}

// Keys keeps signing keys.
type Keys interface {
	// Keys returns all keys that are still to be published: next, active, and retired ones that have not been removed.
	Keys(ctx context.Context) ([]SigningKey, error)

	// AddIfNone stores k as the active key of its algorithm unless there is an active one already, whoever made it. It reports whether
	// k was stored.
	AddIfNone(ctx context.Context, k SigningKey) (bool, error)
}
