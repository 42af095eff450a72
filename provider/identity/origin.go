package identity

import (
	"net/url"
	"slices"
	"strings"
)

// Origins returns the origins, as browsers write them, of the pages that may use the SDK for the client: those that the operator has named, or
// else those of its https redirect URIs. Of a web client the http ones too: it has such only beside a provider on a loopback address.
func (c Client) Origins() []string {
	if len(c.AllowedOrigins) > 0 {
		return c.AllowedOrigins
	}
	var origins []string
	for _, uri := range c.RedirectURIs {
		origin := originOf(uri)
		if origin == "" || strings.HasPrefix(origin, "http:") && c.ApplicationType != "web" || slices.Contains(origins, origin) {
			continue
		}
		origins = append(origins, origin)
	}
	return origins
}

// Owns reports whether a page is at an origin where the client has a redirect URI. Other pages of the client lead to no other.
func (c Client) Owns(uri string) bool {
	u, err := url.Parse(uri)
	origin := originOf(uri)
	if err != nil || u.User != nil || origin == "" || strings.ContainsFunc(uri, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '\\' }) {
		return false
	}
	same := func(registered string) bool { return originOf(registered) == origin }
	return slices.ContainsFunc(c.RedirectURIs, same) || slices.ContainsFunc(c.PostLogoutRedirectURIs, same)
}

// originOf returns the origin of a web URI (HTML, 7.5: lower case, without the scheme's own port); "" for any other.
func originOf(uri string) string {
	u, err := url.Parse(uri)
	if err != nil || u.Hostname() == "" {
		return ""
	}
	host := strings.ToLower(u.Host)
	switch scheme := strings.ToLower(u.Scheme); scheme {
	case "https":
		return "https://" + strings.TrimSuffix(host, ":443")
	case "http":
		return "http://" + strings.TrimSuffix(host, ":80")
	}
	return ""
}
