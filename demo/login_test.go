package demo_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/exeunt-id/exeunt/demo"
)

func TestLoginIsRefused(t *testing.T) {
	for _, test := range []struct {
		name   string
		login  func(t *testing.T, p *provider, b *browser) page
		status int
	}{
		{"wrong nonce", func(_ *testing.T, p *provider, b *browser) page {
			p.set(func() { p.nonce = "of another login" })
			return b.get("/login")
		}, http.StatusBadGateway},
		{"unknown state", func(_ *testing.T, _ *provider, b *browser) page {
			b.get("/login")
			b.Jar.SetCookies(mustParse(b.base), []*http.Cookie{{Name: "exeunt_demo_tickets", MaxAge: -1}})
			return b.get("/callback?code=x&state=invented")
		}, http.StatusBadRequest},
		{"callback of another browser", func(t *testing.T, _ *provider, b *browser) page {
			stranger := newBrowser(t, b.base)
			var callback string
			stranger.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
				if r.URL.Path == "/callback" {
					callback = r.URL.RequestURI()
					return http.ErrUseLastResponse
				}
				return nil
			}
			stranger.get("/login")
			return b.get(callback)
		}, http.StatusBadRequest},
		{"callback used twice", func(_ *testing.T, _ *provider, b *browser) page {
			var callback string
			b.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
				if r.URL.Path == "/callback" {
					callback = r.URL.RequestURI()
				}
				return nil
			}
			b.get("/login")
			b.press("/logout/api")
			return b.get(callback)
		}, http.StatusBadRequest},
		{"another provider's answer", func(_ *testing.T, _ *provider, b *browser) page {
			return b.callbackWith(func(q url.Values) { q.Set("iss", "https://evil.example") })
		}, http.StatusBadRequest},
		{"error from the provider", func(_ *testing.T, _ *provider, b *browser) page {
			return b.callbackWith(func(q url.Values) { q.Set("error", "access_denied"); q.Set("error_description", "<b>no</b>") })
		}, http.StatusBadRequest},
		{"invented code", func(_ *testing.T, _ *provider, b *browser) page {
			return b.callbackWith(func(q url.Values) { q.Set("code", "invented") })
		}, http.StatusBadGateway},
		{"logout token overtakes the code exchange", func(_ *testing.T, p *provider, b *browser) page {
			p.set(func() {
				p.beforeToken = func() {
					if code := p.tell("j-1", object{"sid": "s-1"}); code != http.StatusOK {
						p.t.Errorf("logout token before its session: %d, want 200", code)
					}
				}
			})
			return b.get("/login")
		}, http.StatusConflict},
		{"provider down", func(_ *testing.T, p *provider, b *browser) page {
			p.set(func() { p.down = true })
			return b.get("/login")
		}, http.StatusServiceUnavailable},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := newProvider(t)
			b := newBrowser(t, newApp(t, p, demo.Apps()[0]).URL)
			got := test.login(t, p, b)
			if got.StatusCode != test.status || !got.has("problem") || strings.Contains(got.body, "<b>no") {
				t.Errorf("status %d, want %d with a problem on the page: %s", got.StatusCode, test.status, got.body)
			}
			b.wantState("signed-out")

			// Nothing of it stands in the way of the next login.
			p.set(func() { p.nonce, p.down = "", false })
			b.CheckRedirect = nil
			if test.status != http.StatusConflict { // there the fake's sid stays dead, as it should
				b.get("/login")
				b.wantState("signed-in")
			}
		})
	}
}

// callbackWith logs in, but changes the answer that the provider sends.
func (b *browser) callbackWith(change func(url.Values)) page {
	var answer url.Values
	b.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		if r.URL.Path == "/callback" {
			answer = r.URL.Query()
			return http.ErrUseLastResponse
		}
		return nil
	}
	b.get("/login")
	change(answer)
	return b.get("/callback?" + answer.Encode())
}

func mustParse(address string) *url.URL {
	u, err := url.Parse(address)
	if err != nil {
		panic(err)
	}
	return u
}
