package protocol

import (
	"context"
	"log/slog"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider/audit"
	"github.com/exeunt-id/exeunt/provider/identity"
	"github.com/exeunt-id/exeunt/provider/signout"
)

// participationReader lists who takes part in a session.
type participationReader interface {
	Participations(ctx context.Context, sessionID string) ([]logout.Participation, error)
}

// Reuse answers the second use of a code or refresh token: one of the two users is a thief, and nobody knows which (RFC 6749, 4.1.2;
// RFC 9700, 4.14.2). In one transaction the client leaves the session, of which it is told, and the grant is revoked; the session and its
// other relying parties live on, unless the client is configured with on_token_reuse: end_session.
type Reuse struct {
	Tx       Transactions
	Grants   identity.Grants
	Sessions participationReader
	Engine   Ender
	Audit    audit.Recorder
	Logger   *slog.Logger
}

// end does it. The session's row is taken before the grant's, as everywhere, so that two transactions cannot wait for each other.
func (r *Reuse) end(c echo.Context, client identity.Client, g identity.Grant, at time.Time) error {
	ctx := context.WithoutCancel(c.Request().Context())
	r.Logger.WarnContext(ctx, "a code or refresh token was used twice; its grant is revoked", "client", g.ClientID, "grant", g.ID)
	target := logout.Target{SessionID: g.SessionID, ClientID: g.ClientID, Subject: g.Subject, OnlyParticipation: true}
	if client.OnTokenReuse == identity.ReuseEndsSession {
		target = logout.Target{SessionID: g.SessionID}
	}
	return r.Tx.Tx(ctx, func(ctx context.Context) error {
		participating, err := r.participating(ctx, g)
		if err != nil {
			return err
		}
		if participating {
			if _, err := r.Engine.End(ctx, logout.Request{
				Cause:  logout.CauseTokenReuse,
				Actor:  signout.ClientActor(c, g.ClientID),
				Target: target,
			}); err != nil {
				return err
			}
		}
		if _, err = r.Grants.Revoke(ctx, g.ID, at); err != nil {
			return err
		}
		return r.Audit.Record(ctx, audit.TokenReused(signout.ClientActor(c, g.ClientID), g.Subject, g.ClientID, g.SessionID, g.ID))
	})
}

// participating reports whether the client still has the participation that the grant came with. One that began later belongs to a later
// login, which an old code must not end.
func (r *Reuse) participating(ctx context.Context, g identity.Grant) (bool, error) {
	parts, err := r.Sessions.Participations(ctx, g.SessionID)
	if err != nil {
		return false, err
	}
	for _, p := range parts {
		if p.ClientID == g.ClientID {
			return !p.JoinedAt.After(g.CreatedAt), nil
		}
	}
	return false, nil
}
