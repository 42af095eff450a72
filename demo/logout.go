package demo

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"net/http"

	"github.com/exeunt-id/exeunt/rp"
)

// logoutAtProvider ends the session here and goes on to the provider's
// end_session endpoint (RP-Initiated Logout 1.0).
func (a *App) logoutAtProvider(w http.ResponseWriter, r *http.Request) {
	leaving, ok := a.leaving(w, r)
	if !ok {
		return
	}
	state := rand.Text()
	next, err := a.provider.endSessionURL(r.Context(), leaving.idToken, state)
	// Here it ends in any case: whoever says "out" must not stay in because the provider is away.
	a.sessions.endHere(cookieValue(r, a.sessionCookie()), endedAtProvider, state)
	if err != nil {
		a.problem(w, r, http.StatusBadGateway, "Signed out here only", "The provider does not answer, so you may still be signed in elsewhere.", err)
		return
	}
	http.Redirect(w, r, next, http.StatusSeeOther)
}

// logoutByRedirect ends the session here and goes on to the provider's /logout.
func (a *App) logoutByRedirect(w http.ResponseWriter, r *http.Request) {
	if _, ok := a.leaving(w, r); !ok {
		return
	}
	state := rand.Text()
	a.sessions.endHere(cookieValue(r, a.sessionCookie()), endedByRedirect, state)
	http.Redirect(w, r, a.provider.redirectLogoutURL(state), http.StatusSeeOther)
}

// logoutByAPI ends the session here and revokes this app's token. The
// provider's session and the other apps stay.
func (a *App) logoutByAPI(w http.ResponseWriter, r *http.Request) {
	leaving, ok := a.leaving(w, r)
	if !ok {
		return
	}
	cookie := cookieValue(r, a.sessionCookie())
	a.sessions.endHere(cookie, endedByAPI, "")
	note := "The provider revoked this app's token."
	if err := a.provider.revokeByAPI(r.Context(), leaving.accessToken); err != nil {
		note = "The provider did not confirm that this app's token is revoked; it will run out by itself."
		a.cfg.Logger.WarnContext(r.Context(), "the token was not revoked", "error", err)
	}
	a.sessions.change(cookie, func(s *session) bool { s.note = note; return true })
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// leaving returns the live session that a logout form was sent from. Otherwise
// it answers: a form of a session that has ended meanwhile leads back to the
// page, which says so; a form without the session's token did not come from our page.
func (a *App) leaving(w http.ResponseWriter, r *http.Request) (*session, bool) {
	found := a.sessions.find(cookieValue(r, a.sessionCookie()))
	if !found.live() {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return nil, false
	}
	r.Body = http.MaxBytesReader(w, r.Body, 1<<16)
	if subtle.ConstantTimeCompare([]byte(r.PostFormValue("csrf")), []byte(found.csrf)) != 1 {
		a.problem(w, r, http.StatusForbidden, "Nothing was ended", "This request did not come from this app's page. Use the button there.", nil)
		return nil, false
	}
	return found, true
}

// told is called with every verified logout token.
func (a *App) told(ctx context.Context, token *rp.LogoutToken) error {
	a.sessions.endByToken(token)
	a.cfg.Logger.InfoContext(ctx, "told by a logout token", "sid", token.SID, "jti", token.JTI)
	return nil
}
