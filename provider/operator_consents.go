package provider

import (
	"context"
	"errors"

	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider/audit"
	"github.com/exeunt-id/exeunt/provider/identity"
)

// ErrNothingAgreed says that there is nothing to revoke: the person has allowed the client nothing, and is not signed in to it.
var ErrNothingAgreed = errors.New("provider: the person has allowed the client nothing")

// Consents returns what a user has allowed which client, by client_id.
func (o *Operator) Consents(ctx context.Context, user identity.User) ([]identity.Consent, error) {
	return o.store.Consents.List(ctx, user.ID)
}

// RevokeConsent forgets what a user has allowed a client, and in the same transaction the client leaves the user's sessions, which live on,
// and all of its grants from them die: offline ones too, and codes that nobody has exchanged yet. ErrNothingAgreed.
//
// The consent goes first: whoever issues a code by it holds it, and so is done, or waits and then finds nothing. The codes go last: End holds the
// person's sessions, so that none is exchanged meanwhile.
func (o *Operator) RevokeConsent(ctx context.Context, user identity.User, clientID string, actor logout.Actor) (*logout.Outcome, error) {
	var out *logout.Outcome
	err := o.cfg.DB.Tx(ctx, func(ctx context.Context) error {
		revoked, err := o.store.Consents.Revoke(ctx, user.ID, clientID)
		if err != nil {
			return err
		}
		out, err = o.End(ctx, logout.Request{
			Cause: logout.CauseConsentRevoked, Actor: actor, Target: logout.Target{Subject: user.ID, ClientID: clientID, OnlyParticipation: true},
		})
		if err != nil {
			return err
		}
		if !revoked && out.LogoutID == "" {
			return ErrNothingAgreed
		}
		if err := o.store.Authorizations.DropCodes(ctx, user.ID, clientID); err != nil {
			return err
		}
		return o.trail.Record(ctx, audit.ConsentRevoked(actor, user.ID, clientID))
	})
	return out, err
}
