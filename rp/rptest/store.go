// Package rptest has the suite that every [rp.Store] must pass.
package rptest

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/exeunt-id/exeunt/rp"
)

// TestStore examines the store that open returns, which must be empty. Two
// instances of an application would each have one of stores[0] and stores[1];
// the same store twice will do for a store that lives in one process. The store
// must judge times by the real clock. If it implements [rp.Raiser], that is
// examined too.
func TestStore(t *testing.T, open func(t *testing.T) (stores [2]rp.Store)) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, [2]rp.Store){
		"get, put, delete": testBasics,
		"values":           testValues,
		"expiry":           testExpiry,
		"a done context":   testContext,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
	for name, test := range map[string]func(*testing.T, [2]rp.Store, [2]rp.Raiser){
		"raise":              testRaise,
		"raise, all at once": testRaiseRace,
	} {
		stores := open(t)
		one, raises := stores[0].(rp.Raiser)
		if !raises {
			continue
		}
		t.Run(name, func(t *testing.T) { test(t, stores, [2]rp.Raiser{one, stores[1].(rp.Raiser)}) })
	}
}

const hour = time.Hour

func want(t *testing.T, store rp.Store, key string, value []byte) {
	t.Helper()
	got, found, err := store.Get(t.Context(), key)
	if err != nil {
		t.Fatalf("Get(%q): %v", key, err)
	}
	if found != (value != nil) || !bytes.Equal(got, value) {
		t.Fatalf("Get(%q) = %d bytes %.40q, %t; want %d bytes %.40q", key, len(got), got, found, len(value), value)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func testBasics(t *testing.T, stores [2]rp.Store) {
	ctx, until := t.Context(), time.Now().Add(hour)
	want(t, stores[0], "session:none", nil)
	must(t, stores[0].Delete(ctx, "session:none"))
	must(t, stores[0].Put(ctx, "session:1", []byte("one"), until))
	must(t, stores[0].Put(ctx, "session:2", []byte("two"), until))
	want(t, stores[0], "session:1", []byte("one"))
	want(t, stores[1], "session:1", []byte("one")) // at once, on every instance
	must(t, stores[1].Put(ctx, "session:1", []byte("changed"), until))
	want(t, stores[0], "session:1", []byte("changed"))
	want(t, stores[0], "session:2", []byte("two"))
	must(t, stores[1].Delete(ctx, "session:1"))
	want(t, stores[0], "session:1", nil)
	want(t, stores[0], "session:2", []byte("two"))
	want(t, stores[0], "Session:2", nil) // keys are compared byte by byte
}

func testValues(t *testing.T, stores [2]rp.Store) {
	ctx, until := t.Context(), time.Now().Add(hour)
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	key := "session:" + strings.Repeat("f", 92)
	for name, value := range map[string][]byte{"every byte": every, "zeros": make([]byte, 8), "large": bytes.Repeat(every, 240)} {
		t.Run(name, func(t *testing.T) {
			must(t, stores[0].Put(ctx, key, value, until))
			want(t, stores[1], key, value)
		})
	}
	// What the caller does with its slices afterwards is its own business.
	value := []byte("mine")
	must(t, stores[0].Put(ctx, key, value, until))
	value[0] = 'X'
	want(t, stores[0], key, []byte("mine"))
	got, _, err := stores[0].Get(ctx, key)
	must(t, err)
	got[0] = 'X'
	want(t, stores[0], key, []byte("mine"))
}

func testExpiry(t *testing.T, stores [2]rp.Store) {
	ctx := t.Context()
	must(t, stores[0].Put(ctx, "session:past", []byte("x"), time.Now().Add(-time.Second)))
	want(t, stores[0], "session:past", nil)
	must(t, stores[0].Put(ctx, "session:soon", []byte("x"), time.Now().Add(1500*time.Millisecond)))
	want(t, stores[0], "session:soon", []byte("x"))
	for deadline := time.Now().Add(10 * time.Second); ; {
		_, found, err := stores[1].Get(ctx, "session:soon")
		must(t, err)
		if !found {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("a value is still there ten seconds after its time")
		}
	}
	must(t, stores[0].Put(ctx, "session:soon", []byte("again"), time.Now().Add(hour)))
	want(t, stores[1], "session:soon", []byte("again"))
}

func testContext(t *testing.T, stores [2]rp.Store) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	// It may succeed or fail, but not hang, and not lose what was there.
	must(t, stores[0].Put(t.Context(), "session:1", []byte("kept"), time.Now().Add(hour)))
	_, _, _ = stores[0].Get(ctx, "session:1")
	want(t, stores[0], "session:1", []byte("kept"))
}

func testRaise(t *testing.T, stores [2]rp.Store, raisers [2]rp.Raiser) {
	ctx, until := t.Context(), time.Now().Add(hour)
	for i, step := range []struct {
		value string
		until time.Time
		want  bool
	}{
		{"b", until, true},
		{"b", until, false},
		{"a", until, false},
		{"ba", until, true},
		{"b", until, false},
		{"\xff\x00", until, true},
		{"c", until, false},
		{"\xff\x01", time.Now().Add(-time.Second), true},
		{"a", until, true},
	} {
		raised, err := raisers[i%2].Raise(ctx, "ended:1", []byte(step.value), step.until)
		must(t, err)
		if raised != step.want {
			t.Fatalf("step %d: Raise(%q) is %t", i, step.value, raised)
		}
	}
	want(t, stores[1], "ended:1", []byte("a"))
	must(t, stores[0].Delete(ctx, "ended:1"))
	raised, err := raisers[1].Raise(ctx, "ended:1", []byte("0"), until)
	must(t, err)
	if !raised {
		t.Fatal("Raise after Delete did nothing")
	}
}

func testRaiseRace(t *testing.T, stores [2]rp.Store, raisers [2]rp.Raiser) {
	ctx, until := t.Context(), time.Now().Add(hour)
	for round := range 10 {
		key := fmt.Sprintf("jti:%d", round)
		var group sync.WaitGroup
		var first atomic.Int64
		for i := range 16 {
			group.Go(func() {
				raised, err := raisers[i%2].Raise(ctx, key, []byte{1}, until)
				if err != nil {
					t.Error(err)
				}
				if raised {
					first.Add(1)
				}
			})
		}
		group.Wait()
		if first.Load() != 1 {
			t.Fatalf("round %d: %d of 16 calls were told that they raised", round, first.Load())
		}
		// And of different values the greatest stands, whoever comes last.
		key = fmt.Sprintf("ended:%d", round)
		for i := range 16 {
			group.Go(func() {
				if _, err := raisers[i%2].Raise(ctx, key, []byte{byte(i + 1)}, until); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		want(t, stores[round%2], key, []byte{16})
	}
}
