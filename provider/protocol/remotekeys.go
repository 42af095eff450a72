package protocol

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	keysFresh       = 5 * time.Minute  // fetched keys are used without asking again
	keysStale       = time.Hour        // and this long when the client's server fails: by then a withdrawn key must be gone
	keysPause       = 30 * time.Second // between two fetches that unknown kids cause: anybody can invent those
	failurePause    = 10 * time.Second // after a failed fetch
	keysTimeout     = 5 * time.Second  // of a fetch
	maxKeysDocument = 64 << 10         // bytes
	manyRemoteKeys  = 1024             // from so many on, unused ones are dropped
)

// remoteAddress is a jwks_uri, and whether it may be on a private address: two clients may differ in that.
type remoteAddress struct {
	uri     string
	private bool
}

// remoteKeys are the keys at one jwks_uri, as this node has last seen them.
type remoteKeys struct {
	address remoteAddress
	client  *http.Client
	now     func() time.Time
	log     *slog.Logger

	turn chan struct{} // held by whoever fetches

	mu          sync.Mutex
	keys        []jose.JSONWebKey
	generation  int       // of keys; 0: none yet
	fetchedAt   time.Time // when keys were
	failedAt    time.Time
	refetchedAt time.Time // because of an unknown kid
}

// current returns keys that are not old, and their generation. When they cannot be fetched, those from before serve for a while.
func (r *remoteKeys) current(ctx context.Context) ([]jose.JSONWebKey, int, error) {
	r.mu.Lock()
	keys, generation, fresh := r.keys, r.generation, r.age() < keysFresh
	r.mu.Unlock()
	if fresh {
		return keys, generation, nil
	}
	return r.fetchUnless(ctx, generation, false)
}

// newer asks again, because a key was not among those of the given generation. It reports whether there are others.
func (r *remoteKeys) newer(ctx context.Context, generation int) ([]jose.JSONWebKey, bool, error) {
	keys, now, err := r.fetchUnless(ctx, generation, true)
	return keys, now != generation, err
}

// fetchUnless fetches the keys, unless somebody else did since the given generation, has just failed to, or, for an unknown kid, did so for
// another one. At most one fetch runs at a time; who comes meanwhile waits for its result.
func (r *remoteKeys) fetchUnless(ctx context.Context, generation int, unknownKid bool) ([]jose.JSONWebKey, int, error) {
	select {
	case r.turn <- struct{}{}:
		defer func() { <-r.turn }()
	case <-ctx.Done():
		return nil, 0, fmt.Errorf("jwks_uri: waiting for a turn: %w", ctx.Err())
	}
	r.mu.Lock()
	now, known := r.now(), r.generation
	failing, pausing := now.Sub(r.failedAt) < failurePause, unknownKid && now.Sub(r.refetchedAt) < keysPause
	if unknownKid && known == generation && !failing && !pausing {
		r.refetchedAt = now
	}
	r.mu.Unlock()
	switch {
	case known != generation, pausing:
		return r.last(nil)
	case failing:
		return r.last(errors.New("jwks_uri: it could not be fetched a moment ago"))
	}
	// The fetch serves all who wait; it does not end when the first of them goes away.
	keys, err := r.fetch(context.WithoutCancel(ctx))
	if err != nil {
		r.log.WarnContext(ctx, "the keys of a client cannot be fetched", "jwks_uri", r.address.uri, "error", err)
	}
	r.mu.Lock()
	if err == nil {
		r.keys, r.fetchedAt, r.failedAt, r.generation = keys, r.now(), time.Time{}, r.generation+1
	} else {
		r.failedAt = r.now()
	}
	r.mu.Unlock()
	return r.last(err)
}

// last returns the last good keys while they may still be used, otherwise the error.
func (r *remoteKeys) last(err error) ([]jose.JSONWebKey, int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.generation > 0 && r.age() < keysStale {
		return r.keys, r.generation, nil
	}
	if err == nil {
		err = errors.New("jwks_uri: its keys are too old")
	}
	return nil, r.generation, err
}

// age of the keys; r.mu is held.
func (r *remoteKeys) age() time.Duration { return r.now().Sub(r.fetchedAt) }

// usable reports whether the keys may still serve.
func (r *remoteKeys) usable() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.age() < keysStale || len(r.turn) > 0
}

func (r *remoteKeys) fetch(ctx context.Context) (keys []jose.JSONWebKey, err error) {
	ctx, cancel := context.WithTimeout(ctx, keysTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.address.uri, nil)
	if err != nil {
		return nil, fmt.Errorf("jwks_uri: %w", err)
	}
	request.Header.Set("Accept", "application/jwk-set+json, application/json")
	response, err := r.client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("jwks_uri: %w", err)
	}
	defer func() { err = errors.Join(err, response.Body.Close()) }()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("jwks_uri: it answered %s", response.Status)
	}
	document, err := io.ReadAll(io.LimitReader(response.Body, maxKeysDocument+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("jwks_uri: %w", err)
	case len(document) > maxKeysDocument:
		return nil, fmt.Errorf("jwks_uri: it answered more than %d bytes", maxKeysDocument)
	}
	if keys, err = readClientKeys(document); err != nil {
		return nil, fmt.Errorf("jwks_uri: %w", err)
	}
	return keys, nil
}
