package provider

import (
	"context"
	"time"

	"github.com/exeunt-id/exeunt/logout"
)

// noTime is "never".
var noTime time.Time

// End ends sessions, and revokes the offline grants that the target names even when no session of theirs is left to end: those of a
// person who logged out of everything yesterday die with the person's account, too.
func (o *Operator) End(ctx context.Context, req logout.Request) (*logout.Outcome, error) {
	var out *logout.Outcome
	err := o.cfg.DB.Tx(ctx, func(ctx context.Context) error {
		var err error
		if out, err = o.engine.End(ctx, req); err != nil || out.LogoutID != "" {
			return err
		}
		return o.store.InEnd(ctx, &logout.Plan{Request: req, At: o.cfg.Now().UTC(), RevokeOffline: req.Cause.RevokesOffline()})
	})
	return out, err
}
