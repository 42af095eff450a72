package web

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/exeunt-id/exeunt/provider/browser"
	"github.com/exeunt-id/exeunt/provider/identity"
)

// Agreements remembers what people have allowed; identity.Consents has it.
type Agreements interface {
	Agree(ctx context.Context, c identity.Consent) error
}

// Consent is the page where a person allows an app what it asked for (OpenID Connect Core 3.1.2.4).
//
// GET /consent
//
//  1. Find the request that waits, for this browser only. Nobody logged in any more: back to the login.
//  2. Show who asks, for what, and who is asked.
//
// POST /consent
//
//  1. Only from our own form in this browser (CSRF); find the request as above.
//  2. The person who is logged in must be the one whom the page named: another tab may have switched users. Otherwise ask again.
//  3. "allow": remember it and tell the waiting request, in one transaction, then 303 to where it goes on.
//  4. "deny": the button itself posts to /authorize/deny; a browser that ignores formaction is sent there by 307, form and all.
type Consent struct {
	Authorizations Authorizations
	Clients        identity.Clients
	Users          Users
	Agreements     Agreements
	Current        Current
	Tx             Tx
	Cookies        browser.Cookies
	Pages          *browser.Renderer
	Now            func() time.Time
}

// Get asks.
func (h *Consent) Get(c echo.Context) error {
	a, user, err := h.prepare(c, c.QueryParam("id"))
	if err != nil {
		return err
	}
	if user.ID == "" {
		return c.Redirect(http.StatusSeeOther, withID(pathLogin, a.ID))
	}
	client, err := h.Clients.Client(c.Request().Context(), a.ClientID)
	if err != nil {
		return err
	}
	return h.Pages.Render(c, http.StatusOK, "consent", browser.Page{
		FormAction: []string{a.Request.RedirectURI}, // the answer ends, over redirects, at the app
		Data: browser.ConsentPage{
			ID: a.ID, ClientName: displayName(client), ClientURI: webURI(client.URI), PolicyURI: webURI(client.PolicyURI), TosURI: webURI(client.TosURI),
			Username: user.Username, Scopes: describe(h.Pages.Language(c), a.Request.Consented()), CSRF: h.Cookies.CSRF(c.Response(), c.Request()),
		},
	})
}

// Post takes the answer.
func (h *Consent) Post(c echo.Context) error {
	ctx, r := c.Request().Context(), c.Request()
	if err := h.Cookies.CheckCSRF(r); err != nil {
		return err
	}
	a, user, err := h.prepare(c, r.PostForm.Get("id"))
	if err != nil {
		return err
	}
	if r.PostForm.Get("decision") == "deny" {
		return c.Redirect(http.StatusTemporaryRedirect, pathDeny)
	}
	switch {
	case user.ID == "":
		return c.Redirect(http.StatusSeeOther, withID(pathLogin, a.ID))
	case r.PostForm.Get("decision") != "allow", r.PostForm.Get("as") != user.Username:
		return c.Redirect(http.StatusSeeOther, withID(pathConsent, a.ID))
	}
	now := h.Now()
	err = h.Tx.Tx(ctx, func(ctx context.Context) error {
		if err := h.Agreements.Agree(ctx, identity.Consent{Subject: user.ID, ClientID: a.ClientID, Scopes: a.Request.Consented(), GrantedAt: now}); err != nil {
			return err
		}
		return h.Authorizations.Progress(ctx, a.ID, time.Time{}, now)
	})
	switch {
	case errors.Is(err, identity.ErrNoAuthorization):
		return expired(err)
	case err != nil:
		return err
	}
	return c.Redirect(http.StatusSeeOther, withID(pathResume, a.ID))
}

// prepare finds the waiting request and the person; the zero User when nobody is logged in.
func (h *Consent) prepare(c echo.Context, id string) (identity.Authorization, identity.User, error) {
	ctx, r := c.Request().Context(), c.Request()
	a, err := waiting(ctx, h.Authorizations, h.Cookies, r, id, h.Now())
	if err != nil {
		return identity.Authorization{}, identity.User{}, err
	}
	browser.SetLocales(c, a.Request.UILocales...)
	user, err := person(ctx, h.Current, h.Users, r)
	return a, user, err
}

// person returns whose live session the request carries; the zero User when there is none.
func person(ctx context.Context, current Current, users Users, r *http.Request) (identity.User, error) {
	session, live, err := current.Session(ctx, r)
	if err != nil || !live {
		return identity.User{}, err
	}
	user, err := users.User(ctx, session.Subject)
	if errors.Is(err, identity.ErrNoUser) {
		return identity.User{}, nil // deleted meanwhile
	}
	return user, err
}
