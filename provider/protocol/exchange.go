package protocol

import (
	"context"
	"crypto/subtle"
	"errors"
	"slices"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/zitadel/oidc/v3/pkg/oidc"

	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider/browser"
	"github.com/exeunt-id/exeunt/provider/device"
	"github.com/exeunt-id/exeunt/provider/identity"
	"github.com/exeunt-id/exeunt/provider/signout"
)

// codeGrace is how long the same client may present a code again without harm: its first answer may have been lost, or two of its
// tabs race.
const codeGrace = 5 * time.Second

// participant is what an exchange needs of sessions.
type participant interface {
	signout.Holder
	Join(ctx context.Context, sessionID, clientID, subject string, at time.Time) (logout.Participation, error)
	Find(ctx context.Context, id string) (logout.Session, error)
}

// appAdmitter knows on how many devices a person may use an app; *device.Registry does.
type appAdmitter interface {
	AdmitApp(ctx context.Context, session logout.Session, client identity.Client) error
}

// Exchange turns an authorization code into tokens (RFC 6749, 4.1.3; RFC 7636, 4.5; OpenID Connect Core 1.0, 3.1.3):
//
//  1. Find the code. It must be this client's, for this redirect URI, with the verifier of its challenge.
//  2. A code that was used already: see reuse.
//  3. In one transaction: make room on the person's devices where the client has a limit, lock the session (a code issued before a logout is dead after it, also for offline access), consume the code
//     (of any number of parallel exchanges one succeeds), join the session, store grant and tokens.
//  4. Sign the ID token.
//
// A JWT access token is signed before the transaction, which stores its hash.
//
// The ID token is signed after the commit, because its sid comes out of the transaction and a signature must not hold the session's row. If
// signing fails the answer is server_error, the tokens stay unknown to everybody and die with the session, and the relying party has
// a participation it will be told about: it can start over.
type Exchange struct {
	Settings
	Tx             Transactions
	Authorizations identity.Authorizations
	Grants         identity.Grants
	Sessions       participant
	Devices        appAdmitter
	Users          userReader
	Signer         Signer
	Reuse          *Reuse
}

func (e *Exchange) exchange(c echo.Context, client identity.Client, p parameters) (*oidc.AccessTokenResponse, error) {
	ctx, now := c.Request().Context(), e.Now().UTC()
	if p["code"] == "" || p["redirect_uri"] == "" {
		return nil, invalidRequest("The parameters code and redirect_uri are required.")
	}
	hash := browser.Hash(p["code"])
	a, err := e.Authorizations.FindCode(ctx, hash)
	if errors.Is(err, identity.ErrNoAuthorization) {
		return nil, invalidGrant("The code is unknown or has expired.")
	}
	if err != nil {
		return nil, err
	}
	if err := checkCode(a, client, p); err != nil {
		return nil, err
	}
	if !a.ConsumedAt.IsZero() {
		if now.Sub(a.ConsumedAt) > codeGrace {
			grant := identity.Grant{ID: a.GrantID, SessionID: a.SessionID, ClientID: client.ID, Subject: a.Subject, CreatedAt: a.ConsumedAt}
			if err := e.Reuse.end(c, client, grant, now); err != nil {
				return nil, err
			}
		}
		return nil, invalidGrant("The code has been used already.")
	}
	if !now.Before(a.ExpiresAt) {
		return nil, invalidGrant("The code is unknown or has expired.")
	}
	grant, tokens, err := e.redeem(ctx, client, a, hash, now)
	if err != nil {
		return nil, err
	}
	idToken := ""
	if slices.Contains(grant.Scopes, oidc.ScopeOpenID) {
		asked, err := askedInIDToken(ctx, e.Users, grant)
		if err != nil {
			return nil, err
		}
		if idToken, err = e.idToken(ctx, e.Signer, client, grant, grant.SID, tokens.access, asked, now); err != nil {
			return nil, err
		}
	}
	return tokens.response(grant.Scopes, idToken), nil
}

// redeem is the transaction of an exchange.
func (e *Exchange) redeem(ctx context.Context, client identity.Client, a identity.Authorization, hash []byte, now time.Time) (identity.Grant, issued, error) {
	grant := identity.Grant{
		ID: logout.NewID(), ClientID: client.ID, Subject: a.Subject, SessionID: a.SessionID, Scopes: a.Request.Scopes,
		Offline: slices.Contains(a.Request.Scopes, oidc.ScopeOfflineAccess), Nonce: a.Request.Nonce, Claims: a.Request.Claims, AuthTime: a.AuthTime, CreatedAt: now,
	}
	tokens, err := e.signed(ctx, client, grant, now)
	if err != nil {
		return grant, tokens, err
	}
	err = e.Tx.Tx(ctx, func(ctx context.Context) error {
		if err := e.admit(ctx, client, a); err != nil {
			return err
		}
		session, err := e.hold(ctx, client, a.SessionID, now)
		if err != nil {
			return err
		}
		if err := e.Authorizations.Consume(ctx, hash, grant.ID, now); err != nil {
			return err
		}
		part, err := e.Sessions.Join(ctx, a.SessionID, client.ID, a.Subject, now)
		if err != nil {
			return err
		}
		grant.SID = part.SID
		if tokens.rows == nil {
			tokens = e.issue(grant, grant.Scopes, client.Allows(identity.GrantRefreshToken), bound(grant, session), now)
		}
		return e.Grants.Create(ctx, grant, tokens.rows...)
	})
	var refusal *device.Refusal
	switch {
	case errors.As(err, &refusal):
		return grant, tokens, invalidGrant("The person uses the client on as many devices as they may.")
	case errors.Is(err, logout.ErrNoSession):
		return grant, tokens, invalidGrant("The session that the code belongs to has ended.")
	case errors.Is(err, identity.ErrNoAuthorization):
		return grant, tokens, invalidGrant("The code has been used already.")
	}
	return grant, tokens, err
}

// admit looks at the client's limit of devices. Flow has done that for the person's sake; here it holds against codes that race.
func (e *Exchange) admit(ctx context.Context, client identity.Client, a identity.Authorization) error {
	if client.DeviceLimit <= 0 {
		return nil
	}
	session, err := e.Sessions.Find(ctx, a.SessionID)
	if err != nil {
		return err
	}
	return e.Devices.AdmitApp(ctx, session, client)
}

// hold takes the session's row. A session that a client with idle: none takes part in has no idle lifetime from then on: nobody opens that
// app every day.
func (e *Exchange) hold(ctx context.Context, client identity.Client, sessionID string, now time.Time) (logout.Session, error) {
	if client.Idle != identity.IdleNone {
		return e.Sessions.Lock(ctx, sessionID, now)
	}
	session, err := e.Sessions.Find(ctx, sessionID)
	if err != nil {
		return session, err
	}
	return signout.Activity{Sessions: e.Sessions}.Hold(ctx, session, now)
}

// signed issues the tokens of a client with JWT access tokens, and nothing for others. The session's end is read without a lock: it only
// ever moves away.
func (e *Exchange) signed(ctx context.Context, client identity.Client, grant identity.Grant, now time.Time) (issued, error) {
	if client.AccessTokenFormat != identity.AccessTokenJWT {
		return issued{}, nil
	}
	session, err := e.Sessions.Find(ctx, grant.SessionID)
	if errors.Is(err, logout.ErrNoSession) {
		return issued{}, invalidGrant("The session that the code belongs to has ended.")
	}
	if err != nil {
		return issued{}, err
	}
	tokens := e.issue(grant, grant.Scopes, client.Allows(identity.GrantRefreshToken), bound(grant, session), now)
	return e.format(ctx, e.Signer, client, grant, tokens)
}

// bound is when the tokens of a grant end at the latest: with the session, or by themselves.
func bound(g identity.Grant, session logout.Session) time.Time {
	if g.Offline {
		return time.Time{}
	}
	return session.ExpiresAt
}

// checkCode verifies that the request is the answer to the one that the code was issued for.
func checkCode(a identity.Authorization, client identity.Client, p parameters) error {
	switch {
	case a.ClientID != client.ID:
		return invalidGrant("The code was issued to another client.")
	case subtle.ConstantTimeCompare([]byte(a.Request.RedirectURI), []byte(p["redirect_uri"])) != 1:
		return invalidGrant("The redirect_uri is not the one that the code was issued for.")
	case a.Request.CodeChallenge == "" && p["code_verifier"] != "":
		// A challenge that an attacker removed from the request must not go unnoticed (RFC 9700, 2.1.1).
		return invalidGrant("A code_verifier was sent, but the authorization request had no code_challenge.")
	case a.Request.CodeChallenge != "" && !verifierMatches(a.Request, p["code_verifier"]):
		return invalidGrant("The code_verifier is missing or does not belong to the code_challenge.")
	}
	return nil
}

func verifierMatches(r identity.AuthorizationRequest, verifier string) bool {
	return verifier != "" && oidc.VerifyCodeChallenge(
		&oidc.CodeChallenge{Challenge: r.CodeChallenge, Method: oidc.CodeChallengeMethod(r.CodeChallengeMethod)}, verifier)
}
