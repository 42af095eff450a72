package console

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider/audit"
	"github.com/exeunt-id/exeunt/provider/browser"
	"github.com/exeunt-id/exeunt/provider/identity"
)

// The paths of the console.
const (
	pathHome       = "/admin"
	pathLogin      = "/admin/login"
	pathDeliveries = "/admin/deliveries"
	pathRedeliver  = "/admin/redeliver"
	pathClients    = "/admin/clients"
	pathLogouts    = "/admin/logouts"
	pathSessions   = "/admin/sessions"
	pathEnd        = "/admin/sessions/end"
)

const (
	maxUsername = 256 // bytes
	maxPassword = 1024

	busyRetry = 5 * time.Second
)

// loginPage is the data of "login".
type loginPage struct {
	Username string
	Next     string
	Error    string
}

// LoginForm answers GET /admin/login: the form, or the console for somebody who is in.
func (h *Console) LoginForm(c echo.Context) error {
	_, in, err := h.identify(c.Request())
	if err != nil {
		return err
	}
	next := safeNext(c.QueryParam("next"))
	if in {
		c.Response().Header().Set("Cache-Control", "no-store")
		return c.Redirect(http.StatusSeeOther, next)
	}
	return h.showLogin(c, http.StatusOK, loginPage{Next: next})
}

// Login answers POST /admin/login:
//
//  1. Only from our own form in this browser (CSRF).
//  2. Name and password, throttled as at the provider's own login and by the same counters.
//  3. An administrator, or nothing starts.
//  4. In one transaction: whoever else was in here leaves through the engine, and a session begins.
//  5. After the commit: the cookie, and 303 to where they wanted to go.
func (h *Console) Login(c echo.Context) error {
	r := c.Request()
	if err := h.Cookies.CheckCSRF(r); err != nil {
		return err
	}
	username, password := r.PostForm.Get("username"), r.PostForm.Get("password")
	page := loginPage{Username: clean(username, maxUsername), Next: safeNext(r.PostForm.Get("next"))}
	refuse := func(status int, text string) error {
		page.Error = text
		return h.showLogin(c, status, page)
	}
	if username == "" || password == "" {
		return refuse(http.StatusUnprocessableEntity, textLoginEmpty)
	}
	if username != page.Username || len(password) > maxPassword {
		return refuse(http.StatusUnprocessableEntity, textLoginFailed)
	}
	user, err := h.Authenticator.Login(r.Context(), username, password, c.RealIP())
	var throttled *identity.ThrottledError
	switch {
	case errors.Is(err, identity.ErrLoginFailed):
		if err := h.failed(c, err); err != nil {
			return err
		}
		return refuse(http.StatusUnprocessableEntity, textLoginFailed)
	case errors.As(err, &throttled):
		browser.SetRetryAfter(c.Response().Header(), throttled.RetryAfter)
		return refuse(http.StatusTooManyRequests, textThrottled(throttled.RetryAfter))
	case errors.Is(err, identity.ErrBusy):
		browser.SetRetryAfter(c.Response().Header(), busyRetry)
		return refuse(http.StatusServiceUnavailable, textLoginBusy)
	case err != nil:
		return err
	case !allowed(user):
		h.Logger.WarnContext(r.Context(), "somebody who is no administrator tried to enter the console", "user", user.ID, "address", c.RealIP())
		if err := h.failed(c, &identity.LoginError{UserID: user.ID, Reason: audit.ReasonNoAdmin}); err != nil {
			return err
		}
		return refuse(http.StatusForbidden, textNoAdmin)
	}
	secret := browser.NewSecret()
	err = h.Tx.Tx(r.Context(), func(ctx context.Context) error { return h.logIn(ctx, c, user, secret) })
	if errors.Is(err, identity.ErrLoginFailed) { // disabled at this very moment
		if err := h.failed(c, &identity.LoginError{UserID: user.ID, Reason: identity.LoginChanged}); err != nil {
			return err
		}
		return refuse(http.StatusUnprocessableEntity, textLoginFailed)
	}
	if err != nil {
		return err
	}
	h.Cookies.SetSession(c.Response(), r, secret)
	c.Response().Header().Set("Cache-Control", "no-store")
	return c.Redirect(http.StatusSeeOther, page.Next)
}

// failed records a login that failed.
func (h *Console) failed(c echo.Context, err error) error {
	var why *identity.LoginError
	if !errors.As(err, &why) {
		why = &identity.LoginError{}
	}
	who := logout.Actor{Kind: audit.ActorAnonymous, Address: c.RealIP(), UserAgent: c.Request().UserAgent()}
	return h.Audit.Record(context.WithoutCancel(c.Request().Context()), audit.ConsoleLoginFailed(who, why.UserID, why.Reason))
}

// logIn is step 4.
func (h *Console) logIn(ctx context.Context, c echo.Context, user identity.User, secret string) error {
	if err := h.Users.Lock(ctx, user); err != nil {
		return err
	}
	now := h.Now().UTC()
	who := logout.Actor{Kind: "admin", ID: user.ID, Address: c.RealIP(), UserAgent: clean(c.Request().UserAgent(), maxUserAgent)}
	if old, live, err := h.session(c.Request()); err != nil {
		return err
	} else if live {
		cause := logout.CauseUserSwitched
		if old.Subject == user.ID {
			cause = logout.CauseRedirect // the same person again: the old login is over
		}
		if _, err := h.Engine.End(ctx, logout.Request{Cause: cause, Actor: who, Target: logout.Target{SessionID: old.ID}}); err != nil {
			return err
		}
	}
	sessionID, expiresAt := logout.NewID(), h.Activity.Lifetimes.ExpiresAt(now)
	if err := h.Audit.Record(ctx, audit.ConsoleLogin(who, sessionID)); err != nil {
		return err
	}
	return h.Sessions.Start(ctx, logout.Session{
		ID: sessionID, Subject: user.ID, SecretHash: secretHash(secret), AuthTime: now, CreatedAt: now, SeenAt: now,
		IdleUntil: h.Activity.Lifetimes.IdleUntil(now, expiresAt), ExpiresAt: expiresAt, Address: who.Address, UserAgent: who.UserAgent,
	})
}

// Logout answers POST /admin/logout: the console's session ends, through the engine.
func (h *Console) Logout(c echo.Context) error {
	who := adminOf(c)
	_, err := h.Engine.End(context.WithoutCancel(c.Request().Context()), logout.Request{
		Cause: logout.CauseRedirect, Actor: actor(c), Target: logout.Target{SessionID: who.session.ID},
	})
	if err != nil {
		return err
	}
	h.Cookies.DropSession(c.Response(), c.Request())
	c.Response().Header().Set("Cache-Control", "no-store")
	return c.Redirect(http.StatusSeeOther, pathLogin)
}

func (h *Console) showLogin(c echo.Context, status int, page loginPage) error {
	return h.render(c, status, "login", "Sign in to the console", view{Body: page})
}
