package provider

import (
	"context"

	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider/audit"
)

// Audit calls fn for each entry of the audit trail that a filter chooses, in its order, until fn returns an error, which is returned.
func (o *Operator) Audit(ctx context.Context, f audit.Filter, fn func(audit.Entry) error) error {
	return o.store.Audit.Each(ctx, f, fn)
}

// Delivery returns a delivery and its attempts, oldest first; logout.ErrNoDelivery.
func (o *Operator) Delivery(ctx context.Context, id string) (logout.Delivery, []logout.Attempt, error) {
	return o.sessions.Show(ctx, id)
}

// Redeliver gives the chosen deliveries that are dead, rejected or retrying another chance, and a fresh period of retries. It returns how
// many, also beside an error: what was done stays done.
func (o *Operator) Redeliver(ctx context.Context, f logout.Filter) (int, error) {
	return recordedEngine{o.engine, o.trail}.Redeliver(ctx, o.actor, f)
}
