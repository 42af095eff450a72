package protocol

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/labstack/echo/v4"

	"github.com/exeunt-id/exeunt/provider/browser"
	"github.com/exeunt-id/exeunt/provider/identity"
)

var revokeParameters = append(slices.Clone(clientParameters), "token", "token_type_hint")

// Revoke answers POST /revoke (RFC 7009):
//
//  1. Authenticate the client; a public one names itself.
//  2. An unknown token, and one of another client, is answered by 200 all the same: nobody learns whose it is, and nothing happens.
//  3. Access or refresh token, the whole authorization that it came from is revoked (RFC 7009, 2.1). The session lives on.
type Revoke struct {
	Settings
	ClientAuth ClientAuth
	Grants     tokenReader
	Revoker    *Revoker
}

// Post answers with an empty 200, or an error of RFC 6749, 5.2.
func (r *Revoke) Post(c echo.Context) error {
	noStore(c)
	p, err := readForm(c, revokeParameters...)
	if err != nil {
		return err
	}
	client, err := r.ClientAuth.Authenticate(c, p)
	if err != nil {
		return err
	}
	if p["token"] == "" {
		return invalidRequest("The parameter token is missing.")
	}
	ctx := c.Request().Context()
	state, err := r.Grants.Token(ctx, browser.Hash(p["token"]))
	if errors.Is(err, identity.ErrNoToken) || err == nil && state.Token.ClientID != client.ID {
		return c.NoContent(http.StatusOK)
	}
	if err != nil {
		return unavailable(err)
	}
	if _, err := r.Revoker.Revoke(context.WithoutCancel(ctx), state.Grant, "revoke", r.Now().UTC()); err != nil {
		return unavailable(err)
	}
	return c.NoContent(http.StatusOK)
}
