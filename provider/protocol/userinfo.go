package protocol

import (
	"context"
	"errors"
	"mime"
	"net/http"
	"slices"

	"github.com/labstack/echo/v4"
	"github.com/zitadel/oidc/v3/pkg/oidc"

	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider/browser"
	"github.com/exeunt-id/exeunt/provider/identity"
	"github.com/exeunt-id/exeunt/provider/signout"
)

// userReader finds people by id.
type userReader interface {
	User(ctx context.Context, id string) (identity.User, error)
}

// tokenReader finds tokens, dead or alive.
type tokenReader interface {
	Token(ctx context.Context, hash []byte) (identity.TokenState, error)
}

// Userinfo answers GET and POST /userinfo (OpenID Connect Core 1.0, 5.3):
//
//  1. Take the access token from the header, or from the body of a POST; from the URL it is refused.
//  2. It must be a live access token of ours (401) with the scope openid (403).
//  3. Note the session's activity.
//  4. Answer with the claims that the token's scopes allow and those that the claims parameter asked for here, sub always among them.
type Userinfo struct {
	Settings
	Grants   tokenReader
	Users    userReader
	Activity signout.Activity
}

// Handle answers with claims as JSON, or an error of RFC 6750, 3.1.
func (u *Userinfo) Handle(c echo.Context) error {
	noStore(c)
	token, err := u.token(c)
	if err != nil {
		return err
	}
	ctx, now := c.Request().Context(), u.Now().UTC()
	state, err := u.Grants.Token(ctx, browser.Hash(token))
	if errors.Is(err, identity.ErrNoToken) {
		return u.refuseToken(c)
	}
	if err != nil {
		return unavailable(err)
	}
	switch {
	case state.Token.Kind != identity.KindAccess || !state.Live(now):
		return u.refuseToken(c)
	case !slices.Contains(state.Token.Scopes, oidc.ScopeOpenID):
		return u.refuseScope(c, oidc.ScopeOpenID)
	}
	if !state.Grant.Offline {
		if err := u.Activity.Record(ctx, sessionOf(state), now); errors.Is(err, logout.ErrNoSession) {
			return u.refuseToken(c)
		} else if err != nil {
			return unavailable(err)
		}
	}
	user, err := u.Users.User(ctx, state.Grant.Subject)
	switch {
	case errors.Is(err, identity.ErrNoUser), err == nil && !user.DisabledAt.IsZero():
		return u.refuseToken(c)
	case err != nil:
		return unavailable(err)
	}
	claims := claimsFor(user, state.Token.Scopes)
	addAsked(claims, user, state.Grant.Claims.Userinfo)
	return c.JSON(http.StatusOK, claims)
}

// token finds the access token. Two of them in one request are refused (RFC 6750, 2).
func (u *Userinfo) token(c echo.Context) (string, error) {
	r := c.Request()
	if r.URL.Query().Has("access_token") {
		return "", invalidRequest("The access token must be sent in the header or the body, never in the URL.")
	}
	inHeader, found := bearer(c)
	inBody := ""
	if kind, _, err := mime.ParseMediaType(r.Header.Get(echo.HeaderContentType)); r.Method == http.MethodPost && err == nil && kind == echo.MIMEApplicationForm {
		p, err := readForm(c, "access_token")
		if err != nil {
			return "", err
		}
		inBody = p["access_token"]
	}
	switch {
	case found && inBody != "":
		return "", invalidRequest("The request carries an access token twice.")
	case found:
		return inHeader, nil
	case inBody != "":
		return inBody, nil
	default:
		return "", u.challenge(c)
	}
}
