package store

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/provider/audit"
	"github.com/exeunt-id/exeunt/provider/identity"
)

// ConfiguredUser is an entry of the configuration's users. At most one of Password and PasswordHash is set; without either nobody can
// log in as that user.
type ConfiguredUser struct {
	Username     string
	Password     string
	PasswordHash string // argon2id in PHC string format
	Email        string
	Admin        bool
	Claims       map[string]any // standard claims by their names

	// Left out of the entry's fingerprint where they say nothing, so that an entry from before they existed is unchanged.
	DeviceLimit *int   `json:",omitempty"` // nil: as for the group, or everybody
	DeviceGroup string `json:",omitempty"`
}

// syncBatch bounds the parameters of one query.
const syncBatch = 500

// SyncUsers creates and updates users so that they are as the configuration says. A user keeps the id for ever; users who are no longer
// configured stay. hash makes the hash of a password.
//
// Of each entry two keyed fingerprints are kept, of the whole and of the password, under the first of keys: an unchanged entry costs
// neither a hash nor a write, and an entry whose password is the same does not overwrite the one that the person has chosen since. They
// tell nothing to whoever reads the database alone. Further keys are earlier ones, by which fingerprints are still recognised.
//
// told is called for each entry that made a user or changed one, in the transaction that does it.
func (s *Store) SyncUsers(ctx context.Context, users []ConfiguredUser, hash func(ctx context.Context, password string) (string, error),
	told func(ctx context.Context, c SyncedUser) error, keys ...[32]byte,
) error {
	have, err := s.fingerprints(ctx, users)
	if err != nil {
		return err
	}
	var changes []userChange
	for i, u := range users {
		change, err := newUserChange(u, keys[0])
		if err == nil && !bytes.Equal(have[u.Username].entry, change.entry) {
			same := slices.ContainsFunc(keys, func(key [32]byte) bool {
				text, err := change.passwordText()
				return err == nil && bytes.Equal(have[u.Username].password, mac(key, "password", text))
			})
			err = change.complete(ctx, same, hash)
			changes = append(changes, change)
		}
		if err != nil {
			return fmt.Errorf("users[%d] (username %q): %w", i, u.Username, err)
		}
	}
	if len(changes) == 0 {
		return nil
	}
	return s.db.Tx(ctx, func(ctx context.Context) error {
		for _, c := range changes {
			if err := s.syncUser(ctx, c, told); err != nil {
				return err
			}
		}
		return nil
	})
}

// SyncedUser is what an entry of the configuration did to a user.
type SyncedUser struct {
	ID, Username string
	Created      bool // there was none
	Updated      bool // anything else than the password is other than before
	Password     bool // another password, or none, for a user who was there before
}

// syncUser writes an entry and records and tells what it changes: nothing if another node that starts was faster, or if only the key of the
// fingerprints is another.
func (s *Store) syncUser(ctx context.Context, c userChange, told func(ctx context.Context, c SyncedUser) error) error {
	before, known, err := s.takeUser(ctx, c.user.Username)
	if err != nil || known && bytes.Equal(before.entry, c.entry) {
		return err
	}
	id, created, err := s.putUser(ctx, c)
	if err != nil {
		return err
	}
	change := SyncedUser{ID: id, Username: c.user.Username, Created: created}
	if known {
		change.Updated = before.email != c.user.Email || before.claims != c.claims || before.admin != c.user.Admin ||
			before.deviceGroup != c.user.DeviceGroup || !sameNumber(before.deviceLimit, c.user.DeviceLimit)
		change.Password = !c.keepPassword && !bytes.Equal(before.password, c.password)
	}
	for _, entry := range []struct {
		so   bool
		kind audit.Kind
	}{{change.Created, audit.KindUserCreated}, {change.Updated, audit.KindUserUpdated}, {change.Password, audit.KindUserPasswordChanged}} {
		if entry.so {
			if err := s.Audit.Record(ctx, audit.User(entry.kind, audit.Configuration, id, c.user.Username)); err != nil {
				return err
			}
		}
	}
	if !change.Created && !change.Updated && !change.Password {
		return nil
	}
	return told(ctx, change)
}

// fingerprint is what is kept of an entry.
type fingerprint struct{ entry, password []byte }

func (s *Store) fingerprints(ctx context.Context, users []ConfiguredUser) (map[string]fingerprint, error) {
	have := make(map[string]fingerprint, len(users))
	names := make([]any, len(users))
	for i, u := range users {
		if !storable(u.Username) || u.Username == "" {
			return nil, fmt.Errorf("users[%d].username: must be text in UTF-8, not empty, without a NUL character", i)
		}
		names[i] = u.Username
	}
	for batch := range slices.Chunk(names, syncBatch) {
		query := s.db.Reader(ctx).Raw(`SELECT username, config_fingerprint, config_password_fingerprint FROM users
			WHERE username IN `+placeholders(1, len(batch)), batch...)
		err := rows(query, "reading the configured users", func(r *sql.Rows) error {
			var name string
			var f fingerprint
			err := r.Scan(&name, &f.entry, &f.password)
			have[name] = f
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return have, nil
}

// userChange is an entry that is to be written.
type userChange struct {
	user   ConfiguredUser
	claims string
	fingerprint
	hash         string
	keepPassword bool
}

func newUserChange(u ConfiguredUser, key [32]byte) (userChange, error) {
	if u.Password != "" && u.PasswordHash != "" {
		return userChange{}, errors.New("password and password_hash exclude each other; remove one")
	}
	if u.Claims == nil {
		u.Claims = map[string]any{}
	}
	// encoding/json sorts the names of a map: one entry, one text.
	claims, err := json.Marshal(u.Claims)
	if err != nil {
		return userChange{}, fmt.Errorf("claims: %w", err)
	}
	entry, err := json.Marshal(u)
	if err != nil {
		return userChange{}, err
	}
	c := userChange{user: u, claims: string(claims)}
	password, err := c.passwordText()
	c.fingerprint = fingerprint{mac(key, "entry", entry), mac(key, "password", password)}
	return c, err
}

// passwordText is what the password's fingerprint is made of.
func (c *userChange) passwordText() ([]byte, error) {
	return json.Marshal([]string{c.user.Username, c.user.Password, c.user.PasswordHash})
}

func mac(key [32]byte, kind string, text []byte) []byte {
	h := hmac.New(sha256.New, key[:])
	h.Write([]byte(kind + "\x00"))
	h.Write(text)
	return h.Sum(nil)
}

// complete finds the password hash to write; none when the configured password is the same as at the last start.
func (c *userChange) complete(ctx context.Context, same bool, hash func(context.Context, string) (string, error)) error {
	var err error
	switch {
	case same:
		c.keepPassword = true
	case c.user.PasswordHash != "":
		if err := identity.CheckPasswordHash(c.user.PasswordHash); err != nil {
			return fmt.Errorf("password_hash: %w", err)
		}
		c.hash = c.user.PasswordHash
	case c.user.Password != "":
		if c.hash, err = hash(ctx, c.user.Password); err != nil {
			return fmt.Errorf("password: %w", err)
		}
	}
	return nil
}

// syncedBefore is what an entry is held against.
type syncedBefore struct {
	fingerprint
	email, claims string
	admin         bool
	deviceLimit   *int
	deviceGroup   string
}

func sameNumber(a, b *int) bool { return a == nil && b == nil || a != nil && b != nil && *a == *b }

// takeUser holds the row of a user, if there is one, before anything else of theirs is touched (see identity.Users.Lock).
func (s *Store) takeUser(ctx context.Context, username string) (before syncedBefore, known bool, err error) {
	query := `SELECT config_fingerprint, config_password_fingerprint, email, claims, admin, device_limit, device_group FROM users WHERE username = ?`
	if s.db.Postgres() {
		query += ` FOR UPDATE`
	}
	err = row(s.db.Writer(ctx).Raw(query, username), "taking a user", identity.ErrNoUser,
		&before.entry, &before.password, &before.email, &before.claims, &before.admin, &before.deviceLimit, &before.deviceGroup)
	if errors.Is(err, identity.ErrNoUser) {
		return before, false, nil
	}
	return before, err == nil, err
}

// putUser writes an entry and returns the user's id, and whether it is a new one. Two nodes that start at once write the same, whoever is
// first.
func (s *Store) putUser(ctx context.Context, c userChange) (id string, created bool, err error) {
	password := ", password_hash = excluded.password_hash"
	if c.keepPassword {
		password = ""
	}
	fresh, err := uuid.NewV7()
	if err != nil {
		return "", false, fmt.Errorf("store: %w", err)
	}
	now := database.Micros(s.now())
	err = row(s.db.Writer(ctx).Raw(`INSERT INTO users (id, username, password_hash, email, claims, admin, device_limit, device_group, created_at, updated_at, config_fingerprint, config_password_fingerprint)
		VALUES `+placeholders(1, 12)+`
		ON CONFLICT (username) DO UPDATE SET email = excluded.email, claims = excluded.claims, admin = excluded.admin,
			device_limit = excluded.device_limit, device_group = excluded.device_group, updated_at = excluded.updated_at,
			config_fingerprint = excluded.config_fingerprint, config_password_fingerprint = excluded.config_password_fingerprint`+password+` RETURNING id`,
		fresh.String(), c.user.Username, c.hash, c.user.Email, c.claims, c.user.Admin, c.user.DeviceLimit, c.user.DeviceGroup, now, now, c.entry, c.password),
		"storing a configured user", sql.ErrNoRows, &id)
	return id, id == fresh.String(), err
}
