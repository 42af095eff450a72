package main

import (
	"html/template"
	"net/http"
	"time"

	"github.com/zitadel/oidc/v3/pkg/op"

	"github.com/exeunt-id/exeunt/logout"
)

// wait is how long a person waits for applications to confirm. They are told in any case.
const wait = 800 * time.Millisecond

var (
	askPage = template.Must(template.New("ask").Parse(`<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Sign out</title>
<h1>Sign out?</h1>
<form method="post" action="/leave"><button>Sign out</button></form>
<form method="post" action="/leave-everywhere"><button>Sign out everywhere</button></form></html>
`))
	receiptsPage = template.Must(template.New("receipts").Parse(`<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Signed out</title>
<h1>You are signed out</h1>
<ul>{{range .}}<li>{{.ClientID}}: {{.State}}</li>{{end}}</ul></html>
`))
)

// endSession is the end_session endpoint (RP-Initiated Logout 1.0, 2):
//
//  1. zitadel/oidc parses and verifies: hint, client, post_logout_redirect_uri.
//  2. The cookie decides which session ends; the hint vouches for the application that asks. Without a hint that fits, the person is asked.
//  3. The engine ends it. The browser goes back when the applications have answered, or after a moment.
func (p *Provider) endSession(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	ctx := op.ContextWithIssuer(r.Context(), p.op.IssuerFromRequest(r))
	parsed, err := op.ParseEndSessionRequest(r, p.op.Decoder())
	var request *op.EndSessionRequest
	if err == nil {
		request, err = op.ValidateEndSessionRequest(ctx, parsed, p.op)
	}
	if err != nil {
		http.Error(w, "This logout cannot be understood; nothing was ended.", http.StatusBadRequest)
		return
	}
	session, ok := p.current(r)
	if !ok && request.IDTokenHintClaims != nil { // it has ended before
		http.Redirect(w, r, request.RedirectURI, http.StatusSeeOther)
		return
	}
	if !ok {
		http.Redirect(w, r, "/logged-out", http.StatusSeeOther)
		return
	}
	if !p.vouched(r, request, session) {
		p.page(w, askPage, nil)
		return
	}
	if _, ok := p.endIt(w, r, logout.CauseRPInitiated, request.ClientID, logout.Target{SessionID: session.ID}); ok {
		http.Redirect(w, r, request.RedirectURI, http.StatusSeeOther)
	}
}

// vouched reports whether the hint is an ID token of this very session.
func (p *Provider) vouched(r *http.Request, request *op.EndSessionRequest, session logout.Session) bool {
	if request.IDTokenHintClaims == nil {
		return false
	}
	sid := request.IDTokenHintClaims.SessionID
	part, _, err := p.sessions.FindSID(r.Context(), sid)
	return err == nil && part.SessionID == session.ID && part.ClientID == request.ClientID
}

// leave is the person's own answer to "Sign out?", leaveEverywhere that for all
// devices.
func (p *Provider) leave(w http.ResponseWriter, r *http.Request) {
	p.leaveAs(w, r, logout.CauseRPInitiated, func(s logout.Session) logout.Target { return logout.Target{SessionID: s.ID} })
}

func (p *Provider) leaveEverywhere(w http.ResponseWriter, r *http.Request) {
	p.leaveAs(w, r, logout.CauseAccount, func(s logout.Session) logout.Target { return logout.Target{Subject: s.Subject} })
}

func (p *Provider) leaveAs(w http.ResponseWriter, r *http.Request, cause logout.Cause, target func(logout.Session) logout.Target) {
	if err := http.NewCrossOriginProtection().Check(r); err != nil {
		http.Error(w, "This did not come from our page; nothing was ended.", http.StatusForbidden)
		return
	}
	session, ok := p.current(r)
	if !ok {
		http.Redirect(w, r, "/logged-out", http.StatusSeeOther)
		return
	}
	if receipts, ok := p.endIt(w, r, cause, "", target(session)); ok {
		p.page(w, receiptsPage, receipts) // honest: who has confirmed, and who is still being tried
	}
}

// endIt is the only place that ends sessions for somebody who waits.
func (p *Provider) endIt(w http.ResponseWriter, r *http.Request, cause logout.Cause, initiator string, target logout.Target) ([]logout.Receipt, bool) {
	out, err := p.engine.End(r.Context(), logout.Request{Cause: cause, Actor: actor(r, target.Subject), Target: target, InitiatorClientID: initiator})
	if err != nil {
		http.Error(w, "Nothing was ended. Try again shortly.", http.StatusServiceUnavailable)
		return nil, false
	}
	http.SetCookie(w, &http.Cookie{Name: cookieName, Path: "/", MaxAge: -1, HttpOnly: true, SameSite: http.SameSiteLaxMode})
	if out.LogoutID == "" {
		return nil, true
	}
	return p.engine.Wait(r.Context(), out.LogoutID, wait), true
}

func loggedOut(w http.ResponseWriter, _ *http.Request) {
	_, _ = w.Write([]byte("You are signed out.\n"))
}
