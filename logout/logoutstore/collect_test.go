package logoutstore_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/exeunt-id/exeunt/database/databasetest"
	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/logout/logoutstore"
)

// Two polls acknowledge the same events in different orders: neither is refused because of the other.
func TestCollectInAnyOrder(t *testing.T) {
	db := databasetest.Open(t, databasetest.PostgresURL(t))
	store := logoutstore.New(db)
	at := time.Now().UTC()
	for round := range 5 {
		stream := fmt.Sprintf("stream-%d", round)
		plan := &logout.Plan{LogoutID: logout.NewID(), Request: logout.Request{Cause: logout.CauseAnnounced}, At: at}
		var said []logout.Attempt
		for range 400 {
			d := logout.Delivery{
				ID: logout.NewID(), LogoutID: plan.LogoutID, ClientID: "shop", Channel: logout.ChannelCAEP, State: logout.StateUnconfirmed, Cause: logout.CauseAnnounced,
				StreamID: stream, CreatedAt: at, NextAt: at, GiveUpAt: at,
			}
			plan.Deliveries = append(plan.Deliveries, d)
			said = append(said, logout.Attempt{DeliveryID: d.ID, At: at, State: logout.StateDelivered})
		}
		if err := store.Write(t.Context(), plan); err != nil {
			t.Fatal(err)
		}
		back := slices.Clone(said)
		slices.Reverse(back)
		var group sync.WaitGroup
		for _, words := range [][]logout.Attempt{said, back} {
			group.Go(func() {
				if _, err := store.Collect(t.Context(), stream, words); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
	}
}
