package identity

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// The reference implementation's own test vector (phc-winner-argon2, src/test.c).
const referenceHash = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"

// cheap keeps the tests quick; what they prove does not depend on the cost.
var cheap = PasswordParams{MemoryKiB: 64, Iterations: 1, Parallelism: 1}

func TestPasswordsHashAndVerify(t *testing.T) {
	ctx := t.Context()
	w := NewPasswords(PasswordParams{})
	phc, err := w.Hash(ctx, "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(phc, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Errorf("hash %q does not carry the default cost", phc)
	}
	if again, err := w.Hash(ctx, "correct horse"); err != nil || again == phc {
		t.Errorf("the same password twice: %v, the same hash %t; want another salt", err, again == phc)
	}
	if ok, rehash, err := w.Verify(ctx, phc, "correct horse"); !ok || rehash || err != nil {
		t.Errorf("Verify = %t, %t, %v; want true, false, nil", ok, rehash, err)
	}
	for _, wrong := range []string{"", "correct horsf", "correct horse\x00", strings.Repeat("x", MaxPasswordBytes+1)} {
		if ok, _, err := w.Verify(ctx, phc, wrong); ok || err != nil {
			t.Errorf("Verify of a wrong password of %d bytes = %t, %v", len(wrong), ok, err)
		}
	}
	if _, err := w.Hash(ctx, strings.Repeat("x", MaxPasswordBytes+1)); !errors.Is(err, ErrPasswordTooLong) {
		t.Errorf("Hash of a long password: %v", err)
	}
	if ok, rehash, err := w.Verify(ctx, referenceHash, "password"); !ok || !rehash || err != nil {
		t.Errorf("reference vector: %t, %t, %v; want true, true (its salt is short), nil", ok, rehash, err)
	}
}

func TestPasswordsNeedsRehash(t *testing.T) {
	for _, tt := range []struct {
		stored, configured PasswordParams
		want               bool
	}{
		{PasswordParams{64, 2, 1}, PasswordParams{64, 2, 1}, false},
		{PasswordParams{64, 2, 1}, PasswordParams{64, 3, 1}, true},
		{PasswordParams{64, 2, 1}, PasswordParams{128, 2, 1}, true},
		{PasswordParams{64, 9, 1}, PasswordParams{128, 2, 1}, true},  // less memory
		{PasswordParams{256, 1, 1}, PasswordParams{64, 2, 1}, false}, // more memory for fewer passes
		{PasswordParams{65, 1, 1}, PasswordParams{64, 2, 1}, true},
	} {
		phc, err := NewPasswords(tt.stored).Hash(t.Context(), "secret")
		if err != nil {
			t.Fatal(err)
		}
		ok, rehash, err := NewPasswords(tt.configured).Verify(t.Context(), phc, "secret")
		if !ok || rehash != tt.want || err != nil {
			t.Errorf("stored %v, configured %v: %t, %t, %v; want true, %t, nil", tt.stored, tt.configured, ok, rehash, err, tt.want)
		}
	}
}

func TestPasswordsQueue(t *testing.T) {
	w := NewPasswords(cheap)
	w.queue = time.Millisecond
	for range cap(w.slots) {
		w.slots <- struct{}{}
	}
	if _, err := w.Hash(t.Context(), "secret"); !errors.Is(err, ErrBusy) {
		t.Errorf("all slots taken: %v; want ErrBusy", err)
	}
	w.queue = time.Hour
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := w.Verify(ctx, w.dummy, "secret"); !errors.Is(err, context.Canceled) {
		t.Errorf("the caller left: %v; want context.Canceled", err)
	}
	<-w.slots
	if _, err := w.Hash(t.Context(), "secret"); err != nil {
		t.Errorf("a slot is free: %v", err)
	}
}

func TestCheckPasswordHash(t *testing.T) {
	if err := CheckPasswordHash(referenceHash); err != nil {
		t.Error(err)
	}
	const tail = "$c29tZXNhbHRzb21lc2FsdA$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
	for _, tt := range []struct{ phc, want string }{
		{"", "must read"},
		{"secret", "must read"},
		{"$2y$10$abcdefghijklmnopqrstuv", "must read"},
		{"$argon2i$v=19$m=64,t=2,p=1" + tail, "algorithm"},
		{"$argon2id$v=16$m=64,t=2,p=1" + tail, "version"},
		{"$argon2id$v=19$t=2,m=64,p=1" + tail, "at most"},
		{"$argon2id$v=19$m=64,t=2" + tail, "parameters"},
		{"$argon2id$v=19$m=064,t=2,p=1" + tail, "at most"},
		{"$argon2id$v=19$m=+64,t=2,p=1" + tail, "at most"},
		{"$argon2id$v=19$m=64,t=0,p=1" + tail, "at most"},
		{"$argon2id$v=19$m=4294967295,t=1,p=1" + tail, "at most"},
		{"$argon2id$v=19$m=99999999999999999999,t=1,p=1" + tail, "at most"},
		{"$argon2id$v=19$m=64,t=4294967295,p=1" + tail, "at most"},
		{"$argon2id$v=19$m=262144,t=64,p=1" + tail, "m times t"},
		{"$argon2id$v=19$m=64,t=2,p=16" + tail, "8 times p"},
		{"$argon2id$v=19$m=64,t=2,p=1$c2FsdA$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc", "salt"},
		{"$argon2id$v=19$m=64,t=2,p=1$c29tZXNhbHRzb21lc2FsdA==$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc", "salt"},
		{"$argon2id$v=19$m=64,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$c2hvcnQ", "hash"},
		{"$argon2id$v=19$m=64,t=2,p=1" + tail + strings.Repeat("A", 512), "characters"},
	} {
		err := CheckPasswordHash(tt.phc)
		if !errors.Is(err, ErrPasswordHash) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: %v; want a refusal that says %q", tt.phc, err, tt.want)
		}
	}
}

func FuzzParsePHC(f *testing.F) {
	f.Add(referenceHash)
	f.Add(NewPasswords(cheap).dummy)
	f.Add("$argon2id$v=19$m=4294967295,t=4294967295,p=255$c29tZXNhbHQ$c29tZWtleXNvbWVrZXk")
	f.Fuzz(func(t *testing.T, s string) {
		h, err := parsePHC(s, defaultPHCLimits)
		if err != nil {
			if !errors.Is(err, ErrPasswordHash) {
				t.Errorf("%v is no ErrPasswordHash", err)
			}
			return
		}
		if h.String() != s {
			t.Errorf("%q reads back as %q", s, h.String())
		}
		p := h.params
		if p.MemoryKiB > 256<<10 || uint64(p.MemoryKiB)*uint64(p.Iterations) > 1<<20 || p.Parallelism > 16 || len(h.salt) > 64 || len(h.key) > 64 {
			t.Errorf("%q passes although it is out of bounds", s)
		}
	})
}

func ExamplePasswords() {
	ctx := context.Background()
	passwords := NewPasswords(PasswordParams{})
	phc, err := passwords.Hash(ctx, "correct horse battery staple")
	if err != nil {
		fmt.Println(err)
		return
	}
	// A year later the operator raises the cost.
	passwords = NewPasswords(PasswordParams{Iterations: 3})
	ok, needsRehash, err := passwords.Verify(ctx, phc, "correct horse battery staple")
	fmt.Println(ok, needsRehash, err)
	// Output: true true <nil>
}

func BenchmarkPasswordsVerify(b *testing.B) {
	w := NewPasswords(PasswordParams{})
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := w.Verify(b.Context(), w.dummy, "correct horse"); err != nil {
			b.Fatal(err)
		}
	}
}
