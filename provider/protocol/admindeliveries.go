package protocol

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/labstack/echo/v4"

	"github.com/exeunt-id/exeunt/logout"
)

// deliveriesAnswer is a page of deliveries.
type deliveriesAnswer struct {
	Deliveries []logout.DeliveryView `json:"deliveries"`
	NextCursor string                `json:"next_cursor,omitempty"` // absent on the last page
}

// redeliveredAnswer says how many are being told again.
type redeliveredAnswer struct {
	Redelivered int `json:"redelivered"`
}

// listDeliveries answers with a page of what a filter names, seen by view.
func listDeliveries(c echo.Context, ledger deliveryReader, f logout.Filter, view func(d logout.Delivery) logout.DeliveryView) error {
	limit := f.Limit
	if limit == 0 {
		limit = adminDefaultPage
	}
	f.Limit = limit + 1
	list, err := ledger.List(c.Request().Context(), f)
	if err != nil {
		return unavailable(err)
	}
	answer := deliveriesAnswer{Deliveries: []logout.DeliveryView{}}
	if len(list) > limit {
		list = list[:limit]
		answer.NextCursor = list[limit-1].Position().String()
	}
	for _, d := range list {
		answer.Deliveries = append(answer.Deliveries, view(d))
	}
	return c.JSON(http.StatusOK, answer)
}

// Deliveries answers GET /deliveries. The parameters are those of logout.ParseFilter, and user.
func (a *AdminAPI) Deliveries(c echo.Context) error {
	q := c.QueryParams()
	f, err := a.filter(c.Request().Context(), q)
	if err != nil {
		return err
	}
	return listDeliveries(c, a.Ledger, f, func(d logout.Delivery) logout.DeliveryView { return d.View() })
}

// filter reads a filter. What no text can be is refused before anybody is looked up.
func (a *AdminAPI) filter(ctx context.Context, q url.Values) (logout.Filter, error) {
	check := url.Values{"sub": {q.Get("user")}}
	if _, err := logout.ParseFilter(check, a.Now()); err != nil {
		return logout.Filter{}, filterRefused(err)
	}
	if err := a.subjectOfName(ctx, q); err != nil {
		return logout.Filter{}, err
	}
	f, err := logout.ParseFilter(q, a.Now())
	if err != nil {
		return f, filterRefused(err)
	}
	return f, nil
}

// Delivery answers GET /deliveries/:id with the delivery and every attempt.
func (a *AdminAPI) Delivery(c echo.Context) error {
	d, attempts, err := a.show(c)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, d.View(attempts...))
}

func (a *AdminAPI) show(c echo.Context) (logout.Delivery, []logout.Attempt, error) {
	return showDelivery(c, a.Ledger)
}

// showDelivery reads the delivery that the path names.
func showDelivery(c echo.Context, ledger deliveryReader) (logout.Delivery, []logout.Attempt, error) {
	id, err := pathID(c)
	if err != nil {
		return logout.Delivery{}, nil, notThere("delivery")
	}
	d, attempts, err := ledger.Show(c.Request().Context(), id)
	if errors.Is(err, logout.ErrNoDelivery) {
		return d, nil, notThere("delivery")
	}
	if err != nil {
		return d, nil, unavailable(err)
	}
	return d, attempts, nil
}

// pathID returns the parameter id of the path, if it can be one.
func pathID(c echo.Context) (string, error) {
	id, err := url.PathUnescape(c.Param("id"))
	if err != nil {
		return "", err
	}
	_, err = logout.ParseFilter(url.Values{"delivery_id": {id}}, noTime)
	return id, err
}

// RedeliverOne answers POST /deliveries/:id/redeliver. One that was acknowledged is told again, too: whoever names it means it.
func (a *AdminAPI) RedeliverOne(c echo.Context) error {
	d, _, err := a.show(c)
	if err != nil {
		return err
	}
	return a.redeliver(c, logout.Filter{DeliveryID: d.ID, Acknowledged: true})
}

// chosen is the body of POST /deliveries/redeliver: the parameters of a list.
type chosen struct {
	DeliveryID       string   `json:"delivery_id"`
	LogoutID         string   `json:"logout_id"`
	ClientID         string   `json:"client_id"`
	SessionID        string   `json:"session_id"`
	Subject          string   `json:"sub"`
	User             string   `json:"user"`
	State            []string `json:"state"`
	Channel          string   `json:"channel"`
	Cause            string   `json:"cause"`
	Since            string   `json:"since"`
	Until            string   `json:"until"`
	Error            string   `json:"error"`
	IncludeDelivered bool     `json:"include_delivered"`
}

func (b chosen) values() (q url.Values, any bool) {
	q = url.Values{}
	for name, value := range map[string]string{
		"delivery_id": b.DeliveryID, "logout_id": b.LogoutID, "client_id": b.ClientID, "session_id": b.SessionID, "sub": b.Subject, "user": b.User,
		"channel": b.Channel, "cause": b.Cause, "since": b.Since, "until": b.Until, "error": b.Error,
	} {
		if value != "" {
			q.Set(name, value)
		}
	}
	if len(b.State) > 0 {
		q["state"] = b.State
	}
	any = len(q) > 0
	if b.IncludeDelivered {
		q.Set("include_delivered", "true")
	}
	return q, any
}

// Redeliver answers POST /deliveries/redeliver. An empty choice is refused: it would be everything that was ever told.
func (a *AdminAPI) Redeliver(c echo.Context) error {
	var body chosen
	if err := readChoice(c, &body); err != nil {
		return err
	}
	q, any := body.values()
	if !any {
		return invalidRequest("Nothing is chosen; name at least client_id, state, since or another member.")
	}
	f, err := a.filter(c.Request().Context(), q)
	if err != nil {
		return err
	}
	return a.redeliver(c, f)
}

func (a *AdminAPI) redeliver(c echo.Context, f logout.Filter) error {
	ctx := context.WithoutCancel(c.Request().Context())
	n, err := a.Engine.Redeliver(ctx, adminActor(c), f)
	by := adminActor(c)
	a.Logger.InfoContext(ctx, "deliveries are told again", "by", by.Kind, "id", by.ID, "address", by.Address, "deliveries", n, "delivery", f.DeliveryID,
		"client", f.ClientID, "states", f.States, "since", f.Since, "until", f.Until, "include_delivered", f.Acknowledged)
	if err != nil {
		return unavailable(err)
	}
	return c.JSON(http.StatusOK, redeliveredAnswer{n})
}
