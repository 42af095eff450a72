package e2e

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/exeunt-id/exeunt/bench/driver"
)

// frames are relying parties with pages for front-channel logout. They are told apart by the names of their hosts.
type frames struct {
	token string // the provider's token endpoint, without TLS

	mu     sync.Mutex
	loaded map[string]*http.Request // who was asked to log out, by name
	byes   chan url.Values          // queries of those who came back
	hang   chan struct{}
}

func (f *frames) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name, _, _ := strings.Cut(r.Host, ".")
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	switch r.URL.Path {
	case "/callback":
		if err := f.exchange(r, name); err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		http.SetCookie(w, &http.Cookie{Name: "signed-in", Value: name, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteNoneMode})
		_, _ = fmt.Fprint(w, `<p id="ready">signed in</p>`)
	case "/frontchannel":
		f.mu.Lock()
		f.loaded[name] = r
		f.mu.Unlock()
		if name == "stuck" {
			select {
			case <-f.hang:
			case <-r.Context().Done():
			}
			return
		}
		_, _ = fmt.Fprint(w, `bye`)
	case "/bye":
		f.byes <- r.URL.Query()
		_, _ = fmt.Fprint(w, `<p id="bye">bye</p>`)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

// exchange makes the relying party take part in the session.
func (f *frames) exchange(r *http.Request, name string) error {
	form := url.Values{"grant_type": {"authorization_code"}, "code": {r.URL.Query().Get("code")}, "redirect_uri": {"https://" + r.Host + "/callback"}}
	req, err := http.NewRequestWithContext(r.Context(), http.MethodPost, f.token, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(name+":a-secret-of-"+name+"-0123456789abcdef")))
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("the token endpoint answers %s", res.Status)
	}
	return nil
}

// asked returns the request by which a relying party was asked to log out.
func (f *frames) asked(name string) *http.Request {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.loaded[name]
}

func (f *frames) signIn(t *testing.T, window context.Context, h *house, names ...string) {
	t.Helper()
	f.mu.Lock()
	f.loaded = map[string]*http.Request{}
	f.mu.Unlock()
	do(t, window, "signing in", chromedp.Navigate(h.authorize(names[0])), chromedp.WaitVisible(id("login-form")), chromedp.SendKeys(id("username"), "user-0"),
		chromedp.SendKeys(id("password"), driver.Password), chromedp.Click(id("login")), chromedp.WaitVisible(id("ready")))
	for _, name := range names[1:] {
		do(t, window, "signing in silently", chromedp.Navigate(h.authorize(name)), chromedp.WaitVisible(id("ready")))
	}
}

func (f *frames) wantBye(t *testing.T, when string) {
	t.Helper()
	select {
	case query := <-f.byes:
		if query.Get("state") != "a b" {
			t.Errorf("%s: came back with %v", when, query)
		}
	case <-time.After(15 * time.Second):
		t.Errorf("%s: the browser did not come back to the application", when)
	}
}

// Front-Channel Logout 1.0 in a real browser: the applications' pages are loaded, with their cookies, and the browser goes on: at once when they
// have loaded, after two seconds when one does not, and by a meta refresh when scripts are off.
func TestFrontchannelLogout(t *testing.T) {
	window := chromium(t, profile(t, cookiesInFrames)...)
	f := &frames{byes: make(chan url.Values, 1), hang: make(chan struct{})}
	h := newHouse(t, "", func(h *house) []map[string]any {
		front := func(name string) map[string]any {
			return map[string]any{"frontchannel_logout_uri": h.origin(name) + "/frontchannel?kept=a%20b", "frontchannel_logout_session_required": true}
		}
		return []map[string]any{h.registration("home", front("home")), h.registration("other", front("other")), h.registration("stuck", front("stuck"))}
	}, f.ServeHTTP)
	t.Cleanup(func() { close(f.hang) })
	f.token = h.Issuer + "/token"
	leave := h.issuer + "/logout?" + url.Values{"client_id": {"home"}, "redirect_uri": {h.origin("home") + "/bye"}, "state": {"a b"}}.Encode()

	t.Run("all load", func(t *testing.T) {
		f.signIn(t, window, h, "home", "other")
		do(t, window, "logging out", chromedp.Navigate(leave), chromedp.WaitVisible(id("bye")))
		f.wantBye(t, "after the frames")
		sids := map[string]bool{}
		for _, name := range []string{"home", "other"} {
			r := f.asked(name)
			if r == nil {
				t.Errorf("%s was not asked", name)
				continue
			}
			q := r.URL.Query()
			if q.Get("kept") != "a b" || q.Get("iss") != h.issuer || q.Get("sid") == "" || r.Header.Get("Referer") != "" {
				t.Errorf("%s was asked by %s, referrer %q", name, r.URL, r.Header.Get("Referer"))
			}
			if c, err := r.Cookie("signed-in"); err != nil || c.Value != name {
				t.Errorf("%s was asked without its cookie", name)
			}
			sids[q.Get("sid")] = true
		}
		if len(sids) != 2 {
			t.Error("the applications share a sid")
		}
	})

	t.Run("one hangs", func(t *testing.T) {
		f.signIn(t, window, h, "home", "stuck", "other")
		do(t, window, "logging out", chromedp.Navigate(leave))
		f.wantBye(t, "with a frame that hangs")
		for _, name := range []string{"home", "stuck", "other"} {
			if f.asked(name) == nil {
				t.Errorf("%s was not asked", name)
			}
		}
	})

	t.Run("scripts are off", func(t *testing.T) {
		window := chromium(t, profile(t, cookiesInFrames, `"default_content_setting_values":{"javascript":2}`)...)
		f.signIn(t, window, h, "home", "other")
		start := time.Now()
		do(t, window, "logging out", chromedp.Navigate(leave))
		f.wantBye(t, "without scripts")
		if time.Since(start) < 2*time.Second {
			t.Error("the page did not wait for its refresh: did a script run?")
		}
		if f.asked("other") == nil {
			t.Error("nobody was asked without scripts")
		}
	})
}
