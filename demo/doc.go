// Package demo is three small but honest relying parties, to see a logout
// reach all of them.
//
// Each is what a real application is: authorization code flow with PKCE, state
// and nonce, a verified ID token, its own session store and cookie, and a
// back-channel logout endpoint made of package rp. Nothing is shared between
// them but the provider. They keep everything in memory.
//
//	GET  /                    who is signed in here; or how and when that ended
//	GET  /login, /callback    OpenID Connect Core 1.0, 3.1
//	POST /logout              ends the session here, goes on to the provider's end_session endpoint
//	POST /logout/redirect     ends the session here, goes on to the provider's /logout
//	POST /logout/api          ends the session here, revokes this app's token, nothing else
//	POST /backchannel-logout  the provider's logout tokens
//	GET  /status              what the open page asks every second
package demo
