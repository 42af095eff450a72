// Package protocol holds the endpoints of the OpenID Provider: OAuth 2.0 (RFC 6749, 6750, 7009, 7591, 7592, 7662, 9207), OpenID Connect
// Core 1.0, Discovery 1.0, Dynamic Client Registration 1.0, RP-Initiated Logout 1.0, and our own /logout and /api/logout. One file per endpoint; each opens with its flow.
//
// Endpoints return errors as values and never write them: *oidc.Error for applications (JSON), *browser.Error for people (a page).
// Whatever else they return is an inner failure, whose text stays in the log.
//
// Two rules keep a logout from being overtaken. Whatever issues a code, a token or a participation first takes the session's row in
// the same transaction (Sessions.Lock), so that a concurrent end comes either before, and nothing is issued, or after, and sees what
// was issued. And whatever ends a session does it through signout.Leaver, and so through logout.Engine.End.
package protocol
