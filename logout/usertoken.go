package logout

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"time"
)

// UserTokenLife is how long a user token can be exchanged. It is minted for each attempt and each pull, so it may be short.
const UserTokenLife = 15 * time.Minute

// UserToken stands for a person in an event for a client that must not learn from its payload who it is about. The client exchanges it
// once. Only its hash is kept.
type UserToken struct {
	Hash      []byte // SHA-256 of the token, a random value of 256 bits
	ClientID  string
	EventID   string
	Subject   string
	SID       string // empty when the event is about no single participation
	ExpiresAt time.Time
}

// Refusals of an exchange.
var (
	ErrNoUserToken      = errors.New("logout: no such user token") // unknown, or another client's
	ErrUserTokenExpired = errors.New("logout: the user token has expired")
	ErrUserTokenUsed    = errors.New("logout: the user token has been exchanged before")
)

// UserTokens keeps user tokens.
type UserTokens interface {
	// MintUserTokens stores new tokens.
	MintUserTokens(ctx context.Context, tokens []UserToken) error

	// UseUserToken marks a token as used and returns it. Of any number of concurrent calls for one token exactly one succeeds.
	// ErrNoUserToken, ErrUserTokenExpired and ErrUserTokenUsed say why not; with the last the token is returned too.
	UseUserToken(ctx context.Context, clientID string, hash []byte, at time.Time) (UserToken, error)
}

// userTokens mints.
type userTokens struct {
	store UserTokens
	now   func() time.Time
}

// mint returns a fresh token for each delivery.
func (u *userTokens) mint(ctx context.Context, of []Delivery) ([]string, error) {
	texts, rows := make([]string, len(of)), make([]UserToken, len(of))
	expires := u.now().UTC().Add(UserTokenLife)
	for i, d := range of {
		var random [32]byte
		_, _ = rand.Read(random[:]) // never fails (crypto/rand)
		texts[i] = base64.RawURLEncoding.EncodeToString(random[:])
		sum := sha256.Sum256([]byte(texts[i]))
		rows[i] = UserToken{Hash: sum[:], ClientID: d.ClientID, EventID: d.EventID, Subject: d.Subject, SID: d.SID, ExpiresAt: expires}
	}
	if err := u.store.MintUserTokens(ctx, rows); err != nil {
		return nil, fmt.Errorf("minting user tokens: %w", err)
	}
	return texts, nil
}

// ExchangeUserToken gives a client, which has been authenticated, the person and the event that a user token stands for, once.
//
// Errors: ErrNoUserToken, ErrUserTokenExpired, ErrUserTokenUsed; those of the store.
func (e *Engine) ExchangeUserToken(ctx context.Context, clientID, token string) (UserToken, error) {
	sum := sha256.Sum256([]byte(token))
	found, err := e.cfg.Store.UseUserToken(ctx, clientID, sum[:], e.cfg.Now().UTC())
	if errors.Is(err, ErrUserTokenUsed) {
		e.cfg.Logger.WarnContext(ctx, "a user token was presented again; somebody else may have seen it", "client", clientID, "event", found.EventID)
	}
	return found, err
}
