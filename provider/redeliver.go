package provider

import (
	"context"

	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider/audit"
)

// recordedEngine is the engine for whoever may have clients told again: the audit trail says so, in the same transaction.
type recordedEngine struct {
	*logout.Engine
	db    *database.DB
	trail *audit.Trail
}

// Redeliver gives the chosen deliveries another chance, and a fresh period of retries. It returns how many. Of none there is no entry.
func (e recordedEngine) Redeliver(ctx context.Context, actor logout.Actor, f logout.Filter) (count int, err error) {
	err = e.db.Tx(ctx, func(ctx context.Context) error {
		if count, err = e.Engine.Redeliver(ctx, f); err != nil || count == 0 {
			return err
		}
		return e.trail.Record(ctx, audit.Redelivered(actor, f, count))
	})
	return count, err
}
