package browser

import (
	"crypto/hmac"
	"errors"
	"net/http"
	"strings"
)

// maxForm bounds the body of a form: the longest honest one carries an id_token_hint.
const maxForm = 64 << 10

// CSRF returns the token that a form of this browser carries in its hidden field "csrf". It is derived from the browser-binding
// cookie, so nothing is stored; the token does not reveal the cookie.
func (c Cookies) CSRF(w http.ResponseWriter, r *http.Request) string {
	return csrfToken(c.EnsureBrowser(w, r))
}

// CheckCSRF refuses a POST that does not come from one of our own forms in this same browser. It parses the form (at most 64 KiB,
// form-encoded) if nobody has yet. The answer is nil or an *Error: 403, or 400 and 413 for a body that is not a form.
//
// The token decides. Fetch metadata and Origin, where a browser sends them, refuse earlier; an Origin of "null" says nothing,
// because our pages carry Referrer-Policy: no-referrer, which makes browsers send just that with our own forms (Fetch, 3.2).
func (c Cookies) CheckCSRF(r *http.Request) error {
	if err := checkSource(r, func(origin string) bool { return c.ownOrigin(r, origin) }); err != nil {
		return err
	}
	value := c.Browser(r)
	if value == "" {
		return noCookie()
	}
	if !hmac.Equal([]byte(r.PostForm.Get("csrf")), []byte(csrfToken(value))) {
		return forged("the form's token is missing or belongs to another browser")
	}
	return nil
}

// checkSource parses the form and refuses what a browser says comes from elsewhere. own gets an origin in lower case.
func checkSource(r *http.Request, own func(origin string) bool) error {
	if err := parseForm(r); err != nil {
		return err
	}
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "none", "same-origin":
	default:
		return forged("the request came from another site")
	}
	if origin := r.Header.Get("Origin"); origin != "" && origin != "null" && !own(strings.ToLower(origin)) {
		return forged("the request came from another origin")
	}
	return nil
}

func noCookie() *Error {
	return &Error{
		Status:  http.StatusForbidden,
		Title:   "Your browser did not send our cookie",
		Message: "Without it we cannot tell that this form is yours, so nothing was done.",
		Hint:    "Allow cookies for this site, go back, reload the page and try again.",
	}
}

// ownOrigin accepts the issuer's origin, and that of the host which the browser addressed.
func (c Cookies) ownOrigin(r *http.Request, origin string) bool {
	scheme := "http://"
	if c.secure {
		scheme = "https://"
	}
	return origin == c.origin || origin == scheme+strings.ToLower(r.Host)
}

func csrfToken(browser string) string { return mac([]byte(browser), "exeunt csrf 1", "") }

func forged(reason string) *Error {
	return &Error{
		Status:  http.StatusForbidden,
		Title:   "This form could not be accepted",
		Message: "It was not sent from our own page in this browser, or it has been open for too long. Nothing was done.",
		Hint:    "Go back, reload the page and try again.",
		Err:     errors.New("csrf: " + reason),
	}
}

func parseForm(r *http.Request) error {
	if r.PostForm == nil && r.Body != nil {
		r.Body = http.MaxBytesReader(nil, r.Body, maxForm)
	}
	err := r.ParseForm()
	if err == nil {
		return nil
	}
	refusal := &Error{
		Status:  http.StatusBadRequest,
		Title:   "This form could not be read",
		Message: "What your browser sent is not a form of ours. Nothing was done.",
		Hint:    "Go back, reload the page and try again.",
		Err:     err,
	}
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		refusal.Status = http.StatusRequestEntityTooLarge
	}
	return refusal
}
