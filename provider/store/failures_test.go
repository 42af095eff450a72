package store_test

import (
	"testing"
	"time"
)

func TestFailures(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		start := f.now()
		expect := func(what, key string, count int, until time.Time) {
			t.Helper()
			n, at, err := f.Failures.Failures(ctx, key, f.now())
			if err != nil || n != count || !at.Equal(until) {
				t.Errorf("%s: %d until %s, %v; want %d until %s", what, n, at, err, count, until)
			}
		}
		fail := func(keys ...string) {
			t.Helper()
			must(t, f.Failures.Fail(ctx, f.now(), time.Minute, keys...))
		}
		expect("at first", "a", 0, time.Time{})
		fail()
		fail("a", "b", "a")
		f.advance(20 * time.Second)
		fail("a")
		expect("the window starts with the first", "a", 2, start.Add(time.Minute))
		expect("each key for itself", "b", 1, start.Add(time.Minute))
		f.advance(40 * time.Second)
		expect("the window is over", "a", 0, time.Time{})
		fail("a")
		expect("a new window", "a", 1, f.now().Add(time.Minute))
		must(t, f.Failures.Forgive(ctx, "a"))
		must(t, f.Failures.Forgive(ctx, "a"))
		expect("forgiven", "a", 0, time.Time{})

		race(t, nil, func(i int) error {
			if i%2 == 0 {
				return f.Failures.Fail(ctx, f.now(), time.Minute, "x", "y")
			}
			return f.Failures.Fail(ctx, f.now(), time.Minute, "y", "x")
		})
		expect("none is lost", "x", parallel, f.now().Add(time.Minute))
		expect("none is lost", "y", parallel, f.now().Add(time.Minute))
	})
}
