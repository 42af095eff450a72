package console

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"

	"github.com/labstack/echo/v4"

	"github.com/exeunt-id/exeunt/logout"
)

// logoutsPage is the data of "logouts".
type logoutsPage struct {
	User, Cause, Since string
	Active             bool
	Causes, Periods    []choice
	Problem            string
	Rows               []logoutRow
	Older, Newest      string
}

// logoutRow is a line of the list.
type logoutRow struct {
	ID         string
	At         *moment
	Cause, Why string
	Who        person // whose sessions
	By         string
	Ended      string
	Mark       mark // what became of its deliveries
}

// Logouts answers GET /admin/logouts.
func (h *Console) Logouts(c echo.Context) error {
	ctx, q := c.Request().Context(), c.QueryParams()
	page := logoutsPage{User: q.Get("user"), Cause: q.Get("cause"), Since: q.Get("since")}
	page.Active = page.User+page.Cause+page.Since != ""
	page.Causes = []choice{{Value: "", Text: "any"}}
	for _, cause := range logout.Causes() {
		page.Causes = append(page.Causes, choice{string(cause), string(cause), page.Cause == string(cause)})
	}
	var form filterForm
	form.Since = page.Since
	form.complete()
	page.Periods = form.Periods
	f, err := logout.ParseLogoutFilter(url.Values{"sub": {page.User}, "cause": {page.Cause}, "since": {page.Since}, "cursor": {q.Get("cursor")}}, h.Now())
	if err != nil {
		page.Problem = "The filter cannot be read: " + err.Error() + "."
		return h.render(c, http.StatusBadRequest, "logouts", "Logouts", view{Nav: pathLogouts, Body: page})
	}
	if page.User != "" {
		if f.Subject, err = h.subject(ctx, page.User); err != nil {
			return err
		}
	}
	f.Limit = pageSize + 1
	list, err := h.Journal.Logouts(ctx, f)
	if err != nil {
		return err
	}
	base := url.Values{}
	if len(list) > pageSize {
		list = list[:pageSize]
		page.Older = address(pathLogouts, base, "user", page.User, "cause", page.Cause, "since", page.Since, "cursor", list[pageSize-1].Position().String())
	}
	if f.Before.ID != "" {
		page.Newest = address(pathLogouts, base, "user", page.User, "cause", page.Cause, "since", page.Since)
	}
	if page.Rows, err = h.logoutRows(ctx, list); err != nil {
		return err
	}
	live := liveEvery
	if f.Before.ID != "" {
		live = 0
	}
	return h.render(c, http.StatusOK, "logouts", "Logouts", view{Nav: pathLogouts, Live: live, Body: page})
}

func (h *Console) logoutRows(ctx context.Context, list []logout.Record) ([]logoutRow, error) {
	var subjects []string
	for _, r := range list {
		subjects = append(subjects, r.Subject, r.Actor.ID)
	}
	who, err := h.people(ctx, subjects...)
	if err != nil {
		return nil, err
	}
	rows := make([]logoutRow, len(list))
	for i, r := range list {
		kind, told := summary(r.Deliveries)
		rows[i] = logoutRow{
			ID: r.ID, At: h.at(r.At), Cause: string(r.Cause), Why: causeTexts[r.Cause], Who: who(r.Subject), By: byWhom(r.Actor, who), Ended: ended(r), Mark: mark{told, kind},
		}
	}
	return rows, nil
}

// byWhom says who asked for a logout.
func byWhom(a logout.Actor, who func(string) person) string {
	switch {
	case a.ID == "" && a.Kind == "system", a.Kind == "":
		return "the provider itself"
	case a.Kind == "user":
		return who(a.ID).Name
	case a.Kind == "admin":
		return "administrator " + who(a.ID).Name
	default:
		return a.Kind + " " + a.ID
	}
}

// ended says what a logout was about.
func ended(r logout.Record) string {
	sessions := counted(r.Sessions, "session", "sessions")
	if r.Target.OnlyParticipation {
		return r.Target.ClientID + " left " + sessions + ", which live on"
	}
	if r.Sessions == 0 {
		return "offline access alone"
	}
	return sessions
}

// summary says what became of deliveries, and how bad that is.
func summary(t logout.Tally) (kind, text string) {
	told := t[logout.StateDelivered] + t[logout.StateSuperseded]
	total := t.Total()
	switch {
	case total == 0:
		return "leave", "nobody to tell"
	case t.Open() > 0:
		return "retrying", fmt.Sprintf("%s of %s told, %s waiting", number(told), number(total), number(t.Open()))
	case t.Failed() > 0:
		return "failed", fmt.Sprintf("%s of %s told, %s given up", number(told), number(total), number(t.Failed()))
	case told == total:
		return "told", fmt.Sprintf("all %s told", number(total))
	default:
		return "asked", fmt.Sprintf("%s of %s told", number(told), number(total))
	}
}

// logoutPage is the data of "logout".
type logoutPage struct {
	logoutRow
	Address, Agent string
	Initiator      *person
	Target         []fact
	Sessions       []endedRow
	MoreSessions   int
	Receipts       []deliveryRow
	MoreReceipts   string // address of the whole list
}

// fact is a line of a list of facts.
type fact struct{ Name, Value string }

type endedRow struct {
	ID, Address, Agent string
	User               person
	Started, Seen      *moment
}

const (
	shownSessions = 50
	shownReceipts = 200
)

// LogoutDetail answers GET /admin/logouts/:id: who, why, what ended, and each receipt.
func (h *Console) LogoutDetail(c echo.Context) error {
	ctx, id := c.Request().Context(), clean(c.Param("id"), maxID)
	records, err := h.Journal.Logouts(ctx, logout.LogoutFilter{LogoutID: id, Limit: 1})
	if err != nil {
		return err
	}
	if id == "" || len(records) == 0 {
		return notFound("logout", nil)
	}
	record := records[0]
	rows, err := h.logoutRows(ctx, records)
	if err != nil {
		return err
	}
	page := logoutPage{logoutRow: rows[0], Address: record.Actor.Address, Agent: record.Actor.UserAgent, Target: h.aim(record.Target)}
	if record.InitiatorClientID != "" {
		name, err := h.clientName(ctx, record.InitiatorClientID)
		if err != nil {
			return err
		}
		page.Initiator = &person{record.InitiatorClientID, name}
	}
	if err := h.endedSessions(ctx, &page, record); err != nil {
		return err
	}
	list, err := h.Ledger.List(ctx, logout.Filter{LogoutID: id, Limit: shownReceipts + 1})
	if err != nil {
		return err
	}
	if len(list) > shownReceipts {
		list, page.MoreReceipts = list[:shownReceipts], address(pathDeliveries, nil, "logout_id", id)
	}
	slices.Reverse(list) // as they were planned
	if page.Receipts, err = h.rows(ctx, list); err != nil {
		return err
	}
	live := 0
	if record.Deliveries.Open() > 0 {
		live = 2
	}
	return h.render(c, http.StatusOK, "logout", "Logout", view{Nav: pathLogouts, Live: live, Body: page})
}

func (h *Console) endedSessions(ctx context.Context, page *logoutPage, record logout.Record) error {
	sessions, err := h.Journal.Ended(ctx, record.ID, shownSessions)
	if err != nil {
		return err
	}
	page.MoreSessions = max(0, record.Sessions-len(sessions))
	if record.Target.OnlyParticipation {
		page.MoreSessions = 0
	}
	var subjects []string
	for _, s := range sessions {
		subjects = append(subjects, s.Subject)
	}
	who, err := h.people(ctx, subjects...)
	if err != nil {
		return err
	}
	for _, s := range sessions {
		page.Sessions = append(page.Sessions, endedRow{ID: s.ID, Address: s.Address, Agent: s.UserAgent, User: who(s.Subject), Started: h.at(s.CreatedAt), Seen: h.at(s.SeenAt)})
	}
	return nil
}

// aim says what a logout was aimed at.
func (h *Console) aim(t logout.Target) []fact {
	var facts []fact
	add := func(name, value string) {
		if value != "" {
			facts = append(facts, fact{name, value})
		}
	}
	add("Session", t.SessionID)
	add("User", t.Subject)
	add("Device", t.DeviceID)
	add("App", t.ClientID)
	add("Spared session", t.ExceptSessionID)
	if t.Everyone {
		add("Everyone", "all people")
	}
	return facts
}
