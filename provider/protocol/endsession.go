package protocol

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/labstack/echo/v4"

	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider/identity"
	"github.com/exeunt-id/exeunt/provider/signout"
)

// EndSession answers GET and POST /end_session (OpenID Connect RP-Initiated Logout 1.0, 2) and its confirmation:
//
//  1. Only what a person sees: no prefetch, no frame, no script. A cross-site POST comes without our cookies and is repeated as a GET.
//  2. Validate hint, client and post_logout_redirect_uri; anything wrong is a page, and nothing ends.
//  3. The cookie decides, the hint vouches. A session of this browser in which the hint's sid takes part ends at once. Without a hint, or
//     with one of another session, the person is asked.
//  4. No session in this browser, a person in front of it: with a live sid they are asked about that session; otherwise there is
//     nothing to end, and they go on.
//  5. No session and no browser: a server calls. See serverSide.
//
// The session is dead before the browser is redirected, and the relying party that asked is told like every other.
type EndSession struct {
	SignOut
	Hints      Hints
	ClientAuth ClientAuth
}

var endSessionParameters = []string{"id_token_hint", "logout_hint", "client_id", "post_logout_redirect_uri", "state", "ui_locales"}

// endRequest is a validated request.
type endRequest struct {
	values url.Values
	hint   *Hint            // nil: none
	client *identity.Client // whom the hint or client_id names; nil: nobody
	next   signout.Next
}

// Handle answers a request.
func (h *EndSession) Handle(c echo.Context) error {
	values, done, err := h.receive(c, PathEndSession)
	if done || err != nil {
		return err
	}
	ctx := c.Request().Context()
	request, err := h.validate(ctx, values)
	if err != nil {
		return err
	}
	session, live, err := h.Current.Session(ctx, c.Request())
	if err != nil {
		return err
	}
	hinted, err := h.hinted(ctx, request.hint)
	if err != nil {
		return err
	}
	switch {
	case live && hinted != nil && hinted.ID == session.ID:
		return h.end(c, request, session, true)
	case live:
		return h.question(c, request, &session, true)
	case !navigation(c.Request()):
		return h.serverSide(c, request, hinted)
	case hinted != nil:
		return h.question(c, request, hinted, false)
	case request.hint == nil && request.next.RedirectURI != "":
		return h.question(c, request, nil, false)
	default:
		return h.Leaver.Go(c, request.next)
	}
}

// Confirm answers POST /end_session/confirm. The request is validated anew, and what ends is the session that the page named: when this
// browser has another one by now, the person is asked again.
func (h *EndSession) Confirm(c echo.Context) error {
	kept, err := h.answered(c, PathEndSessionConfirm)
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	request, err := h.validate(ctx, kept.Values)
	if err != nil {
		return err
	}
	session, live, err := h.Current.Session(ctx, c.Request())
	if err != nil {
		return err
	}
	hinted, err := h.hinted(ctx, request.hint)
	if err != nil {
		return err
	}
	switch {
	case live && session.ID == kept.SessionID:
		return h.end(c, request, session, true)
	case live:
		return h.question(c, request, &session, true)
	case hinted != nil && hinted.ID == kept.SessionID:
		return h.end(c, request, *hinted, false)
	default:
		return h.Leaver.Go(c, request.next)
	}
}

// validate checks all that can be wrong with a request (RP-Initiated Logout 1.0, 2, 3 and 4).
func (h *EndSession) validate(ctx context.Context, values url.Values) (endRequest, error) {
	p, repeated := pick(values, endSessionParameters)
	if len(repeated) > 0 {
		return endRequest{}, signOutRepeats(repeated[0])
	}
	r := endRequest{values: values}
	clientID := p["client_id"]
	if p["id_token_hint"] != "" {
		hint, err := h.Hints.Verify(ctx, p["id_token_hint"])
		switch {
		case err != nil && !errors.Is(err, errHint):
			return endRequest{}, err
		case err != nil, hint.SID == "":
			return endRequest{}, signOutRefused("Its id_token_hint is not an ID token of this provider.", err)
		case clientID != "" && clientID != hint.ClientID:
			return endRequest{}, signOutRefused("Its client_id is not the application that the id_token_hint was issued to.", nil)
		}
		r.hint, clientID = &hint, hint.ClientID
	}
	if clientID != "" {
		var err error
		if r.client, err = h.client(ctx, clientID); err != nil {
			return endRequest{}, err
		}
	}
	uri := p["post_logout_redirect_uri"]
	switch {
	case uri == "":
	case r.client == nil:
		return endRequest{}, signOutRefused("It says where to return to, but not for which application (id_token_hint or client_id).", nil)
	case !r.client.PostLogoutRegistered(uri):
		return endRequest{}, signOutRefused("The address to return to is not one that the application has registered.", nil)
	}
	r.next = signout.Next{RedirectURI: uri, State: p["state"], ClientID: clientID}
	return r, nil
}

// hinted returns the live session that the hint's sid takes part in; nil when there is none any more.
func (h *EndSession) hinted(ctx context.Context, hint *Hint) (*logout.Session, error) {
	if hint == nil {
		return nil, nil
	}
	part, session, err := h.Sessions.FindSID(ctx, hint.SID)
	switch {
	case errors.Is(err, logout.ErrNoSession):
		return nil, nil
	case err != nil:
		return nil, err
	case part.ClientID != hint.ClientID, part.Subject != hint.Subject, !part.EndedAt.IsZero(), !session.Live(h.Now()):
		return nil, nil
	}
	return &session, nil
}

func (h *EndSession) question(c echo.Context, r endRequest, session *logout.Session, own bool) error {
	return h.ask(c, question{action: PathEndSessionConfirm, values: r.values, session: session, own: own, client: r.client, next: r.next})
}

func (h *EndSession) end(c echo.Context, r endRequest, session logout.Session, own bool) error {
	r.next.DropCookie = own
	return h.leave(c, logout.CauseRPInitiated, session, r.next)
}

// serverSide answers a caller that is no browser. Nobody can be asked, so the hint would have to authorise, which it is not made for:
// other parties see ID tokens too. It does so only for clients that the operator configured with hint_logout, with an unexpired hint of a
// live sid, and, if the client is confidential, together with its authentication. The answer is no redirect: such callers follow none.
func (h *EndSession) serverSide(c echo.Context, r endRequest, session *logout.Session) error {
	switch {
	case r.hint == nil:
		return nothingEnded("It came neither from a browser with a session here nor with an id_token_hint.")
	case !r.client.HintLogout:
		return nothingEnded("It came without a browser, and the application may not sign people out by an id_token_hint alone (hint_logout).")
	case session == nil, !h.Now().Before(r.hint.ExpiresAt):
		return nothingEnded("Its id_token_hint has expired, or the session it names has ended.")
	}
	if !r.client.Public() {
		p, repeated := pick(c.Request().PostForm, clientParameters)
		client, err := h.ClientAuth.Authenticate(c, p)
		if err != nil || len(repeated) > 0 || client.ID != r.client.ID {
			return nothingEnded("It came without a browser, and the application did not authenticate.")
		}
	}
	_, err := h.Leaver.End(c.Request().Context(), logout.Request{
		Cause:             logout.CauseRPInitiated,
		Actor:             signout.ClientActor(c, r.client.ID),
		Target:            logout.Target{SessionID: session.ID},
		InitiatorClientID: r.client.ID,
	}, nil)
	if err != nil {
		return err
	}
	noStore(c)
	return c.String(http.StatusOK, "The session has ended.\n")
}

// nothingEnded is the page for a caller that expected a logout and did not get one.
func nothingEnded(reason string) error {
	e := signOutRefused(reason, nil)
	e.Title = "Nothing was ended"
	return e
}
