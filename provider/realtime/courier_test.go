package realtime

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/exeunt-id/exeunt/logout"
)

// Whatever is passed arrives at other nodes, once and in order, in notifications that are not too long, and not at the node itself.
func TestCourier(t *testing.T) {
	var mu sync.Mutex
	var sent []string
	c := &courier{node: logout.NewID(), log: slog.New(slog.DiscardHandler), send: func(_ context.Context, payload string) error {
		mu.Lock()
		defer mu.Unlock()
		sent = append(sent, payload)
		if len(sent) == 1 {
			return errors.New("lost") // the rest goes on
		}
		return nil
	}}
	const n = 1000
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for range n / 4 {
				c.pass([]notice{{SessionID: logout.NewID(), SID: logout.NewID(), Cause: logout.CausePasswordChanged, At: 1_800_000_000_000_000}})
			}
		})
	}
	group.Wait()
	c.pass([]notice{{SessionID: strings.Repeat("x", maxNotification)}, {SessionID: "last", AuthTime: 1}})
	c.pass(nil)
	c.wait()
	var heard []notice
	for _, payload := range sent {
		if len(payload) > maxNotification {
			t.Errorf("a notification of %d bytes", len(payload))
		}
		if got := unpack(c.node, payload); got != nil {
			t.Errorf("the node hears itself: %v", got)
		}
		heard = append(heard, unpack("another", payload)...)
	}
	if len(heard) != n+1 || heard[n].SessionID != "last" || len(sent) > 30 {
		t.Errorf("%d notices in %d notifications", len(heard), len(sent))
	}
	if bytes := float64(len(strings.Join(sent, ""))) / n; bytes > 200 {
		t.Errorf("%.0f bytes for each notice", bytes)
	}
}

func Example_notification() {
	fmt.Println(pack("node-1", []notice{{SessionID: "session-1", Cause: logout.CauseRedirect, At: 1}, {SessionID: "session-2", AuthTime: 2}}))
	// Output: [{"n":"node-1","e":[{"s":"session-1","c":"redirect","t":1},{"s":"session-2","a":2}]}]
}

func FuzzHear(f *testing.F) {
	f.Add(`{"n":"x","e":[{"s":"a","p":"b","t":-1},{"s":"a","a":1}]}`)
	f.Add(`[]`)
	f.Fuzz(func(_ *testing.T, payload string) {
		h := New(Config{Notify: func(context.Context, string) error { return nil }, Logger: slog.New(slog.DiscardHandler)})
		h.Hear(payload) // and does not fall over
	})
}
