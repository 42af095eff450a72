package browser_test

import (
	"io/fs"
	"net/http"
	"net/http/httptest"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/exeunt-id/exeunt/provider/browser"
	"github.com/exeunt-id/exeunt/static"
	"github.com/exeunt-id/exeunt/templates"
)

// pages are all templates, the zero value of their data, and the ids that browser tests and password managers rely on.
var pages = []struct {
	name string
	data any
	ids  []string
}{
	{"login", browser.LoginPage{}, []string{"login-form", "username", "password", "login", "login-error"}},
	{"devices", browser.DevicesPage{}, []string{"devices-form", "devices", "devices-error", "sign-out", "deny"}},
	{"consent", browser.ConsentPage{}, []string{"consent-form", "allow", "deny"}},
	{"logout_confirm", browser.LogoutConfirmPage{}, []string{"logout-form", "logout", "stay"}},
	{"logged_out", browser.LoggedOutPage{}, []string{"summary", "apps"}},
	{"error", browser.ErrorPage{}, []string{"error-title", "error-message", "error-hint", "error-reference"}},
	{"form_post", browser.FormPostPage{}, []string{"form-post", "continue"}},
	{"frontchannel", browser.FrontchannelPage{}, []string{"apps", "continue"}},
	{"home", browser.HomePage{}, []string{"signed-in", "account"}},
	{"continue", browser.ContinuePage{}, []string{"continue-form", "continue", "deny", "other"}},
	{"account", browser.AccountPage{}, []string{"sessions", "apps", "devices", "end-others", "end-everywhere", "change-password"}},
	{"account_end", browser.AccountEndPage{}, []string{"end-form", "end", "cancel", "ending"}},
	{"account_done", browser.AccountDonePage{}, []string{"done", "summary", "apps", "back"}},
	{"account_password", browser.AccountPasswordPage{}, []string{"password-form", "password", "new-password", "new-password-again", "change", "password-error"}},
}

func newRenderer(t *testing.T) *browser.Renderer {
	t.Helper()
	assets, err := browser.NewAssets(static.FS)
	if err != nil {
		t.Fatal(err)
	}
	renderer, err := browser.NewRenderer(templates.FS, assets, "Exeunt")
	if err != nil {
		t.Fatal(err)
	}
	return renderer
}

func render(t *testing.T, fn func(c echo.Context) error) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	if err := fn(echo.New().NewContext(httptest.NewRequest(http.MethodGet, "/", nil), w)); err != nil {
		t.Fatal(err)
	}
	return w
}

// fill returns a copy of the struct with every string, also in lists, set to s, every bool true, every int 1.
func fill(v reflect.Value, s string) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(s)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int:
		v.SetInt(1)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fill(v.Index(i), s)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), s)
		}
	}
}

var attacks = []string{
	`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `' onfocus='alert(1)`, `javascript:alert(1)`, `</title><script>alert(1)</script>`,
	"{{.}}", `<!--`, "\x00\xff",
}

// element matches an opening tag together with its attributes, quoted as html/template quotes them.
var element = regexp.MustCompile(`<([a-z0-9]+)((?:\s+[a-z-]+(?:="[^"]*")?)*)\s*/?>`)

func TestEveryFieldIsEscaped(t *testing.T) {
	renderer := newRenderer(t)
	for _, page := range pages {
		clean := render(t, func(c echo.Context) error {
			return renderer.Render(c, 200, page.name, browser.Page{Title: "x", Data: filled(page.data, "x")})
		}).Body.String()
		for _, attack := range attacks {
			t.Run(page.name+" "+attack, func(t *testing.T) {
				body := render(t, func(c echo.Context) error {
					return renderer.Render(c, 200, page.name, browser.Page{Title: attack, Data: filled(page.data, attack)})
				}).Body.String()
				if got, want := skeleton(body), skeleton(clean); got != want {
					t.Errorf("outside text changed the elements of the page:\n%s\ninstead of\n%s", got, want)
				}
				for _, attribute := range []string{"href", "action", "src"} {
					if strings.Contains(body, attribute+`="javascript:`) {
						t.Errorf("a script URL reached %s", attribute)
					}
				}
			})
		}
	}
}

func filled(data any, s string) any {
	v := reflect.New(reflect.TypeOf(data)).Elem()
	fill(v, s)
	return v.Interface()
}

// skeleton lists the elements of a page and the names of their attributes, without values.
func skeleton(body string) string {
	var b strings.Builder
	for _, m := range element.FindAllStringSubmatch(body, -1) {
		b.WriteString(m[1])
		for _, attribute := range regexp.MustCompile(`\s([a-z-]+)(?:="[^"]*")?`).FindAllStringSubmatch(m[2], -1) {
			b.WriteString(" " + attribute[1])
		}
		b.WriteString("\n")
	}
	return b.String()
}

// scriptOfOurs is loaded from our own files; nothing is written into a page.
var scriptOfOurs = regexp.MustCompile(`<script (type="module" )?src="/static/[0-9a-f]{16}/[a-z]+\.js"( defer)?></script>`)

func TestEveryPage(t *testing.T) {
	renderer := newRenderer(t)
	for _, page := range pages {
		t.Run(page.name, func(t *testing.T) {
			w := render(t, func(c echo.Context) error {
				return renderer.Render(c, 418, page.name, browser.Page{Title: "Some title", Data: filled(page.data, "x")})
			})
			body := w.Body.String()
			if w.Code != 418 || w.Header().Get("Content-Type") != "text/html; charset=UTF-8" {
				t.Errorf("status %d, type %q", w.Code, w.Header().Get("Content-Type"))
			}
			for _, id := range page.ids {
				if strings.Count(body, `id="`+id+`"`) != 1 {
					t.Errorf("id %q does not occur exactly once", id)
				}
			}
			for _, must := range []string{`<html lang="en">`, "<title>Some title · Exeunt</title>", `name="viewport"`, "<main", "<h1"} {
				if strings.Count(body, must) != 1 {
					t.Errorf("%s does not occur exactly once", must)
				}
			}
			body = scriptOfOurs.ReplaceAllString(body, "")
			for _, forbidden := range []string{"style=", "<style", "onclick", "onload", "<script", "http://", "https://", "<no value>", "ZgotmplZ"} {
				if strings.Contains(body, forbidden) {
					t.Errorf("the page contains %s", forbidden)
				}
			}
			for _, label := range regexp.MustCompile(`<label for="([^"]+)"`).FindAllStringSubmatch(body, -1) {
				if !strings.Contains(body, `<input id="`+label[1]+`"`) {
					t.Errorf("label for %q belongs to nothing", label[1])
				}
			}
			for header, value := range map[string]string{
				"Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
				"X-Frame-Options":         "DENY", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store",
			} {
				if got := w.Header().Get(header); got != value {
					t.Errorf("%s: %s", header, got)
				}
			}
		})
	}
}

func TestEveryTemplateIsTested(t *testing.T) {
	entries, err := fs.Glob(templates.FS, "*.html")
	if err != nil {
		t.Fatal(err)
	}
	if len(entries)-1 != len(pages) { // without the layout
		t.Errorf("%d templates, %d of them tested", len(entries)-1, len(pages))
	}
}

func TestFormPost(t *testing.T) {
	renderer := newRenderer(t)
	const action = "https://shop.example.com/cb?a=b&c=d"
	w := render(t, func(c echo.Context) error {
		return renderer.FormPost(c, action, []browser.Field{{Name: "code", Value: "abc"}, {Name: "state", Value: `"><b>&+ ü`}})
	})
	body, policy := w.Body.String(), w.Header().Get("Content-Security-Policy")
	nonce := regexp.MustCompile(`script-src 'nonce-([^']+)'`).FindStringSubmatch(policy)
	if nonce == nil || !strings.Contains(body, `<script nonce="`+nonce[1]+`">HTMLFormElement`) {
		t.Fatalf("the script's nonce is not that of the policy %q:\n%s", policy, body)
	}
	for _, must := range []string{
		`<form id="form-post" method="post" action="https://shop.example.com/cb?a=b&amp;c=d">`, `name="code" value="abc"`,
		`name="state" value="&#34;&gt;&lt;b&gt;&amp;&#43; ü"`, "<noscript>", `<button class="button main" id="continue" type="submit">`,
	} {
		if !strings.Contains(body, must) {
			t.Errorf("the page lacks %s", must)
		}
	}
	if !strings.Contains(policy, "form-action 'self' https:;") {
		t.Errorf("policy %q does not let the form leave", policy)
	}
}

func TestFormActionSources(t *testing.T) {
	renderer := newRenderer(t)
	tests := []struct{ uri, want string }{
		{"https://shop.example.com/cb", "form-action 'self' https:;"},
		{"http://127.0.0.1:4711/cb", "form-action 'self' http:;"},
		{"http://[::1]:4711/cb", "form-action 'self' http:;"},
		{"com.example.app:/cb", "form-action 'self' com.example.app:;"},
		{"https:", "form-action 'self' https:;"},
		{"javascript:alert(1)", "form-action 'self';"},
		{"data:text/html,x", "form-action 'self';"},
		{"/relative", "form-action 'self';"},
		{"https; script-src *", "form-action 'self';"},
		{"https://a b", "form-action 'self';"},
		{"", "form-action 'self';"},
	}
	for _, test := range tests {
		w := render(t, func(c echo.Context) error {
			return renderer.Render(c, 200, "login", browser.Page{FormAction: []string{test.uri}, Data: browser.LoginPage{}})
		})
		if got := w.Header().Get("Content-Security-Policy"); !strings.Contains(got, test.want) {
			t.Errorf("%q: policy is %q", test.uri, got)
		}
	}
}

func TestErrorPage(t *testing.T) {
	renderer := newRenderer(t)
	w := render(t, func(c echo.Context) error {
		c.Response().Header().Set(echo.HeaderXRequestID, "request-7")
		return renderer.Error(c, &browser.Error{
			Status: 503, Title: "Too busy", Message: "Many people.", Hint: "Wait.", RetryAfter: 1500 * time.Millisecond, Err: http.ErrAbortHandler,
		})
	})
	body := w.Body.String()
	if w.Code != 503 || w.Header().Get("Retry-After") != "2" {
		t.Errorf("status %d, Retry-After %q", w.Code, w.Header().Get("Retry-After"))
	}
	for _, must := range []string{`<h1 id="error-title">Too busy</h1>`, "Many people.", "Wait.", "request-7", `role="alert"`} {
		if !strings.Contains(body, must) {
			t.Errorf("the page lacks %s", must)
		}
	}
	if strings.Contains(body, http.ErrAbortHandler.Error()) {
		t.Error("the page shows the inner error")
	}
	if w := render(t, func(c echo.Context) error { return renderer.Error(c, &browser.Error{}) }); w.Code != 500 {
		t.Errorf("an empty error is a %d", w.Code)
	}
}

func TestBrokenTemplateSendsNothing(t *testing.T) {
	assets, err := browser.NewAssets(fstest.MapFS{})
	if err != nil {
		t.Fatal(err)
	}
	renderer, err := browser.NewRenderer(fstest.MapFS{
		"layout.html": {Data: []byte(`start{{block "main" .}}{{end}}`)},
		"page.html":   {Data: []byte(`{{define "main"}}{{asset "missing.css"}}{{end}}`)},
	}, assets, "Exeunt")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"page", "unknown"} {
		w := httptest.NewRecorder()
		c := echo.New().NewContext(httptest.NewRequest(http.MethodGet, "/", nil), w)
		if err := renderer.Render(c, 200, name, browser.Page{}); err == nil || w.Body.Len() > 0 || len(w.Header()) > 0 {
			t.Errorf("%s: error %v, sent %q with %v", name, err, w.Body, w.Header())
		}
	}
}
