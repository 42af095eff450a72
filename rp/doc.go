// Package rp makes a relying party leave when its OpenID Provider says so.
//
// It receives OpenID Connect Back-Channel Logout 1.0 tokens from any
// conformant provider and needs nothing but net/http and a JOSE library:
//
//	verifier, err := rp.NewLogoutTokenVerifier(rp.VerifierConfig{
//		Issuer:   "https://id.example.com",
//		ClientID: "shop",
//	})
//	...
//	handler, err := rp.NewBackchannelLogout(rp.BackchannelConfig{
//		Verifier: verifier,
//		End: func(ctx context.Context, token *rp.LogoutToken) error {
//			return sessions.End(ctx, token.SID, token.Subject)
//		},
//	})
//	...
//	mux.Handle("/backchannel-logout", handler)
//
// # What the provider is answered
//
//	valid, session ended or already gone    200, empty body
//	not a valid logout token, or a replay   400 {"error":"invalid_request"}
//	keys out of reach, End failed           503: nothing is recorded, a retry is welcome
//	not a POST                              405
//
// The difference between 400 and 503 is what keeps a logout from being lost: a
// provider that retries gives up after a 400, because a retry cannot mend a bad
// token, and comes back after a 503. [*TokenError] means the former,
// [*TemporaryError] the latter.
//
// # The token that overtakes the login
//
// A provider may end a session while the relying party still exchanges the code
// of it. The logout token then arrives first, finds no session, and is answered
// 200; a moment later the login completes. [Tombstones] remembers what ended,
// so that such a login is refused.
//
// # Several processes
//
// [MemoryReplays] and [Tombstones] live in one process. An application that
// runs in several implements [ReplayStore] over its database, with End in the
// same transaction, and keeps its tombstones beside its sessions.
package rp
