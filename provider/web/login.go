package web

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/labstack/echo/v4"

	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider/audit"
	"github.com/exeunt-id/exeunt/provider/browser"
	"github.com/exeunt-id/exeunt/provider/device"
	"github.com/exeunt-id/exeunt/provider/identity"
	"github.com/exeunt-id/exeunt/provider/signout"
)

const (
	maxUsername  = 256 // bytes
	maxPassword  = 1024
	maxUserAgent = 512

	busyRetry = 5 * time.Second
)

// Login is the page where a person proves who they are (OpenID Connect Core 3.1.2.3).
//
// GET /login
//
//  1. With an id: find the request that waits, for this browser only. Without one it is a plain login that leads home, or to the page of
//     ours that next names.
//  2. Show the form, the name filled in from login_hint or from the session that is to be confirmed.
//
// POST /login
//
//  1. Only from our own form in this browser (CSRF).
//  2. Find the request as above, so that a password is not checked for nothing.
//  3. Check name and password; a failure shows the form again, throttling and overload say how long to wait.
//  4. In one transaction: a session with a new secret, on a device. The same person again keeps the session and every sid; another person's
//     session ends through the engine first (cause user_switched). The waiting request learns of the login, and so does the audit trail.
//     When there is no room for the device there is no session: see DeviceChoice.
//  5. After the commit: the cookies, and 303 to where the request goes on.
type Login struct {
	Authorizations Authorizations
	Clients        identity.Clients
	Users          Users
	Authenticator  Authenticator
	Sessions       Sessions
	Devices        Devices
	Choices        Choices
	Current        Current
	Ender          Ender
	Tx             Tx
	Audit          audit.Recorder
	Cookies        browser.Cookies
	Pages          *browser.Renderer
	Lifetimes      signout.Lifetimes                    // of the sessions that start here
	Renewed        func(sessionID string, at time.Time) // if set, is told of sessions whose person has logged in again
	Now            func() time.Time
}

// Get shows the form.
func (h *Login) Get(c echo.Context) error {
	ctx, r := c.Request().Context(), c.Request()
	page, form, _, err := h.prepare(c, c.QueryParam("id"), c.QueryParam("next"))
	if err != nil {
		return err
	}
	user, err := person(ctx, h.Current, h.Users, r)
	if err != nil {
		return err
	}
	if user.ID != "" {
		form.Notice = confirmText(h.Pages.Language(c), form.ClientName, user.Username)
		form.Username = cmp.Or(form.Username, user.Username)
	}
	return h.show(c, http.StatusOK, page, form)
}

// Post logs the person in.
func (h *Login) Post(c echo.Context) error {
	ctx, r := c.Request().Context(), c.Request()
	if err := h.Cookies.CheckCSRF(r); err != nil {
		return err
	}
	page, form, clientID, err := h.prepare(c, r.PostForm.Get("id"), r.PostForm.Get("next"))
	if err != nil {
		return err
	}
	username, password := r.PostForm.Get("username"), r.PostForm.Get("password")
	form.Username = clean(username, maxUsername)
	if username == "" || password == "" {
		form.Error = h.Pages.Language(c).Text("login.empty")
		return h.show(c, http.StatusUnprocessableEntity, page, form)
	}
	if username != form.Username || len(password) > maxPassword {
		form.Error = h.Pages.Language(c).Text("login.failed") // nobody has such a name or such a password
		return h.show(c, http.StatusUnprocessableEntity, page, form)
	}
	user, err := h.Authenticator.Login(ctx, username, password, c.RealIP())
	if err != nil {
		status, text, known := refusal(c, h.Pages.Language(c), err, "login.failed")
		if !known {
			return err
		}
		if err := recordFailure(c, h.Audit, clientID, err); err != nil {
			return err
		}
		form.Error = text
		return h.show(c, status, page, form)
	}
	err = h.complete(c, user, login{authorizationID: form.ID, clientID: clientID, next: form.Next, at: h.Now()})
	var full *device.Refusal
	switch {
	case errors.As(err, &full):
		return h.refused(c, page, form, user, full)
	case errors.Is(err, identity.ErrLoginFailed):
		if err := recordFailure(c, h.Audit, clientID, &identity.LoginError{UserID: user.ID, Reason: identity.LoginChanged}); err != nil {
			return err
		}
		form.Error = h.Pages.Language(c).Text("login.failed")
		return h.show(c, http.StatusUnprocessableEntity, page, form)
	}
	return err
}

// login is what a person who has proved who they are is let in with.
type login struct {
	authorizationID string    // of the request that waits; empty for none
	clientID        string    // whose request it is
	next            string    // of a plain login: the page of ours that it leads to, see plainLogins; empty for home
	at              time.Time // of the proof
	chosen          []string  // devices that the person detaches to make room

	also func(ctx context.Context) error // in the same transaction; may be nil
}

// complete is steps 4 and 5. Its errors beside those of the store: browser.Error for a request that waits no longer, identity.ErrLoginFailed for
// a person who was disabled or changed their password meanwhile, *device.Refusal.
func (h *Login) complete(c echo.Context, user identity.User, l login) error {
	secret, browsers := browser.NewSecret(), cmp.Or(h.Cookies.Device(c.Request()), browser.NewSecret())
	var session loggedIn
	err := h.Tx.Tx(c.Request().Context(), func(ctx context.Context) (err error) {
		if session, err = h.logIn(ctx, c, user, l, secret, browsers); err != nil || l.also == nil {
			return err
		}
		return l.also(ctx)
	})
	if errors.Is(err, identity.ErrNoAuthorization) {
		return expired(err)
	}
	if err != nil {
		return err
	}
	h.Cookies.SetSession(c.Response(), secret, session.id)
	h.Cookies.SetDevice(c.Response(), browsers)
	if session.renewed && h.Renewed != nil {
		h.Renewed(session.id, session.at)
	}
	if l.authorizationID == "" {
		return c.Redirect(http.StatusSeeOther, withLocales(c, cmp.Or(plainLogins[l.next], pathHome)))
	}
	return c.Redirect(http.StatusSeeOther, withID(pathResume, l.authorizationID))
}

// refusal says in which words and with which status a password that was not accepted is answered; failed is the key for one that is wrong.
// It reports false for a failure of ours.
func refusal(c echo.Context, l *browser.Language, err error, failed string) (status int, text string, known bool) {
	var throttled *identity.ThrottledError
	switch {
	case errors.Is(err, identity.ErrLoginFailed):
		return http.StatusUnprocessableEntity, l.Text(failed), true
	case errors.As(err, &throttled):
		browser.SetRetryAfter(c.Response().Header(), throttled.RetryAfter)
		return http.StatusTooManyRequests, throttledText(l, throttled.RetryAfter), true
	case errors.Is(err, identity.ErrBusy):
		browser.SetRetryAfter(c.Response().Header(), busyRetry)
		return http.StatusServiceUnavailable, l.Text("login.busy"), true
	default:
		return 0, "", false
	}
}

// recordFailure records a password that was wrong, after its failure was counted: the trail grows no faster than the throttle allows. What
// was refused without a look at the password leaves no entry.
func recordFailure(c echo.Context, trail audit.Recorder, clientID string, err error) error {
	if !errors.Is(err, identity.ErrLoginFailed) {
		return nil
	}
	var why *identity.LoginError
	if !errors.As(err, &why) {
		why = &identity.LoginError{}
	}
	actor := signout.UserActor(c, "")
	actor.Kind = audit.ActorAnonymous
	// Hanging up must not be a way to leave no trace.
	return trail.Record(context.WithoutCancel(c.Request().Context()), audit.LoginFailed(actor, why.UserID, clientID, why.Reason))
}

// plainLogins are the pages of ours that a login leads back to, by the word that names them. It is no address: nobody is led elsewhere.
var plainLogins = map[string]string{"account": pathAccount}

// prepare finds what the form is about, and the app that waits. Without an id nothing is looked up, and next may name a page of ours.
func (h *Login) prepare(c echo.Context, id, next string) (page browser.Page, form browser.LoginPage, clientID string, err error) {
	ctx, r := c.Request().Context(), c.Request()
	form.ID = id
	if id == "" {
		form.Locales = browser.UILocales(c)
		if plainLogins[next] != "" {
			form.Next = next
		}
	} else {
		a, err := waiting(ctx, h.Authorizations, h.Cookies, r, id, h.Now())
		if err != nil {
			return page, form, "", err
		}
		browser.SetLocales(c, a.Request.UILocales...)
		client, err := h.Clients.Client(ctx, a.ClientID)
		if err != nil {
			return page, form, "", err
		}
		clientID = client.ID
		form.ClientName = displayName(client)
		form.Username = clean(a.Request.LoginHint, maxUsername)
		// The answer to the form may end, over redirects, at the app.
		page.FormAction = []string{a.Request.RedirectURI}
	}
	form.CSRF = h.Cookies.CSRF(c.Response(), r)
	return page, form, clientID, nil
}

func (h *Login) show(c echo.Context, status int, page browser.Page, form browser.LoginPage) error {
	page.Data = form
	return h.Pages.Render(c, status, "login", page)
}

// loggedIn is the session that a login has begun or renewed.
type loggedIn struct {
	id      string
	renewed bool
	at      time.Time
}

// logIn is step 4, inside the transaction. secret is the new session's, browsers that by which this browser is recognised.
func (h *Login) logIn(ctx context.Context, c echo.Context, user identity.User, l login, secret, browsers string) (loggedIn, error) {
	now := h.Now()
	if err := h.lock(ctx, c, user); err != nil {
		return loggedIn{}, err
	}
	session, live, err := h.before(ctx, c, user)
	if err != nil {
		return loggedIn{}, err
	}
	userAgent := clean(c.Request().UserAgent(), maxUserAgent)
	d, err := h.Devices.Attach(ctx, device.Arrival{
		User: user, SecretHash: browser.Hash(browsers), SessionDevice: session.DeviceID, UserAgent: userAgent, Address: c.RealIP(), ClientID: l.clientID,
		Chosen: l.chosen,
	})
	if err != nil {
		return loggedIn{}, err
	}
	renewed := false
	if live {
		if renewed, err = h.renew(ctx, session, d.ID, secret, l.at, now); err != nil {
			return loggedIn{}, err
		}
	}
	if !renewed {
		session.ID = logout.NewID()
		expiresAt := h.Lifetimes.ExpiresAt(now)
		if err := h.Sessions.Start(ctx, logout.Session{
			ID: session.ID, Subject: user.ID, DeviceID: d.ID, SecretHash: browser.Hash(secret),
			AuthTime: l.at, CreatedAt: now, SeenAt: now, IdleUntil: h.Lifetimes.IdleUntil(now, expiresAt), ExpiresAt: expiresAt,
			Address: c.RealIP(), UserAgent: userAgent,
		}); err != nil {
			return loggedIn{}, err
		}
	}
	done := loggedIn{session.ID, renewed, l.at}
	if err := h.Audit.Record(ctx, audit.LoginSucceeded(signout.UserActor(c, user.ID), session.ID, l.clientID, renewed)); err != nil {
		return loggedIn{}, err
	}
	if l.authorizationID == "" {
		return done, nil
	}
	return done, h.Authorizations.Progress(ctx, l.authorizationID, now, time.Time{})
}

// lock holds the person's row, and that of whoever is signed in in this browser, whose session is about to end. The rows are taken in the order of
// their ids, and before any session: two people who swap browsers must not wait for each other.
func (h *Login) lock(ctx context.Context, c echo.Context, user identity.User) error {
	old, live, err := h.Current.Session(ctx, c.Request())
	if err != nil {
		return err
	}
	switched := live && old.Subject != user.ID
	if switched && old.Subject < user.ID {
		if err := h.Devices.Hold(ctx, old.Subject); err != nil {
			return err
		}
	}
	if err := h.Users.Lock(ctx, user); err != nil {
		return err
	}
	if switched && old.Subject > user.ID {
		return h.Devices.Hold(ctx, old.Subject)
	}
	return nil
}

// before deals with the session that this browser had before. That of another person ends; one of the same person is returned, if it lives.
func (h *Login) before(ctx context.Context, c echo.Context, user identity.User) (old logout.Session, live bool, err error) {
	old, live, err = h.Current.Session(ctx, c.Request())
	if err != nil || !live {
		return logout.Session{}, false, err
	}
	if old.Subject == user.ID {
		return old, true, nil
	}
	_, err = h.Ender.End(ctx, logout.Request{
		Cause:  logout.CauseUserSwitched,
		Target: logout.Target{SessionID: old.ID},
		Actor:  logout.Actor{Kind: "user", ID: user.ID, Address: c.RealIP(), UserAgent: clean(c.Request().UserAgent(), maxUserAgent)},
	})
	return logout.Session{}, false, err
}

// renew keeps a session, now on the given device and of a person who proved who they are at authTime, or has done that again since. A logout at the
// same moment either comes first, and then nothing is renewed, or waits for us and ends the renewed one.
func (h *Login) renew(ctx context.Context, old logout.Session, deviceID, secret string, authTime, now time.Time) (bool, error) {
	until := h.Lifetimes.IdleUntil(now, old.ExpiresAt)
	if old.IdleUntil.After(until) { // a client keeps it longer
		until = old.IdleUntil
	}
	if old.AuthTime.After(authTime) {
		authTime = old.AuthTime
	}
	err := h.Sessions.Renew(ctx, old.ID, browser.Hash(secret), authTime, now, until)
	if errors.Is(err, logout.ErrNoSession) {
		return false, nil
	}
	if err == nil && old.DeviceID != deviceID {
		err = h.Sessions.SetDevice(ctx, old.ID, deviceID)
	}
	return err == nil, err
}

// clean makes outside text fit to be stored and shown: valid UTF-8, no NUL (PostgreSQL refuses both), at most limit bytes.
func clean(s string, limit int) string {
	if len(s) > limit {
		s = s[:limit]
	}
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "")
	}
	return strings.ReplaceAll(s, "\x00", "")
}
