package rp

import (
	"sync"
	"time"
)

// TombstoneConfig says how long and how much [Tombstones] remembers.
type TombstoneConfig struct {
	// Lifetime is for how long an ended session is remembered: at least as long
	// as a session of the relying party can last. Required.
	Lifetime time.Duration
	// Limit is the greatest number of remembered sessions; the oldest of more are
	// forgotten. Defaults to 100,000.
	Limit int
	// Now is the clock. Defaults to time.Now.
	Now func() time.Time
}

// Login is a login that is about to complete, as its verified ID token states it.
type Login struct {
	// Issuer, Subject and SID are the claims iss, sub and sid; SID may be empty.
	Issuer, Subject, SID string
	// IssuedAt is the claim iat.
	IssuedAt time.Time
}

// Tombstones remembers what logout tokens ended, so that a login that such a
// token has overtaken is refused instead of outliving its session. It lives in
// the memory of one process and is safe for concurrent use.
//
// The order of steps closes the gap between the two: the logout first marks the
// tombstone and then removes sessions; the login first stores its session and
// then asks Ended, and removes the session again if that is so. (Or both do
// their two steps under one lock.) Sessions that rest on an offline grant are
// not asked for: those outlive the provider's session by design
// (Back-Channel Logout 1.0, 2.7).
type Tombstones struct {
	lifetime time.Duration
	now      func() time.Time

	mu    sync.Mutex
	ended *expiring
}

// NewTombstones returns an empty memory. It panics if cfg.Lifetime is not
// positive, because nothing would ever be remembered.
func NewTombstones(cfg TombstoneConfig) *Tombstones {
	if cfg.Lifetime <= 0 {
		panic("rp: TombstoneConfig.Lifetime must be positive: set the longest life of a session")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Tombstones{lifetime: cfg.Lifetime, now: cfg.Now, ended: newExpiring(cfg.Limit, cfg.Now)}
}

// Mark remembers what token ended: its session, or, if it names none, all
// sessions that its subject had until then.
func (t *Tombstones) Mark(token *LogoutToken) {
	t.mu.Lock()
	defer t.mu.Unlock()
	key := tombstoneKey(token.Issuer, token.Subject, token.SID)
	at := token.IssuedAt
	if before, ok := t.ended.get(key); ok && before.After(at) {
		at = before // tokens may arrive out of order
	}
	t.ended.put(key, t.now().Add(t.lifetime), at)
}

// Ended reports whether a logout token has ended what login would begin. For a
// token without sid that is every login whose ID token is not younger than the
// logout token; claims count in seconds, and within one second the logout wins.
func (t *Tombstones) Ended(login Login) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if login.SID != "" {
		if _, ok := t.ended.get(tombstoneKey(login.Issuer, "", login.SID)); ok {
			return true
		}
	}
	at, ok := t.ended.get(tombstoneKey(login.Issuer, login.Subject, ""))
	return ok && !login.IssuedAt.After(at)
}

// tombstoneKey names a session, or a subject if there is no sid. The sid is
// unique at its issuer (Back-Channel Logout 1.0, 2.1), so the subject adds nothing to it.
func tombstoneKey(issuer, subject, sid string) string {
	if sid != "" {
		return "sid\x00" + issuer + "\x00" + sid
	}
	return "sub\x00" + issuer + "\x00" + subject
}
