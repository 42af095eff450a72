// Package store keeps the provider's users, clients, consents, keys, authorizations, grants and tokens in SQLite or PostgreSQL.
//
// What must happen once happens by a conditional UPDATE whose affected rows are counted: consuming a code, rotating a refresh token,
// granting, revoking. Whether a token is alive is never stored: one query joins the token to its grant, its session and its client's part
// in that session, so a token is dead in the instant its session ends, and nothing has to be written to it.
//
// Secrets are kept as hashes. Methods join the transaction in their context.
package store

import (
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"gorm.io/gorm"

	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider/audit"
	"github.com/exeunt-id/exeunt/provider/identity"
)

// Store is the provider's side of a database. Each field implements an interface of the package that needs it.
type Store struct {
	Users          *Users
	Clients        *Clients
	Authorizations *Authorizations
	Grants         *Grants
	Consents       *Consents
	Departures     *Departures
	Keys           *Keys
	Failures       *Failures
	Assertions     *Assertions
	Audit          *Audit
	Alerts         *Alerts
	Mails          *Mails
	Devices        *Devices
	Tickets        *Tickets
	Presence       *Presence

	db  *database.DB
	now func() time.Time
}

var (
	_ identity.Users          = (*Users)(nil)
	_ identity.Clients        = (*Clients)(nil)
	_ identity.Authorizations = (*Authorizations)(nil)
	_ identity.Grants         = (*Grants)(nil)
	_ identity.Consents       = (*Consents)(nil)
	_ identity.Departures     = (*Departures)(nil)
	_ identity.Keys           = (*Keys)(nil)
	_ identity.NextKeys       = (*Keys)(nil)
	_ identity.Failures       = (*Failures)(nil)
	_ identity.Assertions     = (*Assertions)(nil)
	_ identity.Tickets        = (*Tickets)(nil)
	_ audit.Recorder          = (*Audit)(nil)
	_ logout.Streams          = (*Streams)(nil)
)

// New returns the store of a migrated database.
func New(db *database.DB, now func() time.Time) *Store {
	trail := &Audit{db: db, now: now}
	return &Store{
		Users:          &Users{db: db, now: now},
		Clients:        newClients(db, now),
		Authorizations: &Authorizations{db: db, now: now},
		Grants:         &Grants{db: db},
		Consents:       &Consents{db: db},
		Departures:     &Departures{db: db},
		Keys:           &Keys{db: db, audit: trail},
		Failures:       &Failures{db: db},
		Assertions:     &Assertions{db: db},
		Audit:          trail,
		Alerts:         &Alerts{db: db},
		Mails:          &Mails{db: db},
		Devices:        &Devices{db: db, now: now},
		Tickets:        &Tickets{db: db},
		Presence:       &Presence{db: db, now: now},
		db:             db,
		now:            now,
	}
}

// row scans the single row of a query. It returns missing when there is none, and names what was being done in every other error.
func row(tx *gorm.DB, doing string, missing error, dest ...any) error {
	r := tx.Row()
	if r == nil {
		return fmt.Errorf("store: %s: %w", doing, tx.Error)
	}
	err := r.Scan(dest...)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return missing
	case err != nil:
		return fmt.Errorf("store: %s: %w", doing, err)
	}
	return nil
}

// rows calls scan for each row of a query.
func rows(tx *gorm.DB, doing string, scan func(*sql.Rows) error) (err error) {
	r, err := tx.Rows()
	if err != nil {
		return fmt.Errorf("store: %s: %w", doing, err)
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	for r.Next() {
		if err := scan(r); err != nil {
			return fmt.Errorf("store: %s: %w", doing, err)
		}
	}
	if err := r.Err(); err != nil {
		return fmt.Errorf("store: %s: %w", doing, err)
	}
	return nil
}

// exec runs a statement and returns how many rows it changed.
func exec(tx *gorm.DB, doing, statement string, args ...any) (int64, error) {
	done := tx.Exec(statement, args...)
	if done.Error != nil {
		return 0, fmt.Errorf("store: %s: %w", doing, done.Error)
	}
	return done.RowsAffected, nil
}

// once is exec for a statement that must change a row: otherwise it returns missing.
func once(tx *gorm.DB, doing string, missing error, statement string, args ...any) error {
	n, err := exec(tx, doing, statement, args...)
	if err == nil && n == 0 {
		return missing
	}
	return err
}

// storable reports whether PostgreSQL can compare a text with a stored one. What cannot be stored was not found.
func storable(s string) bool { return utf8.ValidString(s) && !strings.Contains(s, "\x00") }

// placeholders returns n groups "( ?, ?)" of the given width for a VALUES list. The space matters: gorm takes a slice of bytes right after
// a parenthesis for a list.
func placeholders(n, width int) string {
	group := "( " + strings.TrimSuffix(strings.Repeat("?, ", width), ", ") + ")"
	return strings.TrimSuffix(strings.Repeat(group+", ", n), ", ")
}

// joinScopes and splitScopes are RFC 6749, 3.3.
func joinScopes(scopes []string) string { return strings.Join(scopes, " ") }

func splitScopes(s string) []string { return strings.Fields(s) }
