package provider

import (
	"context"

	"github.com/exeunt-id/exeunt/logout"
)

// LeaveApp lets one client leave all sessions of a person, which live on, and in the same transaction everything that it has of them dies:
// offline grants too, and codes that nobody has exchanged yet. In those sessions it gets no silent sign-on any more: prompt=none answers
// interaction_required, and otherwise the person is asked, once. req names person and client in its target.
//
// The sessions are held first, also those in which the client takes no part: a code that is being issued in one of them is either dropped
// here, or not issued.
func (o *Operator) LeaveApp(ctx context.Context, req logout.Request) (*logout.Outcome, error) {
	var out *logout.Outcome
	err := o.cfg.DB.Tx(ctx, func(ctx context.Context) error {
		subject, clientID := req.Target.Subject, req.Target.ClientID
		if err := o.store.Devices.HoldSessions(ctx, subject); err != nil {
			return err
		}
		var err error
		if out, err = o.End(ctx, req); err != nil {
			return err
		}
		if err := o.store.Departures.Leave(ctx, subject, clientID, o.cfg.Now().UTC()); err != nil {
			return err
		}
		return o.store.Authorizations.DropCodes(ctx, subject, clientID)
	})
	return out, err
}
