package protocol

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider/browser"
	"github.com/exeunt-id/exeunt/provider/identity"
	"github.com/exeunt-id/exeunt/provider/signout"
)

// confirmLife is how long the page that asks may stay open.
const confirmLife = time.Hour

// sessionReader finds sessions and who takes part in them.
type sessionReader interface {
	participationReader
	FindSID(ctx context.Context, sid string) (logout.Participation, logout.Session, error)
}

// SignOut is what /end_session and /logout share: they read a request, ask the person where needed, and leave.
type SignOut struct {
	Settings
	Leaver   *signout.Leaver
	Current  signout.Current
	Sessions sessionReader
	Clients  identity.Clients
	Users    userReader
	Cookies  browser.Cookies
	Pages    *browser.Renderer
	Keeper   *Keeper
}

// receive returns the parameters of a request that a browser makes: of the query, of the body, or kept from a cross-site POST. It reports
// true when the answer has been sent already: the browser repeats the POST as a GET, with its cookies.
func (s *SignOut) receive(c echo.Context, path string) (url.Values, bool, error) {
	r := c.Request()
	if err := topLevel(r); err != nil {
		return nil, false, err
	}
	if err := r.ParseForm(); err != nil {
		return nil, false, unreadable(err, signOutRefused("It cannot be read.", err))
	}
	if withoutCookies(r, s.Cookies) {
		return nil, true, s.Keeper.bounce(c, path, r.Form)
	}
	if sealed := r.Form.Get(keptParameter); sealed != "" && r.Method == http.MethodGet {
		values, err := s.Keeper.kept(path, sealed)
		if err != nil {
			return nil, false, signOutRefused("It has waited for too long.", err)
		}
		browser.SetLocales(c, values.Get("ui_locales"))
		return values, false, nil
	}
	return r.Form, false, nil
}

// question is a logout that the person is asked about.
type question struct {
	action  string          // path of the confirmation
	values  url.Values      // the request as it came
	session *logout.Session // that would end; nil: none
	own     bool            // it is that of this browser's cookie: only then the page names its applications
	client  *identity.Client
	next    signout.Next
}

// ask shows the page that asks. The form carries the request sealed; it is validated again when it comes back.
func (s *SignOut) ask(c echo.Context, q question) error {
	ctx := c.Request().Context()
	page := browser.LogoutConfirmPage{Action: q.action, CSRF: s.Cookies.CSRF(c.Response(), c.Request())}
	request := keptRequest{Values: q.values}
	if q.client != nil {
		page.ClientName = nameOf(*q.client)
	}
	if q.session != nil {
		request.SessionID = q.session.ID
		user, err := s.Users.User(ctx, q.session.Subject)
		if err != nil && !errors.Is(err, identity.ErrNoUser) {
			return err
		}
		page.Username = user.Username
		if q.own {
			if page.Apps, err = s.apps(ctx, q.session.ID); err != nil {
				return err
			}
		}
	}
	sealed, err := s.Keeper.seal(q.action, request, confirmLife)
	if err != nil {
		return err
	}
	page.Hidden = []browser.Field{{Name: keptParameter, Value: sealed}}
	answer := browser.Page{Data: page}
	if q.next.RedirectURI != "" {
		answer.FormAction = []string{q.next.RedirectURI}
	}
	return s.Pages.Render(c, http.StatusOK, "logout_confirm", answer)
}

// apps names the relying parties that would be told.
func (s *SignOut) apps(ctx context.Context, sessionID string) ([]string, error) {
	parts, err := s.Sessions.Participations(ctx, sessionID)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, p := range parts {
		client, err := s.Clients.Client(ctx, p.ClientID)
		switch {
		case errors.Is(err, identity.ErrNoClient):
			names = append(names, p.ClientID)
		case err != nil:
			return nil, err
		default:
			names = append(names, nameOf(client))
		}
	}
	return names, nil
}

// answered reads the form that ask made: from our own page, in this browser, unchanged.
func (s *SignOut) answered(c echo.Context, path string) (keptRequest, error) {
	if err := s.Cookies.CheckCSRF(c.Request()); err != nil {
		return keptRequest{}, err
	}
	kept, err := s.Keeper.open(path, c.Request().PostForm.Get(keptParameter))
	if err != nil {
		return kept, signOutRefused("It has waited for too long.", err)
	}
	browser.SetLocales(c, kept.Values.Get("ui_locales"))
	return kept, nil
}

// leave ends the session for the person in front of this browser.
func (s *SignOut) leave(c echo.Context, cause logout.Cause, session logout.Session, next signout.Next) error {
	next.UILocales = browser.UILocales(c)
	return s.Leaver.Leave(c, logout.Request{
		Cause:             cause,
		Actor:             signout.UserActor(c, session.Subject),
		Target:            logout.Target{SessionID: session.ID},
		InitiatorClientID: next.ClientID,
	}, next)
}

// client finds the client of a request; a page when it is unknown.
func (s *SignOut) client(ctx context.Context, id string) (*identity.Client, error) {
	client, err := s.Clients.Client(ctx, id)
	if errors.Is(err, identity.ErrNoClient) {
		return nil, signOutRefused("The application that sent you is not known here.", err)
	}
	if err != nil {
		return nil, err
	}
	return &client, nil
}

// nameOf is what people see of a client.
func nameOf(c identity.Client) string {
	if c.Name != "" {
		return c.Name
	}
	return c.ID
}
