package protocol

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/labstack/echo/v4"
	"github.com/zitadel/oidc/v3/pkg/oidc"

	"github.com/exeunt-id/exeunt/provider/audit"
	"github.com/exeunt-id/exeunt/provider/identity"
	"github.com/exeunt-id/exeunt/provider/signout"
)

// clientParameters are those of the body that authenticate a client.
var clientParameters = []string{"client_id", "client_secret", "client_assertion", "client_assertion_type"}

// ClientAuth authenticates applications (RFC 6749, 2.3; OpenID Connect Core 1.0, 9).
type ClientAuth struct {
	Settings
	Clients    identity.Clients
	Keys       *ClientKeys
	Assertions identity.Assertions
}

// credentials are what a client presents, by exactly one method.
type credentials struct {
	method, id string
	secret     string
	assertion  assertion
}

// Authenticate returns the client that sent the request:
//
//  1. Take the credentials; two methods in one request are refused, and so is an assertion that nobody could have meant for us.
//  2. Compare the secret in constant time, with a stand-in when no such client exists; or verify the assertion with the client's keys.
//  3. The method must be the one that the client registered.
//  4. An assertion works once.
//
// p are the parameters of the body, clientParameters among them. Every failure after step 1 is the same invalid_client, so that nobody
// learns which clients exist. A client that tried Basic is asked for Basic (RFC 6749, 5.2).
func (a ClientAuth) Authenticate(c echo.Context, p parameters) (identity.Client, error) {
	given, err := a.credentials(c.Request().Header.Get(echo.HeaderAuthorization), p)
	if err != nil {
		return identity.Client{}, a.challenge(c, given.method, err)
	}
	return a.prove(c, given)
}

// AuthenticateAssertion is Authenticate for an endpoint whose body is no form: it takes an assertion and nothing else. path is the endpoint's
// own, whose address the assertion may name as its audience.
func (a ClientAuth) AuthenticateAssertion(c echo.Context, token, path string) (identity.Client, error) {
	read, err := readAssertion(token, []string{a.Issuer, a.URL(PathToken), a.URL(path)}, a.Now())
	if err != nil {
		return identity.Client{}, assertionRefused(err)
	}
	return a.prove(c, credentials{method: identity.AuthPrivateKeyJWT, id: read.clientID, assertion: read})
}

// prove is what follows when the credentials are known.
func (a ClientAuth) prove(c echo.Context, given credentials) (identity.Client, error) {
	ctx := c.Request().Context()
	client, err := a.Clients.Client(ctx, given.id)
	switch {
	case errors.Is(err, identity.ErrNoClient):
		identity.Client{SecretHash: make([]byte, 32)}.SecretMatches(given.secret)
		return identity.Client{}, a.challenge(c, given.method, invalidClient(err))
	case err != nil:
		return identity.Client{}, unavailable(err)
	}
	if given.method == identity.AuthPrivateKeyJWT {
		err = a.provenByKey(ctx, client, given.assertion)
	} else {
		err = provenBySecret(client, given)
	}
	if errors.Is(err, oidc.ErrInvalidClient()) {
		if failed := a.refused(c, client.ID, err); failed != nil {
			return identity.Client{}, unavailable(failed)
		}
	}
	return client, a.challenge(c, given.method, err)
}

// refused records that somebody named a client that exists and could not prove to be it.
func (a ClientAuth) refused(c echo.Context, clientID string, err error) error {
	reason := err
	if parent := errors.Unwrap(err); parent != nil {
		reason = parent
	}
	actor := signout.ClientActor(c, "")
	actor.Kind = audit.ActorAnonymous
	return a.Audit.Record(context.WithoutCancel(c.Request().Context()), audit.Refused(actor, clientID, c.Path(), reason.Error()))
}

// provenBySecret checks a secret, or that the client needs none.
func provenBySecret(client identity.Client, given credentials) error {
	switch {
	case given.method != identity.AuthNone && !client.SecretMatches(given.secret):
		return invalidClient(errors.New("wrong secret"))
	case given.method != client.TokenEndpointAuthMethod:
		return otherMethod(client, given.method)
	}
	return nil
}

// provenByKey checks an assertion. Its jti is recorded last: whoever lacks the client's key can neither use up a jti nor fill the table.
func (a ClientAuth) provenByKey(ctx context.Context, client identity.Client, given assertion) error {
	if client.TokenEndpointAuthMethod != identity.AuthPrivateKeyJWT {
		return otherMethod(client, identity.AuthPrivateKeyJWT)
	}
	if alg := client.TokenEndpointAuthSigningAlg; alg != "" && alg != string(given.alg) {
		return invalidClient(fmt.Errorf("the assertion is signed with %s, registered is %s", given.alg, alg))
	}
	if err := a.Keys.verify(ctx, client, given); err != nil {
		return invalidClient(err)
	}
	err := a.Assertions.Use(ctx, client.ID, given.jti, given.expires)
	switch {
	case errors.Is(err, identity.ErrReplayed):
		return invalidClient(err)
	case err != nil:
		return unavailable(err)
	}
	return nil
}

// credentials finds those of a request. Together with an error it returns the method that was tried.
func (a ClientAuth) credentials(authorization string, p parameters) (credentials, error) {
	if p["client_assertion"] == "" && p["client_assertion_type"] == "" {
		return present(authorization, p)
	}
	switch {
	case authorization != "" || p["client_secret"] != "":
		return credentials{}, invalidRequest("The client authenticates twice: by an assertion and by something else.")
	case p["client_assertion_type"] != oidc.ClientAssertionTypeJWTAssertion:
		return credentials{}, assertionRefused(errors.New("the client_assertion_type must be " + oidc.ClientAssertionTypeJWTAssertion))
	}
	read, err := readAssertion(p["client_assertion"], []string{a.Issuer, a.URL(PathToken)}, a.Now())
	if err == nil && p["client_id"] != "" && p["client_id"] != read.clientID {
		err = errors.New("the client_id in the body is not the one in the assertion") // RFC 7521, 4.2
	}
	if err != nil {
		return credentials{}, assertionRefused(err)
	}
	return credentials{method: identity.AuthPrivateKeyJWT, id: read.clientID, assertion: read}, nil
}

// present finds the credentials of a request without an assertion. Together with an error it returns the method that was tried.
func present(authorization string, p parameters) (credentials, error) {
	id, secret := p["client_id"], p["client_secret"]
	scheme, encoded, _ := strings.Cut(authorization, " ")
	switch {
	case strings.EqualFold(scheme, "Basic"):
		basic := credentials{method: identity.AuthBasic}
		if secret != "" {
			return basic, invalidRequest("The client authenticates twice: by Basic and in the body.")
		}
		var err error
		if basic.id, basic.secret, err = decodeBasic(encoded); err != nil {
			return basic, invalidClient(err)
		}
		if id != "" && id != basic.id {
			return basic, invalidRequest("The client_id in the body is not the one in the Authorization header.")
		}
		return basic, nil
	case authorization != "":
		return credentials{}, invalidClient(errors.New("the Authorization header has an unknown scheme"))
	case id == "":
		return credentials{}, invalidClient(errors.New("no credentials"))
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
func invalidClient(reason error) *oidc.Error {
	return oidc.ErrInvalidClient().
		WithDescription("Client authentication failed: unknown client, wrong secret or assertion, or another method than the registered one.").
		WithParent(fmt.Errorf("client authentication: %w", reason))
}

func otherMethod(client identity.Client, used string) *oidc.Error {
	return invalidClient(fmt.Errorf("used %s, registered %s", used, client.TokenEndpointAuthMethod))
}

func (a ClientAuth) challenge(c echo.Context, method string, err error) error {
	if method == identity.AuthBasic && errors.Is(err, oidc.ErrInvalidClient()) {
		c.Response().Header().Set(echo.HeaderWWWAuthenticate, fmt.Sprintf("Basic realm=%q, charset=\"UTF-8\"", a.Issuer))
	}
	return err
}
