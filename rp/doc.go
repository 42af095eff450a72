// Package rp makes a relying party leave when its OpenID Provider says so.
//
// It works with any OpenID Provider, and needs nothing but net/http, a JOSE
// library and golang.org/x/oauth2. Most applications want the whole [Kit]:
// login, session, and every kind of logout.
//
//	kit, err := rp.New(rp.Config{
//		Issuer:       "https://id.example.com",
//		ClientID:     "shop",
//		ClientSecret: secret,
//		BaseURL:      "https://shop.example.com",
//	})
//	...
//	mux.Handle("/auth/", kit)
//	mux.Handle("/account/", kit.Middleware(account)) // rp.UserFrom(r.Context())
//
// An application that has its own login takes the back channel alone. It
// receives OpenID Connect Back-Channel Logout 1.0 tokens from any conformant
// provider:
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
// [MemoryStore], [MemoryReplays] and [Tombstones] live in one process. A Kit of
// several instances shares a [Store]: package sqlstore has one for a database,
// [FromSCS] takes any store of alexedwards/scs, and package rptest has the suite
// for your own. Without a Kit, implement [ReplayStore] over your database, with
// End in the same transaction, and keep tombstones beside your sessions.
//
// # What a Kit keeps
//
//	session:  one login, under the hash of its cookie, encrypted with a key derived from it
//	ended:    what has ended: by sid or, for tokens without one, by subject
//	sid:      which sids this application has seen, for the front channel
//	state:    which logins were finished, so that none is finished twice
//	jti:      which logout tokens did their work
//
// An ended session is not searched for and removed. It is marked, and every
// request asks for the mark: one write ends any number of sessions on any
// number of instances, and a login that comes too late finds the mark too.
package rp
