package protocol

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider/browser"
	"github.com/exeunt-id/exeunt/provider/device"
	"github.com/exeunt-id/exeunt/provider/identity"
	"github.com/exeunt-id/exeunt/provider/signout"
)

// freshLogin is how long ago a person may have proved who they are when an app detaches another of their devices.
const freshLogin = 5 * time.Minute

// deviceReader finds devices and what an app has attached to them.
type deviceReader interface {
	Of(ctx context.Context, subject string) ([]identity.Device, error)
	AttachmentsBy(ctx context.Context, subject, clientID string) (map[string]identity.Attachment, error)
}

// deviceRegistry attaches and detaches; *device.Registry does.
type deviceRegistry interface {
	AttachApp(ctx context.Context, a device.AppAttachment) (identity.Device, identity.Attachment, error)
	Detach(ctx context.Context, req logout.Request) (*logout.Outcome, error)
	Refused(ctx context.Context, refusal *device.Refusal) error
}

// Devices answers what an app asks about its user's devices, with the user's access token: POST and GET /api/devices, DELETE /api/devices/{id}.
//
//  1. The token is live, a user's, and of a session that lives with the app in it (401). So a token of an offline grant is good for nothing here
//     after the logout.
//  2. Listing needs the scope devices.read, detaching devices.detach (403). Attaching to the device that the session is on needs none.
//  3. An app sees what it has attached itself, and no other app's.
//
// A page may call them from an origin of the token's client, and from no other (403). Servers and native apps say no origin.
type Devices struct {
	Settings
	Grants   tokenReader
	Clients  identity.Clients
	Origins  Origins
	Sessions sessionFinder
	Store    deviceReader
	Registry deviceRegistry
}

// sessionFinder finds sessions, ended or not.
type sessionFinder interface {
	Find(ctx context.Context, id string) (logout.Session, error)
}

// deviceView is a device as an app sees it.
type deviceView struct {
	ID         string          `json:"id"`
	OwnID      string          `json:"device_id,omitempty"` // what the app itself calls it
	Name       string          `json:"name"`
	Place      string          `json:"place,omitempty"`
	Current    bool            `json:"current"` // the session of the token is on it
	SignedIn   bool            `json:"signed_in"`
	AttachedAt time.Time       `json:"attached_at"`
	SeenAt     time.Time       `json:"seen_at"`
	Metadata   json.RawMessage `json:"metadata"`
	Redirects  deviceRedirects `json:"redirect_urls,omitzero"`
}

// deviceRedirects are the app's own addresses.
type deviceRedirects struct {
	LogoutURL string `json:"logout_url,omitempty"` // where its pages go when the device is detached
}

func newDeviceView(d identity.Device, a identity.Attachment, current string) deviceView {
	v := deviceView{
		ID: d.ID, OwnID: a.OwnID, Name: d.Name, Place: d.Place.String(), Current: d.ID == current, SignedIn: d.SignedIn, AttachedAt: d.CreatedAt,
		SeenAt: d.SeenAt, Metadata: a.Metadata, Redirects: deviceRedirects{a.LogoutURL},
	}
	if len(v.Metadata) == 0 {
		v.Metadata = json.RawMessage("{}")
	}
	return v
}

// Preflight answers the question that a browser asks before a page calls by one of these methods (Fetch, 4.8).
func (h *Devices) Preflight(methods string) echo.HandlerFunc {
	return preflight(h.Origins, methods, echo.HeaderAuthorization+", "+echo.HeaderContentType, false)
}

// Attach answers POST /api/devices: the device that the session is on, with what the app has attached to it now.
func (h *Devices) Attach(c echo.Context) error {
	state, client, err := h.token(c, "")
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	body, err := readAttachment(c, client)
	if err != nil {
		return err
	}
	d, attached, err := h.Registry.AttachApp(context.WithoutCancel(ctx), device.AppAttachment{
		ClientID: client.ID, Subject: state.Grant.Subject, SessionID: state.Grant.SessionID, OwnID: body.OwnID, Metadata: body.Metadata,
		LogoutURL: body.Redirects.LogoutURL,
	})
	var refusal *device.Refusal
	switch {
	case errors.Is(err, logout.ErrNoSession), errors.Is(err, identity.ErrNoUser):
		return h.refuseToken(c)
	case errors.As(err, &refusal):
		if err := h.Registry.Refused(context.WithoutCancel(ctx), refusal); err != nil {
			return unavailable(err)
		}
		return deviceRefused()
	case err != nil:
		return unavailable(err)
	}
	return c.JSON(http.StatusOK, newDeviceView(d, attached, d.ID))
}

// devicesAnswer lists devices, the one that was seen last first.
type devicesAnswer struct {
	Devices []deviceView `json:"devices"`
}

// List answers GET /api/devices: the devices that are attached to the user.
func (h *Devices) List(c echo.Context) error {
	state, _, err := h.token(c, identity.ScopeDevicesRead)
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	current, err := h.current(ctx, state)
	if err != nil {
		return err
	}
	all, err := h.Store.Of(ctx, state.Grant.Subject)
	if err != nil {
		return unavailable(err)
	}
	attached, err := h.Store.AttachmentsBy(ctx, state.Grant.Subject, state.Grant.ClientID)
	if err != nil {
		return unavailable(err)
	}
	answer := devicesAnswer{Devices: []deviceView{}}
	for _, d := range all {
		answer.Devices = append(answer.Devices, newDeviceView(d, attached[d.ID], current))
	}
	return c.JSON(http.StatusOK, answer)
}

// Detach answers DELETE /api/devices/{id}: 204 when the device was detached, 404 when the user has none of that id. Another device than the
// session's own is detached only by somebody who has just logged in.
func (h *Devices) Detach(c echo.Context) error {
	state, _, err := h.token(c, identity.ScopeDevicesDetach)
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	current, err := h.current(ctx, state)
	if err != nil {
		return err
	}
	id, err := pathID(c)
	if err != nil || id == "" {
		return notThere("device")
	}
	if id != current && h.Now().Sub(state.Grant.AuthTime) > freshLogin {
		return h.refuseAge(c, freshLogin)
	}
	actor := signout.ClientActor(c, state.Grant.ClientID)
	actor.Kind, actor.ID = "user", state.Grant.Subject
	_, err = h.Registry.Detach(context.WithoutCancel(ctx), logout.Request{
		Actor: actor, InitiatorClientID: state.Grant.ClientID, Target: logout.Target{Subject: state.Grant.Subject, DeviceID: id},
	})
	switch {
	case errors.Is(err, identity.ErrNoDevice):
		return notThere("device")
	case err != nil:
		return unavailable(err)
	}
	return c.NoContent(http.StatusNoContent)
}

// token is steps 1 and 2, and whose page calls. Without a scope none is needed.
func (h *Devices) token(c echo.Context, scope string) (identity.TokenState, identity.Client, error) {
	noStore(c)
	c.Response().Header().Add(echo.HeaderVary, echo.HeaderOrigin)
	token, ok := bearer(c)
	if !ok {
		return identity.TokenState{}, identity.Client{}, h.challenge(c)
	}
	ctx := c.Request().Context()
	state, err := h.Grants.Token(ctx, browser.Hash(token))
	if errors.Is(err, identity.ErrNoToken) {
		return state, identity.Client{}, h.refuseToken(c)
	}
	if err != nil {
		return state, identity.Client{}, unavailable(err)
	}
	client, err := h.Clients.Client(ctx, state.Grant.ClientID)
	switch {
	case errors.Is(err, identity.ErrNoClient):
		return state, client, h.refuseToken(c)
	case err != nil:
		return state, client, unavailable(err)
	}
	if err := admitOrigin(c, client, false); err != nil {
		return state, client, err
	}
	now := h.Now()
	switch {
	case state.Token.Kind != identity.KindAccess, state.Grant.OfClient(), !state.Live(now), !state.SessionLive(now), state.ParticipationEnded:
		return state, client, h.refuseToken(c)
	case scope != "" && !slices.Contains(state.Token.Scopes, scope):
		return state, client, h.refuseScope(c, scope)
	}
	return state, client, nil
}

// current returns the device that the token's session is on; empty for none.
func (h *Devices) current(ctx context.Context, state identity.TokenState) (string, error) {
	session, err := h.Sessions.Find(ctx, state.Grant.SessionID)
	if err != nil {
		return "", unavailable(err)
	}
	return session.DeviceID, nil
}
