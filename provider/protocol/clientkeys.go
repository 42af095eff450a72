package protocol

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/exeunt-id/exeunt/provider/identity"
)

// maxClientKeys of one client are looked at. Who rotates needs two for each algorithm.
const maxClientKeys = 32

// outgoing gives the guarded HTTP clients for addresses that somebody else chose.
type outgoing interface {
	Client(allowPrivate bool) *http.Client
}

// ClientKeys knows the public keys of clients: those that they registered, and those that they publish at their jwks_uri.
type ClientKeys struct {
	outgoing outgoing
	now      func() time.Time
	log      *slog.Logger

	mu     sync.Mutex
	remote map[remoteAddress]*remoteKeys
}

// NewClientKeys returns a ClientKeys that has fetched nothing yet. Safe for concurrent use.
func NewClientKeys(o outgoing, now func() time.Time, log *slog.Logger) *ClientKeys {
	return &ClientKeys{outgoing: o, now: now, log: log, remote: map[remoteAddress]*remoteKeys{}}
}

// errUnknownKey says that no key could be tried, which newer keys may change.
var errUnknownKey = errors.New("no key of the client fits")

// verify checks that a key of the client made the assertion's signature. Errors are for the log.
func (k *ClientKeys) verify(ctx context.Context, client identity.Client, a assertion) error {
	switch {
	case client.JWKSURI == "" && len(client.JWKS) == 0:
		return errors.New("the client has registered no keys")
	case client.JWKSURI == "":
		keys, err := readClientKeys(client.JWKS)
		if err != nil {
			return fmt.Errorf("jwks: %w", err)
		}
		return a.verify(keys)
	}
	remote := k.at(client)
	keys, generation, err := remote.current(ctx)
	if err != nil {
		return err
	}
	if err = a.verify(keys); !errors.Is(err, errUnknownKey) {
		return err
	}
	newer, changed, fetchErr := remote.newer(ctx, generation)
	if fetchErr != nil || !changed {
		return errors.Join(err, fetchErr)
	}
	return a.verify(newer)
}

// at returns the cache for a client's jwks_uri.
func (k *ClientKeys) at(client identity.Client) *remoteKeys {
	address := remoteAddress{uri: client.JWKSURI, private: client.AllowPrivateNetwork}
	k.mu.Lock()
	defer k.mu.Unlock()
	remote := k.remote[address]
	if remote == nil {
		if len(k.remote) >= manyRemoteKeys {
			k.forgetUnused()
		}
		remote = &remoteKeys{address: address, client: k.outgoing.Client(address.private), now: k.now, log: k.log, turn: make(chan struct{}, 1)}
		k.remote[address] = remote
	}
	return remote
}

// forgetUnused drops what is of no use any more. k.mu is held.
func (k *ClientKeys) forgetUnused() {
	for address, remote := range k.remote {
		if !remote.usable() {
			delete(k.remote, address)
		}
	}
}

// verify tries the keys that the assertion's header allows: those of its kid, or all of the right kind when it names none.
func (a assertion) verify(keys []jose.JSONWebKey) error {
	tried := false
	for _, key := range keys {
		if a.kid != "" && key.KeyID != a.kid || !fits(key, a.alg) {
			continue
		}
		tried = true
		if _, err := a.jws.Verify(key.Key); err == nil {
			return nil
		}
	}
	if tried && a.kid != "" {
		return fmt.Errorf("the signature is not that of the key %q", a.kid)
	}
	return fmt.Errorf("%w (alg %s, kid %q)", errUnknownKey, a.alg, a.kid)
}

// fits reports whether a key may make signatures with alg: meant for that, of the right type, curve and size (RFC 7518, 3.1).
func fits(key jose.JSONWebKey, alg jose.SignatureAlgorithm) bool {
	if key.Use != "" && key.Use != "sig" || key.Algorithm != "" && key.Algorithm != string(alg) {
		return false
	}
	switch public := key.Key.(type) {
	case *rsa.PublicKey:
		// Longer ones cost us more than the client.
		return alg == jose.RS256 && public.N.BitLen() >= 2048 && public.N.BitLen() <= 8192
	case *ecdsa.PublicKey:
		return alg == jose.ES256 && public.Curve == elliptic.P256()
	case ed25519.PublicKey:
		return alg == jose.EdDSA
	}
	return false
}

// readClientKeys reads the public keys of a JWK Set. Keys of unknown types do not spoil the others (RFC 7517, 5); symmetric and private
// ones are of no use, since whoever published them is not alone in having them.
func readClientKeys(document []byte) ([]jose.JSONWebKey, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(document, &set); err != nil {
		return nil, errors.New("not a JWK Set (RFC 7517, 5)")
	}
	var keys []jose.JSONWebKey
	for _, raw := range set.Keys[:min(len(set.Keys), maxClientKeys)] {
		var key jose.JSONWebKey
		if err := json.Unmarshal(raw, &key); err == nil && key.IsPublic() {
			keys = append(keys, key)
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("the JWK Set has no public key of a known type")
	}
	return keys, nil
}
