package logoutstore_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/exeunt-id/exeunt/database/databasetest"
	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/logout/logoutstore"
	"github.com/exeunt-id/exeunt/logout/logouttest"
)

// One logout of ten relying parties, and the record of 10 or 100 first attempts that succeeded.
func BenchmarkLogout(b *testing.B) {
	for name, url := range map[string]func(testing.TB) string{"sqlite": databasetest.SQLiteURL, "postgres": databasetest.PostgresURL} {
		store := logoutstore.New(databasetest.Open(b, url(b)))
		b.Run(name+"/end", func(b *testing.B) {
			logouttest.BenchmarkEnd(b, store, 10)
		})
		for _, logouts := range []int{1, 10} {
			b.Run(fmt.Sprintf("%s/settle-%d", name, 10*logouts), func(b *testing.B) {
				for range b.N {
					b.StopTimer()
					var outcomes []logout.Settlement
					for range logouts {
						for _, d := range logouttest.EndOne(b, store, 10).Deliveries {
							outcomes = append(outcomes, logout.Settlement{Delivery: d, State: logout.StateDelivered, Attempt: &logout.Attempt{
								DeliveryID: d.ID, Number: 1, At: d.CreatedAt, Duration: time.Millisecond, Status: 200, State: logout.StateDelivered,
							}})
						}
					}
					b.StartTimer()
					if _, err := store.Settle(b.Context(), time.Now(), outcomes); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
