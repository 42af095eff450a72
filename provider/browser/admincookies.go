package browser

import (
	"crypto/hmac"
	"net/http"
	"strings"
)

// AdminCookies reads and writes the cookies of the console on the admin listener, which knows no issuer: people reach it by whatever address
// leads there, so each request decides whether its cookies are Secure. They are SameSite=Strict: nothing outside leads into the console with
// its authority. Names of their own keep them apart from the provider's cookies, since cookies ignore ports.
type AdminCookies struct {
	// TLS reports whether the browser sent the request by TLS.
	TLS func(r *http.Request) bool
}

const (
	adminSession = "exeunt_admin"
	adminForm    = "exeunt_admin_form"
)

// Session returns the secret of the console's session; "" when there is none or it was not made by us.
func (c AdminCookies) Session(r *http.Request) string { return c.get(r, adminSession) }

// SetSession gives the browser the secret of its session, for as long as it is open.
func (c AdminCookies) SetSession(w http.ResponseWriter, r *http.Request, secret string) {
	c.set(w, r, adminSession, secret, 0)
}

// DropSession takes the session's cookie away.
func (c AdminCookies) DropSession(w http.ResponseWriter, r *http.Request) {
	c.set(w, r, adminSession, "", -1)
}

// CSRF returns the token that a form carries in its hidden field "csrf". With a session it is derived from its secret: whoever plants a
// cookie from another port of the same host still cannot make one.
func (c AdminCookies) CSRF(w http.ResponseWriter, r *http.Request) string {
	value := c.bound(r)
	if value == "" {
		value = NewSecret()
		c.set(w, r, adminForm, value, 0)
		r.AddCookie(&http.Cookie{Name: c.name(r, adminForm), Value: value})
	}
	return adminToken(value)
}

// CheckCSRF refuses a POST that does not come from one of the console's own forms in this browser, as Cookies.CheckCSRF does.
func (c AdminCookies) CheckCSRF(r *http.Request) error {
	own := "http://"
	if c.TLS(r) {
		own = "https://"
	}
	own += strings.ToLower(r.Host)
	if err := checkSource(r, func(origin string) bool { return origin == own }); err != nil {
		return err
	}
	value := c.bound(r)
	if value == "" {
		return noCookie()
	}
	if !hmac.Equal([]byte(r.PostForm.Get("csrf")), []byte(adminToken(value))) {
		return forged("the form's token is missing or belongs to another browser or session")
	}
	return nil
}

// bound is what a form's token is derived from.
func (c AdminCookies) bound(r *http.Request) string {
	if secret := c.Session(r); secret != "" {
		return secret
	}
	return c.get(r, adminForm)
}

func adminToken(value string) string { return mac([]byte(value), "exeunt admin csrf 1", "") }

func (c AdminCookies) name(r *http.Request, name string) string {
	if c.TLS(r) {
		return "__Host-" + name
	}
	return name
}

func (c AdminCookies) get(r *http.Request, name string) string {
	for _, cookie := range r.CookiesNamed(c.name(r, name)) {
		if wellFormed(cookie.Value) {
			return cookie.Value
		}
	}
	return ""
}

func (c AdminCookies) set(w http.ResponseWriter, r *http.Request, name, value string, maxAge int) {
	http.SetCookie(w, &http.Cookie{
		Name: c.name(r, name), Value: value, Path: "/", MaxAge: maxAge, Secure: c.TLS(r), HttpOnly: true, SameSite: http.SameSiteStrictMode,
	})
}
