package identity

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"time"
	"unicode/utf8"
)

// maxUsernameBytes is the longest name that is looked up. A longer one belongs to nobody.
const maxUsernameBytes = 256

// Limits throttle failed logins. A limit of 0, or a window of 0, turns that throttle off.
type Limits struct {
	MaxFailures           int           // of one account within the window
	Window                time.Duration // starts with the first failure
	MaxFailuresPerAddress int           // of one network address (IPv6: one /64) within the window
}

// ThrottledError says that there were too many failures: answer 429 with Retry-After.
type ThrottledError struct {
	RetryAfter time.Duration // at least a second
}

func (e *ThrottledError) Error() string {
	return fmt.Sprintf("identity: too many failed logins; try again in %s", e.RetryAfter.Round(time.Second))
}

// Why a name and a password do not belong together. Only the audit trail hears of it.
const (
	LoginUnknownUser   = "unknown_user"
	LoginWrongPassword = "wrong_password"
	LoginDisabled      = "disabled"
	LoginChanged       = "changed" // disabled, deleted or given another password at the very moment of the login
)

// LoginError is ErrLoginFailed with what the person must not learn.
type LoginError struct {
	UserID string // who has the name; empty when nobody has it
	Reason string // one of those above
}

func (e *LoginError) Error() string { return ErrLoginFailed.Error() + " (" + e.Reason + ")" }

// Is makes it an ErrLoginFailed.
func (e *LoginError) Is(target error) bool { return target == ErrLoginFailed }

// Authenticator checks names and passwords. Safe for concurrent use.
type Authenticator struct {
	users     Users
	failures  Failures
	passwords *Passwords
	limits    Limits
	now       func() time.Time

	// Logger hears of what does not concern the person who logs in. Defaults to slog.Default.
	Logger *slog.Logger
}

// NewAuthenticator returns an Authenticator that counts failures over all nodes in the given store.
func NewAuthenticator(users Users, failures Failures, passwords *Passwords, limits Limits, now func() time.Time) *Authenticator {
	return &Authenticator{users: users, failures: failures, passwords: passwords, limits: limits, now: now, Logger: slog.Default()}
}

// Login returns the user whom username and password belong to. Usernames are compared exactly. The address is that of the person's
// network, without a port; empty when it is unknown.
//
// Errors: ErrLoginFailed, as a *LoginError, for a wrong name, a wrong password and a disabled user alike; *ThrottledError; ErrBusy; the store's own.
//
//  1. Over a limit: refused without a look at the password, right or wrong.
//  2. Wait for a turn to hash, then look at the limits again: attempts that waited together must not slip through together.
//  3. Verify. An unknown user costs a hash too, so that time does not tell who exists.
//  4. A failure is counted before the turn is given back; a success resets the account's counter, never the address's (else an
//     attacker with one account of their own would clear it at will).
//
// Call it outside a transaction: a failure that is rolled back was not counted.
func (a *Authenticator) Login(ctx context.Context, username, password, address string) (User, error) {
	keys := a.keys(username, address)
	if _, err := a.check(ctx, keys); err != nil {
		return User{}, err
	}
	release, err := a.passwords.acquire(ctx)
	if err != nil {
		return User{}, err
	}
	defer release()
	failed, err := a.check(ctx, keys)
	if err != nil {
		return User{}, err
	}
	user, err := a.find(ctx, username)
	if err != nil {
		return User{}, err
	}
	ok, rehash, err := a.verify(user, password)
	switch {
	case err != nil:
		return User{}, fmt.Errorf("identity: password of user %s: %w", user.ID, err)
	case !ok:
		if err := a.fail(ctx, keys); err != nil {
			return User{}, err
		}
		return User{}, failure(user)
	}
	if failed {
		if err := a.failures.Forgive(ctx, keys[0].name); err != nil {
			return User{}, err
		}
	}
	if rehash {
		a.rehash(ctx, &user, password)
	}
	return user, nil
}

func failure(user User) *LoginError {
	e := &LoginError{UserID: user.ID, Reason: LoginWrongPassword}
	switch {
	case user.ID == "":
		e.Reason = LoginUnknownUser
	case !user.DisabledAt.IsZero():
		e.Reason = LoginDisabled
	}
	return e
}

// find returns the zero User when nobody has that name.
func (a *Authenticator) find(ctx context.Context, username string) (User, error) {
	if username == "" || len(username) > maxUsernameBytes || !utf8.ValidString(username) {
		return User{}, nil
	}
	user, err := a.users.UserByName(ctx, username)
	if err != nil && !errors.Is(err, ErrNoUser) {
		return User{}, err
	}
	return user, nil
}

func (a *Authenticator) verify(user User, password string) (ok, rehash bool, err error) {
	if len(password) > MaxPasswordBytes {
		return false, false, nil
	}
	if user.ID == "" || user.PasswordHash == "" {
		_, _, err := a.passwords.verify(a.passwords.dummy, password)
		return false, false, err
	}
	ok, rehash, err = a.passwords.verify(user.PasswordHash, password)
	return ok && user.DisabledAt.IsZero(), rehash, err
}

// rehash raises the stored hash to the configured cost. When that fails the person is logged in all the same; the next login tries
// again.
func (a *Authenticator) rehash(ctx context.Context, user *User, password string) {
	hash := a.passwords.hash(password)
	if err := a.users.SetPasswordHash(ctx, user.ID, user.PasswordHash, hash); err != nil {
		a.Logger.WarnContext(ctx, "could not store a password hash of the configured cost", "user", user.ID, "error", err)
		return
	}
	user.PasswordHash = hash
}

// throttleKey is one counter. Its name is a hash, because people type passwords into the field for the name.
type throttleKey struct {
	name  string
	limit int
}

// keys returns the counters of an attempt, the account's first.
func (a *Authenticator) keys(username, address string) []throttleKey {
	keys := []throttleKey{{name: hashedKey("account", username), limit: a.limits.MaxFailures}}
	if address != "" {
		keys = append(keys, throttleKey{name: hashedKey("address", network(address)), limit: a.limits.MaxFailuresPerAddress})
	}
	return keys
}

func hashedKey(kind, value string) string {
	sum := sha256.Sum256([]byte(value))
	return kind + ":" + base64.RawURLEncoding.EncodeToString(sum[:])
}

// network returns what one attacker has for himself: an IPv4 address, or a whole IPv6 /64.
func network(address string) string {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return address
	}
	if ip = ip.Unmap().WithZone(""); ip.Is4() {
		return ip.String()
	}
	prefix, err := ip.Prefix(64)
	if err != nil {
		return address
	}
	return prefix.String()
}

// check returns a ThrottledError when a counter stands at its limit, and otherwise whether the account's counter has anything to forget.
func (a *Authenticator) check(ctx context.Context, keys []throttleKey) (failed bool, err error) {
	if a.limits.Window <= 0 {
		return false, nil
	}
	now := a.now()
	var wait time.Duration
	for i, k := range keys {
		if k.limit <= 0 {
			continue
		}
		count, until, err := a.failures.Failures(ctx, k.name, now)
		if err != nil {
			return false, err
		}
		if count >= k.limit {
			wait = max(wait, until.Sub(now), time.Second)
		}
		failed = failed || i == 0 && count > 0
	}
	if wait > 0 {
		return false, &ThrottledError{RetryAfter: wait}
	}
	return failed, nil
}

// fail counts the failure even if the person has gone: hanging up must not be a way to guess for free.
func (a *Authenticator) fail(ctx context.Context, keys []throttleKey) error {
	if a.limits.Window <= 0 {
		return nil
	}
	var names []string
	for _, k := range keys {
		if k.limit > 0 {
			names = append(names, k.name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	return a.failures.Fail(context.WithoutCancel(ctx), a.now(), a.limits.Window, names...)
}
