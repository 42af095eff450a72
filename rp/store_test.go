package rp_test

import (
	"testing"
	"time"

	"github.com/exeunt-id/exeunt/rp"
	"github.com/exeunt-id/exeunt/rp/rptest"
)

func TestMemoryStore(t *testing.T) {
	rptest.TestStore(t, func(*testing.T) [2]rp.Store {
		store := rp.NewMemoryStore(0, nil)
		return [2]rp.Store{store, store}
	})
}

// A flood of one kind of keys pushes out no other kind.
func TestMemoryStoreKeepsKindsApart(t *testing.T) {
	store, until := rp.NewMemoryStore(2, nil), time.Now().Add(time.Hour)
	for _, key := range []string{"session:1", "state:1", "state:2", "state:3"} {
		if err := store.Put(t.Context(), key, []byte("x"), until); err != nil {
			t.Fatal(err)
		}
	}
	for key, want := range map[string]bool{"session:1": true, "state:1": false, "state:2": true, "state:3": true} {
		if _, found, err := store.Get(t.Context(), key); err != nil || found != want {
			t.Errorf("%s: %t, %v", key, found, err)
		}
	}
}

// scsMemory has what a store of alexedwards/scs has; with contexts if ctx is set.
type scsMemory struct{ *rp.MemoryStore }

func (s scsMemory) Delete(key string) error { return s.MemoryStore.Delete(nil, key) } //nolint:staticcheck // scs has no context here
func (s scsMemory) Find(key string) ([]byte, bool, error) {
	return s.Get(nil, key) //nolint:staticcheck // scs has no context here
}

func (s scsMemory) Commit(key string, value []byte, until time.Time) error {
	return s.Put(nil, key, value, until) //nolint:staticcheck // scs has no context here
}

func TestFromSCS(t *testing.T) {
	rptest.TestStore(t, func(*testing.T) [2]rp.Store {
		store := rp.FromSCS(scsMemory{rp.NewMemoryStore(0, nil)})
		return [2]rp.Store{store, store}
	})
}
