package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/provider/identity"
)

// Lock implements identity.Users. On SQLite the transaction itself is the lock. No two logins of one person pass at once: each counts the devices
// of the other.
func (u *Users) Lock(ctx context.Context, user identity.User) error {
	query := `SELECT id FROM users WHERE id = ? AND password_hash = ? AND disabled_at IS NULL`
	if u.db.Postgres() {
		query += ` FOR NO KEY UPDATE`
	}
	var id string
	return row(u.db.Writer(ctx).Raw(query, user.ID, user.PasswordHash), "locking a user", identity.ErrLoginFailed, &id)
}

// List returns at most limit users whose names come after a given one, by name.
func (u *Users) List(ctx context.Context, after string, limit int) ([]identity.User, error) {
	var all []identity.User
	err := rows(u.db.Reader(ctx).Raw(selectUser+`username > ? ORDER BY username LIMIT ?`, after, limit), "listing users", func(r *sql.Rows) error {
		user, err := scanUser(r.Scan)
		all = append(all, user)
		return err
	})
	return all, err
}

// Create stores a new user; identity.ErrNameTaken when somebody has the name.
func (u *Users) Create(ctx context.Context, user identity.User) error {
	if user.Claims == nil {
		user.Claims = map[string]any{}
	}
	claims, err := json.Marshal(user.Claims)
	if err != nil {
		return fmt.Errorf("store: claims of user %q: %w", user.Username, err)
	}
	return once(u.db.Writer(ctx), "storing a user", fmt.Errorf("%w: %q", identity.ErrNameTaken, user.Username),
		`INSERT INTO users (id, username, password_hash, email, claims, admin, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (username) DO NOTHING`,
		user.ID, user.Username, user.PasswordHash, user.Email, string(claims), user.Admin, database.Micros(user.CreatedAt), database.Micros(user.CreatedAt))
}

// ChangePassword replaces a user's password hash by that of another password; identity.ErrNoUser when there is no such user.
func (u *Users) ChangePassword(ctx context.Context, id, hash string) error {
	return once(u.db.Writer(ctx), "changing a password", identity.ErrNoUser,
		`UPDATE users SET password_hash = ?, updated_at = ? WHERE id = ?`, hash, database.Micros(u.now()), id)
}

// SetDisabled disables a user as of a time, or, with the zero time, lets them log in again. It reports false when that changes nothing.
func (u *Users) SetDisabled(ctx context.Context, id string, at time.Time) (bool, error) {
	n, err := exec(u.db.Writer(ctx), "disabling or enabling a user",
		`UPDATE users SET disabled_at = ?, updated_at = ? WHERE id = ? AND (disabled_at IS NULL) = ?`,
		database.NullMicros(at), database.Micros(u.now()), id, !at.IsZero())
	return n == 1, err
}

// Delete deletes a user, their devices, and what they have agreed to; identity.ErrNoUser when there is no such user. What their tokens say is found to
// be nobody's.
func (u *Users) Delete(ctx context.Context, id string) error {
	return u.db.Tx(ctx, func(ctx context.Context) error {
		if err := once(u.db.Writer(ctx), "deleting a user", identity.ErrNoUser, `DELETE FROM users WHERE id = ?`, id); err != nil {
			return err
		}
		if _, err := exec(u.db.Writer(ctx), "deleting a user's devices", `DELETE FROM devices WHERE subject = ?`, id); err != nil {
			return err
		}
		_, err := exec(u.db.Writer(ctx), "deleting a user's consents", `DELETE FROM consents WHERE subject = ?`, id)
		return err
	})
}
