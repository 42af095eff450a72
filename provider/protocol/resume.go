package protocol

import (
	"context"
	"crypto/subtle"
	"errors"
	"net/http"

	"github.com/labstack/echo/v4"
	"github.com/zitadel/oidc/v3/pkg/oidc"

	"github.com/exeunt-id/exeunt/provider/browser"
	"github.com/exeunt-id/exeunt/provider/identity"
)

// Resume answers GET /authorize/resume?id=, where the pages for login and consent lead back to, and POST /authorize/deny:
//
//  1. The request must still wait, and belong to this browser: any other that got hold of its id would get the code of the person who
//     logs in.
//  2. The client must still have the redirect URI.
//  3. Flow decides as before; a page that is still needed is shown. A person other than the one asked for (id_token_hint), who has just
//     logged in, ends the request: asking again would go round in circles.
//  4. The answer is given once.
type Resume struct {
	Flow           *Flow
	Clients        identity.Clients
	Authorizations identity.Authorizations
	Cookies        browser.Cookies
	Respond        Responder
}

// Get continues a request.
func (h *Resume) Get(c echo.Context) error {
	a, t, err := h.find(c, c.QueryParam("id"))
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	session, live, err := h.Flow.Current.Session(ctx, c.Request())
	if err != nil {
		return err
	}
	if live && loggedInWithin(a, session) && wrongPerson(a, session) {
		return h.refuse(c, a, t, oidc.ErrLoginRequired().WithDescription("Another person logged in than the one asked for."))
	}
	err = h.Flow.advance(c, t, a, hooks{
		record: func(ctx context.Context, a identity.Authorization) error { return h.Authorizations.Grant(ctx, a) },
		ask:    func(path string, _ *oidc.Error) error { return toPage(c, path, a.ID) },
	})
	return orExpired(err)
}

// Deny tells the client that the person did not agree.
func (h *Resume) Deny(c echo.Context) error {
	if err := h.Cookies.CheckCSRF(c.Request()); err != nil {
		return err
	}
	a, t, err := h.find(c, c.Request().PostForm.Get("id"))
	if err != nil {
		return err
	}
	return h.refuse(c, a, t, oidc.ErrAccessDenied().WithDescription("The person did not agree."))
}

func (h *Resume) refuse(c echo.Context, a identity.Authorization, t target, e *oidc.Error) error {
	if err := h.Authorizations.Refuse(c.Request().Context(), a.ID); err != nil {
		return orExpired(err)
	}
	return h.Respond.fail(c, t, e)
}

// find returns the waiting request of this browser.
func (h *Resume) find(c echo.Context, id string) (identity.Authorization, target, error) {
	ctx := c.Request().Context()
	a, err := h.Authorizations.Find(ctx, id, h.Flow.Now())
	if err != nil {
		return a, target{}, orExpired(err)
	}
	cookie := h.Cookies.Browser(c.Request())
	if cookie == "" || subtle.ConstantTimeCompare(browser.Hash(cookie), a.BrowserHash) != 1 {
		return a, target{}, &browser.Error{
			Status:  http.StatusForbidden,
			Title:   "This sign-in belongs to another browser",
			Message: "It was started elsewhere, or this browser does not keep our cookies. Nobody was signed in.",
			Hint:    "Allow cookies for this site, go back to the application and start again.",
		}
	}
	browser.SetLocales(c, a.Request.UILocales...)
	t, err := findTarget(ctx, h.Clients, parameters{"client_id": a.ClientID, "redirect_uri": a.Request.RedirectURI})
	t.State, t.Mode = a.Request.State, a.Request.ResponseMode
	return a, t, err
}

// orExpired turns a request that is gone into a page.
func orExpired(err error) error {
	if !errors.Is(err, identity.ErrNoAuthorization) {
		return err
	}
	return &browser.Error{
		Status:  http.StatusBadRequest,
		Title:   "This sign-in has expired",
		Message: "It was completed already, or it has waited for too long.",
		Hint:    "Go back to the application and start again.",
		Err:     err,
	}
}
