package browser

import (
	"cmp"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// DeviceLifetime is how long a browser is recognised as a person's device after their last login. Browsers keep no cookie longer (RFC 6265bis, 5.5).
const DeviceLifetime = 400 * 24 * time.Hour

// ReceiptLifetime is how long a browser may look at the receipts of its logout. Short, because computers are shared.
const ReceiptLifetime = 15 * time.Minute

// Cookies reads and writes the provider's cookies. Make it with NewCookies; it is a value and may be copied.
type Cookies struct {
	// Key signs the cookies of receipts and of Ender. NewCookies fills it at random; nodes that serve the same issuer must be given the same one.
	Key [32]byte

	origin string // of the issuer: scheme://host[:port]
	secure bool
	path   string
	prefix string
	suffix string
}

// NewCookies returns the cookies of an issuer (its URL). An https issuer gets Secure cookies with the prefix __Host-, which a
// neighbouring subdomain can neither read nor plant (RFC 6265bis, 4.1.3.2); an http issuer, which can only be a loopback one, gets
// plain names because browsers refuse the prefix there.
//
// The prefix wants the path "/". An issuer with a path shares its host, so its cookies have that path instead, and their names the prefix
// __Secure-: what else is served on the host must not be sent the secrets of sessions. A path does not keep the cookies of a provider at /id
// from one at /id/two, whose requests they match too; so names end in the path. Two paths that give the same end, /a.b and /a/b, are never
// one below the other.
func NewCookies(issuer string) Cookies {
	c := Cookies{}
	_, _ = rand.Read(c.Key[:]) // never fails
	if u, err := url.Parse(issuer); err == nil {
		c.origin = strings.ToLower(u.Scheme + "://" + u.Host)
		c.secure = strings.EqualFold(u.Scheme, "https")
	}
	base := string(NewBase(issuer))
	c.path, c.suffix = cmp.Or(base, "/"), strings.ReplaceAll(base, "/", ".")
	switch {
	case c.secure && base == "":
		c.prefix = "__Host-"
	case c.secure:
		c.prefix = "__Secure-"
	}
	return c
}

// Session returns the secret of the session cookie; "" when there is none or it was not made by us.
func (c Cookies) Session(r *http.Request) string { return c.secret(r, "exeunt_session") }

// SetSession gives the browser the secret of its session. Call it after the transaction that stored its hash has committed. The
// cookie lasts as long as the browser is open; the session's own lifetimes are kept on the server. The browser state changes with it.
//
// sessionID goes into a second cookie, see Ender.
func (c Cookies) SetSession(w http.ResponseWriter, secret, sessionID string) {
	c.set(w, "exeunt_session", secret, 0)
	c.setEnder(w, sessionID+"."+c.enderMAC(sessionID), 0)
	c.renewState(w)
}

// DropSession takes the session cookie away from the browser, and changes the browser state.
func (c Cookies) DropSession(w http.ResponseWriter) {
	c.set(w, "exeunt_session", "", -1)
	c.setEnder(w, "", -1)
	c.renewState(w)
}

// Device returns the secret by which this browser is recognised as a device; "" when it has none.
func (c Cookies) Device(r *http.Request) string { return c.secret(r, "exeunt_device") }

// SetDevice lets this browser be recognised as a device, for 400 days from now. It opens nothing.
func (c Cookies) SetDevice(w http.ResponseWriter, secret string) {
	c.set(w, "exeunt_device", secret, DeviceLifetime)
}

// Ender returns the id of the session that this browser may end from an application's page; "" when there is none or the cookie is forged.
//
// The session's own cookie does not travel with what a page of another site fetches. This second one does, where the browser lets it, and is
// good for nothing but ending its one session: it is the session's id with a MAC.
func (c Cookies) Ender(r *http.Request) string {
	for _, cookie := range r.CookiesNamed(c.name("exeunt-logout")) {
		id, mac, found := strings.Cut(cookie.Value, ".")
		if found && id != "" && hmac.Equal([]byte(mac), []byte(c.enderMAC(id))) {
			return id
		}
	}
	return ""
}

func (c Cookies) enderMAC(sessionID string) string {
	return mac(c.Key[:], "exeunt logout cookie 1", sessionID)
}

// setEnder writes it for every site. Browsers take SameSite=None only together with Secure, so behind an http issuer, a loopback one, it is
// for pages of the same site: of other ports of the same host name.
func (c Cookies) setEnder(w http.ResponseWriter, value string, maxAge int) {
	cookie := &http.Cookie{Name: c.name("exeunt-logout"), Value: value, Path: c.path, MaxAge: maxAge, Secure: c.secure, HttpOnly: true, SameSite: http.SameSiteLaxMode}
	if c.secure {
		cookie.SameSite = http.SameSiteNoneMode
	}
	http.SetCookie(w, cookie)
}

// Browser returns the value of the browser-binding cookie; "" when there is none.
func (c Cookies) Browser(r *http.Request) string { return c.secret(r, "exeunt_browser") }

// EnsureBrowser returns the value of the browser-binding cookie and sets the cookie if there is none yet. Further calls for the
// same request return the same value.
func (c Cookies) EnsureBrowser(w http.ResponseWriter, r *http.Request) string {
	if value := c.Browser(r); value != "" {
		return value
	}
	value := NewSecret()
	c.set(w, "exeunt_browser", value, 0)
	r.AddCookie(&http.Cookie{Name: c.name("exeunt_browser"), Value: value})
	return value
}

// Receipt returns the id of the logout whose receipts this browser may see; "" when there is none or the cookie is forged.
func (c Cookies) Receipt(r *http.Request) string {
	for _, cookie := range r.CookiesNamed(c.name("exeunt_receipt")) {
		id, mac, found := strings.Cut(cookie.Value, ".")
		if found && id != "" && hmac.Equal([]byte(mac), []byte(c.receiptMAC(id))) {
			return id
		}
	}
	return ""
}

// SetReceipt lets this browser see the receipts of a logout for ReceiptLifetime. The cookie is the logout's id with a MAC: a pointer
// that nobody can make for another logout.
func (c Cookies) SetReceipt(w http.ResponseWriter, logoutID string) {
	c.set(w, "exeunt_receipt", logoutID+"."+c.receiptMAC(logoutID), ReceiptLifetime)
}

func (c Cookies) receiptMAC(logoutID string) string {
	return mac(c.Key[:], "exeunt receipt 1", logoutID)
}

// mac is HMAC-SHA-256 over a purpose and a value. The purpose keeps an answer for one use from being valid for another.
func mac(key []byte, purpose, value string) string {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(purpose + "\x00" + value))
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

// secret returns the first well-formed value: a neighbour on another port may have planted one of the same name, since cookies
// ignore ports.
func (c Cookies) secret(r *http.Request, name string) string {
	for _, cookie := range r.CookiesNamed(c.name(name)) {
		if wellFormed(cookie.Value) {
			return cookie.Value
		}
	}
	return ""
}

func (c Cookies) name(name string) string { return c.prefix + name + c.suffix }

// set writes a cookie: age 0 until the browser closes, negative to delete.
func (c Cookies) set(w http.ResponseWriter, name, value string, age time.Duration) {
	maxAge := int(age / time.Second)
	if age < 0 {
		maxAge = -1
	}
	http.SetCookie(w, &http.Cookie{
		Name: c.name(name), Value: value, Path: c.path, MaxAge: maxAge,
		Secure: c.secure, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}
