package demo

import (
	"crypto/rand"
	"crypto/subtle"
	"sync"
	"time"

	"golang.org/x/oauth2"
)

// attempt is a login between /login and /callback.
type attempt struct {
	browser  digest // of the cookie of the browser that began it
	state    string
	nonce    string // OpenID Connect Core 1.0, 3.1.2.1
	verifier string // RFC 7636, 4.1
}

// attempts holds the logins under way, each for ten minutes and for one
// callback. It is safe for concurrent use.
type attempts struct {
	mu    sync.Mutex
	shelf *shelf[attempt] // by state, so that several tabs do not disturb each other
}

func newAttempts(now func() time.Time) *attempts {
	return &attempts{shelf: newShelf[attempt](10_000, 10*time.Minute, now)}
}

// begin remembers a new attempt by the browser with that cookie.
func (a *attempts) begin(cookie string) attempt {
	begun := attempt{browser: digestOf(cookie), state: rand.Text(), nonce: rand.Text(), verifier: oauth2.GenerateVerifier()}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.shelf.put(digestOf(begun.state), begun)
	return begun
}

// finish returns the attempt with that state, once, and only to the browser
// that began it: otherwise somebody could be signed in as somebody else by a
// link (RFC 6749, 10.12).
func (a *attempts) finish(state, cookie string) (attempt, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	key := digestOf(state)
	begun, ok := a.shelf.get(key)
	browser := digestOf(cookie)
	if !ok || subtle.ConstantTimeCompare(begun.browser[:], browser[:]) != 1 {
		return attempt{}, false
	}
	a.shelf.drop(key)
	return begun, true
}
