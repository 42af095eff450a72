package protocol

import (
	"net/http"

	"github.com/labstack/echo/v4"
	"github.com/zitadel/oidc/v3/pkg/oidc"

	"github.com/exeunt-id/exeunt/provider/browser"
	"github.com/exeunt-id/exeunt/provider/signout"
)

// Responder sends authorization responses, codes and errors alike, by query or by form post (RFC 6749, 4.1.2; OAuth 2.0 Form Post
// Response Mode). Each carries state, unchanged, iss (RFC 9207), and, if it goes to a page of the web, session_state (Session Management
// 1.0, 3).
type Responder struct {
	Issuer  string
	Cookies browser.Cookies
	Pages   *browser.Renderer
}

func (r Responder) code(c echo.Context, t target, code string) error {
	return r.send(c, t, browser.Field{Name: "code", Value: code})
}

func (r Responder) fail(c echo.Context, t target, err *oidc.Error) error {
	return r.send(c, t,
		browser.Field{Name: "error", Value: string(err.ErrorType)},
		browser.Field{Name: "error_description", Value: err.Description})
}

func (r Responder) send(c echo.Context, t target, fields ...browser.Field) error {
	fields = append(fields, browser.Field{Name: "state", Value: t.State}, browser.Field{Name: "iss", Value: r.Issuer},
		browser.Field{Name: "session_state", Value: r.sessionState(c, t)})
	if t.Mode != string(oidc.ResponseModeFormPost) {
		h := c.Response().Header()
		h.Set("Cache-Control", "no-store")
		h.Set("Referrer-Policy", "no-referrer")
		// 303, never 307: a form that was posted to us must not be posted on to the client (RFC 9700, 4.12).
		return c.Redirect(http.StatusSeeOther, signout.Location(t.RedirectURI, fields...))
	}
	filled := fields[:0:0]
	for _, f := range fields {
		if f.Value != "" {
			filled = append(filled, f)
		}
	}
	return r.Pages.FormPost(c, t.RedirectURI, filled)
}

// sessionState is "" for a client without pages, which has nothing to embed an iframe in.
func (r Responder) sessionState(c echo.Context, t target) string {
	origin := browser.Origin(t.RedirectURI)
	if origin == "" {
		return ""
	}
	return browser.SessionState(t.Client.ID, origin, r.Cookies.EnsureState(c.Response(), c.Request()), browser.NewSecret())
}
