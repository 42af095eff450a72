package protocol

import (
	"context"
	"errors"
	"net/url"
	"slices"

	"github.com/labstack/echo/v4"

	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider/audit"
	"github.com/exeunt-id/exeunt/provider/browser"
	"github.com/exeunt-id/exeunt/provider/identity"
	"github.com/exeunt-id/exeunt/provider/signout"
)

// RedirectLogout answers GET and POST /logout, our own endpoint for a link or form "log out" in an application, and its confirmation:
//
//  1. Only what a person sees, as in EndSession.
//  2. client_id must be known; redirect_uri, if there is one, exactly one of the client's registered URIs. Otherwise a page, and nothing
//     ends.
//  3. The session of this browser's cookie ends at once, without a question: that is the contract of this endpoint. But only if the client
//     takes part in it and is not configured with redirect_logout: confirm; otherwise the person is asked.
//  4. oauth_token is revoked in the same transaction, with its whole authorization, if it is alive, the person's, and this client's.
//     Anything else about it stops nothing, revokes nothing, and is recorded in the audit trail.
//  5. Without a session the token is still revoked, and the person goes on all the same.
type RedirectLogout struct {
	SignOut
	Grants  tokenReader
	Tx      Transactions
	Revoker *Revoker
}

var logoutParameters = []string{"client_id", "redirect_uri", "oauth_token", "state"}

// logoutRequest is a validated request.
type logoutRequest struct {
	values url.Values
	client *identity.Client
	token  string
	next   signout.Next
}

// Handle answers a request.
func (h *RedirectLogout) Handle(c echo.Context) error {
	values, done, err := h.receive(c, PathLogout)
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
	if !live {
		return h.withoutSession(c, request)
	}
	parts, err := h.Sessions.Participations(ctx, session.ID)
	if err != nil {
		return err
	}
	takesPart := slices.ContainsFunc(parts, func(p logout.Participation) bool { return p.ClientID == request.client.ID })
	if !takesPart || request.client.RedirectLogout == "confirm" {
		return h.question(c, request, session)
	}
	return h.end(c, request, session)
}

// Confirm answers POST /logout/confirm. The request is validated anew; when this browser has another session by now than the one that the
// page named, the person is asked again.
func (h *RedirectLogout) Confirm(c echo.Context) error {
	kept, err := h.answered(c, PathLogoutConfirm)
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	request, err := h.validate(ctx, kept.Values)
	if err != nil {
		return err
	}
	session, live, err := h.Current.Session(ctx, c.Request())
	switch {
	case err != nil:
		return err
	case !live:
		return h.withoutSession(c, request)
	case session.ID != kept.SessionID:
		return h.question(c, request, session)
	default:
		return h.end(c, request, session)
	}
}

func (h *RedirectLogout) validate(ctx context.Context, values url.Values) (logoutRequest, error) {
	p, repeated := pick(values, logoutParameters)
	switch {
	case len(repeated) > 0:
		return logoutRequest{}, signOutRepeats(repeated[0])
	case p["client_id"] == "":
		return logoutRequest{}, signOutRefused("It does not say which application sent you (client_id).", nil)
	}
	client, err := h.client(ctx, p["client_id"])
	if err != nil {
		return logoutRequest{}, err
	}
	uri := p["redirect_uri"]
	if uri != "" && !slices.Contains(client.RedirectURIs, uri) && !client.PostLogoutRegistered(uri) {
		return logoutRequest{}, signOutRefused("The address to return to is not one that the application has registered.", nil)
	}
	return logoutRequest{
		values: values, client: client, token: p["oauth_token"],
		next: signout.Next{RedirectURI: uri, State: p["state"], ClientID: client.ID},
	}, nil
}

func (h *RedirectLogout) question(c echo.Context, r logoutRequest, session logout.Session) error {
	return h.ask(c, question{action: PathLogoutConfirm, values: r.values, session: &session, own: true, client: r.client, next: r.next})
}

// end is step 3 and 4.
func (h *RedirectLogout) end(c echo.Context, r logoutRequest, session logout.Session) error {
	also, err := h.tokenStep(c, r, signout.UserActor(c, session.Subject), session)
	if err != nil {
		return err
	}
	next := r.next
	next.DropCookie, next.Also = true, also
	return h.leave(c, logout.CauseRedirect, session, next)
}

// withoutSession is step 5.
func (h *RedirectLogout) withoutSession(c echo.Context, r logoutRequest) error {
	actor := signout.ClientActor(c, r.client.ID)
	actor.Kind, actor.ID = audit.ActorAnonymous, ""
	also, err := h.tokenStep(c, r, actor, logout.Session{})
	if err == nil && also != nil {
		err = h.Tx.Tx(context.WithoutCancel(c.Request().Context()), also)
	}
	if err != nil {
		return err
	}
	return h.Leaver.Go(c, r.next)
}

// tokenStep returns what is to be done about the request's token in the transaction of the logout: it is revoked if it may be, and the
// trail says so either way; nil without a token. session is the one that ends; the zero one when nobody is signed in here.
func (h *RedirectLogout) tokenStep(c echo.Context, r logoutRequest, actor logout.Actor, session logout.Session) (func(context.Context) error, error) {
	if r.token == "" {
		return nil, nil
	}
	grant, reason, err := h.revocable(c.Request().Context(), r, session.Subject)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) error {
		if reason != "" {
			return h.Audit.Record(ctx, audit.TokenIgnored(actor, r.client.ID, session.ID, grant.ID, reason))
		}
		_, err := h.Revoker.Revoke(ctx, actor, grant, string(logout.CauseRedirect), h.Now().UTC())
		return err
	}, nil
}

// revocable returns the grant of the request's token, and why it may not be revoked; "" when it may. subject is whose it must be; "" when
// nobody is signed in here.
func (h *RedirectLogout) revocable(ctx context.Context, r logoutRequest, subject string) (identity.Grant, string, error) {
	state, err := h.Grants.Token(ctx, browser.Hash(r.token))
	switch {
	case errors.Is(err, identity.ErrNoToken):
		return identity.Grant{}, "unknown", nil
	case err != nil:
		return identity.Grant{}, "", err
	case state.Token.ClientID != r.client.ID:
		return state.Grant, "another client's", nil
	case subject != "" && state.Grant.Subject != subject:
		return state.Grant, "another user's", nil
	case !state.Live(h.Now()):
		return state.Grant, "expired or revoked", nil
	}
	return state.Grant, "", nil
}
