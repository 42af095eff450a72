package rp_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/exeunt-id/exeunt/rp"
)

func TestMemoryReplays(t *testing.T) {
	now := start
	store := rp.NewMemoryReplays(3, func() time.Time { return now })
	once := func(key string) error {
		return store.Once(t.Context(), key, start.Add(time.Minute), func(context.Context) error { return nil })
	}
	if err := once("a"); err != nil {
		t.Fatal(err)
	}
	if err := once("a"); !errors.Is(err, rp.ErrReplayed) {
		t.Fatalf("got %v, want ErrReplayed", err)
	}
	// A panic in end records nothing and leaves the key free.
	func() {
		defer func() { _ = recover() }()
		_ = store.Once(t.Context(), "b", start.Add(time.Minute), func(context.Context) error { panic("end") })
	}()
	if err := once("b"); err != nil {
		t.Fatal(err)
	}
	// Who waits for another's end may give up.
	ctx, cancel := context.WithCancel(t.Context())
	err := store.Once(t.Context(), "c", start.Add(time.Minute), func(context.Context) error {
		cancel()
		return store.Once(ctx, "c", start.Add(time.Minute), func(context.Context) error { return nil })
	})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v, want context.Canceled", err)
	}
	// The bound forgets the oldest; time forgets everything.
	for _, key := range []string{"c", "d"} {
		if err := once(key); err != nil {
			t.Fatal(err)
		}
	}
	if err := once("a"); err != nil {
		t.Errorf("the oldest of four was remembered beyond the limit of three: %v", err)
	}
	if err := once("d"); !errors.Is(err, rp.ErrReplayed) {
		t.Errorf("got %v, want ErrReplayed", err)
	}
	now = start.Add(time.Minute)
	if err := once("d"); err != nil {
		t.Errorf("remembered beyond its time: %v", err)
	}
}

func TestTombstones(t *testing.T) {
	now := start
	stones := rp.NewTombstones(rp.TombstoneConfig{Lifetime: time.Hour, Limit: 4, Now: func() time.Time { return now }})
	stones.Mark(&rp.LogoutToken{Issuer: "op", Subject: "alice", SID: "s-1", IssuedAt: start})
	stones.Mark(&rp.LogoutToken{Issuer: "op", Subject: "bob", IssuedAt: start})
	stones.Mark(&rp.LogoutToken{Issuer: "op", Subject: "bob", IssuedAt: start.Add(-time.Minute)}) // came late

	for _, test := range []struct {
		name  string
		login rp.Login
		ended bool
	}{
		{"ended session", rp.Login{Issuer: "op", Subject: "alice", SID: "s-1", IssuedAt: start.Add(time.Minute)}, true},
		{"another session of the user", rp.Login{Issuer: "op", Subject: "alice", SID: "s-2", IssuedAt: start}, false},
		{"another provider", rp.Login{Issuer: "op2", Subject: "alice", SID: "s-1", IssuedAt: start}, false},
		{"all sessions of the user, issued before", rp.Login{Issuer: "op", Subject: "bob", SID: "s-3", IssuedAt: start.Add(-time.Second)}, true},
		{"issued within the same second", rp.Login{Issuer: "op", Subject: "bob", IssuedAt: start}, true},
		{"issued afterwards", rp.Login{Issuer: "op", Subject: "bob", SID: "s-4", IssuedAt: start.Add(time.Second)}, false},
		{"no sid", rp.Login{Issuer: "op", Subject: "alice", IssuedAt: start}, false},
	} {
		if got := stones.Ended(test.login); got != test.ended {
			t.Errorf("%s: Ended is %t", test.name, got)
		}
	}
	first := rp.Login{Issuer: "op", Subject: "alice", SID: "s-1"}
	now = start.Add(time.Hour - time.Second)
	if !stones.Ended(first) {
		t.Error("forgotten within its lifetime")
	}
	now = start.Add(time.Hour)
	if stones.Ended(first) {
		t.Error("remembered beyond its lifetime")
	}
	for i := range 5 {
		stones.Mark(&rp.LogoutToken{Issuer: "op", SID: fmt.Sprint(i)})
	}
	if stones.Ended(rp.Login{Issuer: "op", SID: "0"}) || !stones.Ended(rp.Login{Issuer: "op", SID: "1"}) {
		t.Error("the limit of four does not forget exactly the oldest of five")
	}
}
