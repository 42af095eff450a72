package identity

import (
	"context"
	"errors"
	"time"
)

// User is a person who can log in.
type User struct {
	ID           string // UUIDv7: the subject
	Username     string
	PasswordHash string // argon2id in PHC string format
	Email        string
	Claims       map[string]any // standard claims of OpenID Connect Core 5.1, by their names, without sub
	Admin        bool
	DeviceLimit  *int   // how many devices; nil: as for the group, or everybody
	DeviceGroup  string // see DeviceRules; empty for none
	DisabledAt   time.Time
	CreatedAt    time.Time
	UpdatedAt    time.Time
}

// ErrNoUser says that no user has that name or id.
var ErrNoUser = errors.New("identity: no such user")

// ErrNameTaken says that another user has that name.
var ErrNameTaken = errors.New("identity: the username is taken")

// ErrLoginFailed says that name and password do not belong together, without saying which of them is wrong.
var ErrLoginFailed = errors.New("identity: wrong username or password")

// Users finds people.
type Users interface {
	// User returns a user by id; ErrNoUser when there is none.
	User(ctx context.Context, id string) (User, error)

	// UserByName returns a user by username; ErrNoUser when there is none.
	UserByName(ctx context.Context, username string) (User, error)

	// SetPasswordHash replaces a user's password hash old by another of the same password (a rehash with raised parameters). It does
	// nothing when the stored hash is no longer old: a password that was changed meanwhile must not come back.
	SetPasswordHash(ctx context.Context, id, old, hash string) error

	// Lock holds the user's row until the transaction in ctx ends, so that a user who is disabled or deleted, or whose password is changed,
	// at this moment gets no session that the change does not end. ErrLoginFailed when one of these has happened since user was read.
	Lock(ctx context.Context, user User) error
}

// Failures counts failed logins for throttling, over all nodes. A key is an account or a network address.
type Failures interface {
	// Failures returns how many failures the key has within the window that ends at the given time, and when the oldest expires.
	Failures(ctx context.Context, key string, at time.Time) (count int, until time.Time, err error)

	// Fail adds a failure to each key; its window starts with the first one.
	Fail(ctx context.Context, at time.Time, window time.Duration, keys ...string) error

	// Forgive resets a key after a success.
	Forgive(ctx context.Context, key string) error
}

// Consent is what a person has allowed a client, remembered.
type Consent struct {
	Subject   string
	ClientID  string
	Scopes    []string
	GrantedAt time.Time
}

// Consents keeps what people have agreed to.
type Consents interface {
	// Consent returns what the person has agreed to; no scopes when nothing.
	Consent(ctx context.Context, subject, clientID string) (Consent, error)

	// Agree adds scopes to what is remembered.
	Agree(ctx context.Context, c Consent) error
}
