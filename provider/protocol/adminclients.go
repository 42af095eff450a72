package protocol

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider/identity"
)

// noTime is "never".
var noTime time.Time

// clientView says how the delivery to a client goes.
type clientView struct {
	ClientID      string         `json:"client_id"`
	ClientName    string         `json:"client_name,omitempty"`
	Deleted       bool           `json:"deleted,omitempty"`
	Waiting       int            `json:"waiting"`  // pending and retrying
	GivenUp       int            `json:"given_up"` // dead and rejected
	Untold        logout.Tally   `json:"untold"`   // by state, all that were not acknowledged
	OldestWaiting time.Time      `json:"oldest_waiting_at,omitzero"`
	LastDelivered time.Time      `json:"last_delivered_at,omitzero"`
	LastHour      windowView     `json:"last_hour"`
	LastDay       windowView     `json:"last_day"`
	Receivers     []receiverView `json:"receivers"`
}

type windowView struct {
	Told     int      `json:"told"`
	Failing  int      `json:"failing"`
	Success  *float64 `json:"success,omitempty"` // told among told and failing
	MedianMS *int64   `json:"median_ms,omitempty"`
	P95MS    *int64   `json:"p95_ms,omitempty"`
}

type receiverView struct {
	Channel       logout.Channel `json:"channel"`
	Breaker       string         `json:"breaker"` // open or closed
	Since         time.Time      `json:"since,omitzero"`
	Reason        string         `json:"reason,omitempty"`
	NextProbe     time.Time      `json:"next_probe_at,omitzero"`
	InFlight      int            `json:"in_flight"`
	Waiting       int            `json:"waiting"`
	LastDelivered time.Time      `json:"last_delivered_at,omitzero"` // to the minute
}

func newWindowView(w logout.Window) windowView {
	v := windowView{Told: w.Told, Failing: w.Failing}
	if share, known := w.Success(); known {
		v.Success = &share
	}
	if w.Median > 0 {
		median, p95 := w.Median.Milliseconds(), w.P95.Milliseconds()
		v.MedianMS, v.P95MS = &median, &p95
	}
	return v
}

func newClientView(o logout.Overview, client identity.Client, deleted bool) clientView {
	v := clientView{
		ClientID: o.ClientID, ClientName: client.Name, Deleted: deleted, Waiting: o.Untold.Open(), GivenUp: o.Untold.Failed(), Untold: o.Untold,
		OldestWaiting: o.OldestOpen, LastDelivered: o.LastDelivered, LastHour: newWindowView(o.Hour), LastDay: newWindowView(o.Day), Receivers: []receiverView{},
	}
	for _, r := range o.Receivers {
		breaker := "closed"
		if r.Open {
			breaker = "open"
		}
		v.Receivers = append(v.Receivers, receiverView{r.Channel, breaker, r.Since, r.Reason, r.NextProbe, r.InFlight, r.Backlog, r.LastSuccess})
	}
	return v
}

// clientsAnswer is a page of clients, by id.
type clientsAnswer struct {
	Clients    []clientView `json:"clients"`
	NextCursor string       `json:"next_cursor,omitempty"`
}

// ClientsHealth answers GET /clients.
func (a *AdminAPI) ClientsHealth(c echo.Context) error {
	ctx := c.Request().Context()
	after, limit, err := clientPage(c.QueryParams())
	if err != nil {
		return err
	}
	clients, err := a.Clients.ClientsAfter(ctx, after, limit+1)
	if err != nil {
		return unavailable(err)
	}
	answer := clientsAnswer{Clients: []clientView{}}
	if len(clients) > limit {
		clients = clients[:limit]
		answer.NextCursor = clients[limit-1].ID
	}
	if len(clients) == 0 {
		return c.JSON(http.StatusOK, answer)
	}
	ids := make([]string, len(clients))
	for i, client := range clients {
		ids[i] = client.ID
	}
	overview, err := a.Engine.Overview(ctx, ids...)
	if err != nil {
		return unavailable(err)
	}
	for _, client := range clients {
		answer.Clients = append(answer.Clients, newClientView(overview[client.ID], client, false))
	}
	return c.JSON(http.StatusOK, answer)
}

func clientPage(q url.Values) (after string, limit int, err error) {
	if _, err := logout.ParseFilter(url.Values{"client_id": {q.Get("cursor")}}, noTime); err != nil {
		return "", 0, invalidRequest("cursor is not one that a list has returned.")
	}
	limit = adminDefaultPage
	if l := q.Get("limit"); l != "" {
		if limit, err = strconv.Atoi(l); err != nil || limit < 1 || limit > logout.MaxPage {
			return "", 0, invalidRequest("limit %.40q is not a number from 1 to %d.", l, logout.MaxPage)
		}
	}
	return q.Get("cursor"), limit, nil
}

// ClientHealth answers GET /clients/:id. A client that was deleted is there as long as something is kept of it.
func (a *AdminAPI) ClientHealth(c echo.Context) error {
	ctx := c.Request().Context()
	id, err := pathID(c)
	if err != nil || id == "" {
		return notThere("client")
	}
	client, err := a.Clients.Client(ctx, id)
	gone := errors.Is(err, identity.ErrNoClient)
	if err != nil && !gone {
		return unavailable(err)
	}
	o, err := a.overviewOf(ctx, id)
	if err != nil {
		return err
	}
	if gone && o.Untold.Total() == 0 && o.LastDelivered.IsZero() {
		return notThere("client")
	}
	return c.JSON(http.StatusOK, newClientView(o, client, gone))
}

func (a *AdminAPI) overviewOf(ctx context.Context, id string) (logout.Overview, error) {
	overview, err := a.Engine.Overview(ctx, id)
	if err != nil {
		return logout.Overview{}, unavailable(err)
	}
	return overview[id], nil
}
