package browser

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"strings"
)

// State is the OP browser state of OpenID Connect Session Management 1.0, 3: a random value that changes whenever somebody logs in or out in
// this browser. It says nothing and opens nothing, which is why a script may read its cookie: the one in the page at check_session_iframe.

// StateName returns the name of the cookie of the browser state.
func (c Cookies) StateName() string { return c.name("exeunt_state") }

// State returns the browser state; "" when the browser has none.
func (c Cookies) State(r *http.Request) string { return c.secret(r, "exeunt_state") }

// EnsureState returns the browser state and sets a new one if there is none yet. Further calls for the same request return the same value.
func (c Cookies) EnsureState(w http.ResponseWriter, r *http.Request) string {
	if value := c.State(r); value != "" {
		return value
	}
	value := c.renewState(w)
	r.AddCookie(&http.Cookie{Name: c.StateName(), Value: value})
	return value
}

// renewState gives the browser another state. A logout does that too, instead of deleting the cookie: without one the iframe could not tell
// a logout from a browser that keeps no cookies in frames.
func (c Cookies) renewState(w http.ResponseWriter) string {
	value := NewSecret()
	cookie := &http.Cookie{Name: c.StateName(), Value: value, Path: c.path, Secure: c.secure, SameSite: http.SameSiteLaxMode}
	if c.secure {
		cookie.SameSite = http.SameSiteNoneMode // it is read in a frame of another site; browsers take None only together with Secure
	}
	http.SetCookie(w, cookie)
	return value
}

// SessionState returns the session_state of an authorization response (Session Management 1.0, 3): hash and salt. The page at
// check_session_iframe computes the same of what a relying party sends it. origin is that of the redirect URI, see Origin.
func SessionState(clientID, origin, state, salt string) string {
	sum := sha256.Sum256([]byte(clientID + " " + origin + " " + state + " " + salt))
	return hex.EncodeToString(sum[:]) + "." + salt
}

// Origin returns the origin of a web URI as browsers write it (HTML, 7.5: lower case, without the scheme's own port); "" for any other URI.
func Origin(uri string) string {
	u, err := url.Parse(uri)
	if err != nil || u.Hostname() == "" {
		return ""
	}
	scheme, host := strings.ToLower(u.Scheme), strings.ToLower(u.Host)
	switch scheme {
	case "https":
		host = strings.TrimSuffix(host, ":443")
	case "http":
		host = strings.TrimSuffix(host, ":80")
	default:
		return ""
	}
	return scheme + "://" + host
}
