package protocol

import (
	"errors"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"
)

// parameters are the known parameters of one request, each with one value. One that was sent without a value counts as omitted
// (RFC 6749, 3.1 and 3.2).
type parameters map[string]string

// pick takes the named parameters out of what was sent and reports those that were sent more than once; they are not among the
// parameters. Others are ignored.
func pick(values url.Values, names []string) (p parameters, repeated []string) {
	p = make(parameters, len(names))
	for _, name := range names {
		switch v := values[name]; {
		case len(v) > 1:
			repeated = append(repeated, name)
		case len(v) == 1 && v[0] != "":
			p[name] = v[0]
		}
	}
	return p, repeated
}

// secretParameters must not stand in a URL, where logs and histories keep them (RFC 6749, 2.3.1; RFC 6750, 5.3).
var secretParameters = []string{
	"client_secret", "client_assertion", "code", "code_verifier", "refresh_token", "access_token", "token", "password", "user_token",
}

// readForm reads the named parameters from the body of an application's POST. Those in the URL are ignored, and refused where they
// are secret.
func readForm(c echo.Context, names ...string) (parameters, error) {
	r := c.Request()
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, invalidRequest("The query string cannot be parsed.")
	}
	for _, name := range secretParameters {
		if query.Has(name) {
			return nil, invalidRequest("The parameter %s must be sent in the body, never in the URL.", name)
		}
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get(echo.HeaderContentType)); err != nil || kind != echo.MIMEApplicationForm {
		return nil, invalidRequest("The content type must be application/x-www-form-urlencoded.")
	}
	if err := r.ParseForm(); err != nil {
		return nil, unreadable(err, invalidRequest("The body cannot be parsed as a form.").WithParent(err))
	}
	p, repeated := pick(r.PostForm, names)
	if len(repeated) > 0 {
		return nil, invalidRequest("The parameter %s is repeated.", repeated[0])
	}
	return p, nil
}

// unreadable tells a body over the limit from one that is no form.
func unreadable(err, otherwise error) error {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return echo.NewHTTPError(http.StatusRequestEntityTooLarge).SetInternal(err)
	}
	return otherwise
}

// scopesOf splits a scope parameter, each scope once (RFC 6749, 3.3).
func scopesOf(s string) []string {
	var scopes []string
	for _, scope := range strings.Fields(s) {
		if !slices.Contains(scopes, scope) {
			scopes = append(scopes, scope)
		}
	}
	return scopes
}

// noStore keeps an answer out of every cache (RFC 6749, 5.1).
func noStore(c echo.Context) {
	h := c.Response().Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Pragma", "no-cache")
}
