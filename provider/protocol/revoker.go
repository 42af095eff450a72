package protocol

import (
	"context"
	"time"

	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider/audit"
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
	Audit     audit.Recorder
}

// Revoke reports whether the grant was alive until now; then the audit trail hears of it in the same transaction. actor is who asked, how is
// what the event says under cause, and the entry under by.
func (r *Revoker) Revoke(ctx context.Context, actor logout.Actor, g identity.Grant, how string, at time.Time) (alive bool, err error) {
	err = r.Tx.Tx(ctx, func(ctx context.Context) error {
		if alive, err = r.Grants.Revoke(ctx, g.ID, at); err != nil || !alive {
			return err
		}
		if err := r.Audit.Record(ctx, audit.TokenRevoked(actor, how, g.Subject, g.ClientID, g.SessionID, g.ID)); err != nil || g.OfClient() {
			return err
		}
		return r.Announcer.Announce(ctx, logout.Event{
			Type: logout.EventTokenRevoked, Subject: g.Subject, ClientIDs: []string{g.ClientID}, SID: g.SID, At: at, Data: map[string]any{"cause": how},
		})
	})
	return alive && err == nil, err
}
