package protocol

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"

	"github.com/labstack/echo/v4"
	"github.com/zitadel/oidc/v3/pkg/oidc"

	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider/identity"
)

// Origins knows from which origins the pages of any client come.
type Origins interface {
	KnowsOrigin(ctx context.Context, origin string) (bool, error)
}

// Page is what the endpoints have in common that scripts call on an application's page, as the SDK does:
//
//  1. The content type is application/json, so that a browser asks first (CORS preflight) and no form can pretend to be one.
//  2. The browser's Origin is one of the client's, and only such an origin is ever told that it may read the answer.
//  3. The ID token, if there is one, is one of ours for this client.
type Page struct {
	Settings
	Clients  identity.Clients
	Origins  Origins
	Hints    Hints
	Sessions sessionReader
}

// pageRequest is a validated request.
type pageRequest struct {
	origin string // empty: no browser asks
	client identity.Client
	hint   *Hint // what the ID token says; nil: there was none

	// What the ID token's sid stands for. session is nil when it is not live any more, or was never there.
	part    logout.Participation
	session *logout.Session
}

// maxOrigin is the length of the longest origin: a host name has at most 253 characters.
const maxOrigin = 300

// Preflight answers the question that a browser asks before such a call (Fetch, 4.8). credentials says that the call may carry cookies.
func (p *Page) Preflight(credentials bool) echo.HandlerFunc {
	return preflight(p.Origins, http.MethodPost, echo.HeaderContentType, credentials)
}

// preflight answers for calls with these methods and headers. It names no client, so every client's origins are admitted here; the call itself is
// for those of its own.
func preflight(origins Origins, methods, headers string, credentials bool) echo.HandlerFunc {
	return func(c echo.Context) error {
		h := c.Response().Header()
		h.Set(echo.HeaderAllow, methods+", "+http.MethodOptions)
		h.Add(echo.HeaderVary, echo.HeaderOrigin)
		origin := c.Request().Header.Get(echo.HeaderOrigin)
		if origin == "" || len(origin) > maxOrigin {
			return c.NoContent(http.StatusNoContent)
		}
		known, err := origins.KnowsOrigin(c.Request().Context(), origin)
		if err != nil {
			return unavailable(err)
		}
		if known {
			admit(c, origin, credentials)
			h.Set(echo.HeaderAccessControlAllowMethods, methods)
			h.Set(echo.HeaderAccessControlAllowHeaders, headers)
			h.Set(echo.HeaderAccessControlMaxAge, "3600")
		}
		return c.NoContent(http.StatusNoContent)
	}
}

// admitOrigin lets the page that calls read the answer, if its origin is one of the client's; origin_not_allowed otherwise. Whoever says no
// origin is no page.
func admitOrigin(c echo.Context, client identity.Client, credentials bool) error {
	origin := c.Request().Header.Get(echo.HeaderOrigin)
	switch {
	case origin == "":
		return nil
	case !slices.Contains(client.Origins(), origin):
		return originRefused()
	}
	admit(c, origin, credentials)
	return nil
}

// admit lets a page of an origin that has been checked read the answer.
func admit(c echo.Context, origin string, credentials bool) {
	h := c.Response().Header()
	h.Set(echo.HeaderAccessControlAllowOrigin, origin)
	h.Set(echo.HeaderAccessControlExposeHeaders, echo.HeaderRetryAfter+", "+echo.HeaderWWWAuthenticate)
	if credentials {
		h.Set(echo.HeaderAccessControlAllowCredentials, "true")
	}
}

// read is steps 1 to 3.
func (p *Page) read(c echo.Context, credentials bool) (pageRequest, error) {
	noStore(c)
	c.Response().Header().Add(echo.HeaderVary, echo.HeaderOrigin)
	r := c.Request()
	if kind, _, err := mime.ParseMediaType(r.Header.Get(echo.HeaderContentType)); err != nil || kind != echo.MIMEApplicationJSON {
		return pageRequest{}, invalidRequest("The content type must be application/json.")
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return pageRequest{}, unreadable(err, invalidRequest("The body cannot be read.").WithParent(err))
	}
	clientID, idToken, err := parsePage(body)
	if err != nil {
		return pageRequest{}, err
	}
	request := pageRequest{origin: r.Header.Get(echo.HeaderOrigin)}
	request.client, err = p.Clients.Client(r.Context(), clientID)
	switch {
	case errors.Is(err, identity.ErrNoClient):
		return request, invalidRequest("There is no such client.")
	case err != nil:
		return request, unavailable(err)
	}
	if err := admitOrigin(c, request.client, credentials); err != nil || idToken == "" {
		return request, err
	}
	return request, p.identify(r.Context(), &request, idToken)
}

func originRefused() *oidc.Error {
	return &oidc.Error{ErrorType: codeOriginRefused, Description: "The page's origin is not among the client's allowed_origins."}
}

// parsePage reads {"client_id": "...", "id_token": "..."}.
func parsePage(body []byte) (clientID, idToken string, err error) {
	var request struct {
		ClientID *string `json:"client_id"`
		IDToken  *string `json:"id_token"`
	}
	if json.Unmarshal(body, &request) != nil {
		return "", "", invalidRequest("The body must be a JSON object of strings with the member client_id, and id_token if there is one.")
	}
	if request.ClientID == nil || *request.ClientID == "" {
		return "", "", invalidRequest("The member client_id is missing.")
	}
	if request.IDToken != nil {
		idToken = *request.IDToken
	}
	return *request.ClientID, idToken, nil
}

// identify verifies the ID token and finds what its sid stands for.
func (p *Page) identify(ctx context.Context, request *pageRequest, idToken string) error {
	hint, err := p.Hints.Verify(ctx, idToken)
	switch {
	case err != nil && !errors.Is(err, errHint):
		return unavailable(err)
	case err != nil:
		return invalidRequest("The id_token is not an ID token of this provider.").WithParent(err)
	case hint.ClientID != request.client.ID:
		return invalidRequest("The id_token was issued to another client.")
	}
	request.hint = &hint
	if hint.SID == "" { // it was refreshed after its session had ended
		return nil
	}
	part, session, err := p.Sessions.FindSID(ctx, hint.SID)
	switch {
	case errors.Is(err, logout.ErrNoSession):
		return nil
	case err != nil:
		return unavailable(err)
	case part.ClientID != hint.ClientID, part.Subject != hint.Subject, !part.EndedAt.IsZero(), !session.Live(p.Now()):
		return nil
	}
	request.part, request.session = part, &session
	return nil
}

// expired reports whether the request's ID token is past its time.
func (p *Page) expired(request pageRequest) bool {
	return request.hint != nil && !p.Now().Before(request.hint.ExpiresAt)
}

// The values of "status".
const (
	statusLive    = "live"
	statusEnded   = "ended"
	statusUnknown = "unknown" // there is nothing to know it by
)

// status is the one bit that any valid ID token may ask, also an expired one: does its session live?
func (r pageRequest) status() string {
	switch {
	case r.hint == nil:
		return statusUnknown
	case r.session == nil:
		return statusEnded
	default:
		return statusLive
	}
}
