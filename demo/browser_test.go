package demo_test

import (
	"html"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/exeunt-id/exeunt/demo"
)

// newApp returns one of the three default apps, on a port of its own, as a client of p.
func newApp(t *testing.T, p *provider, cfg demo.Config) *httptest.Server {
	server := httptest.NewUnstartedServer(nil)
	cfg.BaseURL = "http://" + server.Listener.Addr().String()
	cfg.Issuer = p.URL
	cfg.Logger = slog.New(slog.DiscardHandler)
	app, err := demo.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	p.app = cfg.Registration()
	server.Config.Handler = app
	server.Start()
	t.Cleanup(server.Close)
	return server
}

// browser keeps cookies and follows redirects.
type browser struct {
	*http.Client
	t    *testing.T
	base string
}

func newBrowser(t *testing.T, base string) *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &browser{Client: &http.Client{Jar: jar}, t: t, base: base}
}

// page is a response, its body read.
type page struct {
	*http.Response
	body string
}

// text returns the text of the element with that id, "" if there is none.
func (p page) text(id string) string {
	found := regexp.MustCompile(`(?s)<(\w+)[^>]* id="` + id + `"[^>]*>(.*?)</`).FindStringSubmatch(p.body)
	if found == nil {
		return ""
	}
	return html.UnescapeString(found[2])
}

func (p page) has(id string) bool { return strings.Contains(p.body, ` id="`+id+`"`) }

func (b *browser) send(method, path string, form url.Values) page {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), method, b.base+path, strings.NewReader(form.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	res, err := b.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	if err := res.Body.Close(); err != nil {
		b.t.Fatal(err)
	}
	return page{res, string(body)}
}

func (b *browser) get(path string) page { b.t.Helper(); return b.send(http.MethodGet, path, nil) }

// press sends the form with that action from the app's page.
func (b *browser) press(action string) page {
	b.t.Helper()
	found := regexp.MustCompile(`action="` + action + `">\s*<input type="hidden" name="csrf" value="([^"]+)"`).FindStringSubmatch(b.get("/").body)
	if found == nil {
		b.t.Fatalf("the page has no form %s", action)
	}
	return b.send(http.MethodPost, action, url.Values{"csrf": {found[1]}})
}

func (b *browser) wantState(state string) page {
	b.t.Helper()
	shown := b.get("/")
	if got := shown.text("state"); got != state {
		b.t.Fatalf("the page says %q, want %q", got, state)
	}
	return shown
}
