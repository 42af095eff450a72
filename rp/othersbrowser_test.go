package rp_test

import (
	"context"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/exeunt-id/exeunt/rp"
)

// Providers that others wrote. They measure time by themselves, and ask people with pages of their own.

var (
	formTag  = regexp.MustCompile(`(?is)<form[^>]*\baction="([^"]*)"[^>]*>(.*?)</form>`)
	inputTag = regexp.MustCompile(`(?is)<(?:input|button)\b[^>]*>`)
	nameAttr = regexp.MustCompile(`\bname="([^"]*)"`)
	valAttr  = regexp.MustCompile(`\bvalue="([^"]*)"`)
)

// form returns the address and fields of the first form of a page.
func (p page) form(t *testing.T) (*url.URL, url.Values) {
	t.Helper()
	found := formTag.FindStringSubmatch(p.body)
	if found == nil {
		t.Fatalf("%s: %d without a form: %s", p.at, p.status, p.body)
	}
	action, err := p.at.Parse(html.UnescapeString(found[1]))
	if err != nil {
		t.Fatal(err)
	}
	fields := url.Values{}
	for _, input := range inputTag.FindAllString(p.body, -1) {
		name, value := nameAttr.FindStringSubmatch(input), valAttr.FindStringSubmatch(input)
		if name != nil && value != nil {
			fields.Set(name[1], html.UnescapeString(value[1]))
		}
	}
	return action, fields
}

// submit sends the first form of a page, with some fields filled in.
func (b *browser) submit(p page, fill map[string]string) page {
	b.t.Helper()
	action, fields := p.form(b.t)
	for name, value := range fill {
		fields.Set(name, value)
	}
	r, err := http.NewRequestWithContext(b.t.Context(), http.MethodPost, action.String(), strings.NewReader(fields.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	r.Header.Set("Content-Type", formType)
	r.Header.Set("Accept", "text/html")
	res, err := b.client.Do(r)
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
	return page{res.StatusCode, res.Header, string(body), res.Request.URL}
}

// guest is an application at a provider that is not there yet.
type guest struct {
	*httptest.Server
	kit  *rp.Kit
	told atomic.Int64
}

func newGuest(t *testing.T) *guest {
	g := &guest{Server: httptest.NewUnstartedServer(nil)}
	g.URL = "http://" + g.Listener.Addr().String()
	return g
}

// settle starts the application once its provider is known.
func (g *guest) settle(t *testing.T, cfg rp.Config) {
	t.Helper()
	cfg.BaseURL, cfg.Logger = g.URL, quiet()
	cfg.Ended = func(context.Context, rp.Ending) error { g.told.Add(1); return nil }
	g.URL = "" // Start sets it
	var err error
	if g.kit, err = rp.New(cfg); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/auth/", g.kit)
	show := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := "nobody"
		if user := rp.UserFrom(r.Context()); user != nil {
			name = user.Subject + " " + user.Claim("name") + " " + user.SID
		}
		_, _ = io.WriteString(w, name)
	})
	mux.Handle("/{$}", g.kit.Identify(show))
	mux.Handle("/page", g.kit.Middleware(show))
	g.Config.Handler = mux
	g.Start()
	t.Cleanup(func() {
		g.kit.Close()
		g.Close()
	})
}
