package e2e

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/exeunt-id/exeunt/bench/driver"
	"github.com/exeunt-id/exeunt/database/databasetest"
)

// The promise, put to the test: 200 people who use ten applications each log out; the provider is killed right after the last answer;
// of the ten applications one refuses connections and two answer 503 until after the restart. In the end every one of the 2,000 logout
// tokens has been acknowledged with 2xx.
func TestKilledRightAfterTheAnswers(t *testing.T) {
	const sessions, parties = 200, 10
	databasetest.EachURL(t, func(t *testing.T, database string) {
		up, refusing, failing := newSink(t, http.StatusOK), newSink(t, http.StatusOK), newSink(t, http.StatusServiceUnavailable)
		if err := refusing.Close(); err != nil {
			t.Fatal(err)
		}
		sinkOf := func(i int) *driver.Sink {
			switch i {
			case 0:
				return refusing
			case 1, 2:
				return failing
			default:
				return up
			}
		}
		w := newWorld(t, database, parties, func(i int, id string) string { return sinkOf(i).URL(id) },
			map[string]any{"logout": map[string]any{"wait": "0s", "attempt_timeout": "2s"}})

		agents := make([]*driver.Agent, sessions)
		each(t, sessions, 4, func(i int) error {
			agents[i] = w.agent(t, i)
			for _, c := range w.clients {
				if _, err := agents[i].SignOn(t.Context(), c, "openid"); err != nil {
					return err
				}
			}
			return nil
		})
		each(t, sessions, 32, func(i int) error { return agents[i].Logout(t.Context(), w.clients[i%parties]) })
		if err := w.Kill(); err != nil {
			t.Fatal(err)
		}
		before := len(up.Acknowledged())
		if err := w.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := refusing.Open(); err != nil {
			t.Fatal(err)
		}
		failing.Answer(http.StatusOK)

		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
		defer cancel()
		var wg sync.WaitGroup
		for sink, want := range map[*driver.Sink]int{refusing: sessions, failing: 2 * sessions, up: (parties - 3) * sessions} {
			wg.Add(1)
			go func() {
				defer wg.Done()
				if _, err := sink.Await(ctx, want); err != nil {
					t.Errorf("%d of %d logout tokens acknowledged: %v", len(sink.Acknowledged()), want, err)
				}
			}()
		}
		wg.Wait()
		duplicates := 0
		for _, sink := range []*driver.Sink{refusing, failing, up} {
			for _, times := range sink.Acknowledged() {
				duplicates += times - 1
			}
		}
		t.Logf("%d were acknowledged before the kill; %d acknowledged more than once in all", before, duplicates)
	})
}
