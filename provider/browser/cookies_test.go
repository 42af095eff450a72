package browser_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/exeunt-id/exeunt/provider/browser"
)

func TestCookieAttributes(t *testing.T) {
	tests := []struct {
		issuer, session, path string
		secure                bool
	}{
		{"https://id.example.com", "__Host-exeunt_session", "/", true},
		{"https://id.example.com/", "__Host-exeunt_session", "/", true},
		{"HTTPS://ID.example.com", "__Host-exeunt_session", "/", true},
		{"http://localhost:8080", "exeunt_session", "/", false},
		{"https://example.com/auth", "__Secure-exeunt_session.auth", "/auth", true},
		{"https://example.com/auth/", "__Secure-exeunt_session.auth", "/auth", true},
		{"https://example.com/tenants/one", "__Secure-exeunt_session.tenants.one", "/tenants/one", true},
		{"http://localhost:8080/id", "exeunt_session.id", "/id", false},
	}
	for _, test := range tests {
		t.Run(test.issuer, func(t *testing.T) {
			cookies, w := browser.NewCookies(test.issuer), httptest.NewRecorder()
			cookies.SetSession(w, browser.NewSecret(), "session-1")
			cookies.EnsureBrowser(w, httptest.NewRequest(http.MethodGet, "/", nil))
			cookies.SetReceipt(w, "logout-1")
			cookies.DropSession(w)
			var enders []*http.Cookie
			set := slices.DeleteFunc(w.Result().Cookies(), func(c *http.Cookie) bool {
				ender := strings.Contains(c.Name, "exeunt-logout")
				if ender {
					enders = append(enders, c)
				}
				return ender || c.Name == cookies.StateName()
			})
			if len(set) != 4 || set[0].Name != test.session {
				t.Fatalf("cookies are %v; the first must be %s", set, test.session)
			}
			for _, c := range set {
				if !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != test.path || c.Domain != "" || c.Secure != test.secure {
					t.Errorf("cookie %s has attributes %+v", c.Name, c)
				}
			}
			for i, c := range enders { // of every site, where browsers take that
				site := http.SameSiteLaxMode
				if test.secure {
					site = http.SameSiteNoneMode
				}
				want := strings.Replace(test.session, "exeunt_session", "exeunt-logout", 1)
				if c.Name != want || !c.HttpOnly || c.SameSite != site || c.Path != test.path || c.Domain != "" || c.Secure != test.secure || c.MaxAge != -i {
					t.Errorf("cookie %d is %+v", i, c)
				}
			}
			if len(enders) != 2 {
				t.Errorf("set %d times at login and logout together", len(enders))
			}
			if set[2].MaxAge != 15*60 || set[3].MaxAge != -1 || set[3].Value != "" {
				t.Errorf("receipt lives %d s, dropped session is %+v", set[2].MaxAge, set[3])
			}
		})
	}
}

func TestEnsureBrowserIsStableWithinARequest(t *testing.T) {
	cookies, w := browser.NewCookies("http://localhost"), httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.AddCookie(&http.Cookie{Name: "exeunt_browser", Value: "planted"}) // not one of ours: replaced
	first, token := cookies.EnsureBrowser(w, r), cookies.CSRF(w, r)
	if second := cookies.EnsureBrowser(w, r); first != second || first != cookies.Browser(r) || len(first) != 43 {
		t.Errorf("first %q, then %q", first, second)
	}
	if len(w.Result().Cookies()) != 1 {
		t.Errorf("set %d cookies, want 1", len(w.Result().Cookies()))
	}
	if token == "" || strings.Contains(token, first) {
		t.Errorf("CSRF token %q", token)
	}
}

func TestSecretsThatWeDidNotMakeAreIgnored(t *testing.T) {
	cookies, good := browser.NewCookies("http://localhost"), browser.NewSecret()
	for _, value := range []string{"", "x", strings.Repeat("a", 42), strings.Repeat("a", 44), strings.Repeat("!", 43)} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.AddCookie(&http.Cookie{Name: "exeunt_session", Value: value})
		if got := cookies.Session(r); got != "" {
			t.Errorf("session cookie %q gave %q", value, got)
		}
		r.AddCookie(&http.Cookie{Name: "exeunt_session", Value: good})
		if got := cookies.Session(r); got != good {
			t.Errorf("beside %q our own cookie gave %q", value, got)
		}
	}
}

func TestReceiptCannotBeForged(t *testing.T) {
	cookies, w := browser.NewCookies("http://localhost"), httptest.NewRecorder()
	cookies.SetReceipt(w, "01990000-0000-7000-8000-000000000001")
	value := w.Result().Cookies()[0].Value
	read := func(c browser.Cookies, value string) string {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.AddCookie(&http.Cookie{Name: "exeunt_receipt", Value: value})
		return c.Receipt(r)
	}
	if got := read(cookies, value); got != "01990000-0000-7000-8000-000000000001" {
		t.Fatalf("own receipt reads %q", got)
	}
	other := browser.NewCookies("http://localhost")
	if got := read(other, value); got != "" {
		t.Errorf("another key accepts the receipt: %q", got)
	}
	other.Key = cookies.Key
	if got := read(other, value); got == "" {
		t.Error("a node with the same key refuses the receipt")
	}
	for _, forged := range []string{strings.Replace(value, "0001.", "0002.", 1), strings.TrimSuffix(value, value[len(value)-1:]), ".", "a.", strings.SplitN(value, ".", 2)[0]} {
		if got := read(cookies, forged); got != "" {
			t.Errorf("forged receipt %q reads %q", forged, got)
		}
	}
}

// The cookie that ends a session from an application's page opens no other, and is no receipt.
func TestEnderCannotBeForged(t *testing.T) {
	cookies, w := browser.NewCookies("https://id.example.com"), httptest.NewRecorder()
	cookies.SetSession(w, browser.NewSecret(), "session-1")
	cookies.SetReceipt(w, "session-1")
	value := map[string]string{}
	for _, c := range w.Result().Cookies() {
		value[c.Name] = c.Value
	}
	read := func(c browser.Cookies, value string) string {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.AddCookie(&http.Cookie{Name: "__Host-exeunt-logout", Value: value})
		return c.Ender(r)
	}
	own := value["__Host-exeunt-logout"]
	if got := read(cookies, own); got != "session-1" {
		t.Fatalf("own cookie reads %q", got)
	}
	for _, forged := range []string{strings.Replace(own, "session-1", "session-2", 1), value["__Host-exeunt_receipt"], own[:len(own)-1], "session-1", "session-1.", "."} {
		if got := read(cookies, forged); got != "" {
			t.Errorf("%q reads %q", forged, got)
		}
	}
	if got := read(browser.NewCookies("https://id.example.com"), own); got != "" {
		t.Errorf("another key accepts it: %q", got)
	}
}

func FuzzCookies(f *testing.F) {
	cookies := browser.NewCookies("http://localhost")
	f.Add("exeunt_receipt=a.b; exeunt_session=x; exeunt_browser=\"")
	f.Fuzz(func(t *testing.T, header string) {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Cookie", header)
		if id := cookies.Receipt(r); id != "" {
			t.Errorf("forged receipt %q accepted", id)
		}
		if id := cookies.Ender(r); id != "" {
			t.Errorf("forged session %q accepted", id)
		}
		for _, secret := range []string{cookies.Session(r), cookies.Browser(r)} {
			if secret != "" && len(secret) != 43 {
				t.Errorf("malformed secret %q accepted", secret)
			}
		}
	})
}
