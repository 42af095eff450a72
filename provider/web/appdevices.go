package web

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider/browser"
	"github.com/exeunt-id/exeunt/provider/device"
	"github.com/exeunt-id/exeunt/provider/identity"
	"github.com/exeunt-id/exeunt/provider/signout"
)

// AppRooms knows on how many devices a person may use an app; *device.Registry does.
type AppRooms interface {
	AppFull(ctx context.Context, session logout.Session, client identity.Client) (*device.Refusal, error)
	MakeRoom(ctx context.Context, session logout.Session, client identity.Client, chosen []string, actor logout.Actor) error
}

// AppDevices is the page where a person who uses an app on as many devices as they may chooses on which it is signed out.
//
// GET /authorize/devices
//
//  1. Find the request that waits, for this browser only. Nobody logged in any more: back to the login.
//  2. Show the devices that count. With the policy identity.DeviceRefuse nothing can be chosen.
//
// POST /authorize/devices
//
//  1. Only from our own form in this browser (CSRF); find the request as above.
//  2. The app leaves the sessions on the chosen devices, through the engine; 303 to where the request goes on, and is looked at again.
type AppDevices struct {
	Authorizations Authorizations
	Clients        identity.Clients
	Current        Current
	Devices        AppRooms
	Cookies        browser.Cookies
	Pages          *browser.Renderer
	Now            func() time.Time
}

// Get asks.
func (h *AppDevices) Get(c echo.Context) error {
	a, client, session, err := h.prepare(c, c.QueryParam("id"))
	if err != nil {
		return err
	}
	if session.ID == "" {
		return c.Redirect(http.StatusSeeOther, withID(pathLogin, a.ID))
	}
	return h.show(c, http.StatusOK, a, client, session, false)
}

// Post takes the answer.
func (h *AppDevices) Post(c echo.Context) error {
	r := c.Request()
	if err := h.Cookies.CheckCSRF(r); err != nil {
		return err
	}
	a, client, session, err := h.prepare(c, r.PostForm.Get("id"))
	if err != nil {
		return err
	}
	if session.ID == "" {
		return c.Redirect(http.StatusSeeOther, withID(pathLogin, a.ID))
	}
	chosen := r.PostForm["device"]
	actor := signout.UserActor(c, session.Subject)
	actor.UserAgent = clean(actor.UserAgent, maxUserAgent)
	err = h.Devices.MakeRoom(context.WithoutCancel(r.Context()), session, client, chosen[:min(len(chosen), maxChosen)], actor)
	var refusal *device.Refusal
	switch {
	case errors.As(err, &refusal):
		return h.show(c, http.StatusUnprocessableEntity, a, client, session, true)
	case err != nil:
		return err
	}
	return c.Redirect(http.StatusSeeOther, withID(pathResume, a.ID))
}

// prepare finds the waiting request, its app, and the session of this browser; the zero Session when nobody is logged in.
func (h *AppDevices) prepare(c echo.Context, id string) (a identity.Authorization, client identity.Client, session logout.Session, err error) {
	ctx, r := c.Request().Context(), c.Request()
	if a, err = waiting(ctx, h.Authorizations, h.Cookies, r, id, h.Now()); err != nil {
		return a, client, session, err
	}
	browser.SetLocales(c, a.Request.UILocales...)
	if client, err = h.Clients.Client(ctx, a.ClientID); err != nil {
		return a, client, session, err
	}
	session, live, err := h.Current.Session(ctx, r)
	if !live {
		session = logout.Session{}
	}
	return a, client, session, err
}

// show shows the devices as they are now.
func (h *AppDevices) show(c echo.Context, status int, a identity.Authorization, client identity.Client, session logout.Session, again bool) error {
	refusal, err := h.Devices.AppFull(c.Request().Context(), session, client)
	if err != nil {
		return err
	}
	if refusal == nil { // somebody has made room meanwhile
		return c.Redirect(http.StatusSeeOther, withID(pathResume, a.ID))
	}
	data := browser.DevicesPage{
		AuthorizationID: a.ID, ClientName: displayName(client), OfApp: true, CSRF: h.Cookies.CSRF(c.Response(), c.Request()),
	}
	if refusal.Limit.Policy == identity.DeviceAsk {
		data.Action = pathAppDevices
		if again {
			data.Error = h.Pages.Language(c).Text("devices.choose", "n", refusal.Surplus())
		}
	} else {
		status = http.StatusForbidden
	}
	return h.Pages.Render(c, status, "devices", browser.Page{
		FormAction: []string{a.Request.RedirectURI}, Data: devicesPage(h.Pages.Language(c), refusal, h.Now(), data),
	})
}
