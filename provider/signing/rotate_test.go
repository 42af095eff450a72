package signing

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/exeunt-id/exeunt/provider/identity"
)

func (s *shelf) RemoveRetired(_ context.Context, before time.Time) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	had := len(s.keys)
	kept := s.keys[:0:0]
	for _, k := range s.keys {
		if k.State() != identity.KeyRetired || !k.RetiredAt.Before(before) {
			kept = append(kept, k)
		}
	}
	s.keys = kept
	return had - len(kept), nil
}

func (s *shelf) AddNext(_ context.Context, k identity.SigningKey) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, have := range s.keys {
		if have.Algorithm == k.Algorithm && have.State() == identity.KeyNext {
			return false, nil
		}
	}
	s.keys = append(s.keys, k)
	return true, nil
}

func (s *shelf) next(id string, change func(k, active *identity.SigningKey) bool) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.keys {
		if s.keys[i].ID != id || s.keys[i].State() != identity.KeyNext {
			continue
		}
		for j := range s.keys {
			if s.keys[j].Algorithm == s.keys[i].Algorithm && active(s.keys[j]) {
				return change(&s.keys[i], &s.keys[j]), nil
			}
		}
	}
	return false, nil
}

func (s *shelf) Advance(_ context.Context, id string, at time.Time) (bool, error) {
	return s.next(id, func(k, _ *identity.SigningKey) bool {
		if !at.Before(k.ActivateAt) {
			return false
		}
		k.ActivateAt = at
		return true
	})
}

func (s *shelf) Activate(_ context.Context, id string, at time.Time) (bool, error) {
	return s.next(id, func(k, active *identity.SigningKey) bool {
		k.ActivatedAt, active.RetiredAt = at, at
		return true
	})
}

func newRotating(s *shelf, c *clock, r Rotation) *Keyring {
	return NewKeyring(Options{
		Keys: s, NextKeys: s, Rotation: r, Secrets: [][32]byte{secret(1)}, Algorithms: []string{"EdDSA"}, Now: c.now, Logger: slog.New(slog.DiscardHandler),
	})
}

// states counts the keys of each state.
func (s *shelf) states() [3]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	var n [3]int
	for _, k := range s.keys {
		switch k.State() {
		case identity.KeyNext:
			n[0]++
		case identity.KeyActive:
			n[1]++
		default:
			n[2]++
		}
	}
	return n
}

const day = 24 * time.Hour

func TestRotate(t *testing.T) {
	type step struct {
		wait time.Duration
		want [3]int // next, active, retired after Rotate
	}
	for _, tt := range []struct {
		name     string
		rotation Rotation
		steps    []step
	}{
		{"never", Rotation{}, []step{{10_000 * day, [3]int{0, 1, 0}}}},
		{"the next key is published a day before it signs", Rotation{Every: 90 * day, KeepRetired: 100 * day}, []step{
			{0, [3]int{0, 1, 0}},
			{89*day - time.Second, [3]int{0, 1, 0}},
			{time.Second, [3]int{1, 1, 0}},
			{day - time.Second, [3]int{1, 1, 0}},
			{time.Second, [3]int{0, 1, 1}},
			{90 * day, [3]int{1, 1, 1}}, // nobody was there for its publication: it does not sign yet
			{Overlap - time.Second, [3]int{1, 1, 1}},
			{time.Second, [3]int{0, 1, 2}},
			{11 * day, [3]int{0, 1, 1}}, // the first one is gone after 100 days
		}},
		{"short lives", Rotation{Every: time.Hour}, []step{
			{30*time.Minute - 1000, [3]int{0, 1, 0}},
			{1000, [3]int{1, 1, 0}},
			{30 * time.Minute, [3]int{0, 1, 1}},
			{10_000 * day, [3]int{1, 1, 1}}, // kept for ever
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var c clock
			c.advance(20_000 * day)
			s := &shelf{}
			k := newRotating(s, &c, tt.rotation)
			ensure(t, k)
			for i, step := range tt.steps {
				c.advance(step.wait)
				if err := k.Rotate(t.Context()); err != nil {
					t.Fatal(err)
				}
				if got := s.states(); got != step.want {
					t.Errorf("step %d: next, active, retired: %v; want %v", i, got, step.want)
				}
			}
		})
	}
}

func TestRotateNow(t *testing.T) {
	ctx := t.Context()
	var c clock
	c.advance(20_000 * day)
	s := &shelf{}
	k := newRotating(s, &c, Rotation{Every: 90 * day})
	ensure(t, k)
	rotate := func(published time.Duration) Change {
		t.Helper()
		change, err := k.RotateNow(ctx, "EdDSA", published)
		if err != nil {
			t.Fatal(err)
		}
		return change
	}
	first := rotate(Overlap)
	if first.Activated || !first.ActivateAt.Equal(c.now().Add(Overlap)) {
		t.Errorf("%+v; want it to sign after the overlap", first)
	}
	c.advance(time.Minute)
	if later := rotate(time.Hour); later != first {
		t.Errorf("%+v; want the key that is published already, not put off: %+v", later, first)
	}
	if sooner := rotate(2 * time.Minute); sooner.Next != first.Next || !sooner.ActivateAt.Equal(first.PublishedAt.Add(2*time.Minute)) {
		t.Errorf("%+v; want it to sign two minutes after its publication", sooner)
	}
	if now := rotate(0); !now.Activated || now.Next != first.Next || s.states() != [3]int{0, 1, 1} {
		t.Errorf("%+v, %v; want %s to sign", now, s.states(), first.Next)
	}
	if now := rotate(0); !now.Activated || now.Next == first.Next || s.states() != [3]int{0, 1, 2} {
		t.Errorf("%+v, %v; want another key to sign", now, s.states())
	}
	if _, err := k.RotateNow(ctx, "PS256", 0); err == nil {
		t.Error("an algorithm without a key was rotated")
	}
}

// A node that cannot open the next key must not make it the one that all nodes sign with.
func TestRotateRefusesAKeyThatCannotBeOpened(t *testing.T) {
	var c clock
	c.advance(20_000 * day)
	s := &shelf{}
	k := newRotating(s, &c, Rotation{})
	ensure(t, k)
	if _, err := k.RotateNow(t.Context(), "EdDSA", Overlap); err != nil {
		t.Fatal(err)
	}
	s.keys[1].Sealed = append([]byte(nil), s.keys[1].Sealed...)
	s.keys[1].Sealed[3] ^= 1
	c.advance(Overlap)
	if err := k.Rotate(t.Context()); err == nil || s.states() != [3]int{1, 1, 0} {
		t.Errorf("%v, %v; want an error, and the old key in use", err, s.states())
	}
}
