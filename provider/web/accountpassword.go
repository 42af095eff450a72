package web

import (
	"context"
	"net/http"
	"unicode/utf8"

	"github.com/labstack/echo/v4"

	"github.com/exeunt-id/exeunt/provider/browser"
	"github.com/exeunt-id/exeunt/provider/identity"
	"github.com/exeunt-id/exeunt/provider/signout"
)

// shortestPassword is in characters (NIST SP 800-63B-4, 3.1.1.2). No rule says of what kinds they must be.
const shortestPassword = 8

// PasswordForm answers GET /account/password.
func (h *Account) PasswordForm(c echo.Context) error {
	_, user, err := h.me(c)
	if err != nil || user.ID == "" {
		return h.toLogin(c, err)
	}
	return h.askPassword(c, http.StatusOK, user, "")
}

// Password answers POST /account/password:
//
//  1. Only from our own form in this browser (CSRF).
//  2. What is wrong with the new password is said before the current one is looked at.
//  3. The current password, throttled and recorded like that of a login: the session alone, on a computer that somebody left, is not enough.
//  4. In one transaction the new password, and the end of all other sessions and of what outlives sessions (cause password_changed).
//  5. The page that says what has ended and who has been told.
func (h *Account) Password(c echo.Context) error {
	if err := h.Cookies.CheckCSRF(c.Request()); err != nil {
		return err
	}
	me, user, err := h.me(c)
	if err != nil || user.ID == "" {
		return h.toLogin(c, err)
	}
	form, l := c.Request().PostForm, h.Pages.Language(c)
	current, chosen, again := form.Get("password"), form.Get("new_password"), form.Get("new_password_again")
	if wrong := judgePassword(l, current, chosen, again); wrong != "" {
		return h.askPassword(c, http.StatusUnprocessableEntity, user, wrong)
	}
	proven, err := h.Authenticator.Login(c.Request().Context(), user.Username, current, c.RealIP())
	if err == nil && proven.ID != user.ID { // the name is somebody else's by now
		err = identity.ErrLoginFailed
	}
	if err != nil {
		return h.refusePassword(c, user, err)
	}
	// A client that hangs up does not undo it.
	out, err := h.Changer.ChangePassword(context.WithoutCancel(c.Request().Context()), proven, chosen, me.ID, signout.UserActor(c, me.Subject))
	switch {
	case err != nil:
		return h.refusePassword(c, user, err)
	case out.LogoutID == "": // nothing else was there to end, so there is no receipt either
		return h.Pages.Render(c, http.StatusOK, "account_done", browser.Page{
			Data: browser.AccountDonePage{Heading: l.Text("account_done.password"), BackURI: withLocales(c, pathAccount)},
		})
	default:
		return h.Leaver.Follow(c, out, signout.Next{Page: pathAccountDone, UILocales: browser.UILocales(c)})
	}
}

// refusePassword shows the form again when the current password was not accepted, or could not be looked at.
func (h *Account) refusePassword(c echo.Context, user identity.User, err error) error {
	status, text, known := refusal(c, h.Pages.Language(c), err, "account_password.wrong")
	if !known {
		return err
	}
	if err := recordFailure(c, h.Audit, "", err); err != nil {
		return err
	}
	return h.askPassword(c, status, user, text)
}

// judgePassword says what is wrong with what was typed; "" for nothing.
func judgePassword(l *browser.Language, current, chosen, again string) string {
	switch {
	case current == "" || chosen == "" || again == "":
		return l.Text("account_password.empty")
	case chosen != again:
		return l.Text("account_password.differ")
	case utf8.RuneCountInString(chosen) < shortestPassword:
		return l.Text("account_password.short", "n", shortestPassword)
	case len(chosen) > identity.MaxPasswordBytes:
		return l.Text("account_password.long", "n", identity.MaxPasswordBytes)
	case chosen == current:
		return l.Text("account_password.same")
	default:
		return ""
	}
}

func (h *Account) askPassword(c echo.Context, status int, user identity.User, wrong string) error {
	return h.Pages.Render(c, status, "account_password", browser.Page{Data: browser.AccountPasswordPage{
		Username: user.Username, Error: wrong, Shortest: shortestPassword, CSRF: h.Cookies.CSRF(c.Response(), c.Request()),
		Locales: browser.UILocales(c), BackURI: withLocales(c, pathAccount),
	}})
}
