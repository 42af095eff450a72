package logoutstore_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/exeunt-id/exeunt/database/databasetest"
	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/logout/logoutstore"
)

// A slow transaction that wrote its event before fast ones, and commits after a reader has gone past them, is not missed. Ids and
// sequences would miss it, so the test says first that its event has the smaller id.
func TestSlowTransactionIsNotMissed(t *testing.T) {
	db := databasetest.Open(t, databasetest.PostgresURL(t))
	store := logoutstore.New(db)
	announce := func(ctx context.Context) string {
		p := &logout.Plan{LogoutID: logout.NewID(), Request: logout.Request{Cause: logout.CauseAnnounced}, At: time.Now()}
		id := logout.NewID()
		p.Deliveries = []logout.Delivery{{ID: id, EventID: id, LogoutID: p.LogoutID, ClientID: "shop", Channel: "test", State: logout.StateUnreachable}}
		if err := store.Write(ctx, p); err != nil {
			t.Error(err)
		}
		return id
	}
	var read []string
	after := int64(0)
	pull := func() {
		page, _, err := store.Events(t.Context(), "shop", after, 100)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page {
			read, after = append(read, e.EventID), e.Number
		}
	}
	var want []string
	for range 20 {
		written, commit, committed := make(chan string), make(chan struct{}), make(chan struct{})
		go func() {
			defer close(committed)
			err := db.Tx(t.Context(), func(ctx context.Context) error {
				written <- announce(ctx)
				<-commit
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		}()
		slow := <-written
		for range 1 + rand.IntN(3) { //nolint:gosec // not a secret
			fast := announce(t.Context())
			if fast <= slow {
				t.Fatalf("the fast event %s is not younger than the slow one %s", fast, slow)
			}
			want = append(want, fast)
			pull()
		}
		close(commit)
		<-committed
		want = append(want, slow)
		pull()
		if !slices.Equal(read, want) {
			t.Fatalf("read %v\nwant %v", read, want)
		}
	}
}
