package protocol

import (
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/exeunt-id/exeunt/logout"
)

// logoutView is a logout: who ended what, and why.
type logoutView struct {
	ID         string       `json:"id"`
	Cause      logout.Cause `json:"cause"`
	At         time.Time    `json:"at"`
	Actor      actorView    `json:"actor"`
	Target     targetView   `json:"target"`
	Initiator  string       `json:"initiator_client_id,omitempty"`
	Subject    string       `json:"sub,omitempty"` // whose sessions ended; absent when they were several people's
	Ended      int          `json:"ended"`         // sessions
	Deliveries logout.Tally `json:"deliveries"`    // by state

	// Where one logout is shown.
	Sessions []sessionView         `json:"sessions,omitempty"`
	Receipts []logout.DeliveryView `json:"receipts,omitempty"`
}

type actorView struct {
	Kind      string `json:"kind"`
	ID        string `json:"id,omitempty"`
	Address   string `json:"address,omitempty"`
	UserAgent string `json:"user_agent,omitempty"`
}

type targetView struct {
	SessionID         string `json:"session_id,omitempty"`
	Subject           string `json:"sub,omitempty"`
	DeviceID          string `json:"device_id,omitempty"`
	ClientID          string `json:"client_id,omitempty"`
	ExceptSessionID   string `json:"except_session_id,omitempty"`
	Everyone          bool   `json:"everyone,omitempty"`
	OnlyParticipation bool   `json:"only_participation,omitempty"`
}

func newTargetView(t logout.Target) targetView {
	return targetView{
		SessionID: t.SessionID, Subject: t.Subject, DeviceID: t.DeviceID, ClientID: t.ClientID, ExceptSessionID: t.ExceptSessionID, Everyone: t.Everyone,
		OnlyParticipation: t.OnlyParticipation,
	}
}

func newLogoutView(r logout.Record) logoutView {
	return logoutView{
		ID: r.ID, Cause: r.Cause, At: r.At, Actor: actorView(r.Actor), Target: newTargetView(r.Target), Initiator: r.InitiatorClientID, Subject: r.Subject,
		Ended: r.Sessions, Deliveries: r.Deliveries,
	}
}

// logoutsAnswer is a page of logouts, newest first.
type logoutsAnswer struct {
	Logouts    []logoutView `json:"logouts"`
	NextCursor string       `json:"next_cursor,omitempty"`
}

// Logouts answers GET /logouts: logout_id, sub or user, cause, since, until, cursor, limit.
func (a *AdminAPI) Logouts(c echo.Context) error {
	q := c.QueryParams()
	if _, err := a.filter(c.Request().Context(), url.Values{"user": {q.Get("user")}}); err != nil {
		return err
	}
	if err := a.subjectOfName(c.Request().Context(), q); err != nil {
		return err
	}
	f, err := logout.ParseLogoutFilter(q, a.Now())
	if err != nil {
		return filterRefused(err)
	}
	limit := f.Limit
	if limit == 0 {
		limit = adminDefaultPage
	}
	f.Limit = limit + 1
	records, err := a.Journal.Logouts(c.Request().Context(), f)
	if err != nil {
		return unavailable(err)
	}
	answer := logoutsAnswer{Logouts: []logoutView{}}
	if len(records) > limit {
		records = records[:limit]
		answer.NextCursor = records[limit-1].Position().String()
	}
	for _, r := range records {
		answer.Logouts = append(answer.Logouts, newLogoutView(r))
	}
	return c.JSON(http.StatusOK, answer)
}

// Logout answers GET /logouts/:id with at most 500 each of the sessions that ended and of the receipts; the rest by the lists.
func (a *AdminAPI) Logout(c echo.Context) error {
	ctx := c.Request().Context()
	id, err := pathID(c)
	if err != nil || id == "" {
		return notThere("logout")
	}
	records, err := a.Journal.Logouts(ctx, logout.LogoutFilter{LogoutID: id, Limit: 1})
	if err != nil {
		return unavailable(err)
	}
	if len(records) == 0 {
		return notThere("logout")
	}
	view := newLogoutView(records[0])
	sessions, err := a.Journal.Ended(ctx, id, logout.MaxPage)
	if err != nil {
		return unavailable(err)
	}
	for _, s := range sessions {
		view.Sessions = append(view.Sessions, newSessionView(s, "", nil))
	}
	deliveries, err := a.Ledger.List(ctx, logout.Filter{LogoutID: id, Limit: logout.MaxPage})
	if err != nil {
		return unavailable(err)
	}
	for _, d := range slices.Backward(deliveries) { // as they were planned
		view.Receipts = append(view.Receipts, d.View())
	}
	return c.JSON(http.StatusOK, view)
}
