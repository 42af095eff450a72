package protocol

import (
	"context"
	"time"

	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider/identity"
)

// Announcer tells clients of what ends no session. It joins the transaction in ctx.
type Announcer interface {
	Announce(ctx context.Context, event logout.Event) error
}

// Revoker revokes authorizations one by one while their sessions live on. The authorization's own client hears of it as token.revoked if
// its webhook asks for that by name; nobody else is told.
type Revoker struct {
	Tx        Transactions
	Grants    identity.Grants
	Announcer Announcer
}

// Revoke reports whether the grant was alive until now. how is what the event says under cause.
func (r *Revoker) Revoke(ctx context.Context, g identity.Grant, how string, at time.Time) (alive bool, err error) {
	err = r.Tx.Tx(ctx, func(ctx context.Context) error {
		if alive, err = r.Grants.Revoke(ctx, g.ID, at); err != nil || !alive || g.OfClient() {
			return err
		}
		return r.Announcer.Announce(ctx, logout.Event{
			Type: logout.EventTokenRevoked, Subject: g.Subject, ClientIDs: []string{g.ClientID}, SID: g.SID, At: at, Data: map[string]any{"cause": how},
		})
	})
	return alive && err == nil, err
}
