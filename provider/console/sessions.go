package console

import (
	"context"
	"errors"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider/browser"
	"github.com/exeunt-id/exeunt/provider/identity"
)

// sessionsPage is the data of "sessions".
type sessionsPage struct {
	User    string
	Subject string // of the user who was looked for
	Rows    []sessionRow
	Older   string
	EndAll  string // address that ends all of the user
}

type sessionRow struct {
	ID            string
	User          person
	Mine          bool // the one that this page is read in
	Started, Seen *moment
	Until         *moment
	Apps          []person
	Address       string
	Device, Agent string // the second in the browser's own words
	End           string // address
}

// endPage is the data of "end": what will end, said before.
type endPage struct {
	User      person
	Sessions  []sessionRow
	More      bool
	Apps      []toldApp
	SessionID string // one session
	Subject   string // all sessions of a user
	Mine      bool   // this console's session is among them
	Cancel    string
}

// toldApp is an app that a logout will tell.
type toldApp struct {
	person
	Reachable bool
}

// SessionList answers GET /admin/sessions: who is signed in, and the way to end it.
func (h *Console) SessionList(c echo.Context) error {
	ctx := c.Request().Context()
	page := sessionsPage{User: c.QueryParam("user")}
	var target logout.Target
	if page.User != "" {
		if page.User != clean(page.User, maxUsername) {
			return &browser.Error{Status: http.StatusBadRequest, Title: "Nobody has such a name", Message: "The name has characters that no name can have.", Hint: "Go back and try another."}
		}
		var err error
		if target.Subject, err = h.subject(ctx, page.User); err != nil {
			return err
		}
		page.Subject = target.Subject
	}
	list, err := h.Live.LiveAfter(ctx, target, h.Now().UTC(), clean(c.QueryParam("after"), maxID), pageSize+1)
	if err != nil {
		return err
	}
	if len(list) > pageSize {
		list = list[:pageSize]
		page.Older = address(pathSessions, nil, "user", page.User, "after", list[pageSize-1].ID)
	}
	if page.Rows, err = h.sessionRows(ctx, adminOf(c), list); err != nil {
		return err
	}
	if page.Subject != "" && len(page.Rows) > 0 {
		page.EndAll = address(pathEnd, nil, "sub", page.Subject)
	}
	return h.render(c, http.StatusOK, "sessions", "Sessions", view{Nav: pathSessions, Body: page})
}

func (h *Console) sessionRows(ctx context.Context, me admin, list []logout.Session) ([]sessionRow, error) {
	var subjects []string
	for _, s := range list {
		subjects = append(subjects, s.Subject)
	}
	who, err := h.people(ctx, subjects...)
	if err != nil {
		return nil, err
	}
	rows := make([]sessionRow, len(list))
	for i, s := range list {
		rows[i] = sessionRow{
			ID: s.ID, User: who(s.Subject), Mine: s.ID == me.session.ID, Started: h.at(s.CreatedAt), Seen: h.at(s.SeenAt), Until: h.at(s.IdleUntil), Address: s.Address,
			Device: identity.DeviceName(s.UserAgent), Agent: s.UserAgent, End: address(pathEnd, nil, "session_id", s.ID),
		}
		parts, err := h.Live.Participations(ctx, s.ID)
		if err != nil {
			return nil, err
		}
		for _, p := range parts {
			name, err := h.clientName(ctx, p.ClientID)
			if err != nil {
				return nil, err
			}
			rows[i].Apps = append(rows[i].Apps, person{p.ClientID, name})
		}
	}
	return rows, nil
}

// aimed reads which sessions a form or an address means: one, or all of a user.
func (h *Console) aimed(ctx context.Context, sessionID, subject string) (logout.Target, error) {
	sessionID, subject = clean(sessionID, maxID), clean(subject, maxUsername)
	if (sessionID == "") == (subject == "") {
		return logout.Target{}, &browser.Error{
			Status: http.StatusBadRequest, Title: "Nothing is chosen", Message: "Name one session, or one user. Nothing was ended.", Hint: "Go back to the sessions and choose there.",
		}
	}
	if subject != "" {
		return logout.Target{Subject: subject}, nil
	}
	session, err := h.Sessions.Find(ctx, sessionID)
	if errors.Is(err, logout.ErrNoSession) {
		return logout.Target{}, notFound("session", nil)
	}
	if err == nil && !session.Live(h.Now()) {
		return logout.Target{}, &browser.Error{
			Status: http.StatusNotFound, Title: "This session has ended already", Message: "Nobody is signed in by it any more.", Hint: "Go back to the sessions.",
		}
	}
	return logout.Target{SessionID: sessionID}, err
}

// EndForm answers GET /admin/sessions/end: what will end and who will be told, before anything happens.
func (h *Console) EndForm(c echo.Context) error {
	ctx := c.Request().Context()
	target, err := h.aimed(ctx, c.QueryParam("session_id"), c.QueryParam("sub"))
	if err != nil {
		return err
	}
	list, err := h.Live.LiveAfter(ctx, target, h.Now().UTC(), "", pageSize+1)
	if err != nil {
		return err
	}
	page := endPage{SessionID: target.SessionID, Subject: target.Subject, Cancel: pathSessions, More: len(list) > pageSize}
	if len(list) == 0 {
		return notFound("live session", nil)
	}
	list = list[:min(len(list), pageSize)]
	if page.Sessions, err = h.sessionRows(ctx, adminOf(c), list); err != nil {
		return err
	}
	page.User = page.Sessions[0].User
	page.Cancel = address(pathSessions, nil, "user", page.User.Name)
	seen := map[string]bool{}
	for _, s := range page.Sessions {
		page.Mine = page.Mine || s.Mine
		for _, app := range s.Apps {
			if seen[app.ID] {
				continue
			}
			seen[app.ID] = true
			client, err := h.Clients.Client(ctx, app.ID)
			if err != nil && !errors.Is(err, identity.ErrNoClient) {
				return err
			}
			page.Apps = append(page.Apps, toldApp{app, client.BackchannelLogoutURI+client.WebhookURI != ""})
		}
	}
	return h.render(c, http.StatusOK, "end", "End sessions", view{Nav: pathSessions, Body: page})
}

// End answers POST /admin/sessions/end: through the engine, and on to the page of the logout, which shows who has been told.
func (h *Console) End(c echo.Context) error {
	form := c.Request().PostForm
	target, err := h.aimed(c.Request().Context(), form.Get("session_id"), form.Get("sub"))
	if err != nil {
		return err
	}
	out, err := h.Engine.End(context.WithoutCancel(c.Request().Context()), logout.Request{Cause: logout.CauseAdmin, Actor: actor(c), Target: target})
	if err != nil {
		return err
	}
	if out.LogoutID == "" {
		return redirectDone(c, pathSessions, nil, "ended", 0)
	}
	c.Response().Header().Set("Cache-Control", "no-store")
	return c.Redirect(http.StatusSeeOther, pathLogouts+"/"+out.LogoutID)
}
