package protocol

import (
	"fmt"
	"strings"

	"github.com/labstack/echo/v4"
	"github.com/zitadel/oidc/v3/pkg/oidc"
)

// bearer returns the token of an Authorization header (RFC 6750, 2.1); false when there is none of that scheme.
func bearer(c echo.Context) (string, bool) {
	scheme, token, found := strings.Cut(c.Request().Header.Get(echo.HeaderAuthorization), " ")
	token = strings.TrimSpace(token)
	return token, found && token != "" && strings.EqualFold(scheme, "Bearer")
}

// challenge answers a request that came without a token (RFC 6750, 3.1: no error code then).
func (s Settings) challenge(c echo.Context) *oidc.Error {
	c.Response().Header().Set(echo.HeaderWWWAuthenticate, fmt.Sprintf("Bearer realm=%q", s.Issuer))
	return &oidc.Error{ErrorType: codeInvalidToken, Description: "The request carries no access token."}
}

// refuseToken answers a token that is unknown, expired or revoked.
func (s Settings) refuseToken(c echo.Context) *oidc.Error {
	e := &oidc.Error{ErrorType: codeInvalidToken, Description: "The access token is unknown, has expired or was revoked."}
	s.bearerError(c, string(e.ErrorType), e.Description, "")
	return e
}

// refuseScope answers a token that does not reach far enough.
func (s Settings) refuseScope(c echo.Context, scope string) *oidc.Error {
	e := &oidc.Error{ErrorType: codeInsufficientScope, Description: "The access token does not have the scope " + scope + "."}
	s.bearerError(c, string(e.ErrorType), e.Description, scope)
	return e
}

func (s Settings) bearerError(c echo.Context, code, description, scope string) {
	value := fmt.Sprintf("Bearer realm=%q, error=%q, error_description=%q", s.Issuer, code, description)
	if scope != "" {
		value += fmt.Sprintf(", scope=%q", scope)
	}
	c.Response().Header().Set(echo.HeaderWWWAuthenticate, value)
}
