package console

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider/identity"
)

const (
	pageSize     = 50
	liveEvery    = 5   // seconds between two looks of the script
	mostTroubled = 6   // relying parties that the first page names
	mostKnown    = 500 // clients that the filter offers
)

// deliveriesPage is the data of "deliveries".
type deliveriesPage struct {
	Trouble   []troubled
	MoreWrong int // relying parties in trouble beyond those
	Filter    filterForm
	Rows      []deliveryRow
	Older     string // address of the next page; empty: there is none
	Newest    string // address of the first page; empty: this is it
	Again     string // address that tells again what the filter names; empty without a filter
	Clients   []clientChoice
}

// troubled is a relying party for which something is wrong.
type troubled struct {
	person
	Waiting       int
	Oldest        *moment
	Failed        int
	BreakerSince  *moment // its breaker is open
	BreakerReason string
	NextProbe     *moment
	Show, Again   string // addresses
}

// filterForm is the filter as it stands in the address and in the form.
type filterForm struct {
	ClientID, State, User, Since, From, Until, Error, Channel, Cause, LogoutID, SessionID string

	More     bool   // one of the fields is set that are folded away
	Active   bool   // any is set
	Problem  string // what cannot be read
	States   []choice
	Periods  []choice
	Causes   []choice
	Channels []choice
}

// choice is an option of a select.
type choice struct {
	Value, Text string
	Chosen      bool
}

type clientChoice struct{ ID, Name string }

// deliveryRow is a line of the list.
type deliveryRow struct {
	ID         string
	Mark       mark
	App        person // the client
	User       person
	Cause      string
	Created    *moment
	Attempts   int
	NextLabel  string
	Next       *moment
	LastAnswer string
}

// Home answers GET /admin: the first page is that of deliveries.
func (h *Console) Home(c echo.Context) error {
	c.Response().Header().Set("Cache-Control", "no-store")
	return c.Redirect(http.StatusSeeOther, pathDeliveries)
}

// Deliveries answers GET /admin/deliveries: what is wrong, and a list that everything can narrow. The whole filter is in the address.
func (h *Console) Deliveries(c echo.Context) error {
	ctx, q := c.Request().Context(), c.QueryParams()
	f, form, err := h.filter(ctx, q)
	if err != nil {
		return err
	}
	page := deliveriesPage{Filter: form}
	if page.Clients, err = h.choices(ctx); err != nil {
		return err
	}
	if form.Problem != "" {
		return h.render(c, http.StatusBadRequest, "deliveries", "Deliveries", view{Nav: pathDeliveries, Body: page})
	}
	if page.Trouble, page.MoreWrong, err = h.trouble(ctx); err != nil {
		return err
	}
	f.Limit = pageSize + 1
	list, err := h.Ledger.List(ctx, f)
	if err != nil {
		return err
	}
	base := form.query()
	if len(list) > pageSize {
		list = list[:pageSize]
		page.Older = address(pathDeliveries, base, "cursor", list[pageSize-1].Position().String())
	}
	if f.Before.ID != "" {
		page.Newest = address(pathDeliveries, base)
	}
	if form.Active && len(list) > 0 {
		page.Again = address(pathRedeliver, base)
	}
	if page.Rows, err = h.rows(ctx, list); err != nil {
		return err
	}
	live := liveEvery
	if f.Before.ID != "" {
		live = 0 // what is older does not change while somebody reads it
	}
	return h.render(c, http.StatusOK, "deliveries", "Deliveries", view{Nav: pathDeliveries, Live: live, Body: page})
}

// trouble returns the relying parties for which something is wrong, the worst first, and how many more there are.
func (h *Console) trouble(ctx context.Context) ([]troubled, int, error) {
	overview, err := h.Engine.Overview(ctx)
	if err != nil {
		return nil, 0, err
	}
	var list []troubled
	more := 0
	for _, o := range logout.Worst(overview) {
		if !h.needsLook(o) {
			continue
		}
		if len(list) == mostTroubled {
			more++
			continue
		}
		name, err := h.clientName(ctx, o.ClientID)
		if err != nil {
			return nil, 0, err
		}
		t := troubled{
			person: person{o.ClientID, name}, Waiting: o.Untold.Open(), Oldest: h.at(o.OldestOpen), Failed: o.Untold.Failed(),
			Show: address(pathDeliveries, nil, "client_id", o.ClientID, "state", "untold"),
		}
		if breaker, open := o.Breaker(); open {
			t.BreakerSince, t.BreakerReason, t.NextProbe = h.at(breaker.Since), breaker.Reason, h.at(breaker.NextProbe)
		}
		if t.Failed > 0 {
			t.Again = address(pathRedeliver, nil, "client_id", o.ClientID, "state", "failed")
		}
		list = append(list, t)
	}
	return list, more, nil
}

// firstAttempts is how long a delivery may be pending before that says anything: the first attempts of a logout run.
const firstAttempts = 15 * time.Second

// needsLook reports whether something is wrong.
func (h *Console) needsLook(o logout.Overview) bool {
	_, open := o.Breaker()
	return open || o.Untold[logout.StateRetrying] > 0 || o.Untold.Failed() > 0 || !o.OldestOpen.IsZero() && h.Now().Sub(o.OldestOpen) > firstAttempts
}

// rows turns deliveries into lines.
func (h *Console) rows(ctx context.Context, list []logout.Delivery) ([]deliveryRow, error) {
	subjects := make([]string, 0, len(list))
	for _, d := range list {
		subjects = append(subjects, d.Subject)
	}
	who, err := h.people(ctx, subjects...)
	if err != nil {
		return nil, err
	}
	rows := make([]deliveryRow, len(list))
	for i, d := range list {
		name, err := h.clientName(ctx, d.ClientID)
		if err != nil {
			return nil, err
		}
		rows[i] = deliveryRow{
			ID: d.ID, Mark: markOf(d.State), App: person{d.ClientID, name}, User: who(d.Subject), Cause: string(d.Cause), Created: h.at(d.CreatedAt),
			Attempts: d.Attempts, NextLabel: "settled", Next: h.at(d.SettledAt), LastAnswer: answered(d.LastStatus, d.LastError),
		}
		if !d.State.Final() {
			rows[i].NextLabel, rows[i].Next = "next attempt", h.at(d.NextAt)
		}
	}
	return rows, nil
}

// clientName is what people know a client by; its id when it is gone.
func (h *Console) clientName(ctx context.Context, id string) (string, error) {
	client, err := h.Clients.Client(ctx, id)
	if errors.Is(err, identity.ErrNoClient) || err == nil && client.Name == "" {
		return id, nil
	}
	return client.Name, err
}

// choices are the clients that the filter offers.
func (h *Console) choices(ctx context.Context) ([]clientChoice, error) {
	clients, err := h.Clients.ClientsAfter(ctx, "", mostKnown)
	if err != nil {
		return nil, err
	}
	list := make([]clientChoice, len(clients))
	for i, c := range clients {
		list[i] = clientChoice{c.ID, c.Name}
	}
	return list, nil
}

// groups are the choices of the state that mean several.
var groups = map[string][]logout.State{
	"waiting": {logout.StatePending, logout.StateRetrying},
	"failed":  {logout.StateDead, logout.StateRejected},
	"untold":  {logout.StatePending, logout.StateRetrying, logout.StateDead, logout.StateRejected},
}

// filter reads the filter of an address or a form. What cannot be read is said in the form.
func (h *Console) filter(ctx context.Context, q url.Values) (logout.Filter, filterForm, error) {
	form := filterForm{
		ClientID: q.Get("client_id"), State: q.Get("state"), User: q.Get("user"), Since: q.Get("since"), From: q.Get("from"), Until: q.Get("until"),
		Error: q.Get("error"), Channel: q.Get("channel"), Cause: q.Get("cause"), LogoutID: q.Get("logout_id"), SessionID: q.Get("session_id"),
	}
	form.complete()
	asked := form.query()
	asked.Set("cursor", q.Get("cursor"))
	asked.Set("include_delivered", q.Get("include_delivered"))
	if states, ok := groups[form.State]; ok {
		asked.Del("state")
		for _, s := range states {
			asked.Add("state", string(s))
		}
	}
	if form.From != "" {
		asked.Set("since", form.From)
	}
	if form.User != "" {
		asked.Set("sub", form.User)
	}
	f, err := logout.ParseFilter(asked, h.Now())
	if err != nil {
		form.Problem = "The filter cannot be read: " + strings.Replace(err.Error(), "sub must", "user must", 1) + "."
		return f, form, nil
	}
	if form.User != "" {
		f.Subject, err = h.subject(ctx, form.User)
	}
	return f, form, err
}

// subject finds the user of a name. Somebody who is gone can still be named by subject.
func (h *Console) subject(ctx context.Context, nameOrID string) (string, error) {
	user, err := h.Users.UserByName(ctx, nameOrID)
	switch {
	case errors.Is(err, identity.ErrNoUser):
		return nameOrID, nil
	case err != nil:
		return "", err
	}
	return user.ID, nil
}

// query is the filter as parameters of an address.
func (f filterForm) query() url.Values {
	q := url.Values{}
	for name, value := range map[string]string{
		"client_id": f.ClientID, "state": f.State, "user": f.User, "since": f.Since, "from": f.From, "until": f.Until, "error": f.Error,
		"channel": f.Channel, "cause": f.Cause, "logout_id": f.LogoutID, "session_id": f.SessionID,
	} {
		if value != "" {
			q.Set(name, value)
		}
	}
	return q
}

// complete adds what the form offers.
func (f *filterForm) complete() {
	f.Active = len(f.query()) > 0
	f.More = f.From+f.Until+f.Error+f.Channel+f.Cause+f.LogoutID+f.SessionID != ""
	f.States = choices(f.State, choice{Value: "", Text: "any"}, choice{Value: "untold", Text: "not told (all of the next)"}, choice{Value: "waiting", Text: "waiting: pending, retrying"},
		choice{Value: "failed", Text: "given up: dead, rejected"})
	for _, s := range logout.States() {
		f.States = append(f.States, choice{string(s), "only " + string(s), f.State == string(s)})
	}
	f.Periods = choices(f.Since, choice{Value: "", Text: "any time"}, choice{Value: "1h", Text: "the last hour"}, choice{Value: "24h", Text: "the last 24 hours"},
		choice{Value: "168h", Text: "the last 7 days"})
	if !slices.ContainsFunc(f.Periods, func(c choice) bool { return c.Chosen }) {
		f.Periods = append(f.Periods, choice{f.Since, f.Since, true}) // an address that somebody wrote
	}
	f.Causes = []choice{{Value: "", Text: "any"}}
	for _, cause := range logout.Causes() {
		f.Causes = append(f.Causes, choice{string(cause), string(cause), f.Cause == string(cause)})
	}
	f.Channels = []choice{{Value: "", Text: "any"}}
	for _, channel := range logout.Channels() {
		f.Channels = append(f.Channels, choice{string(channel), string(channel), f.Channel == string(channel)})
	}
}

// choices marks the chosen one.
func choices(chosen string, list ...choice) []choice {
	for i := range list {
		list[i].Chosen = list[i].Value == chosen
	}
	return list
}

// address is a path with parameters: those of q, and pairs of name and value, of which empty ones are left out.
func address(path string, q url.Values, pairs ...string) string {
	all := url.Values{}
	for name, values := range q {
		all[name] = values
	}
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			all.Set(pairs[i], pairs[i+1])
		}
	}
	if len(all) == 0 {
		return path
	}
	return path + "?" + all.Encode()
}

// took says how long an attempt lasted.
func took(d time.Duration) string { return span(d) }
