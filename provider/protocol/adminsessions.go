package protocol

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/exeunt-id/exeunt/logout"
)

// sessionView is a session as an operator sees it.
type sessionView struct {
	SessionID string    `json:"session_id"`
	Subject   string    `json:"sub"`
	Username  string    `json:"username,omitempty"`
	Clients   []string  `json:"clients,omitempty"` // that take part, while it lives
	AuthTime  time.Time `json:"auth_time"`
	CreatedAt time.Time `json:"created_at"`
	SeenAt    time.Time `json:"seen_at"`
	IdleUntil time.Time `json:"idle_until"`
	ExpiresAt time.Time `json:"expires_at"`
	EndedAt   time.Time `json:"ended_at,omitzero"`
	Address   string    `json:"address,omitempty"`
	DeviceID  string    `json:"device_id,omitempty"`
	UserAgent string    `json:"user_agent,omitempty"`
}

func newSessionView(s logout.Session, username string, parts []logout.Participation) sessionView {
	v := sessionView{
		SessionID: s.ID, Subject: s.Subject, Username: username, AuthTime: s.AuthTime, CreatedAt: s.CreatedAt, SeenAt: s.SeenAt, IdleUntil: s.IdleUntil,
		ExpiresAt: s.ExpiresAt, EndedAt: s.EndedAt, Address: s.Address, DeviceID: s.DeviceID, UserAgent: s.UserAgent,
	}
	for _, p := range parts {
		v.Clients = append(v.Clients, p.ClientID)
	}
	return v
}

// sessionsAnswer is a page of live sessions, newest first.
type sessionsAnswer struct {
	Sessions   []sessionView `json:"sessions"`
	NextCursor string        `json:"next_cursor,omitempty"`
}

// LiveSessions answers GET /sessions: sub or user, client_id, cursor, limit.
func (a *AdminAPI) LiveSessions(c echo.Context) error {
	ctx, q := c.Request().Context(), c.QueryParams()
	after, limit, err := clientPage(q) // both cursors are ids
	if err != nil {
		return err
	}
	q.Del("cursor")
	f, err := a.filter(ctx, q)
	if err != nil {
		return err
	}
	list, err := a.Sessions.LiveAfter(ctx, logout.Target{Subject: f.Subject, ClientID: f.ClientID}, a.Now().UTC(), after, limit+1)
	if err != nil {
		return unavailable(err)
	}
	answer := sessionsAnswer{Sessions: []sessionView{}}
	if len(list) > limit {
		list = list[:limit]
		answer.NextCursor = list[limit-1].ID
	}
	for _, s := range list {
		view, err := a.sessionView(ctx, s)
		if err != nil {
			return err
		}
		answer.Sessions = append(answer.Sessions, view)
	}
	return c.JSON(http.StatusOK, answer)
}

func (a *AdminAPI) sessionView(ctx context.Context, s logout.Session) (sessionView, error) {
	parts, err := a.Sessions.Participations(ctx, s.ID)
	if err != nil {
		return sessionView{}, unavailable(err)
	}
	names, err := a.Users.Names(ctx, []string{s.Subject})
	if err != nil {
		return sessionView{}, unavailable(err)
	}
	return newSessionView(s, names[s.Subject], parts), nil
}

// endedAnswer says what ended. Without a logout_id there was nothing to end.
type endedAnswer struct {
	LogoutID string `json:"logout_id,omitempty"`
	Ended    int    `json:"ended"` // sessions
	Told     int    `json:"told"`  // deliveries that are on their way, or need none
}

// EndSession answers POST /sessions/:id/end. A session that has ended already is no error: nothing ends then.
func (a *AdminAPI) EndSession(c echo.Context) error {
	id, err := pathID(c)
	if err != nil || id == "" {
		return notThere("session")
	}
	if _, err := a.Sessions.Find(c.Request().Context(), id); errors.Is(err, logout.ErrNoSession) {
		return notThere("session")
	} else if err != nil {
		return unavailable(err)
	}
	return a.end(c, logout.Target{SessionID: id})
}

// EndSessions answers POST /sessions/end: all sessions of a user, named by sub or user, with client_id only those in which it takes part.
func (a *AdminAPI) EndSessions(c echo.Context) error {
	var body struct {
		Subject  string `json:"sub"`
		User     string `json:"user"`
		ClientID string `json:"client_id"`
	}
	if err := readChoice(c, &body); err != nil {
		return err
	}
	if body.Subject == "" && body.User == "" {
		return invalidRequest("Nobody is named; give sub or user.")
	}
	q, _ := chosen{Subject: body.Subject, User: body.User, ClientID: body.ClientID}.values()
	f, err := a.filter(c.Request().Context(), q)
	if err != nil {
		return err
	}
	return a.end(c, logout.Target{Subject: f.Subject, ClientID: f.ClientID})
}

func (a *AdminAPI) end(c echo.Context, target logout.Target) error {
	ctx := context.WithoutCancel(c.Request().Context())
	out, err := a.Engine.End(ctx, logout.Request{Cause: logout.CauseAdmin, Actor: adminActor(c), Target: target})
	if err != nil {
		return unavailable(err)
	}
	return c.JSON(http.StatusOK, endedAnswer{LogoutID: out.LogoutID, Ended: len(out.Sessions), Told: len(out.Receipts)})
}
