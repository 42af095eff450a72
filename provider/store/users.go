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

// Users implements identity.Users.
type Users struct {
	db  *database.DB
	now func() time.Time
}

const selectUser = `SELECT id, username, password_hash, email, claims, admin, device_limit, device_group, disabled_at, created_at, updated_at FROM users WHERE `

// User implements identity.Users.
func (u *Users) User(ctx context.Context, id string) (identity.User, error) {
	return u.find(ctx, "id = ?", id)
}

// UserByName implements identity.Users. Names are compared exactly.
func (u *Users) UserByName(ctx context.Context, username string) (identity.User, error) {
	return u.find(ctx, "username = ?", username)
}

// UsersByEmail returns everybody who has an e-mail address, by id. The case of letters does not matter, as the database understands it.
func (u *Users) UsersByEmail(ctx context.Context, email string) ([]identity.User, error) {
	if !storable(email) {
		return nil, nil
	}
	var all []identity.User
	err := rows(u.db.Reader(ctx).Raw(selectUser+`lower(email) = lower(?) ORDER BY id`, email), "reading users by e-mail", func(r *sql.Rows) error {
		user, err := scanUser(r.Scan)
		all = append(all, user)
		return err
	})
	return all, err
}

func (u *Users) find(ctx context.Context, where, value string) (identity.User, error) {
	if !storable(value) {
		return identity.User{}, identity.ErrNoUser
	}
	return scanUser(func(dest ...any) error {
		return row(u.db.Reader(ctx).Raw(selectUser+where, value), "reading a user", identity.ErrNoUser, dest...)
	})
}

// scanUser reads the columns of selectUser.
func scanUser(scan func(dest ...any) error) (identity.User, error) {
	var (
		user             identity.User
		claims           string
		disabled         *int64
		created, updated int64
	)
	err := scan(&user.ID, &user.Username, &user.PasswordHash, &user.Email, &claims, &user.Admin, &user.DeviceLimit, &user.DeviceGroup, &disabled, &created, &updated)
	if err != nil {
		return identity.User{}, err
	}
	if err := json.Unmarshal([]byte(claims), &user.Claims); err != nil {
		return identity.User{}, fmt.Errorf("store: claims of user %s: %w", user.ID, err)
	}
	user.DisabledAt, user.CreatedAt, user.UpdatedAt = database.NullTime(disabled), database.Time(created), database.Time(updated)
	return user, nil
}

// SetPasswordHash implements identity.Users.
func (u *Users) SetPasswordHash(ctx context.Context, id, old, hash string) error {
	_, err := exec(u.db.Writer(ctx), "replacing a password hash",
		`UPDATE users SET password_hash = ?, updated_at = ? WHERE id = ? AND password_hash = ?`, hash, database.Micros(u.now()), id, old)
	return err
}
