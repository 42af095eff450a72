package rp

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/json"
)

const (
	// keysLife is how long fetched keys are used without asking again, so that a
	// key that the provider has withdrawn is forgotten.
	keysLife = time.Hour
	// fetchTimeout bounds discovery and keys together: the provider that sends
	// the logout token is waiting meanwhile.
	fetchTimeout = 8 * time.Second
	// failurePause is how long a failed fetch is not repeated.
	failurePause = time.Second
)

// keySet is the provider's published keys, fetched when they are needed.
type keySet struct {
	issuer, jwksURI string
	client          *http.Client
	now             func() time.Time
	interval        time.Duration // between two fetches for unknown keys

	fetching chan struct{} // holds one value while a fetch runs; waiting for it respects contexts

	mu        sync.Mutex // guards what follows; never held during a fetch
	keys      []jose.JSONWebKey
	fetchedAt time.Time
	fetches   int       // successful ones
	blocked   time.Time // no fetch before this
	blockedBy error     // the failure behind blocked, if it was one
}

func newKeySet(issuer, jwksURI string, client *http.Client, now func() time.Time, interval time.Duration) *keySet {
	return &keySet{
		issuer: issuer, jwksURI: jwksURI, client: client, now: now, interval: interval,
		fetching: make(chan struct{}, 1),
	}
}

// find returns the keys that may have made a signature with kid and alg: none
// if the provider has no such key, several only if it publishes one kid twice.
// A token without kid fits only if one key alone does (OpenID Connect Core 1.0, 10.1).
//
// An unknown kid leads to one fetch, since the provider may have rotated its
// keys. When a fetch is needed and impossible, the error is a *TemporaryError:
// "we cannot know" must not be mistaken for "there is no such key".
func (k *keySet) find(ctx context.Context, kid string, alg jose.SignatureAlgorithm) ([]jose.JSONWebKey, error) {
	found, fresh, fetches := k.cached(kid, alg)
	if len(found) > 0 && fresh {
		return found, nil
	}
	err := k.refresh(ctx, fetches)
	// A key that is merely due for refreshing still serves when the provider's
	// key endpoint is down; the worst it can do is to log somebody out.
	if found, _, _ = k.cached(kid, alg); len(found) > 0 {
		return found, nil
	}
	return nil, err
}

// cached looks kid up in what was fetched before, and says whether that is
// still fresh and how many fetches led to it.
func (k *keySet) cached(kid string, alg jose.SignatureAlgorithm) (found []jose.JSONWebKey, fresh bool, fetches int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, key := range k.keys {
		if (kid == "" || key.KeyID == kid) && fits(key, alg) {
			found = append(found, key)
		}
	}
	if kid == "" && len(found) > 1 {
		found = nil
	}
	return found, k.fetches > 0 && k.now().Before(k.fetchedAt.Add(keysLife)), k.fetches
}

// refresh fetches the keys, unless somebody did since seen was read. At most
// one fetch runs at a time, and tokens with invented kids cannot cause more
// than one per interval.
func (k *keySet) refresh(ctx context.Context, seen int) error {
	select {
	case k.fetching <- struct{}{}:
		defer func() { <-k.fetching }()
	case <-ctx.Done():
		return &TemporaryError{Reason: "the request ended while the provider's keys were being fetched", Err: ctx.Err()}
	}

	k.mu.Lock()
	fetches, blocked, blockedBy := k.fetches, k.blocked, k.blockedBy
	k.mu.Unlock()
	if fetches != seen {
		return nil
	}
	if k.now().Before(blocked) {
		return &TemporaryError{Reason: "the provider's keys were asked for a moment ago; not asking again yet", Err: blockedBy}
	}

	keys, err := k.fetch(ctx)
	k.mu.Lock()
	defer k.mu.Unlock()
	if err != nil {
		if ctx.Err() == nil { // a caller who went away says nothing about the provider
			k.blocked, k.blockedBy = k.now().Add(min(failurePause, k.interval)), err
		}
		return &TemporaryError{Reason: "the keys of " + k.issuer + " could not be fetched", Err: err}
	}
	k.blockedBy = nil
	if k.fetches > 0 { // the first unknown kid after the first fetch may ask at once
		k.blocked = k.now().Add(k.interval)
	}
	k.keys, k.fetchedAt, k.fetches = keys, k.now(), k.fetches+1
	return nil
}

// fetch reads discovery, unless the address of the keys is configured, and the keys.
func (k *keySet) fetch(ctx context.Context) ([]jose.JSONWebKey, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	jwksURI := k.jwksURI
	if jwksURI == "" {
		metadata, err := discover(ctx, k.client, k.issuer)
		if err != nil {
			return nil, err
		}
		jwksURI = metadata.JWKSURI
	}
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := getJSON(ctx, k.client, jwksURI, &set); err != nil {
		return nil, err
	}
	var keys []jose.JSONWebKey
	for _, raw := range set.Keys {
		var key jose.JSONWebKey
		// A key of an unknown type or with odd members is of no use, and must not
		// spoil the others (RFC 7517, 5).
		if err := json.Unmarshal(raw, &key); err == nil {
			keys = append(keys, key)
		}
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("%s has no usable key", jwksURI)
	}
	return keys, nil
}

// fits reports whether key may have made a signature with alg: meant for
// signing, of the right type, curve and size (RFC 7518, 3.1).
func fits(key jose.JSONWebKey, alg jose.SignatureAlgorithm) bool {
	if (key.Use != "" && key.Use != "sig") || (key.Algorithm != "" && key.Algorithm != string(alg)) {
		return false
	}
	switch public := key.Key.(type) {
	case *rsa.PublicKey:
		return (strings.HasPrefix(string(alg), "RS") || strings.HasPrefix(string(alg), "PS")) && public.N.BitLen() >= 2048
	case *ecdsa.PublicKey:
		bits := map[jose.SignatureAlgorithm]int{jose.ES256: 256, jose.ES384: 384, jose.ES512: 521}
		return public.Curve.Params().BitSize == bits[alg]
	case ed25519.PublicKey:
		return alg == jose.EdDSA
	}
	return false
}
