package provider

import (
	"context"

	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider/audit"
)

// recordedEngine is the engine for whoever may have clients told again: the audit trail says so.
type recordedEngine struct {
	*logout.Engine
	trail *audit.Trail
}

// Redeliver gives the chosen deliveries another chance, and a fresh period of retries. It returns how many, also beside an error.
//
// Many are moved in batches, and each batch has an entry in its own transaction, which names what was asked for and how many it moved:
// whatever was moved is recorded, even when a later batch fails, and nothing else is. One entry for all could only be written before, when
// nobody knows how many, or after, when the program may be gone; one transaction around all would keep everybody else from writing. Of none
// there is no entry.
func (e recordedEngine) Redeliver(ctx context.Context, actor logout.Actor, f logout.Filter) (int, error) {
	return e.RedeliverEach(ctx, f, func(ctx context.Context, count int) error {
		return e.trail.Record(ctx, audit.Redelivered(actor, f, count))
	})
}
