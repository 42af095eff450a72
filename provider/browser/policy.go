package browser

import (
	"net/http"
	"net/url"
	"strings"
)

// secure sets the headers that every page carries: nothing from other hosts, no frame around it, no trace in caches or referrers.
func secure(h http.Header, formAction, frames []string, nonce string, live bool) {
	policy := "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'"
	for _, uri := range formAction {
		if source := formActionSource(uri); source != "" {
			policy += " " + source
		}
	}
	if len(frames) > 0 {
		policy += "; frame-src " + strings.Join(frames, " ")
	}
	switch {
	case nonce != "":
		policy += "; script-src 'nonce-" + nonce + "'"
	case live:
		policy += "; script-src 'self'; connect-src 'self'"
	}
	h.Set("Content-Security-Policy", policy+"; frame-ancestors 'none'; base-uri 'none'")
	h.Set("X-Frame-Options", "DENY")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
}

// formActionSource returns the source expression that lets a form's answer redirect to uri, a validated redirect URI, its origin or
// its scheme; "" for what must not be in a policy.
//
// It is the scheme, not the origin. Browsers apply form-action to every redirect that follows a form (CSP Level 3, 6.4.1), so also to
// the app's own: one whose callback at api.example.com goes on to www.example.com would end at a blank page. Nor can the grammar
// express hosts such as [::1].
func formActionSource(uri string) string {
	u, err := url.Parse(uri)
	if err != nil {
		return ""
	}
	switch scheme := strings.ToLower(u.Scheme); scheme {
	case "", "javascript", "vbscript", "data", "blob", "filesystem", "about":
		return ""
	default:
		return scheme + ":"
	}
}
