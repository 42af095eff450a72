package protocol

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider/identity"
)

// adminDevices is what the admin API does with devices.
type adminDevices interface {
	Devices(ctx context.Context, user identity.User) ([]identity.Device, error)
	DetachDevice(ctx context.Context, id string, actor logout.Actor) (*logout.Outcome, error)
	ExcludeDevice(ctx context.Context, id string, excluded bool, actor logout.Actor) error
}

// adminDeviceView is a device as an operator sees it. What apps have attached to it is theirs.
type adminDeviceView struct {
	ID         string    `json:"device_id"`
	Subject    string    `json:"sub"`
	Name       string    `json:"name"`
	UserAgent  string    `json:"user_agent,omitempty"`
	Address    string    `json:"address,omitempty"`
	Place      string    `json:"place,omitempty"`
	SignedIn   bool      `json:"signed_in"`
	Excluded   bool      `json:"excluded"`
	AttachedAt time.Time `json:"attached_at"`
	SeenAt     time.Time `json:"seen_at"`
}

// adminDevicesAnswer lists a user's devices, the one that was seen last first.
type adminDevicesAnswer struct {
	Devices []adminDeviceView `json:"devices"`
}

// UserDevices answers GET /devices: sub or user, one of which is needed.
func (a *AdminAPI) UserDevices(c echo.Context) error {
	ctx, q := c.Request().Context(), c.QueryParams()
	f, err := a.filter(ctx, q)
	if err != nil {
		return err
	}
	if f.Subject == "" {
		return invalidRequest("Nobody is named; give sub or user.")
	}
	list, err := a.Devices.Devices(ctx, identity.User{ID: f.Subject})
	if err != nil {
		return unavailable(err)
	}
	answer := adminDevicesAnswer{Devices: []adminDeviceView{}}
	for _, d := range list {
		answer.Devices = append(answer.Devices, adminDeviceView{
			ID: d.ID, Subject: d.Subject, Name: d.Name, UserAgent: d.UserAgent, Address: d.Address, Place: d.Place.String(), SignedIn: d.SignedIn,
			Excluded: d.Excluded, AttachedAt: d.CreatedAt, SeenAt: d.SeenAt,
		})
	}
	return c.JSON(http.StatusOK, answer)
}

// DetachDevice answers POST /devices/:id/detach, with what ended.
func (a *AdminAPI) DetachDevice(c echo.Context) error {
	id, err := pathID(c)
	if err != nil || id == "" {
		return notThere("device")
	}
	out, err := a.Devices.DetachDevice(context.WithoutCancel(c.Request().Context()), id, adminActor(c))
	switch {
	case errors.Is(err, identity.ErrNoDevice):
		return notThere("device")
	case err != nil:
		return unavailable(err)
	}
	return c.JSON(http.StatusOK, endedAnswer{LogoutID: out.LogoutID, Ended: len(out.Sessions), Told: len(out.Receipts)})
}

// ExcludeDevice answers POST /devices/:id/exclude: the device counts for no limit.
func (a *AdminAPI) ExcludeDevice(c echo.Context) error { return a.exclude(c, true) }

// IncludeDevice answers POST /devices/:id/include: it counts again.
func (a *AdminAPI) IncludeDevice(c echo.Context) error { return a.exclude(c, false) }

func (a *AdminAPI) exclude(c echo.Context, excluded bool) error {
	id, err := pathID(c)
	if err != nil || id == "" {
		return notThere("device")
	}
	err = a.Devices.ExcludeDevice(context.WithoutCancel(c.Request().Context()), id, excluded, adminActor(c))
	switch {
	case errors.Is(err, identity.ErrNoDevice):
		return notThere("device")
	case err != nil:
		return unavailable(err)
	}
	return c.NoContent(http.StatusNoContent)
}
