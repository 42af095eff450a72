package logouttest

import (
	"fmt"
	"testing"

	"github.com/exeunt-id/exeunt/logout"
)

// BenchmarkEnd measures the transaction that ends a session of the given number of relying parties.
func BenchmarkEnd(b *testing.B, store logout.Store, parties int) {
	for range b.N {
		b.StopTimer()
		session := joined(b, store, parties)
		b.StartTimer()
		endSession(b, store, session)
	}
}

// EndOne ends a new session of the given number of relying parties and returns its plan.
func EndOne(b *testing.B, store logout.Store, parties int) *logout.Plan {
	b.Helper()
	return endSession(b, store, joined(b, store, parties))
}

func joined(b *testing.B, store logout.Store, parties int) logout.Session {
	b.Helper()
	session := newSession("alice")
	if err := store.Start(b.Context(), session); err != nil {
		b.Fatal(err)
	}
	for i := range parties {
		if _, err := store.Join(b.Context(), session.ID, fmt.Sprintf("rp-%d", i), "alice", epoch); err != nil {
			b.Fatal(err)
		}
	}
	return session
}

func endSession(b *testing.B, store logout.Store, session logout.Session) *logout.Plan {
	b.Helper()
	p, err := end(b.Context(), Opened{Store: store}, logout.CauseRedirect, logout.Target{SessionID: session.ID})
	if err != nil {
		b.Fatal(err)
	}
	return p
}
