package protocol

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/zitadel/oidc/v3/pkg/oidc"

	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider/browser"
	"github.com/exeunt-id/exeunt/provider/identity"
)

// requestLifetime is how long a request waits for the person to log in and agree.
const requestLifetime = time.Hour

// Authorize answers GET and POST /authorize (OpenID Connect Core 1.0, 3.1.2):
//
//  1. Read the parameters; a request that cannot be read is a page. A POST from another site comes without our cookies, so the browser
//     is sent to the same request by GET.
//  2. Client and redirect URI must be known and belong together, otherwise a page: nobody is redirected to an unknown place.
//  3. Everything else that is wrong is told to the client by redirect or form post.
//  4. A live session that satisfies the request is answered at once (Flow), with one write.
//  5. Otherwise prompt=none gets its error; for everybody else the request is stored, bound to this browser, and the person is sent to
//     the page that asks.
type Authorize struct {
	Settings
	Flow           *Flow
	Clients        identity.Clients
	Authorizations identity.Authorizations
	Hints          Hints
	Cookies        browser.Cookies
	Respond        Responder
	Keeper         *Keeper
}

// Handle answers with a redirect, a form post or a page.
func (h *Authorize) Handle(c echo.Context) error {
	r := c.Request()
	values, err := h.values(r)
	if err != nil {
		return err
	}
	if withoutCookies(r, h.Cookies) {
		return h.Keeper.bounce(c, PathAuthorize, values)
	}
	browser.SetLocales(c, values.Get("ui_locales"))
	p, repeated := pick(values, authorizeParameters)
	t, err := findTarget(r.Context(), h.Clients, p)
	if err != nil {
		return err
	}
	request, refusal := t.validate(r, p, repeated)
	if refusal != nil {
		return h.Respond.fail(c, t, refusal)
	}
	if p["id_token_hint"] != "" {
		hint, err := h.Hints.Verify(r.Context(), p["id_token_hint"])
		if err != nil {
			return h.Respond.fail(c, t, invalidRequest("The id_token_hint is not an ID token of this provider.").WithParent(err))
		}
		request.HintSubject = hint.Subject
	}
	now := h.Now().UTC()
	a := identity.Authorization{
		ID: logout.NewID(), ClientID: t.Client.ID, BrowserHash: browser.Hash(h.Cookies.Browser(r)), Request: request, CreatedAt: now,
		ExpiresAt: now.Add(requestLifetime),
	}
	return h.Flow.advance(c, t, a, hooks{
		record: func(ctx context.Context, a identity.Authorization) error { return h.Authorizations.Create(ctx, a) },
		ask:    func(path string, e *oidc.Error) error { return h.ask(c, t, a, path, e) },
	})
}

// values are the parameters as they were sent: in the query, in the body, or kept from a POST.
func (h *Authorize) values(r *http.Request) (url.Values, error) {
	if err := r.ParseForm(); err != nil {
		return nil, unreadable(err, signInRefused("It cannot be read.", err))
	}
	if sealed := r.Form.Get(keptParameter); sealed != "" && r.Method == http.MethodGet {
		values, err := h.Keeper.kept(PathAuthorize, sealed)
		if err != nil {
			return nil, signInRefused("It has waited for too long.", err)
		}
		return values, nil
	}
	return r.Form, nil
}

// ask stores the request and sends the person to a page.
func (h *Authorize) ask(c echo.Context, t target, a identity.Authorization, path string, e *oidc.Error) error {
	if slices.Contains(a.Request.Prompt, oidc.PromptNone) {
		return h.Respond.fail(c, t, e)
	}
	a.BrowserHash = browser.Hash(h.Cookies.EnsureBrowser(c.Response(), c.Request()))
	if err := h.Authorizations.Create(c.Request().Context(), a); err != nil {
		return err
	}
	return toPage(c, path, a.ID)
}

// toPage sends the person to a page that is about a waiting request.
func toPage(c echo.Context, path, id string) error {
	c.Response().Header().Set("Cache-Control", "no-store")
	return c.Redirect(http.StatusSeeOther, path+"?id="+url.QueryEscape(id))
}
