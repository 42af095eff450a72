package identity

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"runtime"
	"time"

	"golang.org/x/crypto/argon2"
)

// MaxPasswordBytes is the longest password that is hashed. A longer one never matches, so that nobody can make the provider digest
// megabytes.
const MaxPasswordBytes = 1024

// hashQueue is how long a hash waits for a free slot before the caller is told to come back later.
const hashQueue = 5 * time.Second

// ErrBusy says that too many passwords are being hashed: answer 503 with Retry-After.
var ErrBusy = errors.New("identity: too many logins at the same time; try again in a few seconds")

// ErrPasswordTooLong says that a password has more than MaxPasswordBytes bytes.
var ErrPasswordTooLong = fmt.Errorf("identity: the password has more than %d bytes", MaxPasswordBytes)

// PasswordParams are the cost of a new argon2id hash (RFC 9106). Zero fields take their defaults.
type PasswordParams struct {
	MemoryKiB   uint32 // Defaults to 19456 (19 MiB).
	Iterations  uint32 // Defaults to 2.
	Parallelism uint8  // Lanes. Defaults to 1.
}

// Passwords hashes and verifies passwords with argon2id. At most GOMAXPROCS of them are worked on at once, because each takes a core
// and its memory; the others wait in line. Safe for concurrent use.
type Passwords struct {
	params PasswordParams
	limits phcLimits
	slots  chan struct{}
	queue  time.Duration
	dummy  string // belongs to no password
}

// NewPasswords returns a hasher that makes hashes of the given cost.
func NewPasswords(p PasswordParams) *Passwords {
	if p.MemoryKiB == 0 {
		p.MemoryKiB = 19456
	}
	if p.Iterations == 0 {
		p.Iterations = 2
	}
	if p.Parallelism == 0 {
		p.Parallelism = 1
	}
	w := &Passwords{
		params: p, limits: defaultPHCLimits.raisedTo(p),
		slots: make(chan struct{}, runtime.GOMAXPROCS(0)), queue: hashQueue,
	}
	// A random key instead of a hash: no password is known to lead to it, and the start costs nothing.
	w.dummy = phcHash{params: p, salt: random(saltBytes), key: random(keyBytes)}.String()
	return w
}

// Hash returns the password's hash as a PHC string. ErrPasswordTooLong, ErrBusy, or the context's error.
func (w *Passwords) Hash(ctx context.Context, password string) (string, error) {
	if len(password) > MaxPasswordBytes {
		return "", ErrPasswordTooLong
	}
	release, err := w.acquire(ctx)
	if err != nil {
		return "", err
	}
	defer release()
	return w.hash(password), nil
}

// Verify reports whether the password belongs to the PHC string, and whether it should be hashed anew because the configured cost was
// raised since. ErrBusy, the context's error, or ErrPasswordHash when the stored string is not one that this program can check.
func (w *Passwords) Verify(ctx context.Context, phc, password string) (ok, needsRehash bool, err error) {
	if len(password) > MaxPasswordBytes {
		return false, false, nil
	}
	release, err := w.acquire(ctx)
	if err != nil {
		return false, false, err
	}
	defer release()
	return w.verify(phc, password)
}

// hash and verify are for holders of a slot.
func (w *Passwords) hash(password string) string {
	h := phcHash{params: w.params, salt: random(saltBytes)}
	h.key = h.derive(password, keyBytes)
	return h.String()
}

func (w *Passwords) verify(phc, password string) (ok, needsRehash bool, err error) {
	h, err := parsePHC(phc, w.limits)
	if err != nil {
		return false, false, err
	}
	if subtle.ConstantTimeCompare(h.derive(password, uint32(len(h.key))), h.key) != 1 {
		return false, false, nil
	}
	return true, h.weakerThan(w.params), nil
}

// acquire takes a slot; the caller must release it.
func (w *Passwords) acquire(ctx context.Context) (release func(), err error) {
	release = func() { <-w.slots }
	select {
	case w.slots <- struct{}{}:
		return release, nil
	default:
	}
	timer := time.NewTimer(w.queue)
	defer timer.Stop()
	select {
	case w.slots <- struct{}{}:
		return release, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("identity: waiting to hash a password: %w", ctx.Err())
	case <-timer.C:
		return nil, ErrBusy
	}
}

func (h phcHash) derive(password string, length uint32) []byte {
	return argon2.IDKey([]byte(password), h.salt, h.params.Iterations, h.params.MemoryKiB, h.params.Parallelism, length)
}

// weakerThan compares the work that a guess costs: memory first, then memory times passes, so that a hash which trades one for the
// other (64 MiB, one pass) is not replaced by a cheaper one. Lanes spread the work and do not add to it.
func (h phcHash) weakerThan(p PasswordParams) bool {
	work := func(p PasswordParams) uint64 { return uint64(p.MemoryKiB) * uint64(p.Iterations) }
	return h.params.MemoryKiB < p.MemoryKiB || work(h.params) < work(p) || len(h.key) < keyBytes || len(h.salt) < saltBytes
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails (crypto/rand)
	return b
}
