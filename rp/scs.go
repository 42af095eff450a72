package rp

import (
	"context"
	"time"
)

// SCSStore is a session store of github.com/alexedwards/scs, of which there are
// some for every database.
type SCSStore interface {
	// Delete removes a token; that it is not there is no error.
	Delete(token string) error
	// Find returns what is stored under a token that has not expired.
	Find(token string) (b []byte, found bool, err error)
	// Commit stores b under a token until expiry.
	Commit(token string, b []byte, expiry time.Time) error
}

// FromSCS makes a [Store] of an scs store. It uses the store's methods with a
// context (FindCtx and so on) if it has them. It is no [Raiser].
func FromSCS(store SCSStore) Store { return scsStore{store} }

type scsStore struct{ scs SCSStore }

func (s scsStore) Get(ctx context.Context, key string) ([]byte, bool, error) {
	if able, ok := s.scs.(interface {
		FindCtx(ctx context.Context, token string) ([]byte, bool, error)
	}); ok {
		return able.FindCtx(ctx, key)
	}
	return s.scs.Find(key)
}

func (s scsStore) Put(ctx context.Context, key string, value []byte, until time.Time) error {
	if able, ok := s.scs.(interface {
		CommitCtx(ctx context.Context, token string, b []byte, expiry time.Time) error
	}); ok {
		return able.CommitCtx(ctx, key, value, until)
	}
	return s.scs.Commit(key, value, until)
}

func (s scsStore) Delete(ctx context.Context, key string) error {
	if able, ok := s.scs.(interface {
		DeleteCtx(ctx context.Context, token string) error
	}); ok {
		return able.DeleteCtx(ctx, key)
	}
	return s.scs.Delete(key)
}
