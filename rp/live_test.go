package rp_test

import (
	"bufio"
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/exeunt-id/exeunt/rp"
)

// stream reads server-sent events.
type stream struct {
	res   *http.Response
	lines *bufio.Scanner
}

func (b *browser) stream(address string) *stream {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), http.MethodGet, address, http.NoBody)
	if err != nil {
		b.t.Fatal(err)
	}
	res, err := b.client.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = res.Body.Close() })
	return &stream{res, bufio.NewScanner(res.Body)}
}

// line waits for the next line that begins so; "" at the end of the stream.
func (s *stream) line(prefix string) string {
	for s.lines.Scan() {
		if strings.HasPrefix(s.lines.Text(), prefix) {
			return s.lines.Text()
		}
	}
	return ""
}

// Open tabs hear of the end of their session, whoever ends it and on whatever instance, and of no other.
func TestLive(t *testing.T) {
	for name, end := range map[string]func(t *testing.T, o *openProvider, alice *browser, app *application){
		"a logout token": func(t *testing.T, o *openProvider, _ *browser, app *application) { o.logoutToken(t, app, nil) },
		"a token without sid": func(t *testing.T, o *openProvider, _ *browser, app *application) {
			o.logoutToken(t, app, func(c object) { delete(c, "sid") })
		},
		"a logout here": func(_ *testing.T, _ *openProvider, alice *browser, app *application) {
			alice.do("POST", app.URL+"/auth/logout", nil)
		},
		"the front channel": func(_ *testing.T, o *openProvider, alice *browser, app *application) {
			alice.get(app.URL + "/auth/frontchannel-logout?sid=s-1&iss=" + url.QueryEscape(o.URL))
		},
		"the end of its lifetime": func(_ *testing.T, o *openProvider, _ *browser, _ *application) { o.advance(13 * time.Hour) },
	} {
		t.Run(name, func(t *testing.T) {
			o := newOpenProvider(t)
			store := rp.NewMemoryStore(0, o.now)
			shared := func(cfg *rp.Config) { cfg.Store = store }
			here, there := newApplication(t, o, shared), newApplication(t, o, shared)
			alice, bob := newBrowser(t), newBrowser(t)
			alice.want(here.URL+"/page", 200, "alice")
			o.bend(func(o *openProvider) { o.subject = "bob"; o.bendToken = func(d *draft) { d.claims["sid"] = "s-2" } })
			bob.want(here.URL+"/page", 200, "bob")
			tabs := []*stream{alice.stream(here.URL + "/auth/live"), alice.stream(there.URL + "/auth/live")}
			strangers := bob.stream(here.URL + "/auth/live")
			for _, tab := range append(tabs, strangers) {
				if got := tab.line("retry:"); got == "" || tab.res.Header.Get("Content-Type") != "text/event-stream" {
					t.Fatalf("%q %v", got, tab.res.Header)
				}
			}
			end(t, o, alice, here)
			for i, tab := range tabs {
				if got := tab.line("event:"); got != "event: ended" {
					t.Errorf("tab %d heard %q", i, got)
				}
			}
			if name == "the end of its lifetime" {
				return
			}
			here.kit.Close()
			if got := strangers.line("event:"); got != "" {
				t.Errorf("the tab of somebody else heard %q", got)
			}
		})
	}
	o := newOpenProvider(t)
	app := newApplication(t, o, nil)
	alice := newBrowser(t)
	alice.want(app.URL+"/auth/live", 204, "")
	alice.want(app.URL+"/page", 200, "alice")
	o.logoutToken(t, app, nil)
	alice.want(app.URL+"/auth/live", 200, "event: ended") // the page is older than the logout
	alice.want(app.URL+"/auth/live", 204, "")
	alice.do("GET", app.URL+"/auth/live", http.Header{"Sec-Fetch-Site": {"cross-site"}}).want(t, 403, "")
	if got := alice.want(app.URL+"/auth/live.js", 200, "EventSource"); !strings.HasPrefix(got.header.Get("Content-Type"), "text/javascript") {
		t.Errorf("headers %v", got.header)
	}
}

// atOnce does something when the first bytes of an answer are written.
type atOnce struct {
	*httptest.ResponseRecorder
	do func()
}

func (w *atOnce) Write(b []byte) (int, error) {
	if w.do != nil {
		do := w.do
		w.do = nil
		do()
	}
	return w.ResponseRecorder.Write(b)
}

// A logout that comes while a tab is being opened is heard by it.
func TestLiveEndsWhileItBegins(t *testing.T) {
	o := newOpenProvider(t)
	app := newApplication(t, o, nil)
	alice := newBrowser(t)
	alice.want(app.URL+"/page", 200, "alice")
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, app.URL+"/auth/live", http.NoBody)
	for _, c := range alice.client.Jar.Cookies(r.URL) {
		r.AddCookie(c)
	}
	w := &atOnce{ResponseRecorder: httptest.NewRecorder(), do: func() { o.logoutToken(t, app, nil) }}
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		app.kit.Live(w, r)
	}()
	select {
	case <-answered:
	case <-ctx.Done():
		t.Fatal("it waits for ever")
	}
	if !strings.Contains(w.Body.String(), "event: ended") {
		t.Errorf("heard %q", w.Body)
	}
}
