package protocol

import (
	"net/http"
	"strings"

	"github.com/exeunt-id/exeunt/provider/browser"
)

// navigation reports whether a browser loads a page for a person to see (Fetch Metadata: Sec-Fetch-Mode). Browsers from before fetch
// metadata are known by what they call themselves and ask for; servers that call by themselves do neither.
func navigation(r *http.Request) bool {
	if mode := r.Header.Get("Sec-Fetch-Mode"); mode != "" {
		return mode == "navigate"
	}
	return strings.HasPrefix(r.UserAgent(), "Mozilla/") && strings.Contains(r.Header.Get("Accept"), "text/html")
}

// withoutCookies reports whether a browser posted a form from another site, so that it kept its SameSite=Lax cookies to itself, and would
// send them with a GET. Server-side callers, which follow no redirect, are not meant.
func withoutCookies(r *http.Request, cookies browser.Cookies) bool {
	if r.Method != http.MethodPost || cookies.Session(r) != "" || !navigation(r) {
		return false
	}
	site := r.Header.Get("Sec-Fetch-Site")
	return site == "cross-site" || site == ""
}

// topLevel refuses requests that nobody sees: prefetches, and whatever a page embeds or fetches. They must not end a session.
func topLevel(r *http.Request) error {
	for _, header := range []string{"Sec-Purpose", "Purpose", "X-Purpose", "X-Moz"} {
		purpose := strings.ToLower(r.Header.Get(header))
		if strings.Contains(purpose, "prefetch") || strings.Contains(purpose, "prerender") || strings.Contains(purpose, "preview") {
			return &browser.Error{
				Status:  http.StatusServiceUnavailable,
				Title:   "Not in advance",
				Message: "Signing out cannot be loaded in advance. Nothing was ended.",
				Hint:    "Open the link when you want to sign out.",
			}
		}
	}
	mode, dest := r.Header.Get("Sec-Fetch-Mode"), r.Header.Get("Sec-Fetch-Dest")
	if mode != "" && mode != "navigate" || dest != "" && dest != "document" {
		return &browser.Error{
			Status:  http.StatusForbidden,
			Title:   "Signing out needs a page of its own",
			Message: "A page tried to sign you out by an image, a frame or a script. Nothing was ended.",
			Hint:    "To sign out, open the address itself.",
		}
	}
	return nil
}
