package rp

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// session is one browser's login at this application.
type session struct {
	Issuer       string         `json:"iss"`
	Subject      string         `json:"sub"`
	SID          string         `json:"sid,omitempty"`
	IssuedAt     time.Time      `json:"iat"`
	LoggedInAt   time.Time      `json:"logged_in_at"`
	Until        time.Time      `json:"until"`
	IDToken      string         `json:"id_token"`
	AccessToken  string         `json:"access_token,omitempty"`
	AccessUntil  time.Time      `json:"access_until,omitzero"`
	SessionState string         `json:"session_state,omitempty"`
	Claims       map[string]any `json:"claims,omitempty"`
}

func (s *session) login() Login {
	return Login{Issuer: s.Issuer, Subject: s.Subject, SID: s.SID, IssuedAt: s.IssuedAt}
}

// sessions keeps sessions in the store, each under the hash of its cookie and
// encrypted with a key that is derived from it: who reads the store can neither
// present a cookie nor see who is logged in, nor with which tokens.
type sessions struct {
	store raisingStore
	now   func() time.Time
}

// newSecret returns 256 random bits for a cookie.
func newSecret() string {
	var secret [32]byte
	_, _ = rand.Read(secret[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(secret[:])
}

func sessionKey(cookie string) string { return storeKey("session", cookie) }

// put stores a session under a cookie. The error is a *TemporaryError.
func (s *sessions) put(ctx context.Context, cookie string, stored *session) error {
	plain, err := json.Marshal(stored)
	if err != nil {
		return fmt.Errorf("rp: a session cannot be written as JSON: %w", err)
	}
	seal, err := sealer(cookie)
	if err != nil {
		return err
	}
	if err := s.store.Put(ctx, sessionKey(cookie), seal.Seal(nil, nil, plain, nil), stored.Until); err != nil {
		return &TemporaryError{Reason: "a session could not be stored", Err: err}
	}
	// That this application has, or had, a session with this sid: the front
	// channel, which anybody can call, ends no other (Front-Channel Logout 1.0, 2).
	if stored.SID != "" {
		if err := s.store.Put(ctx, sidKey(stored.Issuer, stored.SID), []byte{1}, stored.Until); err != nil {
			return &TemporaryError{Reason: "a session could not be stored", Err: err}
		}
	}
	return nil
}

func sidKey(issuer, sid string) string { return storeKey("sid", issuer, sid) }

// get returns the session of a cookie, nil if there is none. The error is a *TemporaryError.
func (s *sessions) get(ctx context.Context, cookie string) (*session, error) {
	if cookie == "" {
		return nil, nil
	}
	value, found, err := s.store.Get(ctx, sessionKey(cookie))
	if err != nil {
		return nil, &TemporaryError{Reason: "a session could not be read", Err: err}
	}
	if !found {
		return nil, nil
	}
	seal, err := sealer(cookie)
	if err != nil {
		return nil, err
	}
	plain, err := seal.Open(nil, nil, value, nil)
	if err != nil {
		return nil, nil // not ours, or of another version: nobody is logged in by it
	}
	var stored session
	if err := json.Unmarshal(plain, &stored); err != nil || !s.now().Before(stored.Until) {
		return nil, nil
	}
	return &stored, nil
}

func (s *sessions) drop(ctx context.Context, cookie string) error {
	if cookie == "" {
		return nil
	}
	if err := s.store.Delete(ctx, sessionKey(cookie)); err != nil {
		return &TemporaryError{Reason: "a session could not be removed", Err: err}
	}
	return nil
}

// sealer encrypts for one cookie. The nonce is random, and stands before the text.
func sealer(cookie string) (cipher.AEAD, error) {
	key, err := hkdf.Key(sha256.New, []byte(cookie), nil, "exeunt rp session", 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// User is the person who is logged in, as a handler behind [Kit.Middleware] sees it.
type User struct {
	// Issuer, Subject and SID are the claims iss, sub and sid of the ID token. A
	// person is known by Issuer and Subject together; SID may be empty.
	Issuer, Subject, SID string
	// LoggedInAt is when the login at this application completed, Until when it
	// ends at the latest. Both are in UTC.
	LoggedInAt, Until time.Time
	// Claims are those of the ID token and of the userinfo endpoint. Do not change it.
	Claims map[string]any
	// AccessToken is for the APIs that the person gave this application access to;
	// AccessTokenUntil is when it expires, zero if the provider did not say.
	AccessToken      string
	AccessTokenUntil time.Time
}

// Claim returns the claim of that name if it is a string, and "" otherwise.
func (u *User) Claim(name string) string {
	text, _ := u.Claims[name].(string)
	return text
}

func (s *session) user() *User {
	return &User{
		Issuer: s.Issuer, Subject: s.Subject, SID: s.SID, LoggedInAt: s.LoggedInAt, Until: s.Until, Claims: s.Claims,
		AccessToken: s.AccessToken, AccessTokenUntil: s.AccessUntil,
	}
}

type userKey struct{}

// UserFrom returns the person whom [Kit.Middleware], [Kit.Identify] or
// [Bearer.Middleware] found logged in, and nil if there is nobody.
func UserFrom(ctx context.Context) *User {
	user, _ := ctx.Value(userKey{}).(*User)
	return user
}

// errEnded says that the session of a login has ended already.
var errEnded = errors.New("rp: the session has ended")

// live returns the session of a cookie, nil if there is none or it has ended
// elsewhere, in which case it is removed. The error is a *TemporaryError.
func (k *Kit) live(ctx context.Context, cookie string) (*session, error) {
	found, err := k.sessions.get(ctx, cookie)
	if err != nil || found == nil {
		return nil, err
	}
	ended, err := k.endings.ended(ctx, found.login())
	if err != nil {
		return nil, &TemporaryError{Reason: "whether a session has ended could not be read", Err: err}
	}
	if ended {
		return nil, k.sessions.drop(ctx, cookie)
	}
	return found, nil
}

// begin stores a session that a login has made and returns its cookie. The
// error is errEnded if a logout has overtaken the login: the logout marks
// first, the login asks last, so one of the two sees the other.
func (k *Kit) begin(ctx context.Context, begun *session, oldCookie string) (cookie string, err error) {
	cookie = newSecret()
	if err := k.sessions.put(ctx, cookie, begun); err != nil {
		return "", err
	}
	// The session that this browser had so far goes, whosoever it was: a new one
	// has a new cookie, which nobody can have planted.
	if err := k.sessions.drop(ctx, oldCookie); err != nil {
		return "", err
	}
	k.tabs.tell(sessionKey(oldCookie))
	found, err := k.live(ctx, cookie)
	if err == nil && found == nil {
		err = errEnded
	}
	return cookie, err
}
