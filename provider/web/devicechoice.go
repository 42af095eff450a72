package web

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/exeunt-id/exeunt/provider/browser"
	"github.com/exeunt-id/exeunt/provider/device"
	"github.com/exeunt-id/exeunt/provider/identity"
	"github.com/exeunt-id/exeunt/provider/signout"
)

// choiceLifetime is how long a login waits for the person to choose a device.
const choiceLifetime = 10 * time.Minute

// maxChosen bounds the devices that a form names: as many as a form of the size that is read can name.
const maxChosen = 1000

// DeviceChoice is the page where a person who may not be signed in on one more device chooses which to sign out (the policy identity.DeviceAsk). It
// comes between the login and where that leads: name and password were right, and there is no session yet.
//
// GET /login/devices
//
//  1. Find the login that waits, for this browser only.
//  2. Show the devices that count.
//
// POST /login/devices
//
//  1. Only from our own form in this browser (CSRF); find the login as above.
//  2. The person must still be who they were: not disabled, with the same password.
//  3. In one transaction: the login, as after the form, which detaches the chosen devices through the engine; and the login waits no longer, so
//     that going back after a logout opens nothing.
//  4. As after the form.
type DeviceChoice struct{ Login *Login }

// refused answers a login that cannot have a session, and records why.
func (h *Login) refused(c echo.Context, page browser.Page, form browser.LoginPage, user identity.User, refusal *device.Refusal) error {
	ctx := context.WithoutCancel(c.Request().Context())
	if err := h.Devices.Refused(ctx, refusal); err != nil {
		return err
	}
	switch {
	case len(refusal.Devices) == 0:
		return &browser.Error{
			Status: http.StatusForbidden, Title: "This sign-in was refused", Err: refusal,
			Message: "Name and password were right, but this sign-in looks unlike you. Nobody was signed in, and it was recorded.",
			Hint:    "Sign in from where you usually do, or ask the operator of this service.",
		}
	case refusal.Limit.Policy != identity.DeviceAsk:
		page.Data = devicesPage(h.Pages.Language(c), refusal, h.Now(), browser.DevicesPage{AuthorizationID: form.ID, ClientName: form.ClientName, CSRF: form.CSRF})
		return h.Pages.Render(c, http.StatusForbidden, "devices", page)
	}
	id, now := browser.NewSecret(), h.Now()
	err := h.Choices.WaitForChoice(ctx, browser.Hash(id), identity.DeviceChoice{
		Subject: user.ID, BrowserHash: browser.Hash(h.Cookies.EnsureBrowser(c.Response(), c.Request())), PasswordHash: passwordMark(user),
		AuthorizationID: form.ID, LoggedInAt: now, ExpiresAt: now.Add(choiceLifetime),
	})
	if err != nil {
		return err
	}
	to := signout.Location(pathDevices, browser.Field{Name: "id", Value: id}, browser.Field{Name: "next", Value: form.Next})
	return c.Redirect(http.StatusSeeOther, withLocales(c, to))
}

// Get asks.
func (h *DeviceChoice) Get(c echo.Context) error {
	_, user, page, form, err := h.prepare(c, c.QueryParam("id"), c.QueryParam("next"))
	if err != nil {
		return err
	}
	return h.show(c, http.StatusOK, user, page, form)
}

// Post takes the answer.
func (h *DeviceChoice) Post(c echo.Context) error {
	l, r := h.Login, c.Request()
	if err := l.Cookies.CheckCSRF(r); err != nil {
		return err
	}
	id := r.PostForm.Get("choice")
	choice, user, page, form, err := h.prepare(c, id, r.PostForm.Get("next"))
	if err != nil {
		return err
	}
	chosen := r.PostForm["device"]
	err = l.complete(c, user, login{
		authorizationID: choice.AuthorizationID, clientID: form.clientID, next: form.Next, at: choice.LoggedInAt, chosen: chosen[:min(len(chosen), maxChosen)],
		also: func(ctx context.Context) error { return l.Choices.TakeChoice(ctx, browser.Hash(id)) },
	})
	var refusal *device.Refusal
	switch {
	case errors.As(err, &refusal) && refusal.Limit.Policy == identity.DeviceAsk && len(refusal.Devices) > 0:
		form.Error = l.Pages.Language(c).Text("devices.choose", "n", refusal.Surplus())
		return h.show(c, http.StatusUnprocessableEntity, user, page, form)
	case errors.As(err, &refusal):
		return l.refused(c, page, browser.LoginPage{ID: choice.AuthorizationID, ClientName: form.ClientName, CSRF: form.CSRF}, user, refusal)
	case errors.Is(err, identity.ErrNoDeviceChoice), errors.Is(err, identity.ErrLoginFailed):
		return expired(err)
	}
	return err
}

// choiceForm is the page's data with what only the handler knows.
type choiceForm struct {
	browser.DevicesPage
	clientID string
}

// prepare finds the login that waits, whose it is, and the app that waits for it.
func (h *DeviceChoice) prepare(c echo.Context, id, next string) (choice identity.DeviceChoice, user identity.User, page browser.Page, form choiceForm, err error) {
	l, ctx, r := h.Login, c.Request().Context(), c.Request()
	choice, err = l.Choices.Choice(ctx, browser.Hash(id), l.Now())
	if errors.Is(err, identity.ErrNoDeviceChoice) {
		err = expired(err)
	}
	if err != nil {
		return choice, user, page, form, err
	}
	value := l.Cookies.Browser(r)
	if value == "" || subtle.ConstantTimeCompare(browser.Hash(value), choice.BrowserHash) != 1 {
		return choice, user, page, form, expired(errors.New("web: the login belongs to another browser"))
	}
	user, err = l.Users.User(ctx, choice.Subject)
	switch {
	case errors.Is(err, identity.ErrNoUser),
		err == nil && (!user.DisabledAt.IsZero() || subtle.ConstantTimeCompare(passwordMark(user), choice.PasswordHash) != 1):
		return choice, user, page, form, expired(errors.New("web: the person changed since they logged in"))
	case err != nil:
		return choice, user, page, form, err
	}
	page, entry, clientID, err := l.prepare(c, choice.AuthorizationID, next)
	form = choiceForm{browser.DevicesPage{
		Action: pathDevices, Choice: id, AuthorizationID: choice.AuthorizationID, ClientName: entry.ClientName, Next: entry.Next, Locales: entry.Locales, CSRF: entry.CSRF,
	}, clientID}
	return choice, user, page, form, err
}

// show shows the devices as they are now.
func (h *DeviceChoice) show(c echo.Context, status int, user identity.User, page browser.Page, form choiceForm) error {
	l := h.Login
	arrival := device.Arrival{User: user}
	if secret := l.Cookies.Device(c.Request()); secret != "" {
		arrival.SecretHash = browser.Hash(secret)
	}
	refusal, err := l.Devices.Full(c.Request().Context(), arrival)
	if err != nil {
		return err
	}
	if refusal == nil { // somebody has made room meanwhile
		refusal = &device.Refusal{}
	}
	page.Data = devicesPage(l.Pages.Language(c), refusal, l.Now(), form.DevicesPage)
	return l.Pages.Render(c, status, "devices", page)
}

// devicesPage fills in the devices that count.
func devicesPage(l *browser.Language, refusal *device.Refusal, now time.Time, page browser.DevicesPage) browser.DevicesPage {
	page.Count, page.Limit = len(refusal.Devices), refusal.Limit.Devices
	if page.Count > 0 {
		page.Surplus = refusal.Surplus()
	}
	for i, d := range refusal.Devices {
		page.Devices = append(page.Devices, browser.DeviceText{
			ID: d.ID, Number: strconv.Itoa(i + 1), Name: deviceName(l, d), Seen: seenText(l, now.Sub(d.SeenAt)), Place: d.Place.String(),
		})
	}
	return page
}

// passwordMark is what a login that waits keeps of the password's hash.
func passwordMark(user identity.User) []byte {
	sum := sha256.Sum256([]byte(user.PasswordHash))
	return sum[:]
}
