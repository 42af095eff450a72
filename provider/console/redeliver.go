package console

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider/browser"
)

// redeliverPage is the data of "redeliver".
type redeliverPage struct {
	Hidden       []browser.Field
	App          *person // if the filter names one
	Untold, Told string  // how many
	AnyUntold    bool
	AnyTold      bool
	Cancel       string
}

// countMost is how far the page counts.
const countMost = 100_000

// RedeliverOne answers POST /admin/deliveries/:id/redeliver.
func (h *Console) RedeliverOne(c echo.Context) error {
	id := clean(c.Param("id"), maxID)
	if id == "" {
		return notFound("delivery", nil)
	}
	n, err := h.redeliver(c, logout.Filter{DeliveryID: id, Acknowledged: true})
	if err != nil {
		return err
	}
	return redirectDone(c, pathDeliveries+"/"+id, nil, "redelivered", n)
}

// RedeliverForm answers GET /admin/redeliver: how many a filter names, before anything happens.
func (h *Console) RedeliverForm(c echo.Context) error {
	ctx := c.Request().Context()
	f, form, err := h.filter(ctx, c.QueryParams())
	if err != nil {
		return err
	}
	if err := worth(form); err != nil {
		return err
	}
	page := redeliverPage{Cancel: address(pathDeliveries, form.query())}
	if !f.Since.IsZero() { // what is confirmed is what was counted, however long somebody thinks about it
		form.Since, form.From = "", f.Since.Format(time.RFC3339Nano)
	}
	for name, values := range form.query() {
		page.Hidden = append(page.Hidden, browser.Field{Name: name, Value: values[0]})
	}
	slices.SortFunc(page.Hidden, func(a, b browser.Field) int { return slices.Compare([]byte(a.Name), []byte(b.Name)) })
	if form.ClientID != "" {
		name, err := h.clientName(ctx, form.ClientID)
		if err != nil {
			return err
		}
		page.App = &person{form.ClientID, name}
	}
	untold, err := h.countIn(ctx, f, logout.Redeliverable(false))
	if err != nil {
		return err
	}
	told, err := h.countIn(ctx, f, []logout.State{logout.StateDelivered})
	if err != nil {
		return err
	}
	page.Untold, page.Told, page.AnyUntold, page.AnyTold = upTo(untold), upTo(told), untold > 0, told > 0
	return h.render(c, http.StatusOK, "redeliver", "Tell again", view{Nav: pathDeliveries, Body: page})
}

func upTo(n int) string {
	if n == countMost {
		return "at least " + number(n)
	}
	return number(n)
}

// countIn counts what the filter names among some states.
func (h *Console) countIn(ctx context.Context, f logout.Filter, among []logout.State) (int, error) {
	if len(f.States) > 0 {
		among = slices.DeleteFunc(slices.Clone(among), func(s logout.State) bool { return !slices.Contains(f.States, s) })
		if len(among) == 0 {
			return 0, nil
		}
	}
	f.States = among
	return h.Ledger.Count(ctx, f, countMost)
}

// Redeliver answers POST /admin/redeliver.
func (h *Console) Redeliver(c echo.Context) error {
	f, form, err := h.filter(c.Request().Context(), c.Request().PostForm)
	if err != nil {
		return err
	}
	if err := worth(form); err != nil {
		return err
	}
	f.Before, f.Limit = logout.Position{}, 0
	n, err := h.redeliver(c, f)
	if err != nil {
		return err
	}
	// What is told again is no longer in the state that the filter named.
	form.State = ""
	return redirectDone(c, pathDeliveries, form.query(), "redelivered", n)
}

// worth refuses a filter that cannot be read, or that names everything: that is never meant.
func worth(form filterForm) error {
	switch {
	case form.Problem != "":
		return &browser.Error{Status: http.StatusBadRequest, Title: "This filter cannot be read", Message: form.Problem, Hint: "Go back and mend it. Nothing was done."}
	case !form.Active:
		return &browser.Error{
			Status: http.StatusBadRequest, Title: "Nothing is chosen", Message: "Tell again what? Without a filter that would be everything that was ever told.",
			Hint: "Go back and choose at least an app, a state or a time. Nothing was done.",
		}
	}
	return nil
}

func (h *Console) redeliver(c echo.Context, f logout.Filter) (int, error) {
	ctx := context.WithoutCancel(c.Request().Context()) // somebody who closes the page does not undo half of it
	n, err := h.Engine.Redeliver(ctx, actor(c), f)
	h.Logger.InfoContext(ctx, "deliveries are told again", "admin", adminOf(c).user.ID, "address", c.RealIP(), "deliveries", n, "delivery", f.DeliveryID,
		"client", f.ClientID, "states", f.States, "since", f.Since, "until", f.Until, "include_delivered", f.Acknowledged)
	return n, err
}
