package protocol

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/labstack/echo/v4"
	"github.com/zitadel/oidc/v3/pkg/oidc"

	"github.com/exeunt-id/exeunt/logout"
)

var userTokenParameters = append(slices.Clone(clientParameters), "user_token")

// UserToken answers POST /api/user-token: a client that got an event with a one-time user token learns who it is about.
//
//  1. Authenticate the client; a public one cannot prove who it is.
//  2. The token is used up by one conditional update, so that of any number of calls one succeeds. Unknown, and another client's: 404.
//     Expired, or used before: 410, and the second is logged, because somebody else may have seen it.
type UserToken struct {
	Settings
	ClientAuth ClientAuth
	Tokens     interface {
		ExchangeUserToken(ctx context.Context, clientID, token string) (logout.UserToken, error)
	}
}

// userTokenAnswer says whom and what the token stood for.
type userTokenAnswer struct {
	Subject string `json:"sub"`
	SID     string `json:"sid,omitempty"`
	EventID string `json:"event_id"`
}

// Post answers {"sub", "sid", "event_id"}, or an error in the form of RFC 6749, 5.2.
func (u *UserToken) Post(c echo.Context) error {
	noStore(c)
	p, err := readForm(c, userTokenParameters...)
	if err != nil {
		return err
	}
	client, err := u.ClientAuth.Authenticate(c, p)
	if err != nil {
		return err
	}
	if client.Public() {
		return invalidClient(errors.New("a public client cannot exchange user tokens"))
	}
	if p["user_token"] == "" {
		return invalidRequest("The parameter user_token is missing.")
	}
	// Whoever asked may be gone; the answer is lost then, but not the record that the token was used.
	token, err := u.Tokens.ExchangeUserToken(context.WithoutCancel(c.Request().Context()), client.ID, p["user_token"])
	switch {
	case errors.Is(err, logout.ErrNoUserToken):
		return &oidc.Error{ErrorType: codeNoUserToken, Description: "The user token is unknown, or another client's."}
	case errors.Is(err, logout.ErrUserTokenExpired):
		return &oidc.Error{ErrorType: codeUserTokenGone, Description: "The user token has expired. Wait for the next attempt, or pull the event again: each carries a new one."}
	case errors.Is(err, logout.ErrUserTokenUsed):
		return &oidc.Error{ErrorType: codeUserTokenGone, Description: "The user token has been exchanged before."}
	case err != nil:
		return unavailable(err)
	}
	return c.JSON(http.StatusOK, userTokenAnswer{Subject: token.Subject, SID: token.SID, EventID: token.EventID})
}
