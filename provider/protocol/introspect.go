package protocol

import (
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/zitadel/oidc/v3/pkg/oidc"

	"github.com/exeunt-id/exeunt/provider/browser"
	"github.com/exeunt-id/exeunt/provider/identity"
)

var introspectParameters = append(slices.Clone(clientParameters), "token", "token_type_hint")

// Introspect answers POST /introspect (RFC 7662):
//
//  1. Authenticate the client; a public one cannot introspect, or anybody could try tokens here (RFC 7662, 4).
//  2. Read the token, its grant and its session in one query; nothing of it is cached, so a logout shows at once.
//  3. A token that was issued to another client is not active, as seen by this one.
//  4. One that dies with a session says which, by the sid of ID and logout tokens (RFC 7662, 2.2, lets a server add members): whoever hears of
//     its end need not ask again. One of a grant with offline_access does not, because it outlives the session (Back-Channel Logout 1.0, 2.7).
//
// A store that does not answer gives 503, never "active": false. Introspection is no activity of the session.
type Introspect struct {
	Settings
	ClientAuth ClientAuth
	Grants     tokenReader
}

// Post answers with the state of the token.
func (i *Introspect) Post(c echo.Context) error {
	noStore(c)
	p, err := readForm(c, introspectParameters...)
	if err != nil {
		return err
	}
	client, err := i.ClientAuth.Authenticate(c, p)
	if err != nil {
		return err
	}
	if client.Public() {
		return invalidClient(errors.New("a public client cannot introspect"))
	}
	if p["token"] == "" {
		return invalidRequest("The parameter token is missing.")
	}
	state, err := i.Grants.Token(c.Request().Context(), browser.Hash(p["token"]))
	if err != nil && !errors.Is(err, identity.ErrNoToken) {
		return unavailable(err)
	}
	if err != nil || state.Token.ClientID != client.ID || !state.Live(i.Now()) {
		return c.JSON(http.StatusOK, &oidc.IntrospectionResponse{})
	}
	return c.JSON(http.StatusOK, i.describe(client, state))
}

func (i *Introspect) describe(client identity.Client, state identity.TokenState) *oidc.IntrospectionResponse {
	response := &oidc.IntrospectionResponse{
		Active:     true,
		Scope:      state.Token.Scopes,
		ClientID:   state.Token.ClientID,
		Subject:    subjectOf(state.Grant),
		Audience:   oidc.Audience{client.ID},
		Issuer:     i.Issuer,
		IssuedAt:   oidc.FromTime(state.Token.IssuedAt),
		Expiration: oidc.FromTime(state.Token.ExpiresAt.Truncate(time.Second)),
		AuthTime:   oidc.FromTime(state.Grant.AuthTime),
	}
	if state.Token.Kind == identity.KindAccess {
		response.TokenType, response.Audience = oidc.BearerToken, oidc.Audience{i.accessAudience(client)}
	}
	if sid := state.Grant.SID; sid != "" && !state.Grant.Offline {
		response.Claims = map[string]any{"sid": sid}
	}
	return response
}

// subjectOf is whom an access token stands for: a person or, for a grant of its own, the client (RFC 9068, 2.2).
func subjectOf(g identity.Grant) string {
	if g.OfClient() {
		return g.ClientID
	}
	return g.Subject
}
