package protocol

import (
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/zitadel/oidc/v3/pkg/oidc"

	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider/identity"
)

// ClientCredentials gives a client an access token of its own, for what it does without a person (RFC 6749, 4.4):
//
//  1. Only a client that proves who it is (RFC 6749, 4.4: "MUST only be used by confidential clients").
//  2. The scope is what it registered, without what is about a person.
//  3. One grant and one access token. No refresh token (4.4.3), no ID token, no session.
type ClientCredentials struct {
	Settings
	Grants identity.Grants
	Signer Signer
}

func (g *ClientCredentials) answer(c echo.Context, client identity.Client, p parameters) (*oidc.AccessTokenResponse, error) {
	if client.Public() {
		return nil, oidc.ErrUnauthorizedClient().WithDescription("A public client cannot use the grant type client_credentials.")
	}
	scopes, err := ownScopes(client, p["scope"])
	if err != nil {
		return nil, err
	}
	ctx, now := c.Request().Context(), g.Now().UTC()
	// Offline: there is no session that it could end with.
	grant := identity.Grant{ID: logout.NewID(), ClientID: client.ID, Scopes: scopes, Offline: true, CreatedAt: now}
	tokens, err := g.format(ctx, g.Signer, client, grant, g.issue(grant, scopes, false, time.Time{}, now))
	if err != nil {
		return nil, err
	}
	if err := g.Grants.Create(ctx, grant, tokens.rows...); err != nil {
		return nil, unavailable(err)
	}
	return tokens.response(scopes, ""), nil
}

// ownScopes returns the scopes that a client may have for itself: those that were asked for, all it registered when none were.
func ownScopes(client identity.Client, asked string) ([]string, error) {
	own := slices.DeleteFunc(strings.Fields(client.Scope), aboutPerson)
	if asked == "" {
		return own, nil
	}
	scopes := scopesOf(asked)
	for _, scope := range scopes {
		if !slices.Contains(own, scope) {
			return nil, oidc.ErrInvalidScope().WithDescription("The scope %s is not one that the client may have for itself.", scope)
		}
	}
	return scopes, nil
}

// aboutPerson reports whether a scope means nothing without a person: OpenID Connect Core 1.0, 5.4 and 11.
func aboutPerson(scope string) bool {
	return scope == oidc.ScopeOpenID || scope == oidc.ScopeOfflineAccess || scopeClaims[scope] != nil ||
		scope == identity.ScopeDevicesRead || scope == identity.ScopeDevicesDetach
}
