package browser_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/exeunt-id/exeunt/provider/browser"
)

func ExampleSessionState() {
	fmt.Println(browser.SessionState("shop", "https://shop.example.com", "browser-state", "salt"))
	// Output: 049c143f9143a42383e0486ec36a717b18fc0c5a4954b80c36fc91359c4c5fe5.salt
}

func ExampleOrigin() {
	for _, uri := range []string{
		"https://Shop.example.com/callback?x=1", "https://shop.example.com:443/", "https://shop.example.com:8443/", "http://[::1]:9101/cb", "HTTP://localhost:80/cb",
		"com.example.app:/callback", "https:///x", "mailto:x@example.com", ":",
	} {
		fmt.Printf("%q\n", browser.Origin(uri))
	}
	// Output:
	// "https://shop.example.com"
	// "https://shop.example.com"
	// "https://shop.example.com:8443"
	// "http://[::1]:9101"
	// "http://localhost"
	// ""
	// ""
	// ""
	// ""
}

// Session Management 1.0, 3: a script must be able to read the state, in a frame of another site too; it changes at login and at logout and
// is never taken away.
func TestBrowserState(t *testing.T) {
	for issuer, want := range map[string]http.Cookie{
		"https://id.example.com": {Name: "__Host-exeunt_state", Secure: true, SameSite: http.SameSiteNoneMode},
		"http://localhost:8080":  {Name: "exeunt_state", SameSite: http.SameSiteLaxMode},
	} {
		cookies, w := browser.NewCookies(issuer), httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		first := cookies.EnsureState(w, r)
		if second := cookies.EnsureState(w, r); first == "" || first != second || cookies.State(r) != first {
			t.Errorf("first %q, then %q", first, second)
		}
		cookies.SetSession(w, browser.NewSecret(), "session-1")
		cookies.DropSession(w)
		seen := map[string]bool{}
		for _, c := range w.Result().Cookies() {
			if c.Name != want.Name {
				continue
			}
			if seen[c.Value] = true; c.HttpOnly || c.Secure != want.Secure || c.SameSite != want.SameSite || c.Path != "/" || c.Domain != "" || c.MaxAge != 0 || len(c.Value) != 43 {
				t.Errorf("%s: %+v", issuer, c)
			}
		}
		if len(seen) != 3 || !seen[first] {
			t.Errorf("%s: states %v, want a new one at login and at logout", issuer, seen)
		}
	}
}
