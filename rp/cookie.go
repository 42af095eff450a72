package rp

import (
	"encoding/hex"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// maxReturnTo bounds the address to which a login returns, since it travels in a cookie.
const maxReturnTo = 1024

// cookieName names a cookie for this client: cookies do not distinguish ports,
// so two applications on one host would otherwise log each other out. With
// https the prefix keeps other hosts of the domain from planting one (RFC
// 6265bis, 4.1.3.2).
func (k *Kit) cookieName(purpose string) string {
	name := purpose + "_" + strings.TrimPrefix(storeKey("", k.cfg.Issuer, k.cfg.ClientID), ":")[:8]
	if k.secure() {
		return "__Host-" + name
	}
	return name
}

func (k *Kit) secure() bool { return strings.HasPrefix(k.cfg.BaseURL, "https:") }

// setCookie sets a cookie of this application for some time. Lax: it travels
// when the provider sends the browser back, and with no request that another
// site makes by itself.
func (k *Kit) setCookie(w http.ResponseWriter, name, value string, life time.Duration) {
	http.SetCookie(w, &http.Cookie{
		Name: name, Value: value, Path: "/", MaxAge: int(life / time.Second), HttpOnly: true, Secure: k.secure(), SameSite: http.SameSiteLaxMode,
	})
}

func (k *Kit) dropCookie(w http.ResponseWriter, name string) {
	http.SetCookie(w, &http.Cookie{Name: name, Path: "/", MaxAge: -1, HttpOnly: true, Secure: k.secure(), SameSite: http.SameSiteLaxMode})
}

func cookieValue(r *http.Request, name string) string {
	cookie, err := r.Cookie(name)
	if err != nil {
		return ""
	}
	return cookie.Value
}

func (k *Kit) sessionCookie(r *http.Request) string { return cookieValue(r, k.cookieName("session")) }

// isLocal reports whether address is a path of this application, and can be
// nothing else in any browser: no scheme, no host, no backslash that some of
// them read as a slash, no control characters.
func isLocal(address string) bool {
	if !strings.HasPrefix(address, "/") || strings.HasPrefix(address, "//") || len(address) > maxReturnTo {
		return false
	}
	for _, r := range address {
		if r == '\\' || r < 0x20 || r == 0x7f {
			return false
		}
	}
	u, err := url.Parse(address)
	return err == nil && u.Host == "" && u.Scheme == ""
}

// localOr returns address if it is local, and fallback otherwise.
func localOr(address, fallback string) string {
	if isLocal(address) {
		return address
	}
	return fallback
}

func encodeText(text string) string { return hex.EncodeToString([]byte(text)) }

func decodeText(encoded string) string {
	text, err := hex.DecodeString(encoded)
	if err != nil {
		return ""
	}
	return string(text)
}
