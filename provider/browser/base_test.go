package browser_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"

	"github.com/exeunt-id/exeunt/provider/browser"
	"github.com/exeunt-id/exeunt/static"
	"github.com/exeunt-id/exeunt/templates"
)

func TestBaseStrip(t *testing.T) {
	for _, test := range []struct{ issuer, asked, path, raw string }{ // path "": not ours
		{"https://example.com", "/token", "/token", ""},
		{"https://example.com/", "/a%2Fb", "/a/b", "/a%2Fb"},
		{"https://example.com/auth", "/auth", "/", ""},
		{"https://example.com/auth", "/auth/", "/", ""},
		{"https://example.com/auth/", "/auth/token", "/token", ""},
		{"https://example.com/auth", "/auth/auth", "/auth", ""},
		{"https://example.com/auth", "/auth//x", "//x", ""},
		{"https://example.com/auth", "/auth/a%2Fb", "/a/b", "/a%2Fb"},
		{"https://example.com/auth", "/authority", "", ""},
		{"https://example.com/auth", "/Auth/token", "", ""},
		{"https://example.com/auth", "/", "", ""},
		{"https://example.com/auth", "/x/auth/token", "", ""},
		{"https://example.com/auth", "//auth/token", "", ""},
		{"https://example.com/auth", "/%61uth/token", "", ""},
		{"https://example.com/a/b", "/a%2Fb/token", "", ""},
	} {
		asked := httptest.NewRequest(http.MethodGet, "https://example.com"+test.asked, nil)
		got, ok := browser.NewBase(test.issuer).Strip(asked)
		if ok != (test.path != "") || ok && (got.URL.Path != test.path || got.URL.RawPath != test.raw) {
			t.Errorf("%s, %s: %q, raw %q, %v", test.issuer, test.asked, got.URL.Path, got.URL.RawPath, ok)
		}
		if asked.URL.EscapedPath() != test.asked {
			t.Errorf("%s: the request itself was changed to %s", test.asked, asked.URL)
		}
	}
}

func TestBasePublic(t *testing.T) {
	for uri, want := range map[string]string{
		"/": "/auth/", "/login?id=/x": "/auth/login?id=/x", "//evil.example.com": "//evil.example.com", "": "",
		"https://shop.example.com/bye": "https://shop.example.com/bye", "com.example.app:/bye": "com.example.app:/bye",
	} {
		if got := browser.NewBase("https://example.com/auth").Public(uri); got != want {
			t.Errorf("%s becomes %s", uri, got)
		}
		if got := browser.NewBase("https://example.com").Public(uri); got != uri {
			t.Errorf("without a path %s becomes %s", uri, got)
		}
	}
}

// Every template, rendered below a path: no link, form or asset of ours is left without it.
func TestPagesBelowABase(t *testing.T) {
	assets, err := browser.NewAssets(static.FS)
	if err != nil {
		t.Fatal(err)
	}
	renderer, err := browser.NewRenderer(templates.FS, assets, "Exeunt", "/auth")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range pages {
		data := map[string]any{
			"frontchannel":   browser.FrontchannelPage{Next: "/logged_out?client_id=shop", Seconds: 2},
			"logout_confirm": browser.LogoutConfirmPage{Action: "/end_session/confirm"},
			"logged_out":     browser.LoggedOutPage{Retrying: true},
			"home":           browser.HomePage{SignedIn: true},
		}[p.name]
		if data == nil {
			data = p.data
		}
		html := func(base browser.Base) string {
			return render(t, func(c echo.Context) error {
				browser.SetBase(c, base)
				return renderer.Render(c, http.StatusOK, p.name, browser.Page{Data: data})
			}).Body.String()
		}
		own := html("")
		for _, place := range []string{`href="/`, `src="/`, `action="/`, `url=/`} { // formaction too
			own = strings.ReplaceAll(own, place, place+"auth/")
		}
		if got := html("/auth"); got != own {
			t.Errorf("%s: %s", p.name, got)
		}
	}
}
