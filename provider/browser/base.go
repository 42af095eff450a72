package browser

import (
	"html/template"
	"net/http"
	"net/url"
	"strings"

	"github.com/labstack/echo/v4"
)

// Base is where on its host the provider lives: the path of its issuer without a slash at the end (Discovery 1.0, 4.1), such as "/auth",
// and "" for an issuer without one. Everything inside the provider speaks of paths below it and so need not know it. What comes in loses it
// in Strip; what goes out gets it in Public, or, for cookies, as their Path.
type Base string

// NewBase returns the base of an issuer, a URL.
func NewBase(issuer string) Base {
	u, err := url.Parse(issuer)
	if err != nil {
		return ""
	}
	return Base(strings.TrimSuffix(u.Path, "/"))
}

const baseKey = "exeunt base"

// SetBase says below which base the pages of an answer are reached. Without it, there is none.
func SetBase(c echo.Context, b Base) { c.Set(baseKey, b) }

func baseOf(c echo.Context) Base {
	b, _ := c.Get(baseKey).(Base)
	return b
}

// Public returns the path that a browser knows for one of ours, which may have a query. Anything else, such as an application's URI, stays as
// it is.
func (b Base) Public(uri string) string {
	if !ownPath(uri) {
		return uri
	}
	return string(b) + uri
}

// Strip returns the request as the provider sees it, its path below the base, and false when it is none of ours. The issuer itself is the
// page at the root, with or without a slash. The request is copied where it changes.
func (b Base) Strip(r *http.Request) (*http.Request, bool) {
	if b == "" {
		return r, true
	}
	path, ok := b.strip(r.URL.Path)
	raw, rawOK := r.URL.RawPath, true
	if raw != "" { // somebody escaped what needs no escape, in the base or behind it
		raw, rawOK = b.strip(raw)
	}
	if !ok || !rawOK {
		return r, false
	}
	inside, u := *r, *r.URL
	u.Path, u.RawPath = path, raw
	inside.URL = &u
	return &inside, true
}

func (b Base) strip(path string) (string, bool) {
	rest, ok := strings.CutPrefix(path, string(b))
	switch {
	case !ok, rest != "" && rest[0] != '/':
		return "", false
	case rest == "":
		return "/", true
	}
	return rest, true
}

// ownPath reports whether uri is a path of ours and no address elsewhere: "//" begins a host.
func ownPath(uri string) bool { return strings.HasPrefix(uri, "/") && !strings.HasPrefix(uri, "//") }

// link is the template function "uri": the address of one of our own paths, or a validated redirect URI, also one with a scheme of an app's
// own, where the template engine would only let web addresses pass. Schemes that run or hold a document lead nowhere.
func (b Base) link(uri string) template.URL {
	if !ownPath(uri) && formActionSource(uri) == "" {
		uri = "/"
	}
	return template.URL(b.Public(uri)) //nolint:gosec // not one that runs anything; the engine still escapes it for its place
}
