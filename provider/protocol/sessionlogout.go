package protocol

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/labstack/echo/v4"

	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider/signout"
)

// SessionLogout answers POST /api/session/logout, {"client_id", "id_token"}: the logout of an application's page by script, which stays where
// it is. It is the one route that takes cookies from other sites.
//
//  1. As in Page; and a browser asks: it says an Origin.
//  2. With an ID token: its sid must be live. The browser's cookie authorises if it is of the same session; otherwise, as where cookies of other sites
//     are blocked, the ID token alone does, unless it has expired.
//  3. Without one: the session of the cookie, if the client takes part in it.
//  4. End the session through the engine, wait a moment for the relying parties, and say what has ended. When nothing has, say that, and why.
//
// The cookie is the second one (browser.Cookies.Ender): the session's own is kept from other sites. Access tokens are refused, because resource
// servers see them.
type SessionLogout struct {
	Page
	Leaver *signout.Leaver
	Finder sessionFinder
}

// The values of logoutAnswer.By.
const (
	byCookie  = "cookie"
	byIDToken = "id_token"
)

// The reasons why nothing ended.
const (
	reasonEnded     = "session_ended"    // before
	reasonExpired   = "id_token_expired" // and no cookie came
	reasonNoSession = "no_session"       // neither cookie nor ID token name one in which the client takes part
)

// logoutAnswer says what has ended.
type logoutAnswer struct {
	Ended    bool            `json:"ended"`
	Status   string          `json:"status"`             // of the session now: ended, live, or unknown
	By       string          `json:"by,omitempty"`       // what authorised it
	Reason   string          `json:"reason,omitempty"`   // why nothing ended
	Receipts *receiptSummary `json:"receipts,omitempty"` // of what has ended
}

// receiptSummary counts messages to relying parties, and names nobody.
type receiptSummary struct {
	Total     int `json:"total"`
	Delivered int `json:"delivered"`
	Open      int `json:"open"` // they are still being tried
}

// Post answers what has ended, or an error of RFC 6749, 5.2.
func (l *SessionLogout) Post(c echo.Context) error {
	request, err := l.read(c, true)
	if err != nil {
		return err
	}
	if request.origin == "" {
		return originRefused()
	}
	own, err := l.own(c.Request().Context(), c.Request())
	if err != nil {
		return err
	}
	session, by, reason := l.choose(request, own)
	if session == nil && reason == "" { // only the cookie can tell
		takesPart, err := l.takesPart(c.Request().Context(), own, request.client.ID)
		if err != nil {
			return err
		}
		if session, by, reason = own, byCookie, ""; !takesPart {
			session, reason = nil, reasonNoSession
		}
	}
	if session == nil {
		return c.JSON(http.StatusOK, logoutAnswer{Status: request.status(), Reason: reason})
	}
	return l.end(c, request, *session, by, own != nil && own.ID == session.ID)
}

// choose is step 2. Without an ID token it leaves the choice to step 3.
func (l *SessionLogout) choose(request pageRequest, own *logout.Session) (session *logout.Session, by, reason string) {
	switch {
	case request.hint == nil:
		return nil, "", ""
	case request.session == nil:
		return nil, "", reasonEnded
	case own != nil && own.ID == request.session.ID:
		return request.session, byCookie, ""
	case l.expired(request):
		return nil, "", reasonExpired
	default:
		return request.session, byIDToken, ""
	}
}

// own returns the live session of the browser's cookie; nil when there is none.
func (l *SessionLogout) own(ctx context.Context, r *http.Request) (*logout.Session, error) {
	id := l.Leaver.Cookies.Ender(r)
	if id == "" {
		return nil, nil
	}
	session, err := l.Finder.Find(ctx, id)
	switch {
	case errors.Is(err, logout.ErrNoSession), err == nil && !session.Live(l.Now()):
		return nil, nil
	case err != nil:
		return nil, unavailable(err)
	}
	return &session, nil
}

func (l *SessionLogout) takesPart(ctx context.Context, session *logout.Session, clientID string) (bool, error) {
	if session == nil {
		return false, nil
	}
	parts, err := l.Sessions.Participations(ctx, session.ID)
	if err != nil {
		return false, unavailable(err)
	}
	return slices.ContainsFunc(parts, func(p logout.Participation) bool { return p.ClientID == clientID }), nil
}

// end is step 4.
func (l *SessionLogout) end(c echo.Context, request pageRequest, session logout.Session, by string, own bool) error {
	out, receipts, err := l.Leaver.EndInPlace(c, logout.Request{
		Cause: logout.CauseSDK, Actor: signout.UserActor(c, session.Subject), Target: logout.Target{SessionID: session.ID}, InitiatorClientID: request.client.ID,
	}, own)
	switch {
	case err != nil:
		return unavailable(err)
	case out.LogoutID == "": // somebody was faster
		return c.JSON(http.StatusOK, logoutAnswer{Status: statusEnded, Reason: reasonEnded})
	}
	return c.JSON(http.StatusOK, logoutAnswer{Ended: true, Status: statusEnded, By: by, Receipts: summarise(receipts)})
}

func summarise(receipts []logout.Receipt) *receiptSummary {
	s := &receiptSummary{Total: len(receipts)}
	for _, r := range receipts {
		switch {
		case r.State == logout.StateDelivered:
			s.Delivered++
		case !r.State.Final():
			s.Open++
		}
	}
	return s
}
