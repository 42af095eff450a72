package rp

import (
	"context"
	"net/http"
	"net/url"
	"strings"
)

// Middleware stands before every page that only people who are logged in may
// see. It ends the session here if the provider has ended it, by sid or, where
// there is none, by comparing the last logout with the login; and puts the
// [User] into the request's context. Everybody else is sent to log in, or is
// answered 401 if the request is not one of a person who follows a link.
//
// The pages are not to be cached (Cache-Control: no-store), unless next says
// otherwise: the back button must not show them after a logout. If the store
// does not answer, nobody passes.
func (k *Kit) Middleware(next http.Handler) http.Handler {
	return k.Identify(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if UserFrom(r.Context()) != nil {
			next.ServeHTTP(w, r)
			return
		}
		if isNavigation(r) {
			http.Redirect(w, r, k.cfg.Prefix+"/login?return_to="+url.QueryEscape(localOr(r.URL.RequestURI(), "/")), http.StatusSeeOther)
			return
		}
		w.Header().Set("WWW-Authenticate", "Cookie") // RFC 9110, 15.5.2, asks for a challenge
		http.Error(w, "You are not signed in.", http.StatusUnauthorized)
	}))
}

// Identify is Middleware for pages that everybody may see: who is not logged in
// passes too, and [UserFrom] is nil.
func (k *Kit) Identify(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Add("Vary", "Cookie")
		cookie := k.sessionCookie(r)
		found, err := k.live(r.Context(), cookie)
		if err != nil {
			k.problem(w, r, unavailable(err))
			return
		}
		switch {
		case found != nil:
			r = r.WithContext(context.WithValue(r.Context(), userKey{}, found.user()))
		case cookie != "":
			k.dropCookie(w, k.cookieName("session"))
		}
		next.ServeHTTP(w, r)
	})
}

// isNavigation reports whether somebody follows a link, so that a redirect to
// the login page makes sense: browsers say so (Fetch Metadata), older ones at
// least ask for HTML.
func isNavigation(r *http.Request) bool {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false
	}
	if mode := r.Header.Get("Sec-Fetch-Mode"); mode != "" {
		return mode == "navigate"
	}
	return strings.Contains(r.Header.Get("Accept"), "text/html")
}
