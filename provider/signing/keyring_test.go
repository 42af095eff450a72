package signing

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/exeunt-id/exeunt/provider/identity"
)

var algorithms = []string{"RS256", "ES256", "EdDSA"}

// shelf is a store of keys in memory.
type shelf struct {
	mu    sync.Mutex
	keys  []identity.SigningKey
	err   error
	reads int
}

func (s *shelf) Keys(context.Context) ([]identity.SigningKey, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads++
	return append([]identity.SigningKey(nil), s.keys...), s.err
}

func (s *shelf) AddIfNone(_ context.Context, k identity.SigningKey) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, have := range s.keys {
		if have.Algorithm == k.Algorithm && active(have) {
			return false, nil
		}
	}
	s.keys = append(s.keys, k)
	return true, nil
}

func (s *shelf) readsSoFar() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reads
}

type clock struct{ us atomic.Int64 }

func (c *clock) now() time.Time          { return time.UnixMicro(c.us.Load()).UTC() }
func (c *clock) advance(d time.Duration) { c.us.Add(d.Microseconds()) }

func secret(n byte) [32]byte { return [32]byte(bytes.Repeat([]byte{n}, 32)) }

func newKeyring(s *shelf, c *clock, secrets ...[32]byte) *Keyring {
	return NewKeyring(Options{Keys: s, Secrets: secrets, Algorithms: algorithms, Now: c.now, Logger: slog.New(slog.DiscardHandler)})
}

func ensure(t testing.TB, k *Keyring) {
	t.Helper()
	if err := k.Ensure(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func TestSignAndVerify(t *testing.T) {
	ctx := t.Context()
	var c clock
	s := &shelf{}
	k := newKeyring(s, &c, secret(1))
	ensure(t, k)
	reads := s.readsSoFar()
	payload := []byte(`{"iss":"https://id.example.com"}`)
	for _, alg := range algorithms {
		for _, typ := range []string{"", "JWT", "logout+jwt"} {
			compact, err := k.Sign(ctx, alg, typ, payload)
			if err != nil {
				t.Fatal(err)
			}
			jws, err := jose.ParseSignedCompact(compact, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(alg)})
			if err != nil {
				t.Fatal(err)
			}
			header := jws.Signatures[0].Protected
			gotTyp, _ := header.ExtraHeaders[jose.HeaderType].(string)
			if header.Algorithm != alg || gotTyp != typ {
				t.Errorf("alg %q typ %q; want %q %q", header.Algorithm, gotTyp, alg, typ)
			}
			public, err := k.PublicKey(ctx, header.KeyID)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := jws.Verify(public); err != nil || !bytes.Equal(got, payload) {
				t.Errorf("%s: %q, %v", alg, got, err)
			}
		}
	}
	if n := s.readsSoFar() - reads; n != 0 {
		t.Errorf("signing and verifying read the store %d times within the life of the cache", n)
	}
	if _, err := k.Sign(ctx, "HS256", "JWT", payload); !errors.Is(err, ErrNoKey) {
		t.Errorf("HS256: %v; want ErrNoKey", err)
	}
}

func TestPublicSet(t *testing.T) {
	var c clock
	k := newKeyring(&shelf{}, &c, secret(1))
	ensure(t, k)
	set, err := k.PublicSet(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	var published struct{ Keys []map[string]any }
	if err := json.Unmarshal(text, &published); err != nil {
		t.Fatal(err)
	}
	kids := map[any]bool{}
	for _, jwk := range published.Keys {
		kids[jwk["kid"]] = true
		if jwk["use"] != "sig" || jwk["alg"] == nil || jwk["kid"] == "" {
			t.Errorf("key %v lacks use, alg or kid", jwk)
		}
		for _, private := range []string{"d", "p", "q", "dp", "dq", "qi", "k", "x5c"} {
			if jwk[private] != nil {
				t.Errorf("key %v publishes %q", jwk["kid"], private)
			}
		}
	}
	if len(kids) != len(algorithms) {
		t.Errorf("%d distinct keys; want %d", len(kids), len(algorithms))
	}
}

func TestEnsureOnManyNodes(t *testing.T) {
	var c clock
	s := &shelf{}
	var wg sync.WaitGroup
	nodes := make([]*Keyring, 4)
	for i := range nodes {
		nodes[i] = newKeyring(s, &c, secret(1))
		wg.Go(func() { ensure(t, nodes[i]) })
	}
	wg.Wait()
	if len(s.keys) != len(algorithms) {
		t.Fatalf("%d keys; want one per algorithm", len(s.keys))
	}
	for _, node := range nodes {
		for _, alg := range algorithms {
			compact, err := node.Sign(t.Context(), alg, "JWT", []byte("{}"))
			if err != nil {
				t.Fatal(err)
			}
			jws, err := jose.ParseSignedCompact(compact, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(alg)})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := nodes[0].PublicKey(t.Context(), jws.Signatures[0].Protected.KeyID); err != nil {
				t.Error(err)
			}
		}
	}
	reads := s.readsSoFar()
	ensure(t, newKeyring(s, &c, secret(1)))
	if n := s.readsSoFar() - reads; n != 1 {
		t.Errorf("a start with all keys in place read the store %d times; want once", n)
	}
}

func TestSecrets(t *testing.T) {
	var c clock
	old := &shelf{}
	ensure(t, newKeyring(old, &c, secret(1)))
	kid := old.keys[0].ID

	t.Run("an older secret opens", func(t *testing.T) {
		ensure(t, newKeyring(&shelf{keys: old.keys}, &c, secret(2), secret(1)))
	})
	t.Run("a new key is sealed under the newest", func(t *testing.T) {
		s := &shelf{keys: old.keys[:2]}
		ensure(t, newKeyring(s, &c, secret(2), secret(1)))
		if _, _, err := open(mustSealers(t, secret(2)), sealed{"key", s.keys[2].ID, "signing_keys"}, keyBinding(s.keys[2].ID, s.keys[2].Algorithm), s.keys[2].Sealed); err != nil {
			t.Error(err)
		}
	})
	t.Run("a retired key needs no secret to be published", func(t *testing.T) {
		retired := old.keys[0]
		retired.RetiredAt = time.Unix(1, 0)
		k := newKeyring(&shelf{keys: []identity.SigningKey{retired}}, &c, secret(2))
		ensure(t, k)
		if _, err := k.PublicKey(t.Context(), kid); err != nil {
			t.Error(err)
		}
	})

	altered := old.keys[0]
	altered.Sealed = append([]byte(nil), altered.Sealed...)
	altered.Sealed[len(altered.Sealed)-1] ^= 1
	moved := old.keys[0]
	moved.Sealed = old.keys[1].Sealed
	future := old.keys[0]
	future.Sealed = append([]byte{9}, future.Sealed[1:]...)
	short := old.keys[0]
	short.Sealed = short.Sealed[:4]
	swapped := old.keys[0]
	swapped.Public = old.keys[1].Public
	for _, tt := range []struct {
		name    string
		key     identity.SigningKey
		secrets [][32]byte
		want    []string
	}{
		{"secret lost", old.keys[0], [][32]byte{secret(2)}, []string{kid, "`secrets`"}},
		{"no secret", old.keys[0], nil, []string{"`secrets`"}},
		{"altered", altered, [][32]byte{secret(1)}, []string{kid, "altered"}},
		{"copied from another row", moved, [][32]byte{secret(1)}, []string{kid, "altered"}},
		{"unknown format", future, [][32]byte{secret(1)}, []string{kid, "newer"}},
		{"truncated", short, [][32]byte{secret(1)}, []string{kid, "short"}},
		{"another key's public half", swapped, [][32]byte{secret(1)}, []string{kid, "public half"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := &shelf{keys: []identity.SigningKey{tt.key}}
			err := newKeyring(s, &c, tt.secrets...).Ensure(t.Context())
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not name %q", err, want)
				}
			}
			if len(s.keys) != 1 {
				t.Error("a new key was made beside the one that cannot be used")
			}
		})
	}
}

func mustSealers(t *testing.T, secrets ...[32]byte) []*sealer {
	t.Helper()
	s, err := newSealers(secrets, keyUse)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestCache(t *testing.T) {
	ctx := t.Context()
	var c clock
	s := &shelf{}
	k := newKeyring(s, &c, secret(1))
	ensure(t, k)
	sign := func() {
		t.Helper()
		if _, err := k.Sign(ctx, "EdDSA", "JWT", []byte("{}")); err != nil {
			t.Fatal(err)
		}
	}
	reads := s.readsSoFar()
	expect := func(what string, want int) {
		t.Helper()
		if n := s.readsSoFar() - reads; n != want {
			t.Errorf("%s: %d reads; want %d", what, n, want)
		}
		reads = s.readsSoFar()
	}

	c.advance(29 * time.Second)
	sign()
	expect("within the life", 0)
	c.advance(time.Second)
	sign()
	sign()
	expect("past the life", 1)

	// A store in trouble stops no signature, and is not asked at every one.
	s.err = errors.New("connection refused")
	c.advance(time.Minute)
	sign()
	sign()
	expect("while the store fails", 1)
	c.advance(6 * time.Second)
	sign()
	expect("a little later", 1)
	s.err = nil
	c.advance(6 * time.Second)
	sign()
	sign()
	expect("when it answers again", 1)

	// A key that another node has made is found at once; ids out of thin air cost one read per five seconds.
	c.advance(10 * time.Second)
	fresh, err := k.generate("ES256")
	if err != nil {
		t.Fatal(err)
	}
	fresh.ActivatedAt = time.Time{}
	s.keys = append(s.keys, fresh)
	if _, err := k.PublicKey(ctx, fresh.ID); err != nil {
		t.Error(err)
	}
	expect("an unknown kid that exists", 1)
	for i := range 10 {
		if _, err := k.PublicKey(ctx, fmt.Sprint("invented-", i)); !errors.Is(err, ErrNoKey) {
			t.Errorf("%v; want ErrNoKey", err)
		}
	}
	expect("invented kids", 0)

	// Another node says that it changed something: the next one who needs a key reads it, however young the keys at hand are.
	for range 3 {
		k.Changed()
		sign()
		sign()
		expect("after a change", 1)
	}
	s.err = errors.New("connection refused")
	k.Changed()
	sign()
	sign()
	expect("after a change, while the store fails", 1)
	s.err = nil
	c.advance(6 * time.Second)
	sign()
	sign()
	expect("the change, when the store answers again", 1)
}

func TestSignConcurrently(t *testing.T) {
	var c clock
	k := newKeyring(&shelf{}, &c, secret(1))
	ensure(t, k)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 20 {
				c.advance(10 * time.Second)
				if _, err := k.Sign(t.Context(), algorithms[i%3], "logout+jwt", []byte("{}")); err != nil {
					t.Error(err)
				}
				if _, err := k.PublicSet(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

func TestSignGivesUpItsTurn(t *testing.T) {
	var c clock
	k := newKeyring(&shelf{}, &c, secret(1))
	ensure(t, k)
	for range cap(k.rsa) {
		k.rsa <- struct{}{}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := k.Sign(ctx, "RS256", "logout+jwt", []byte("{}")); !errors.Is(err, context.Canceled) {
		t.Errorf("%v; want context.Canceled", err)
	}
	for alg, typ := range map[string]string{"RS256": "JWT", "ES256": "logout+jwt"} {
		if _, err := k.Sign(t.Context(), alg, typ, []byte("{}")); err != nil {
			t.Errorf("%s of typ %s waits for the turns of logout tokens at RSA: %v", alg, typ, err)
		}
	}
}

func BenchmarkSign(b *testing.B) {
	var c clock
	k := newKeyring(&shelf{}, &c, secret(1))
	ensure(b, k)
	payload := []byte(`{"iss":"https://id.example.com","aud":"shop","iat":1767225600,"exp":1767225720,"jti":"019b76da-a800-7000-8000-000000000000",` +
		`"sub":"019b76da-a800-7000-8000-000000000001","sid":"Zm9vYmFyYmF6cXV4","events":{"http://schemas.openid.net/event/backchannel-logout":{}}}`)
	for _, alg := range algorithms {
		b.Run(alg, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := k.Sign(b.Context(), alg, "logout+jwt", payload); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
