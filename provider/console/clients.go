package console

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/labstack/echo/v4"

	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider/identity"
)

// clientsPage is the data of "clients".
type clientsPage struct {
	Rows    []clientRow
	Wrong   int
	Further string // address of the clients after these
}

// clientRow says how a client is.
type clientRow struct {
	person
	Gone          bool // deleted, but there is still something to tell
	Mark          mark // how it is
	Waiting       int
	Oldest        *moment
	Failed        int
	LastDelivered *moment
	Hour, Day     string // share of what was told
	Median, P95   string // of the day; of the hour while the day has none
	Receivers     []receiverRow
}

// receiverRow is one channel of a client.
type receiverRow struct {
	Channel, URI string
	Open         bool
	Since        *moment
	Reason       string
	NextProbe    *moment
	InFlight     int
	Waiting      int
	LastSuccess  *moment
}

// clientPage is the data of "client".
type clientPage struct {
	clientRow
	Client              identity.Client
	Tally               []tallied
	Recent              []deliveryRow
	All, Untold         string // addresses
	Failing             string
	HourMedian, HourP95 string
}

// tallied is how many deliveries are in a state.
type tallied struct {
	Mark mark
	N    string
	Show string
}

// clientPageSize is how many clients one page shows; it asks the figures of each.
const clientPageSize = 100

// ClientList answers GET /admin/clients: how each relying party is, the worst first.
func (h *Console) ClientList(c echo.Context) error {
	ctx := c.Request().Context()
	after := clean(c.QueryParam("after"), 255)
	clients, err := h.Clients.ClientsAfter(ctx, after, clientPageSize+1)
	if err != nil {
		return err
	}
	var page clientsPage
	if len(clients) > clientPageSize {
		clients = clients[:clientPageSize]
		page.Further = address(pathClients, nil, "after", clients[clientPageSize-1].ID)
	}
	ids, known := make([]string, len(clients)), map[string]bool{}
	for i, client := range clients {
		ids[i], known[client.ID] = client.ID, true
	}
	overview, err := h.Engine.Overview(ctx, ids...)
	if err != nil {
		return err
	}
	for _, o := range logout.Worst(overview) {
		row, err := h.clientRow(ctx, o)
		if err != nil {
			return err
		}
		if !known[row.ID] && (!row.Gone || after != "") {
			continue // on another page
		}
		if row.Mark.Kind != "told" && row.Mark.Kind != "leave" {
			page.Wrong++
		}
		page.Rows = append(page.Rows, row)
	}
	return h.render(c, http.StatusOK, "clients", "Apps", view{Nav: pathClients, Live: 2 * liveEvery, Body: page})
}

func (h *Console) clientRow(ctx context.Context, o logout.Overview) (clientRow, error) {
	client, err := h.Clients.Client(ctx, o.ClientID)
	if err != nil && !errors.Is(err, identity.ErrNoClient) {
		return clientRow{}, err
	}
	row := clientRow{
		person: person{o.ClientID, client.Name}, Gone: err != nil, Waiting: o.Untold.Open(), Oldest: h.at(o.OldestOpen), Failed: o.Untold.Failed(),
		LastDelivered: h.at(o.LastDelivered), Hour: success(o.Hour), Day: success(o.Day),
	}
	if row.Name == "" {
		row.Name = o.ClientID
	}
	if o.Day.Median > 0 {
		row.Median, row.P95 = span(o.Day.Median), span(o.Day.P95)
	}
	for _, r := range o.Receivers {
		row.Receivers = append(row.Receivers, receiverRow{
			Channel: string(r.Channel), Open: r.Open, Since: h.at(r.Since), Reason: r.Reason, NextProbe: h.at(r.NextProbe), InFlight: r.InFlight, Waiting: r.Backlog,
			LastSuccess: h.at(r.LastSuccess),
		})
	}
	_, open := o.Breaker()
	switch {
	case open:
		row.Mark = mark{"down", "failed"}
	case row.Waiting > 0 && h.needsLook(o):
		row.Mark = mark{"behind", "retrying"}
	case row.Failed > 0:
		row.Mark = mark{"given up", "failed"}
	case !row.Gone && client.BackchannelLogoutURI+client.FrontchannelLogoutURI+client.WebhookURI == "" && len(o.Receivers) == 0:
		row.Mark = mark{"no channel", "leave"}
	default:
		row.Mark = mark{"well", "told"}
	}
	return row, nil
}

// Client answers GET /admin/clients/:id.
func (h *Console) Client(c echo.Context) error {
	ctx := c.Request().Context()
	id, err := url.PathUnescape(c.Param("id"))
	if err != nil || id != clean(id, 255) || id == "" {
		return notFound("client", err)
	}
	overview, err := h.Engine.Overview(ctx, id)
	if err != nil {
		return err
	}
	o := overview[id]
	row, err := h.clientRow(ctx, o)
	if err != nil {
		return err
	}
	recent, err := h.Ledger.List(ctx, logout.Filter{ClientID: id, Limit: 10, States: groups["untold"]})
	if err != nil {
		return err
	}
	if row.Gone && o.Untold.Total() == 0 && o.LastDelivered.IsZero() {
		return notFound("client", nil)
	}
	page := clientPage{
		clientRow: row, All: address(pathDeliveries, nil, "client_id", id), Untold: address(pathDeliveries, nil, "client_id", id, "state", "untold"),
		Failing: address(pathRedeliver, nil, "client_id", id, "state", "failed"),
	}
	if !row.Gone {
		if page.Client, err = h.Clients.Client(ctx, id); err != nil {
			return err
		}
	}
	if o.Hour.Median > 0 {
		page.HourMedian, page.HourP95 = span(o.Hour.Median), span(o.Hour.P95)
	}
	for _, state := range logout.States() {
		if n := o.Untold[state]; n > 0 {
			page.Tally = append(page.Tally, tallied{markOf(state), number(n), address(pathDeliveries, nil, "client_id", id, "state", string(state))})
		}
	}
	if page.Recent, err = h.rows(ctx, recent); err != nil {
		return err
	}
	return h.render(c, http.StatusOK, "client", row.Name, view{Nav: pathClients, Live: liveEvery, Body: page})
}
