package console

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider/browser"
	"github.com/exeunt-id/exeunt/provider/identity"
)

// liveHeader marks the requests of the script that keeps a page up to date. They are no activity of the person.
const liveHeader = "X-Exeunt-Live"

// admin is who asked, once the gate has let them in.
type admin struct {
	user    identity.User
	session logout.Session
}

const adminKey = "exeunt admin"

func adminOf(c echo.Context) admin {
	a, _ := c.Get(adminKey).(admin)
	return a
}

// actor names the administrator as the one who asked for something.
func actor(c echo.Context) logout.Actor {
	return logout.Actor{Kind: "admin", ID: adminOf(c).user.ID, Address: c.RealIP(), UserAgent: clean(c.Request().UserAgent(), maxUserAgent)}
}

// secretHash is what is kept of a console session's cookie. The purpose makes it another than that of the same secret in the provider's own
// cookie: neither opens what the other does.
func secretHash(secret string) []byte { return browser.Hash("exeunt admin session 1\x00" + secret) }

// Gate lets administrators pass:
//
//  1. The cookie belongs to a live session of the console.
//  2. Its user is still there, not disabled, and still an administrator.
//  3. A form that comes by POST is the console's own (CSRF).
//  4. The session is in use, unless it is only the script that asks.
//
// Everybody else is sent to the login page, from which they come back.
func (h *Console) Gate(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		who, ok, err := h.identify(r)
		if err != nil {
			return err
		}
		if !ok {
			return h.askForLogin(c)
		}
		if r.Method == http.MethodPost {
			if err := h.Cookies.CheckCSRF(r); err != nil {
				return err
			}
		}
		if r.Header.Get(liveHeader) == "" {
			err := h.Activity.Record(r.Context(), who.session, h.Now().UTC())
			if errors.Is(err, logout.ErrNoSession) {
				return h.askForLogin(c)
			}
			if err != nil {
				return err
			}
		}
		c.Set(adminKey, who)
		return next(c)
	}
}

func (h *Console) identify(r *http.Request) (admin, bool, error) {
	var who admin
	session, live, err := h.session(r)
	if err != nil || !live {
		return who, false, err
	}
	user, err := h.Users.User(r.Context(), session.Subject)
	if errors.Is(err, identity.ErrNoUser) {
		return who, false, nil
	}
	return admin{user, session}, err == nil && allowed(user), err
}

func allowed(user identity.User) bool { return user.Admin && user.DisabledAt.IsZero() }

// session returns the console's live session of the request's cookie, if there is one.
func (h *Console) session(r *http.Request) (logout.Session, bool, error) {
	secret := h.Cookies.Session(r)
	if secret == "" {
		return logout.Session{}, false, nil
	}
	session, err := h.Sessions.FindBySecret(r.Context(), secretHash(secret))
	if errors.Is(err, logout.ErrNoSession) {
		return logout.Session{}, false, nil
	}
	return session, err == nil && session.Live(h.Now()), err
}

// askForLogin sends the browser to the login page and, for a page that can be read again, back afterwards.
func (h *Console) askForLogin(c echo.Context) error {
	c.Response().Header().Set("Cache-Control", "no-store")
	to := pathLogin
	if r := c.Request(); r.Method == http.MethodGet && r.URL.Path != pathHome {
		to += "?" + url.Values{"next": {r.URL.RequestURI()}}.Encode()
	}
	return c.Redirect(http.StatusSeeOther, to)
}

// maxNext bounds the address to come back to.
const maxNext = 2048

// safeNext returns a page of the console to go to, whatever was asked for.
func safeNext(next string) string {
	u, err := url.Parse(next)
	if err != nil || len(next) > maxNext || u.IsAbs() || u.Host != "" || u.User != nil || strings.ContainsAny(next, "\\\r\n\x00") ||
		!strings.HasPrefix(u.Path, pathHome) || strings.Contains(u.Path, "//") || strings.Contains(u.Path, "..") || u.Path == pathLogin {
		return pathDeliveries
	}
	return u.RequestURI()
}
