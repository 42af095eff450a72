package identity

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// people is a store of users and failures in memory.
type people struct {
	mu       sync.Mutex
	byName   map[string]User
	counters map[string]counter
	lookups  atomic.Int64
}

type counter struct {
	count int
	until time.Time
}

func (p *people) User(context.Context, string) (User, error) { return User{}, ErrNoUser }

func (p *people) UserByName(_ context.Context, name string) (User, error) {
	p.lookups.Add(1)
	p.mu.Lock()
	defer p.mu.Unlock()
	if u, ok := p.byName[name]; ok {
		return u, nil
	}
	return User{}, ErrNoUser
}

func (p *people) Lock(context.Context, User) error { return nil }

func (p *people) SetPasswordHash(_ context.Context, id, old, hash string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for name, u := range p.byName {
		if u.ID == id && u.PasswordHash == old {
			u.PasswordHash = hash
			p.byName[name] = u
		}
	}
	return nil
}

func (p *people) Failures(_ context.Context, key string, at time.Time) (int, time.Time, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.counters[key]
	if !at.Before(c.until) {
		return 0, time.Time{}, nil
	}
	return c.count, c.until, nil
}

func (p *people) Fail(_ context.Context, at time.Time, window time.Duration, keys ...string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, key := range keys {
		c := p.counters[key]
		if !at.Before(c.until) {
			c = counter{until: at.Add(window)}
		}
		c.count++
		p.counters[key] = c
	}
	return nil
}

func (p *people) Forgive(_ context.Context, key string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.counters, key)
	return nil
}

type clock struct{ us atomic.Int64 }

func (c *clock) now() time.Time          { return time.UnixMicro(c.us.Load()).UTC() }
func (c *clock) advance(d time.Duration) { c.us.Add(d.Microseconds()) }

func newPeople(t *testing.T, w *Passwords) *people {
	t.Helper()
	hash, err := w.Hash(t.Context(), "right")
	if err != nil {
		t.Fatal(err)
	}
	return &people{counters: map[string]counter{}, byName: map[string]User{
		"alice": {ID: "1", Username: "alice", PasswordHash: hash},
		"bob":   {ID: "2", Username: "bob", PasswordHash: hash, DisabledAt: time.Unix(1, 0)},
		"carol": {ID: "3", Username: "carol"},
		"dave":  {ID: "4", Username: "dave", PasswordHash: "$2y$10$not-ours"},
	}}
}

func TestLogin(t *testing.T) {
	w := NewPasswords(cheap)
	for _, tt := range []struct {
		name, username, password string
		want                     error // nil: success
		counted                  bool
	}{
		{"right", "alice", "right", nil, false},
		{"wrong password", "alice", "wrong", ErrLoginFailed, true},
		{"empty password", "alice", "", ErrLoginFailed, true},
		{"very long password", "alice", strings.Repeat("x", 1<<20), ErrLoginFailed, true},
		{"another case", "Alice", "right", ErrLoginFailed, true},
		{"unknown", "nobody", "right", ErrLoginFailed, true},
		{"empty name", "", "right", ErrLoginFailed, true},
		{"name that no database stores", "alice\xff", "right", ErrLoginFailed, true},
		{"very long name", strings.Repeat("x", 1<<20), "right", ErrLoginFailed, true},
		{"disabled", "bob", "right", ErrLoginFailed, true},
		{"no password set", "carol", "", ErrLoginFailed, true},
		{"hash that cannot be checked", "dave", "right", ErrPasswordHash, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var c clock
			p := newPeople(t, w)
			a := NewAuthenticator(p, p, w, Limits{MaxFailures: 3, Window: time.Minute, MaxFailuresPerAddress: 5}, c.now)
			user, err := a.Login(t.Context(), tt.username, tt.password, "192.0.2.1")
			if !errors.Is(err, tt.want) || (err == nil) != (user.ID != "") {
				t.Errorf("Login = user %q, %v; want %v", user.ID, err, tt.want)
			}
			var failed *LoginError
			if errors.As(err, &failed) && failed.UserID != p.byName[tt.username].ID {
				t.Errorf("the failure is said to be %+v", failed)
			}
			if counted := len(p.counters) == 2; counted != tt.counted {
				t.Errorf("counters %v; want counted %t", p.counters, tt.counted)
			}
			for key := range p.counters {
				if strings.Contains(key, tt.username) && tt.username != "" {
					t.Errorf("counter %q shows what was typed as the name", key)
				}
			}
		})
	}
}

func TestLoginThrottle(t *testing.T) {
	ctx := t.Context()
	var c clock
	w := NewPasswords(cheap)
	p := newPeople(t, w)
	a := NewAuthenticator(p, p, w, Limits{MaxFailures: 3, Window: time.Minute, MaxFailuresPerAddress: 5}, c.now)
	login := func(name, password, address string, want error) {
		t.Helper()
		if _, err := a.Login(ctx, name, password, address); !errors.Is(err, want) {
			t.Errorf("%s/%s from %s: %v; want %v", name, password, address, err, want)
		}
	}
	throttled := func(name, password, address string, want time.Duration) {
		t.Helper()
		var e *ThrottledError
		if _, err := a.Login(ctx, name, password, address); !errors.As(err, &e) || e.RetryAfter != want {
			t.Errorf("%s from %s: %v; want throttled for %s", name, address, err, want)
		}
	}

	// A success resets the account's counter.
	login("alice", "wrong", "2001:db8::1", ErrLoginFailed)
	login("alice", "wrong", "2001:db8::1", ErrLoginFailed)
	login("alice", "right", "2001:db8::1", nil)
	login("alice", "wrong", "2001:db8::1", ErrLoginFailed)
	login("alice", "wrong", "2001:db8::1", ErrLoginFailed)
	c.advance(20 * time.Second)
	login("alice", "wrong", "2001:db8::1", ErrLoginFailed)

	// The account is at its limit: the right password is refused too, from everywhere, without a hash or a look at the user.
	before := p.lookups.Load()
	throttled("alice", "right", "192.0.2.7", 40*time.Second)
	throttled("alice", "right", "", 40*time.Second)
	if p.lookups.Load() != before {
		t.Error("a throttled attempt looked the user up")
	}
	// The address, a whole /64, has five failures by now: other accounts are out of its reach, and a success elsewhere clears nothing.
	throttled("nobody", "x", "2001:db8::2", 40*time.Second)
	login("nobody", "x", "2001:db8:0:1::2", ErrLoginFailed)
	login("nobody", "x", "", ErrLoginFailed)

	// The window starts with the first failure and ends for all of them at once.
	c.advance(40 * time.Second)
	login("alice", "right", "2001:db8::1", nil)
}

func TestLoginThrottleOff(t *testing.T) {
	var c clock
	w := NewPasswords(cheap)
	for _, limits := range []Limits{{}, {MaxFailures: 1, MaxFailuresPerAddress: 1}, {Window: time.Minute}} {
		p := newPeople(t, w)
		a := NewAuthenticator(p, p, w, limits, c.now)
		for range 5 {
			if _, err := a.Login(t.Context(), "alice", "wrong", "192.0.2.1"); !errors.Is(err, ErrLoginFailed) {
				t.Errorf("%+v: %v", limits, err)
			}
		}
		if len(p.counters) != 0 {
			t.Errorf("%+v counted %v", limits, p.counters)
		}
	}
}

// Attempts that arrive together must not all pass the limit before the first of them is counted.
func TestLoginThrottleParallel(t *testing.T) {
	var c clock
	w := NewPasswords(cheap)
	p := newPeople(t, w)
	a := NewAuthenticator(p, p, w, Limits{MaxFailures: 3, Window: time.Minute}, c.now)
	var wrong atomic.Int64
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if _, err := a.Login(t.Context(), "alice", "wrong", ""); errors.Is(err, ErrLoginFailed) {
				wrong.Add(1)
			}
		})
	}
	wg.Wait()
	if n, most := wrong.Load(), int64(3+cap(w.slots)-1); n < 3 || n > most {
		t.Errorf("%d passwords were tried; want 3 to %d", n, most)
	}
}

func TestLoginRehashes(t *testing.T) {
	var c clock
	p := newPeople(t, NewPasswords(cheap))
	raised := NewPasswords(PasswordParams{MemoryKiB: 64, Iterations: 2})
	a := NewAuthenticator(p, p, raised, Limits{}, c.now)
	user, err := a.Login(t.Context(), "alice", "right", "")
	if err != nil {
		t.Fatal(err)
	}
	stored := p.byName["alice"].PasswordHash
	if !strings.Contains(stored, "m=64,t=2,p=1") || user.PasswordHash != stored {
		t.Errorf("stored %q, returned %q; want one hash of the raised cost", stored, user.PasswordHash)
	}
	if _, err := a.Login(t.Context(), "alice", "right", ""); err != nil || p.byName["alice"].PasswordHash != stored {
		t.Errorf("second login: %v, hashed again %t", err, p.byName["alice"].PasswordHash != stored)
	}
}
