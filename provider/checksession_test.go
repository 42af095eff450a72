package provider_test

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/exeunt-id/exeunt/provider/browser"
)

// state is the browser state that a script would read.
func (a *agent) state() string {
	a.Helper()
	u, err := url.Parse(a.url)
	if err != nil {
		a.Fatal(err)
	}
	for _, c := range a.client.Jar.Cookies(u) {
		if c.Name == "exeunt_state" {
			return c.Value
		}
	}
	return ""
}

// wantSessionState checks that a session_state belongs to the browser's state.
func (a *agent) wantSessionState(got, client string) {
	a.Helper()
	_, salt, found := strings.Cut(got, ".")
	if !found || len(salt) < 22 || got != browser.SessionState(client, "https://"+client+".example.com", a.state(), salt) || strings.Contains(got, " ") {
		a.Errorf("session_state %q does not belong to client %s and state %q", got, client, a.state())
	}
}

// Session Management 1.0, 3: session_state in every authorization response, good or bad, by query or by form post.
func TestSessionState(t *testing.T) {
	w := newSQLiteWorld(t)
	alice := w.browser()
	ask := func(pairs ...string) string {
		return alice.get("/authorize", request("shop", pairs...)).location().Query().Get("session_state")
	}
	alice.wantSessionState(ask("prompt", "none"), "shop") // login_required
	out := alice.state()
	alice.wantSessionState(alice.logIn(alice.get("/authorize", request("shop")), "alice").location().Query().Get("session_state"), "shop")
	in := alice.state()
	first, second := ask(), ask("redirect_uri", "https://shop.example.com/other?kept=a%20b")
	alice.wantSessionState(first, "shop")
	alice.wantSessionState(second, "shop")
	alice.wantSessionState(ask("scope", "admin"), "shop")
	page := alice.get("/authorize", request("wiki", "response_mode", "form_post")).wantPage(http.StatusOK, `name="code"`)
	if m := regexp.MustCompile(`name="session_state" value="([^"]*)"`).FindStringSubmatch(page.body); m == nil {
		t.Error("form post without session_state")
	} else {
		alice.wantSessionState(m[1], "wiki")
	}
	if first == second || alice.state() != in || in == out {
		t.Errorf("the salt stays or the state moves: %q, %q; %q, %q, %q", first, second, out, in, alice.state())
	}
	alice.signOn("shop")
	in = alice.state()
	alice.get("/logout", url.Values{"client_id": {"shop"}, "redirect_uri": {"https://shop.example.com/bye"}}).want(http.StatusSeeOther)
	if gone := alice.state(); gone == "" || gone == in || gone == out {
		t.Errorf("after the logout the state is %q; it was %q", gone, in)
	}
}

// Session Management 1.0, 3.1: the page may be embedded by anybody, loads nothing and runs one script.
func TestCheckSessionPage(t *testing.T) {
	w := newSQLiteWorld(t)
	if doc := w.program().get("/.well-known/openid-configuration", nil).json(); doc["check_session_iframe"] != w.url+"/check_session" {
		t.Errorf("check_session_iframe is %v", doc["check_session_iframe"])
	}
	page := w.browser().with("Sec-Fetch-Dest", "iframe", "Sec-Fetch-Site", "cross-site").get("/check_session", nil).wantPage(http.StatusOK, `data-cookie="exeunt_state"`)
	_, rest, _ := strings.Cut(page.body, "<script>")
	script, _, _ := strings.Cut(rest, "</script>")
	sum := sha256.Sum256([]byte(script))
	policy := page.header.Get("Content-Security-Policy")
	if !strings.Contains(policy, "script-src 'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"';") || strings.Contains(policy, "frame-ancestors") || !strings.HasPrefix(policy, "default-src 'none'") {
		t.Errorf("policy %q", policy)
	}
	if page.header.Get("X-Frame-Options") != "" || page.header.Get("Set-Cookie") != "" {
		t.Errorf("headers %v", page.header)
	}
	for _, newer := range []string{"crypto.subtle", "=>", "`", "let ", "const ", "async", "//cdn"} {
		if strings.Contains(script, newer) {
			t.Errorf("the script has %q, which old engines do not know", newer)
		}
	}
}
