package rp

import (
	"context"
	"crypto/subtle"
	"errors"
	"html/template"
	"net/http"
	"net/url"
)

var confirmPage = template.Must(template.New("confirm").Parse(`<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Sign out</title>
<h1>Sign out?</h1>
<form method="post" action="{{.}}"><button id="logout">Sign out</button></form>
</html>
`))

// Logout ends the session of the browser, here and at the provider
// (RP-Initiated Logout 1.0, 2). A POST does it, from a form of this
// application; a GET asks first, because any page of the world can cause one.
func (k *Kit) Logout(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		// No form-action: Chrome applies it to the redirects that follow, and one leads to the provider.
		w.Header().Set("Content-Security-Policy", "default-src 'none'; base-uri 'none'; frame-ancestors 'none'")
		if err := confirmPage.Execute(w, k.cfg.Prefix+"/logout"); err != nil {
			k.cfg.Logger.DebugContext(r.Context(), "rp: the browser did not read the page", "error", err)
		}
		return
	case http.MethodPost:
	default:
		w.Header().Set("Allow", "GET, POST")
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}

	// 1. From a page of this application.
	if err := k.sameOrigin.Check(r); err != nil {
		k.problem(w, r, Problem{
			Status: http.StatusForbidden, Title: "Nothing was ended",
			Text: "This request did not come from a page of this application. Use the button there.", Err: err,
		})
		return
	}

	// 2. It ends here in any case: whoever says "out" must not stay in because
	// the provider is away.
	cookie := k.sessionCookie(r)
	leaving, err := k.sessions.get(r.Context(), cookie)
	if err == nil {
		err = k.endHere(w, r, cookie)
	}
	if err != nil {
		k.problem(w, r, unavailable(err))
		return
	}
	if leaving == nil { // it has ended before, perhaps elsewhere
		http.Redirect(w, r, k.cfg.AfterLogout, http.StatusSeeOther)
		return
	}

	// 3. And at the provider, which tells the others.
	state := newSecret()
	next, err := k.logoutURL(r.Context(), leaving, state)
	if err != nil {
		k.problem(w, r, Problem{
			Status: http.StatusBadGateway, Title: "You are signed out here only",
			Text: "The provider does not answer, so you may still be signed in elsewhere.", Err: err,
		})
		return
	}
	if next == "" {
		http.Redirect(w, r, k.cfg.AfterLogout, http.StatusSeeOther)
		return
	}
	k.setCookie(w, k.cookieName("logout"), state, attemptLife)
	w.Header().Set("Referrer-Policy", "no-referrer")
	http.Redirect(w, r, next, http.StatusSeeOther)
}

// endHere removes the session of a cookie and the cookie itself, and tells its tabs.
func (k *Kit) endHere(w http.ResponseWriter, r *http.Request, cookie string) error {
	if err := k.sessions.drop(r.Context(), cookie); err != nil {
		return err
	}
	k.dropCookie(w, k.cookieName("session"))
	k.tabs.tell(sessionKey(cookie))
	return nil
}

// logoutURL returns where the logout begins at the provider, "" if the provider
// has no such place.
func (k *Kit) logoutURL(ctx context.Context, leaving *session, state string) (string, error) {
	address, query := k.cfg.RedirectLogout, url.Values{"client_id": {k.cfg.ClientID}, "state": {state}}
	if address != "" {
		query.Set("redirect_uri", k.url("/logged-out"))
	} else {
		document, err := k.discovery.metadata(ctx)
		if err != nil {
			return "", err
		}
		if address = document.EndSessionEndpoint; address == "" {
			return "", nil
		}
		query.Set("id_token_hint", leaving.IDToken)
		query.Set("post_logout_redirect_uri", k.url("/logged-out"))
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return "", errors.New("rp: the provider's end_session_endpoint is no absolute URL")
	}
	kept := u.Query() // RP-Initiated Logout 1.0, 2.1: it may have a query of its own
	for name := range query {
		kept.Set(name, query.Get(name))
	}
	u.RawQuery = kept.Encode()
	return u.String(), nil
}

// LoggedOut is where the provider sends the browser after a logout: the
// post_logout_redirect_uri (RP-Initiated Logout 1.0, 3). The session here ended
// before the browser left, so that an answer with another state, or none,
// changes nothing; the log has it.
func (k *Kit) LoggedOut(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	state, expected := r.URL.Query().Get("state"), cookieValue(r, k.cookieName("logout"))
	if expected == "" || subtle.ConstantTimeCompare([]byte(state), []byte(expected)) != 1 {
		k.cfg.Logger.WarnContext(r.Context(), "rp: the browser returned from a logout with another state than it left with, or none")
	}
	k.dropCookie(w, k.cookieName("logout"))
	http.Redirect(w, r, k.cfg.AfterLogout, http.StatusSeeOther)
}
