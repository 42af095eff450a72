package web

import (
	"context"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/exeunt-id/exeunt/provider/browser"
)

// Departures remembers which apps people have left; identity.Departures has it.
type Departures interface {
	Return(ctx context.Context, subject, clientID string) error
}

// Continue is the page that asks, once, before an app that the person has left knows them again: "Continue to Shop as alice?"
//
// GET /continue
//
//  1. Find the request that waits, for this browser only. Nobody logged in any more: back to the login.
//  2. Name the app and the person.
//
// POST /continue
//
//  1. Only from our own form in this browser (CSRF); find the request as above.
//  2. The person who is logged in must be the one whom the page named. Otherwise ask again.
//  3. "deny" goes where a refused consent goes.
//  4. Otherwise the app has not been left any more, and 303 to where the request goes on.
type Continue struct {
	Consent    *Consent // has what the two pages share: both are about a waiting request and a person
	Departures Departures
}

// Get asks.
func (h *Continue) Get(c echo.Context) error {
	a, user, err := h.Consent.prepare(c, c.QueryParam("id"))
	if err != nil {
		return err
	}
	if user.ID == "" {
		return c.Redirect(http.StatusSeeOther, withID(pathLogin, a.ID))
	}
	client, err := h.Consent.Clients.Client(c.Request().Context(), a.ClientID)
	if err != nil {
		return err
	}
	return h.Consent.Pages.Render(c, http.StatusOK, "continue", browser.Page{
		FormAction: []string{a.Request.RedirectURI}, // the answer ends, over redirects, at the app
		Data: browser.ContinuePage{
			ID: a.ID, ClientName: displayName(client), Username: user.Username, OtherURI: withID(pathLogin, a.ID), CSRF: h.Consent.Cookies.CSRF(c.Response(), c.Request()),
		},
	})
}

// Post takes the answer.
func (h *Continue) Post(c echo.Context) error {
	r := c.Request()
	if err := h.Consent.Cookies.CheckCSRF(r); err != nil {
		return err
	}
	a, user, err := h.Consent.prepare(c, r.PostForm.Get("id"))
	switch {
	case err != nil:
		return err
	case r.PostForm.Get("decision") == "deny":
		return c.Redirect(http.StatusTemporaryRedirect, pathDeny)
	case user.ID == "":
		return c.Redirect(http.StatusSeeOther, withID(pathLogin, a.ID))
	case r.PostForm.Get("as") != user.Username:
		return c.Redirect(http.StatusSeeOther, withID(pathContinue, a.ID))
	}
	if err := h.Departures.Return(r.Context(), user.ID, a.ClientID); err != nil {
		return err
	}
	return c.Redirect(http.StatusSeeOther, withID(pathResume, a.ID))
}
