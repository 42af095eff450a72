package demo

import (
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"strconv"
	"sync"
	"time"

	"github.com/exeunt-id/exeunt/rp"
)

// errOvertaken: the provider ended the session before the login completed.
var errOvertaken = errors.New("the session was ended while the login was under way")

// ending is how a session ended.
type ending string

const (
	endedByToken    ending = "token"    // elsewhere; a logout token said so
	endedAtProvider ending = "provider" // here, by /logout
	endedByRedirect ending = "redirect" // here, by /logout/redirect
	endedByAPI      ending = "api"      // here, by /logout/api
)

// session is one browser's login. It stays, without tokens, after its end, so
// that the page can tell that browser what happened.
type session struct {
	id             string // public, unlike the cookie
	revision       int    // grows with every change, for the open page
	login          rp.Login
	name, username string
	since          time.Time
	idToken        string
	accessToken    string
	csrf           string

	ended   ending // empty while it lives
	endedAt time.Time
	// token is the logout token that ended it, or that followed its end here;
	// toldAt is when that came.
	token  *rp.LogoutToken
	toldAt time.Time

	logoutState string // sent along to the provider, which must return it
	returnedAt  time.Time
	note        string // what came of the API logout
}

func (s *session) live() bool { return s != nil && s.ended == "" }

// version changes whenever the page would look different.
func (s *session) version() string {
	if s == nil {
		return "none"
	}
	return s.id + "." + strconv.Itoa(s.revision)
}

// sessions is the app's session store, safe for concurrent use. Tombstones are
// kept under the same lock, so that a login and the logout that overtakes it
// cannot slip past each other.
type sessions struct {
	now        func() time.Time
	tombstones *rp.Tombstones

	mu    sync.Mutex
	shelf *shelf[*session]
}

func newSessions(now func() time.Time) *sessions {
	return &sessions{
		now:        now,
		tombstones: rp.NewTombstones(rp.TombstoneConfig{Lifetime: sessionLife, Now: now}),
		shelf:      newShelf[*session](10_000, sessionLife, now),
	}
}

// begin stores a session and returns its cookie, or errOvertaken. The session
// of the old cookie, if any, is forgotten.
func (s *sessions) begin(begun session, oldCookie string) (cookie string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tombstones.Ended(begun.login) {
		return "", errOvertaken
	}
	begun.id, begun.csrf, begun.since = rand.Text(), rand.Text(), s.now().UTC()
	s.shelf.drop(digestOf(oldCookie))
	cookie = secret()
	s.shelf.put(digestOf(cookie), &begun)
	return cookie, nil
}

// find returns a copy of the session of cookie, nil if there is none.
func (s *sessions) find(cookie string) *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	found, ok := s.shelf.get(digestOf(cookie))
	if !ok {
		return nil
	}
	duplicate := *found
	return &duplicate
}

// change lets apply alter the session of cookie, if there is one, and reports
// whether apply did.
func (s *sessions) change(cookie string, apply func(*session) bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	found, ok := s.shelf.get(digestOf(cookie))
	if !ok || !apply(found) {
		return false
	}
	found.revision++
	return true
}

// endHere ends the live session of cookie because its user said so in this app.
func (s *sessions) endHere(cookie string, how ending, state string) bool {
	return s.change(cookie, func(found *session) bool {
		if !found.live() {
			return false
		}
		found.ended, found.endedAt, found.logoutState = how, s.now().UTC(), state
		found.idToken, found.accessToken = "", ""
		return true
	})
}

// returned notes that the provider sent the browser back after a logout, if
// state is the one that went along (RP-Initiated Logout 1.0, section 3).
func (s *sessions) returned(cookie, state string) {
	s.change(cookie, func(found *session) bool {
		if found.logoutState == "" || subtle.ConstantTimeCompare([]byte(found.logoutState), []byte(state)) != 1 {
			return false
		}
		found.logoutState, found.returnedAt = "", s.now().UTC()
		return true
	})
}

// endByToken ends what the logout token means: the session with its sid or, if
// it has none, all of its subject (Back-Channel Logout 1.0, 2.7).
func (s *sessions) endByToken(token *rp.LogoutToken) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tombstones.Mark(token)
	s.shelf.all(func(found *session) {
		if token.SID != "" && found.login.SID != token.SID || token.SID == "" && found.login.Subject != token.Subject {
			return
		}
		if found.token != nil { // told before; a token sent again changes nothing
			return
		}
		found.token, found.toldAt = token, s.now().UTC()
		if found.live() {
			found.ended, found.endedAt = endedByToken, found.toldAt
			found.idToken, found.accessToken = "", ""
		}
		found.revision++
	})
}
