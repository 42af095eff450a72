package protocol

import (
	"slices"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"

	"github.com/exeunt-id/exeunt/provider/browser"
	"github.com/exeunt-id/exeunt/provider/identity"
)

// issued is a set of new tokens: what the client gets, and what is kept of it.
type issued struct {
	access, refresh string
	rows            []identity.Token
	expiresIn       time.Duration // of the access token
}

// streamTokenLife bounds the life of a token by which streams are managed (CAEP Interoperability Profile 1.0, 2.7.1).
const streamTokenLife = time.Hour

// issue makes an access token with the given scopes and, if asked, a refresh token with all scopes of the grant (RFC 6749, 6). until
// bounds their lifetime: the session's, since session-bound tokens die with it; zero for an offline grant.
func (s Settings) issue(g identity.Grant, scopes []string, refresh bool, until, at time.Time) issued {
	expiry := func(life time.Duration) time.Time {
		if t := at.Add(life); until.IsZero() || t.Before(until) {
			return t
		}
		return until
	}
	row := func(kind, token string, scopes []string, expiresAt time.Time) identity.Token {
		return identity.Token{
			Hash: browser.Hash(token), Kind: kind, GrantID: g.ID, ClientID: g.ClientID, Scopes: scopes, IssuedAt: at, ExpiresAt: expiresAt,
		}
	}
	accessLife := s.Lifetimes.Access
	if slices.ContainsFunc(scopes, identity.OwnScope) {
		accessLife = min(accessLife, streamTokenLife)
	}
	accessUntil := expiry(accessLife)
	out := issued{access: browser.NewSecret(), expiresIn: accessUntil.Sub(at)}
	out.rows = append(out.rows, row(identity.KindAccess, out.access, scopes, accessUntil))
	if refresh {
		out.refresh = browser.NewSecret()
		out.rows = append(out.rows, row(identity.KindRefresh, out.refresh, g.Scopes, expiry(s.Lifetimes.Refresh)))
	}
	return out
}

// response is the answer of the token endpoint (RFC 6749, 5.1).
func (t issued) response(scopes []string, idToken string) *oidc.AccessTokenResponse {
	return &oidc.AccessTokenResponse{
		AccessToken:  t.access,
		TokenType:    oidc.BearerToken,
		RefreshToken: t.refresh,
		ExpiresIn:    uint64(max(t.expiresIn, 0) / time.Second),
		IDToken:      idToken,
		Scope:        scopes,
	}
}
