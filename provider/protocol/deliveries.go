package protocol

import (
	"context"
	"net/http"
	"net/url"
	"slices"

	"github.com/labstack/echo/v4"

	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider/identity"
	"github.com/exeunt-id/exeunt/provider/signout"
)

// deliveriesParameters narrow a client's view of its own deliveries.
var deliveriesParameters = []string{"state", "channel", "cause", "since", "until", "error", "cursor", "limit"}

var (
	ownListParameters      = append(slices.Clone(clientParameters), deliveriesParameters...)
	ownRedeliverParameters = append(slices.Clone(clientParameters), "delivery_id", "since")
)

// Redeliverer gives deliveries another chance, and has the audit trail say who asked for it.
type Redeliverer interface {
	Redeliver(ctx context.Context, actor logout.Actor, f logout.Filter) (int, error)
}

// Deliveries is what a relying party may know of what it was told, and was not: its own deliveries and nobody else's.
//
//	GET  /api/deliveries             a list; POST does the same, for clients that authenticate in the body
//	GET  /api/deliveries/:id         one, with its attempts
//	POST /api/deliveries/redeliver   tell me again what you gave up
//
// The client proves who it is as where it pulls its events.
type Deliveries struct {
	Settings
	Events *Events
	Ledger deliveryReader
	Engine Redeliverer
}

// List answers GET and POST /api/deliveries.
func (h *Deliveries) List(c echo.Context) error {
	noStore(c)
	q, p, err := h.read(c, ownListParameters)
	if err != nil {
		return err
	}
	client, err := h.Events.client(c, p)
	if err != nil {
		return err
	}
	f, err := logout.ParseFilter(q, h.Now())
	if err != nil {
		return filterRefused(err)
	}
	return listDeliveries(c, h.Ledger, own(f, client), func(d logout.Delivery) logout.DeliveryView { return d.OwnView() })
}

// own narrows a filter to what the client may see, whatever else it asked for.
func own(f logout.Filter, client identity.Client) logout.Filter {
	return logout.Filter{
		DeliveryID: f.DeliveryID, ClientID: client.ID, States: f.States, Channel: f.Channel, Cause: f.Cause, Since: f.Since, Until: f.Until, ErrorText: f.ErrorText,
		Before: f.Before, Limit: f.Limit,
	}
}

// read returns the parameters: of a GET those of the address, in which nothing authenticates; of a POST those of the body.
func (h *Deliveries) read(c echo.Context, names []string) (url.Values, parameters, error) {
	if c.Request().Method == http.MethodGet {
		q := c.QueryParams()
		for _, name := range secretParameters {
			if q.Has(name) {
				return nil, nil, invalidRequest("The parameter %s must not be sent in the URL; authenticate by the Authorization header, or by POST.", name)
			}
		}
		return q, parameters{}, nil
	}
	p, err := readForm(c, names...)
	if err != nil {
		return nil, nil, err
	}
	q := url.Values{}
	for name, value := range p {
		q.Set(name, value)
	}
	return q, p, nil
}

// Show answers GET /api/deliveries/:id. Another client's delivery is not there.
func (h *Deliveries) Show(c echo.Context) error {
	noStore(c)
	_, p, err := h.read(c, nil)
	if err != nil {
		return err
	}
	client, err := h.Events.client(c, p)
	if err != nil {
		return err
	}
	d, attempts, err := showDelivery(c, h.Ledger)
	if err != nil {
		return err
	}
	if d.ClientID != client.ID {
		return notThere("delivery")
	}
	return c.JSON(http.StatusOK, d.OwnView(attempts...))
}

// Redeliver answers POST /api/deliveries/redeliver: what was given up for this client, dead or rejected, all or one (delivery_id) or since a
// time, is told again.
func (h *Deliveries) Redeliver(c echo.Context) error {
	noStore(c)
	p, err := readForm(c, ownRedeliverParameters...)
	if err != nil {
		return err
	}
	client, err := h.Events.client(c, p)
	if err != nil {
		return err
	}
	f, err := logout.ParseFilter(url.Values{"delivery_id": {p["delivery_id"]}, "since": {p["since"]}}, h.Now())
	if err != nil {
		return filterRefused(err)
	}
	f = own(f, client)
	f.States = []logout.State{logout.StateDead, logout.StateRejected}
	ctx := context.WithoutCancel(c.Request().Context())
	n, err := h.Engine.Redeliver(ctx, signout.ClientActor(c, client.ID), f)
	h.Logger.InfoContext(ctx, "a client has asked to be told again", "client", client.ID, "deliveries", n)
	if err != nil {
		return unavailable(err)
	}
	return c.JSON(http.StatusOK, redeliveredAnswer{n})
}
