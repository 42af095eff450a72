package protocol

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/exeunt-id/exeunt/provider/browser"
	"github.com/exeunt-id/exeunt/provider/identity"
)

var apiLogoutParameters = append(slices.Clone(clientParameters), "token", "token_type_hint")

// APILogout answers POST /api/logout: the logout of an app that has no browser session, such as a mobile one. It revokes the one
// authorization that the token came from, access and refresh token, and nothing else: no session ends, no other app or device is
// touched, nobody else is told.
//
//  1. With "Authorization: Bearer": that access token. Otherwise: authenticate the client, which sends the token in the form; a public
//     client names itself and sends its refresh token, since its access token has usually expired by then.
//  2. An unknown bearer token: 401. An unknown form token, or one of another client: 200, nothing was revoked.
//  3. A token once issued, dead or alive: revoke its authorization if anything of it is still alive.
type APILogout struct {
	Settings
	ClientAuth ClientAuth
	Grants     tokenReader
	Revoker    *Revoker
}

// Post answers {"revoked": bool}, or an error of RFC 6749, 5.2.
func (l *APILogout) Post(c echo.Context) error {
	noStore(c)
	ctx := context.WithoutCancel(c.Request().Context())
	if token, ok := bearer(c); ok {
		state, err := l.Grants.Token(ctx, browser.Hash(token))
		if errors.Is(err, identity.ErrNoToken) || err == nil && state.Token.Kind != identity.KindAccess {
			return l.refuseToken(c)
		}
		if err != nil {
			return unavailable(err)
		}
		return l.revoke(ctx, c, state)
	}
	p, err := readForm(c, apiLogoutParameters...)
	if err != nil {
		return err
	}
	client, err := l.ClientAuth.Authenticate(c, p)
	if err != nil {
		return err
	}
	if p["token"] == "" {
		return invalidRequest("The parameter token is missing; or send the access token in the Authorization header.")
	}
	state, err := l.Grants.Token(ctx, browser.Hash(p["token"]))
	if errors.Is(err, identity.ErrNoToken) || err == nil && state.Token.ClientID != client.ID {
		return c.JSON(http.StatusOK, apiLogoutAnswer{})
	}
	if err != nil {
		return unavailable(err)
	}
	return l.revoke(ctx, c, state)
}

// apiLogoutAnswer says whether anything was alive until now.
type apiLogoutAnswer struct {
	Revoked bool `json:"revoked"`
}

func (l *APILogout) revoke(ctx context.Context, c echo.Context, state identity.TokenState) error {
	now := l.Now().UTC()
	alive, err := l.alive(ctx, state, now)
	if err == nil && alive {
		alive, err = l.Revoker.Revoke(ctx, state.Grant, "api", now)
	}
	if err != nil {
		return unavailable(err)
	}
	return c.JSON(http.StatusOK, apiLogoutAnswer{Revoked: alive})
}

// alive reports whether anything that came from the token's grant can still be used: the token itself, what it was rotated into, or,
// beside an expired access token, the refresh token.
func (l *APILogout) alive(ctx context.Context, state identity.TokenState, now time.Time) (bool, error) {
	switch {
	case !state.GrantLive(now):
		return false, nil
	case state.Live(now), !state.Token.RotatedAt.IsZero():
		return true, nil
	case state.Token.Kind != identity.KindAccess, state.Grant.OfClient():
		return false, nil
	}
	client, err := l.ClientAuth.Clients.Client(ctx, state.Token.ClientID)
	if errors.Is(err, identity.ErrNoClient) {
		return false, nil
	}
	return client.Allows(identity.GrantRefreshToken), err
}
