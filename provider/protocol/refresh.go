package protocol

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/zitadel/oidc/v3/pkg/oidc"

	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider/browser"
	"github.com/exeunt-id/exeunt/provider/identity"
	"github.com/exeunt-id/exeunt/provider/signout"
)

// refreshGrace is how long a refresh token that was just rotated may be presented again without harm.
const refreshGrace = 10 * time.Second

// Refresh exchanges a refresh token for new tokens (RFC 6749, 6; OpenID Connect Core 1.0, 12):
//
//  1. Find the token. It must be a refresh token of this client; another client's is left unharmed.
//  2. One that was rotated already: within refreshGrace an error and nothing else, later see Reuse.
//  3. The scope may be narrower than what was granted, never wider.
//  4. Sign the ID token, and the access token of a client that wants a JWT. The ID token keeps sub, aud, auth_time, acr and, while the session lives, sid (Core 12.2).
//  5. In one transaction: hold the session and note its activity (an offline grant: lock the grant), rotate.
//
// Signing comes first here, because everything in the ID token is known and a failure must not cost the client its refresh token.
type Refresh struct {
	Settings
	Tx       Transactions
	Grants   identity.Grants
	Activity signout.Activity
	Users    userReader
	Signer   Signer
	Reuse    *Reuse
}

// errRefreshToken tells nobody which of these it is.
const errRefreshToken = "The refresh token is unknown, has expired, was used or was revoked."

func (r *Refresh) refresh(c echo.Context, client identity.Client, p parameters) (*oidc.AccessTokenResponse, error) {
	ctx, now := c.Request().Context(), r.Now().UTC()
	if p["refresh_token"] == "" {
		return nil, invalidRequest("The parameter refresh_token is missing.")
	}
	hash := browser.Hash(p["refresh_token"])
	state, err := r.Grants.Token(ctx, hash)
	if errors.Is(err, identity.ErrNoToken) {
		return nil, invalidGrant(errRefreshToken)
	}
	if err != nil {
		return nil, err
	}
	switch {
	case state.Token.Kind != identity.KindRefresh || state.Token.ClientID != client.ID:
		return nil, invalidGrant(errRefreshToken)
	case !state.Token.RotatedAt.IsZero():
		if now.Sub(state.Token.RotatedAt) > refreshGrace && state.GrantLive(now) {
			if err := r.Reuse.end(c, client, state.Grant, now); err != nil {
				return nil, err
			}
		}
		return nil, invalidGrant(errRefreshToken)
	case !state.Live(now):
		return nil, invalidGrant(errRefreshToken)
	}
	scopes, err := narrowed(state.Grant.Scopes, p["scope"])
	if err != nil {
		return nil, err
	}
	return r.rotate(ctx, client, state, hash, scopes, now)
}

func (r *Refresh) rotate(ctx context.Context, client identity.Client, state identity.TokenState, hash []byte, scopes []string, now time.Time) (*oidc.AccessTokenResponse, error) {
	grant := state.Grant
	until := bound(grant, sessionOf(state))
	tokens, err := r.format(ctx, r.Signer, client, grant, r.issue(grant, scopes, true, until, now))
	if err != nil {
		return nil, err
	}
	idToken, err := r.refreshedIDToken(ctx, client, state, scopes, tokens.access, now)
	if err != nil {
		return nil, err
	}
	err = r.Tx.Tx(ctx, func(ctx context.Context) error {
		if err := r.hold(ctx, state, now); err != nil {
			return err
		}
		return r.Grants.Rotate(ctx, hash, now, tokens.rows...)
	})
	if errors.Is(err, logout.ErrNoSession) || errors.Is(err, identity.ErrNoToken) {
		return nil, invalidGrant(errRefreshToken)
	}
	if err != nil {
		return nil, err
	}
	return tokens.response(scopes, idToken), nil
}

// hold takes the row that a logout of this grant takes too.
func (r *Refresh) hold(ctx context.Context, state identity.TokenState, now time.Time) error {
	if state.Grant.Offline {
		return r.Grants.Lock(ctx, state.Grant.ID)
	}
	_, err := r.Activity.Hold(ctx, sessionOf(state), now)
	return err
}

// sessionOf returns what is known of the session that a token belongs to.
func sessionOf(state identity.TokenState) logout.Session {
	return logout.Session{
		ID: state.Grant.SessionID, Subject: state.Grant.Subject, IdleUntil: state.SessionIdleUntil, ExpiresAt: state.SessionExpiresAt,
		EndedAt: state.SessionEndedAt,
	}
}

func (r *Refresh) refreshedIDToken(ctx context.Context, client identity.Client, state identity.TokenState, scopes []string, access string, now time.Time) (string, error) {
	if !slices.Contains(scopes, oidc.ScopeOpenID) {
		return "", nil
	}
	grant := state.Grant
	grant.Nonce = "" // Core 12.2: it should not have one
	sid := grant.SID
	if !state.SessionLive(now) || state.ParticipationEnded {
		sid = ""
	}
	asked, err := askedInIDToken(ctx, r.Users, grant)
	if err != nil {
		return "", err
	}
	return r.idToken(ctx, r.Signer, client, grant, sid, access, asked, now)
}

// narrowed returns the scopes that were asked for, all granted ones when none were.
func narrowed(granted []string, asked string) ([]string, error) {
	scopes := scopesOf(asked)
	if len(scopes) == 0 {
		return granted, nil
	}
	for _, scope := range scopes {
		if !slices.Contains(granted, scope) {
			return nil, oidc.ErrInvalidScope().WithDescription("The scope is wider than what was granted.")
		}
	}
	return scopes, nil
}
