package protocol

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/labstack/echo/v4"
	"github.com/zitadel/oidc/v3/pkg/oidc"

	"github.com/exeunt-id/exeunt/provider/identity"
)

// clientParameters are those of the body that authenticate a client.
var clientParameters = []string{"client_id", "client_secret", "client_assertion", "client_assertion_type"}

// ClientAuth authenticates applications (RFC 6749, 2.3; OpenID Connect Core 1.0, 9).
type ClientAuth struct {
	Settings
	Clients identity.Clients
}

// credentials are what a client presents, by exactly one method.
type credentials struct{ method, id, secret string }

// Authenticate returns the client that sent the request:
//
//  1. Take the credentials; two methods in one request are refused.
//  2. Compare the secret in constant time, with a stand-in when no such client exists.
//  3. The method must be the one that the client registered.
//
// p are the parameters of the body, clientParameters among them. Every failure after step 1 is the same invalid_client, so that nobody
// learns which clients exist. A client that tried Basic is asked for Basic (RFC 6749, 5.2).
func (a ClientAuth) Authenticate(c echo.Context, p parameters) (identity.Client, error) {
	given, err := present(c.Request().Header.Get(echo.HeaderAuthorization), p)
	if err != nil {
		return identity.Client{}, a.challenge(c, given.method, err)
	}
	client, err := a.Clients.Client(c.Request().Context(), given.id)
	if err != nil && !errors.Is(err, identity.ErrNoClient) {
		return identity.Client{}, unavailable(err)
	}
	reason := ""
	switch known := err == nil; {
	case !known:
		identity.Client{SecretHash: make([]byte, 32)}.SecretMatches(given.secret)
		reason = "no such client"
	case given.method != identity.AuthNone && !client.SecretMatches(given.secret):
		reason = "wrong secret"
	case given.method != client.TokenEndpointAuthMethod:
		reason = fmt.Sprintf("used %s, registered %s", given.method, client.TokenEndpointAuthMethod)
	default:
		return client, nil
	}
	return identity.Client{}, a.challenge(c, given.method, invalidClient(reason))
}

// present finds the credentials of a request. Together with an error it returns the method that was tried.
func present(authorization string, p parameters) (credentials, error) {
	id, secret := p["client_id"], p["client_secret"]
	scheme, encoded, _ := strings.Cut(authorization, " ")
	switch {
	case p["client_assertion"] != "":
		return credentials{}, invalidClient("client assertions are not supported")
	case strings.EqualFold(scheme, "Basic"):
		basic := credentials{method: identity.AuthBasic}
		if secret != "" {
			return basic, invalidRequest("The client authenticates twice: by Basic and in the body.")
		}
		var err error
		if basic.id, basic.secret, err = decodeBasic(encoded); err != nil {
			return basic, invalidClient(err.Error())
		}
		if id != "" && id != basic.id {
			return basic, invalidRequest("The client_id in the body is not the one in the Authorization header.")
		}
		return basic, nil
	case authorization != "":
		return credentials{}, invalidClient("the Authorization header has an unknown scheme")
	case id == "":
		return credentials{}, invalidClient("no credentials")
	case secret != "":
		return credentials{method: identity.AuthPost, id: id, secret: secret}, nil
	default:
		return credentials{method: identity.AuthNone, id: id}, nil
	}
}

// decodeBasic undoes base64 and then, for each half, the form encoding (RFC 6749, 2.3.1).
func decodeBasic(encoded string) (id, secret string, err error) {
	decoded, err := base64.StdEncoding.DecodeString(strings.TrimSpace(encoded))
	if err != nil {
		return "", "", errors.New("the Authorization header is not base64")
	}
	id, secret, found := strings.Cut(string(decoded), ":")
	if !found {
		return "", "", errors.New("the Authorization header has no colon")
	}
	if id, err = url.QueryUnescape(id); err == nil {
		secret, err = url.QueryUnescape(secret)
	}
	if err != nil || id == "" {
		return "", "", errors.New("the halves of the Authorization header are not form-encoded")
	}
	return id, secret, nil
}

// invalidClient says to the client always the same; the reason is for the log.
func invalidClient(reason string) *oidc.Error {
	return oidc.ErrInvalidClient().
		WithDescription("Client authentication failed: unknown client, wrong secret, or another method than the registered one.").
		WithParent(errors.New("client authentication: " + reason))
}

func (a ClientAuth) challenge(c echo.Context, method string, err error) error {
	if method == identity.AuthBasic && errors.Is(err, oidc.ErrInvalidClient()) {
		c.Response().Header().Set(echo.HeaderWWWAuthenticate, fmt.Sprintf("Basic realm=%q, charset=\"UTF-8\"", a.Issuer))
	}
	return err
}
