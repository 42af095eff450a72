package protocol

import (
	"net/http"
	"slices"

	"github.com/labstack/echo/v4"
	"github.com/zitadel/oidc/v3/pkg/oidc"

	"github.com/exeunt-id/exeunt/provider/identity"
)

var tokenParameters = append(slices.Clone(clientParameters), "grant_type", "code", "redirect_uri", "code_verifier", "refresh_token", "scope")

// Token answers POST /token (RFC 6749, 3.2):
//
//  1. Read the form; nothing secret may stand in the URL.
//  2. Authenticate the client.
//  3. The client must have registered the grant type.
//  4. Exchange a code, refresh, or give the client a token of its own.
type Token struct {
	Settings
	ClientAuth        ClientAuth
	Exchange          *Exchange
	Refresh           *Refresh
	ClientCredentials *ClientCredentials
}

// Post answers with tokens or an error of RFC 6749, 5.2.
func (t *Token) Post(c echo.Context) error {
	noStore(c)
	p, err := readForm(c, tokenParameters...)
	if err != nil {
		return err
	}
	client, err := t.ClientAuth.Authenticate(c, p)
	if err != nil {
		return err
	}
	var answer func(echo.Context, identity.Client, parameters) (*oidc.AccessTokenResponse, error)
	switch p["grant_type"] {
	case identity.GrantAuthorizationCode:
		answer = t.Exchange.exchange
	case identity.GrantRefreshToken:
		answer = t.Refresh.refresh
	case identity.GrantClientCredentials:
		answer = t.ClientCredentials.answer
	case "":
		return invalidRequest("The parameter grant_type is missing.")
	default:
		return oidc.ErrUnsupportedGrantType().WithDescription("This provider knows the grant types authorization_code, refresh_token and client_credentials.")
	}
	if !client.Allows(p["grant_type"]) {
		return oidc.ErrUnauthorizedClient().WithDescription("The client has not registered the grant type %s.", p["grant_type"])
	}
	response, err := answer(c, client, p)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, response)
}
