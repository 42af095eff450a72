package protocol

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/zitadel/oidc/v3/pkg/oidc"

	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider/browser"
	"github.com/exeunt-id/exeunt/provider/identity"
	"github.com/exeunt-id/exeunt/provider/signout"
)

// consentReader remembers what people agreed to.
type consentReader interface {
	Consent(ctx context.Context, subject, clientID string) (identity.Consent, error)

	// Hold is Consent for whoever issues something by it: until the transaction in ctx ends it is not revoked. Hold it before the session,
	// as a revocation does.
	Hold(ctx context.Context, subject, clientID string) (identity.Consent, error)
}

// departureReader remembers which apps people have left.
type departureReader interface {
	LeftAt(ctx context.Context, subject, clientID string) (time.Time, error)
	Return(ctx context.Context, subject, clientID string) error
}

// errLeft says that the person has left the app, and has not said that they want to go on.
var errLeft = errors.New("protocol: the person has left this app")

// deviceAsker tells whether the person must make room for an app on their devices first; *device.Registry does.
type deviceAsker interface {
	Asks(ctx context.Context, session logout.Session, client identity.Client) (bool, error)
}

// readConsent is one of consentReader's.
type readConsent func(ctx context.Context, subject, clientID string) (identity.Consent, error)

// Flow takes an authorization request as far as it goes without the person. Authorize starts it, Resume continues it.
type Flow struct {
	Settings
	Tx       Transactions
	Consents consentReader
	Left     departureReader
	Activity signout.Activity
	Devices  deviceAsker
	Current  signout.Current
	Respond  Responder
}

// hooks are the two ways in which an authorization leaves the flow.
type hooks struct {
	// ask sends the person to a page; it is called with the path and with the error that prompt=none gets instead.
	ask func(path string, e *oidc.Error) error
	// record stores the authorization with its code, in the transaction that has locked the session.
	record func(ctx context.Context, a identity.Authorization) error
}

// advance decides what the request still needs and answers it when that is nothing:
//
//  1. A live session whose login satisfies prompt, max_age and id_token_hint, or else the login page.
//  2. Consent, or else the consent page.
//  3. Room for the client on the person's devices, or else the page of devices.
//  4. In one transaction: hold the consent, which may have been revoked since, hold the session, note its activity, record the code. A person who has left
//     this app on their account page is asked first. That is looked up here, where the session is held: a departure at this moment either comes
//     first and is seen, or drops the code.
//  5. Redirect with the code.
func (f *Flow) advance(c echo.Context, t target, a identity.Authorization, h hooks) error {
	ctx, now := c.Request().Context(), f.Now().UTC()
	session, live, err := f.Current.Session(ctx, c.Request())
	if err != nil {
		return err
	}
	if !live || needsLogin(a, session, now) {
		return h.ask(pathLogin, oidc.ErrLoginRequired().WithDescription("The person must log in."))
	}
	full := false
	if a.Request.Scopes, err = f.consented(ctx, f.Consents.Consent, t.Client, a, session); err == nil {
		full, err = f.Devices.Asks(ctx, session, t.Client)
	}
	if full {
		return h.ask(pathDevices, oidc.ErrInteractionRequired().WithDescription("The person uses the client on as many devices as they may."))
	}
	if err == nil {
		err = f.issueCode(c, t, a, session, now, h)
	}
	switch {
	case errors.Is(err, errNoConsent):
		return h.ask(pathConsent, &oidc.Error{ErrorType: codeConsentRequired, Description: "The person must agree first."})
	case errors.Is(err, errLeft):
		return h.ask(pathContinue, oidc.ErrInteractionRequired().WithDescription("The person has left this application, and must say that they want to go on."))
	case errors.Is(err, logout.ErrNoSession): // a logout was faster
		return h.ask(pathLogin, oidc.ErrLoginRequired().WithDescription("The person must log in."))
	}
	return err
}

// issueCode records a code and answers with it. errNoConsent, errLeft and logout.ErrNoSession say that a revocation, a departure or a logout was faster.
func (f *Flow) issueCode(c echo.Context, t target, a identity.Authorization, session logout.Session, now time.Time, h hooks) error {
	ctx := c.Request().Context()
	code := browser.NewSecret()
	a.SessionID, a.Subject, a.CodeHash, a.ExpiresAt = session.ID, session.Subject, browser.Hash(code), now.Add(f.Lifetimes.Code)
	err := f.Tx.Tx(ctx, func(ctx context.Context) error {
		if _, err := f.consented(ctx, f.Consents.Hold, t.Client, a, session); err != nil {
			return err
		}
		held, err := f.Activity.Hold(ctx, session, now)
		if err != nil {
			return err
		}
		a.AuthTime = held.AuthTime
		if err := f.goOn(ctx, a, held); err != nil {
			return err
		}
		return h.record(ctx, a)
	})
	if err != nil {
		return err
	}
	return f.Respond.code(c, t, code)
}

// errNoConsent says that the person must agree first.
var errNoConsent = errors.New("protocol: the person has not agreed to everything")

// consented returns the scopes of the request that may be granted without asking; errNoConsent when the person must be asked. read is how the
// consent is read.
func (f *Flow) consented(ctx context.Context, read readConsent, client identity.Client, a identity.Authorization, session logout.Session) ([]string, error) {
	missing, err := f.missingConsent(ctx, read, client, a, session)
	switch {
	case err != nil:
		return nil, err
	case len(missing) == 0:
		return a.Request.Scopes, nil
	case onlyOffline(missing) && len(a.Request.Scopes) > 1 && slices.Contains(a.Request.Prompt, oidc.PromptNone):
		// Core 11: offline access that nobody agreed to is ignored, the rest of the request is not.
		return without(a.Request.Scopes, oidc.ScopeOfflineAccess), nil
	}
	return nil, errNoConsent
}

// goOn returns errLeft when the person has left the app since the session began, and has neither logged in nor agreed for this request since
// then. When they have, they have come back. As in missingConsent, an agreement from before the session's login may be somebody else's.
func (f *Flow) goOn(ctx context.Context, a identity.Authorization, s logout.Session) error {
	left, err := f.Left.LeftAt(ctx, s.Subject, a.ClientID)
	if err != nil || left.IsZero() || s.CreatedAt.After(left) {
		return err
	}
	loggedIn := loggedInWithin(a, s) && a.LoggedInAt.After(left)
	agreed := a.ConsentedAt.After(left) && !a.ConsentedAt.Before(s.AuthTime)
	if !loggedIn && !agreed {
		return errLeft
	}
	return f.Left.Return(ctx, s.Subject, a.ClientID)
}

// needsLogin reports whether the person must prove again who they are (Core 3.1.2.3). A login that happened within this request
// satisfies it, however long the person took on the pages that followed.
func needsLogin(a identity.Authorization, s logout.Session, now time.Time) bool {
	switch r := a.Request; {
	case wrongPerson(a, s):
		return true
	case loggedInWithin(a, s):
		return false
	default:
		return slices.Contains(r.Prompt, oidc.PromptLogin) || slices.Contains(r.Prompt, oidc.PromptSelectAccount) ||
			r.MaxAge != nil && now.Sub(s.AuthTime) > time.Duration(*r.MaxAge)*time.Second
	}
}

// loggedInWithin reports whether the session's login belongs to this request.
func loggedInWithin(a identity.Authorization, s logout.Session) bool {
	return !a.LoggedInAt.IsZero() && !s.AuthTime.Before(a.CreatedAt)
}

// wrongPerson reports whether the session is not that of the person named by id_token_hint, or by sub in the claims parameter
// (Core 3.1.2.1 and 5.5.1).
func wrongPerson(a identity.Authorization, s logout.Session) bool {
	return a.Request.HintSubject != "" && a.Request.HintSubject != s.Subject || !a.Request.Claims.AllowsSubject(s.Subject)
}

// missingConsent returns the scopes that the person has still to agree to. Clients that the operator trusts need no consent, unless
// they ask for it themselves by prompt=consent.
//
// An agreement from before the session's login may be that of somebody who used this browser then; a login comes before the consent.
func (f *Flow) missingConsent(ctx context.Context, read readConsent, client identity.Client, a identity.Authorization, session logout.Session) ([]string, error) {
	if slices.Contains(a.Request.Prompt, oidc.PromptConsent) && (a.ConsentedAt.IsZero() || a.ConsentedAt.Before(session.AuthTime)) {
		return a.Request.Consented(), nil
	}
	if client.SkipConsent {
		return nil, nil
	}
	agreed, err := read(ctx, session.Subject, client.ID)
	if err != nil {
		return nil, err
	}
	return without(a.Request.Consented(), agreed.Scopes...), nil
}

func onlyOffline(scopes []string) bool {
	return len(scopes) == 1 && scopes[0] == oidc.ScopeOfflineAccess
}

// without returns the scopes that are not among the dropped ones.
func without(scopes []string, dropped ...string) []string {
	var kept []string
	for _, scope := range scopes {
		if !slices.Contains(dropped, scope) {
			kept = append(kept, scope)
		}
	}
	return kept
}
