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

// AuditPage returns one page of the audit trail, for an API; see audit.ParseQuery.
func (o *Operator) AuditPage(ctx context.Context, f audit.Filter) (audit.Page, error) {
	entries, err := o.store.Audit.List(ctx, f)
	return audit.NewPage(entries, f), err
}

// Record writes an entry into the audit trail, in the transaction in ctx if there is one.
func (o *Operator) Record(ctx context.Context, e audit.Entry) error { return o.trail.Record(ctx, e) }

// Delivery returns a delivery and its attempts, oldest first; logout.ErrNoDelivery.
func (o *Operator) Delivery(ctx context.Context, id string) (logout.Delivery, []logout.Attempt, error) {
	return o.sessions.Show(ctx, id)
}

// Redeliver gives the chosen deliveries that are dead, rejected or retrying another chance, and a fresh period of retries. It returns how
// many.
func (o *Operator) Redeliver(ctx context.Context, f logout.Filter) (count int, err error) {
	err = o.cfg.DB.Tx(ctx, func(ctx context.Context) error {
		if count, err = o.engine.Redeliver(ctx, f); err != nil || count == 0 {
			return err
		}
		return o.trail.Record(ctx, audit.Redelivered(o.actor, f, count))
	})
	return count, err
}
