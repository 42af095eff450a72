package signing

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/exeunt-id/exeunt/provider/identity"
)

// ErrNoKey says that there is no key of that id, or no active one of that algorithm.
var ErrNoKey = errors.New("signing: no such key")

// Options are what a Keyring needs.
type Options struct {
	Keys       identity.Keys
	NextKeys   identity.NextKeys // what Rotate and RotateNow write to
	Rotation   Rotation
	Secrets    [][32]byte // newest first: the first seals, all of them open
	Algorithms []string   // RS256, ES256, EdDSA: an active key of each must exist
	Now        func() time.Time
	Logger     *slog.Logger // Defaults to slog.Default.
}

// Keyring signs with the active keys and publishes all of them. Safe for concurrent use.
type Keyring struct {
	store      identity.Keys
	nextKeys   identity.NextKeys
	rotation   Rotation
	algorithms []string
	sealers    func() ([]*sealer, error) // newest secret first
	now        func() time.Time
	log        *slog.Logger

	keys     atomic.Pointer[snapshot]
	changes  atomic.Uint64 // how many changes of the store this node has heard of
	reading  sync.Mutex    // held by whoever reads the store; guards the two below
	triedAt  time.Time
	triedFor uint64 // changes, at the last try

	rsa chan struct{} // turns at RSA for messages; see Sign
}

// NewKeyring returns a Keyring that has read nothing yet; see Ensure.
func NewKeyring(o Options) *Keyring {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	secrets := slices.Clone(o.Secrets)
	return &Keyring{
		store: o.Keys, nextKeys: o.NextKeys, rotation: o.Rotation, algorithms: slices.Clone(o.Algorithms), now: o.Now, log: o.Logger,
		sealers: sync.OnceValues(func() ([]*sealer, error) { return newSealers(secrets, keyUse) }),
		rsa:     make(chan struct{}, runtime.GOMAXPROCS(0)),
	}
}

// newSealers derives a sealer for one use from each secret.
func newSealers(secrets [][32]byte, use string) ([]*sealer, error) {
	if len(secrets) == 0 {
		return nil, fmt.Errorf("signing: a %s needs a secret to be encrypted under; set `secrets`", use)
	}
	sealers := make([]*sealer, len(secrets))
	for i, secret := range secrets {
		s, err := newSealer(secret, use)
		if err != nil {
			return nil, err
		}
		sealers[i] = s
	}
	return sealers, nil
}

// Ensure makes an active key for each configured algorithm that has none, and opens all active keys, so that a missing secret stops the
// start. With all keys in place it costs one read. Any number of nodes may call it at once: each makes its own candidates before it
// touches the store, and the store keeps the first.
func (k *Keyring) Ensure(ctx context.Context) error {
	have, err := k.reload(ctx)
	if err != nil {
		return err
	}
	made := false
	for _, alg := range k.algorithms {
		if have.active[alg] != nil {
			continue
		}
		candidate, err := k.generate(alg)
		if err != nil {
			return err
		}
		added, err := k.store.AddIfNone(ctx, candidate)
		if err != nil {
			return fmt.Errorf("signing: storing the first %s key: %w", alg, err)
		}
		if added {
			k.log.InfoContext(ctx, "signing key made", "kid", candidate.ID, "alg", alg)
		}
		made = true
	}
	if !made {
		return nil
	}
	if have, err = k.reload(ctx); err != nil {
		return err
	}
	for _, alg := range k.algorithms {
		if have.active[alg] == nil {
			return fmt.Errorf("%w: an %s key was made, but the store returns none", ErrNoKey, alg)
		}
	}
	return nil
}

func (k *Keyring) reload(ctx context.Context) (*snapshot, error) {
	k.reading.Lock()
	defer k.reading.Unlock()
	return k.read(ctx)
}

// openStored opens the private half of a key as if it signed.
func (k *Keyring) openStored(sk identity.SigningKey) (*key, error) {
	sealers, err := k.sealers()
	if err != nil {
		return nil, err
	}
	sk.ActivatedAt = k.now()
	return parse(sk, sealers)
}

// generate makes a key pair, ready to be stored as the active one.
func (k *Keyring) generate(alg string) (identity.SigningKey, error) {
	sealers, err := k.sealers()
	if err != nil {
		return identity.SigningKey{}, err
	}
	private, public, err := generate(alg)
	if err != nil {
		return identity.SigningKey{}, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return identity.SigningKey{}, fmt.Errorf("signing: making a key: %w", err)
	}
	jwk, err := json.Marshal(public)
	if err != nil {
		return identity.SigningKey{}, fmt.Errorf("signing: making a key: %w", err)
	}
	now := k.now()
	return identity.SigningKey{
		ID: public.KeyID, Algorithm: alg, Sealed: sealers[0].seal(keyBinding(public.KeyID, alg), der), Public: jwk, CreatedAt: now, ActivatedAt: now,
	}, nil
}

// Sign returns the payload as a compact JWS under the active key of the algorithm, with the headers alg, kid and, unless it is empty,
// typ. ErrNoKey when the algorithm has no active key.
//
// RSA is some thirty times dearer than the other algorithms. Messages to relying parties, whose typ names an event, take turns at it: a
// thousand logout tokens at once must not stand before the ID token of somebody who logs in, which waits for no turn.
func (k *Keyring) Sign(ctx context.Context, alg, typ string, payload []byte) (string, error) {
	s, err := k.current(ctx)
	if err != nil {
		return "", err
	}
	key := s.active[alg]
	if key == nil {
		return "", fmt.Errorf("%w: nothing signs %q; is it in signing_algorithms?", ErrNoKey, alg)
	}
	signer, err := key.signer(typ)
	if err != nil {
		return "", err
	}
	if alg == string(jose.RS256) && (typ == "logout+jwt" || typ == "secevent+jwt") {
		select {
		case k.rsa <- struct{}{}:
			defer func() { <-k.rsa }()
		case <-ctx.Done():
			return "", fmt.Errorf("signing: waiting for a turn: %w", ctx.Err())
		}
	}
	jws, err := signer.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("signing: key %q: %w", key.stored.ID, err)
	}
	return jws.CompactSerialize()
}

// PublicSet returns the public halves of all keys that are published: next, active and retired.
func (k *Keyring) PublicSet(ctx context.Context) (jose.JSONWebKeySet, error) {
	s, err := k.current(ctx)
	if err != nil {
		return jose.JSONWebKeySet{}, err
	}
	return jose.JSONWebKeySet{Keys: slices.Clone(s.set.Keys)}, nil
}

// PublicKey returns the public half of a published key; ErrNoKey when there is none of that id. An unknown id may belong to a key that
// another node made a moment ago, so the store is asked again, at most every five seconds: anybody can send unknown ids.
func (k *Keyring) PublicKey(ctx context.Context, kid string) (*jose.JSONWebKey, error) {
	s, err := k.current(ctx)
	if err != nil {
		return nil, err
	}
	found := s.byID[kid]
	if found == nil {
		found = k.refresh(ctx, k.now()).byID[kid]
	}
	if found == nil {
		return nil, fmt.Errorf("%w: kid %q", ErrNoKey, kid)
	}
	public := found.public
	return &public, nil
}
