package browser_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/exeunt-id/exeunt/provider/browser"
)

func TestCheckCSRF(t *testing.T) {
	const own = "https://id.example.com"
	cookies := browser.NewCookies(own)
	w := httptest.NewRecorder()
	token := cookies.CSRF(w, httptest.NewRequest(http.MethodGet, own+"/login", nil))
	cookie := w.Result().Cookies()[0]
	other := cookies.CSRF(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, own+"/login", nil))

	tests := []struct {
		name    string
		token   string
		cookie  *http.Cookie
		headers map[string]string
		body    string // instead of the token
		status  int    // 0: accepted
	}{
		{name: "our form", token: token, cookie: cookie},
		{name: "our form, all headers", token: token, cookie: cookie, headers: map[string]string{"Sec-Fetch-Site": "same-origin", "Origin": own}},
		{name: "no-referrer makes Origin null", token: token, cookie: cookie, headers: map[string]string{"Origin": "null"}},
		{name: "reloaded by hand", token: token, cookie: cookie, headers: map[string]string{"Sec-Fetch-Site": "none"}},
		{name: "no token", cookie: cookie, status: 403},
		{name: "token of another browser", token: other, cookie: cookie, status: 403},
		{name: "no cookie", token: token, status: 403},
		{name: "planted cookie", token: token, cookie: &http.Cookie{Name: cookie.Name, Value: "x"}, status: 403},
		{name: "cookie without prefix", token: token, cookie: &http.Cookie{Name: "exeunt_browser", Value: cookie.Value}, status: 403},
		{name: "cross-site", token: token, cookie: cookie, headers: map[string]string{"Sec-Fetch-Site": "cross-site"}, status: 403},
		{name: "neighbouring subdomain", token: token, cookie: cookie, headers: map[string]string{"Sec-Fetch-Site": "same-site"}, status: 403},
		{name: "foreign origin", token: token, cookie: cookie, headers: map[string]string{"Origin": "https://evil.example"}, status: 403},
		{name: "our host without TLS", token: token, cookie: cookie, headers: map[string]string{"Origin": "http://id.example.com"}, status: 403},
		{name: "not a form", body: "%zz", cookie: cookie, status: 400},
		{name: "endless form", body: "a=" + strings.Repeat("a", 1<<20), cookie: cookie, status: 413},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			body := test.body
			if body == "" {
				body = url.Values{"csrf": {test.token}}.Encode()
			}
			r := httptest.NewRequest(http.MethodPost, own+"/login", strings.NewReader(body))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			for name, value := range test.headers {
				r.Header.Set(name, value)
			}
			if test.cookie != nil {
				r.AddCookie(test.cookie)
			}
			err := cookies.CheckCSRF(r)
			var refusal *browser.Error
			switch {
			case test.status == 0 && err != nil:
				t.Errorf("refused: %v", err)
			case test.status != 0 && (!errors.As(err, &refusal) || refusal.Status != test.status):
				t.Errorf("got %v, want an error with status %d", err, test.status)
			case test.status != 0 && (refusal.Message == "" || refusal.Hint == ""):
				t.Errorf("the error says too little: %+v", refusal)
			}
		})
	}
}

func TestTokenInTheAddressIsNoToken(t *testing.T) {
	cookies, w := browser.NewCookies("http://localhost"), httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodPost, "/login", nil)
	token := cookies.CSRF(w, r)
	r.URL.RawQuery = url.Values{"csrf": {token}}.Encode()
	if cookies.CheckCSRF(r) == nil {
		t.Error("a link was accepted as a form")
	}
}
