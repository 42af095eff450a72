// Package logoutstore keeps the engine's sessions, participations, logouts, deliveries and attempts in SQLite or PostgreSQL, and runs its
// jobs in River. One SQL serves both databases; where they must differ, both stand side by side.
package logoutstore

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"gorm.io/gorm"

	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/logout"
)

// Store implements logout.Store.
type Store struct {
	db   *database.DB
	ends ends
}

var _ logout.Store = (*Store)(nil)

// New returns the store of a migrated database.
func New(db *database.DB) *Store { return &Store{db: db} }

// lock ends a query that must hold the rows it reads until the transaction ends. SQLite needs none: its transactions that write are
// exclusive from their beginning.
func (s *Store) lock(strength string) string {
	if s.db.Postgres() {
		return " FOR " + strength
	}
	return ""
}

// genericPlans keeps PostgreSQL from planning each statement of a transaction anew: those that take a list of records look like each other, and are
// made to be answered by the same indexes however many there are.
const genericPlans = "set_config('plan_cache_mode', 'force_generic_plan', true)"

// settings changes settings of PostgreSQL for the transaction in ctx.
func (s *Store) settings(ctx context.Context, calls ...string) error {
	if !s.db.Postgres() {
		return nil
	}
	if err := s.db.Writer(ctx).Exec("SELECT " + strings.Join(calls, ", ")).Error; err != nil {
		return fmt.Errorf("logoutstore: settings of a transaction: %w", err)
	}
	return nil
}

// one maps the row that a query did not find to the domain's error.
func one(res *gorm.DB, missing error) error {
	switch {
	case errors.Is(res.Error, gorm.ErrRecordNotFound), res.Error == nil && res.RowsAffected == 0:
		return missing
	default:
		return res.Error
	}
}

// chunk is how many rows or parameters go into one statement: SQLite allows 32,766 parameters.
const chunk = 500
