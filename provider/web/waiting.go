package web

import (
	"context"
	"crypto/subtle"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/exeunt-id/exeunt/provider/browser"
	"github.com/exeunt-id/exeunt/provider/identity"
	"github.com/exeunt-id/exeunt/provider/signout"
)

// Where the person's part of a sign-in continues.
const (
	pathLogin      = "/login"
	pathConsent    = "/consent"
	pathContinue   = "/continue"
	pathDevices    = "/login/devices"
	pathAppDevices = "/authorize/devices"
	pathResume     = "/authorize/resume"
	pathDeny       = "/authorize/deny"
	pathHome       = "/"
)

// maxID bounds the id of an authorization in a URL; ours are shorter.
const maxID = 64

// waiting returns the authorization request that waits under id, only to the browser that made it. Which of unknown, expired,
// answered and foreign it was is not told apart: an id that was sent to somebody else must be worth nothing.
func waiting(ctx context.Context, store Authorizations, cookies browser.Cookies, r *http.Request, id string, now time.Time) (identity.Authorization, error) {
	if len(id) > maxID || strings.Trim(id, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_") != "" {
		return identity.Authorization{}, expired(errors.New("web: malformed authorization id"))
	}
	a, err := store.Find(ctx, id, now)
	switch {
	case errors.Is(err, identity.ErrNoAuthorization):
		return identity.Authorization{}, expired(err)
	case err != nil:
		return identity.Authorization{}, err
	}
	value := cookies.Browser(r)
	if value == "" || subtle.ConstantTimeCompare(browser.Hash(value), a.BrowserHash) != 1 {
		return identity.Authorization{}, expired(errors.New("web: the authorization belongs to another browser"))
	}
	return a, nil
}

func expired(cause error) *browser.Error {
	return &browser.Error{
		Status:  http.StatusBadRequest,
		Title:   "This sign-in has expired",
		Message: "It took too long, was finished already, or was started in another browser.",
		Hint:    "Go back to the app and sign in again from there.",
		Err:     cause,
	}
}

// withID returns the path of the next step; without an id the person came by themselves and goes home.
func withID(path, id string) string {
	if id == "" {
		return pathHome
	}
	return path + "?" + url.Values{"id": {id}}.Encode()
}

// withLocales returns a path of ours for the next step of a request, with the languages that it asks for.
func withLocales(c echo.Context, path string) string {
	return signout.Location(path, browser.Field{Name: "ui_locales", Value: browser.UILocales(c)})
}

// displayName is what people see of a client.
func displayName(c identity.Client) string {
	if c.Name != "" {
		return c.Name
	}
	return c.ID
}

// webURI returns uri if a page may link to it, otherwise "".
func webURI(uri string) string {
	u, err := url.Parse(uri)
	if err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") {
		return ""
	}
	return uri
}
