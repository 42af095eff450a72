package demo_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/exeunt-id/exeunt/demo"
)

func TestLoginAndBackchannelLogout(t *testing.T) {
	for _, cfg := range demo.Apps() {
		t.Run(cfg.SigningAlg, func(t *testing.T) {
			p := newProvider(t)
			app := newApp(t, p, cfg)
			alice, other := newBrowser(t, app.URL), newBrowser(t, app.URL)
			first := alice.wantState("signed-out")
			if !first.has("login") || first.has("told") {
				t.Error("the page of a stranger offers no login, or speaks of a logout")
			}

			shown := alice.get("/login")
			if shown.Request.URL.String() != app.URL+"/" || shown.text("state") != "signed-in" || shown.text("user") != "Alice <Doe>" || shown.text("sid") != "s-1" {
				t.Fatalf("after the login at %s: %s", shown.Request.URL, shown.body)
			}
			for _, id := range []string{"logout-op", "logout-redirect", "logout-api"} {
				if !shown.has(id) {
					t.Errorf("no button #%s", id)
				}
			}
			csp := shown.Header.Get("Content-Security-Policy")
			if !strings.Contains(csp, "default-src 'none'") || !strings.Contains(csp, "form-action 'self' "+p.URL) {
				t.Errorf("Content-Security-Policy %q", csp)
			}
			other.wantState("signed-out")
			before := status(t, alice)

			if code := p.tell("j-0", object{"sid": "of another session"}); code != http.StatusOK {
				t.Errorf("a session that is not here: %d, want 200", code)
			}
			alice.wantState("signed-in")
			if code := p.tell("j-1", object{"sid": "s-1", "sub": "u-1"}); code != http.StatusOK {
				t.Fatalf("logout token: %d", code)
			}
			if after := status(t, alice); after["state"] != "signed-out" || after["version"] == before["version"] {
				t.Errorf("the open page would not notice: %v, then %v", before, after)
			}
			shown = alice.wantState("signed-out")
			if shown.text("told-sid") != "s-1" || shown.text("told-jti") != "j-1" || !strings.Contains(shown.body, "You were signed out at") || shown.has("user") {
				t.Errorf("the page does not say by which logout token: %s", shown.body)
			}
			if code := p.tell("j-2", object{"sid": "s-1"}); code != http.StatusOK {
				t.Errorf("a fresh token for a session already gone: %d, want 200", code)
			}
			if jti := alice.get("/").text("told-jti"); jti != "j-1" {
				t.Errorf("the page names %s, which came later than the end", jti)
			}
			if other.get("/").has("told") {
				t.Error("a stranger's page speaks of the logout")
			}
			if code := p.tell("j-1", object{"sid": "s-1"}); code != http.StatusBadRequest {
				t.Errorf("replay: %d, want 400", code)
			}
		})
	}
}

func status(t *testing.T, b *browser) (answer map[string]string) {
	t.Helper()
	if err := json.Unmarshal([]byte(b.get("/status").body), &answer); err != nil {
		t.Fatal(err)
	}
	return answer
}

func TestLogoutTokenForAllSessionsOfASubject(t *testing.T) {
	p := newProvider(t)
	app := newApp(t, p, demo.Apps()[0])
	one, two := newBrowser(t, app.URL), newBrowser(t, app.URL)
	one.get("/login")
	two.get("/login")
	if code := p.tell("j-1", object{"sub": "somebody else"}); code != http.StatusOK {
		t.Fatal(code)
	}
	one.wantState("signed-in")
	if code := p.tell("j-2", object{"sub": "u-1"}); code != http.StatusOK {
		t.Fatal(code)
	}
	one.wantState("signed-out")
	two.wantState("signed-out")
}

func TestLogoutHere(t *testing.T) {
	for _, test := range []struct {
		action string
		check  func(t *testing.T, p *provider)
	}{
		{"/logout", func(t *testing.T, p *provider) {
			if q := p.ended[0]; strings.Count(q.Get("id_token_hint"), ".") != 2 || q.Get("post_logout_redirect_uri") != p.app.PostLogoutRedirectURIs[0] {
				t.Errorf("end_session got %v", q)
			}
		}},
		{"/logout/redirect", func(t *testing.T, p *provider) {
			if q := p.ended[0]; q.Get("client_id") != p.app.ClientID || q.Get("redirect_uri") != p.app.PostLogoutRedirectURIs[0] || q.Has("oauth_token") {
				t.Errorf("/logout got %v", q)
			}
		}},
		{"/logout/api", func(t *testing.T, p *provider) {
			if len(p.ended) != 0 || len(p.revoked) != 1 || p.revoked[0] != "Bearer at-1" {
				t.Errorf("ended %v, revoked %v; want only the app's token revoked", p.ended, p.revoked)
			}
		}},
	} {
		t.Run(test.action, func(t *testing.T) {
			p := newProvider(t)
			b := newBrowser(t, newApp(t, p, demo.Apps()[1]).URL)
			b.get("/login")

			if got := b.send(http.MethodPost, test.action, url.Values{"csrf": {"guessed"}}); got.StatusCode != http.StatusForbidden {
				t.Errorf("without the page's token: %d, want 403", got.StatusCode)
			}
			if got := b.get(test.action); got.StatusCode != http.StatusMethodNotAllowed {
				t.Errorf("GET: %d, want 405", got.StatusCode)
			}
			b.wantState("signed-in")

			shown := b.press(test.action)
			if shown.Request.URL.String() != b.base+"/" || shown.text("state") != "signed-out" || !shown.has("left") || shown.has("told") {
				t.Fatalf("at %s: %s", shown.Request.URL, shown.body)
			}
			if back := strings.Contains(shown.body, "sent you back"); back != (test.action != "/logout/api") {
				t.Errorf("says that the provider sent us back: %t", back)
			}
			test.check(t, p)

			// The logout token of one's own logout confirms it; it did not tell.
			if code := p.tell("j-1", object{"sid": "s-1"}); code != http.StatusOK {
				t.Fatal(code)
			}
			if shown = b.get("/"); !shown.has("confirmed") || shown.has("told") {
				t.Errorf("after the logout token: %s", shown.body)
			}
		})
	}
}

func TestLogoutHereWhileTheProviderIsDown(t *testing.T) {
	for _, action := range []string{"/logout/redirect", "/logout/api"} {
		p := newProvider(t)
		b := newBrowser(t, newApp(t, p, demo.Apps()[0]).URL)
		b.get("/login")
		p.set(func() { p.down = true })
		b.press(action)
		if shown := b.wantState("signed-out"); strings.Contains(shown.body, "sent you back") || strings.Contains(shown.body, "provider revoked") {
			t.Errorf("%s claims what the provider did not do: %s", action, shown.body)
		}
	}
}

// TestReturnIsNotBelievedWithoutState: the page says that the provider sent
// the browser back only if it came with the state that went along.
func TestReturnIsNotBelievedWithoutState(t *testing.T) {
	p := newProvider(t)
	b := newBrowser(t, newApp(t, p, demo.Apps()[0]).URL)
	b.get("/login")
	b.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		if "http://"+r.URL.Host == p.URL { // the user stops there
			return http.ErrUseLastResponse
		}
		return nil
	}
	b.press("/logout")
	for _, path := range []string{"/?state=invented", "/?state="} {
		if shown := b.get(path); !shown.has("left") || strings.Contains(shown.body, "sent you back") || shown.Request.URL.RequestURI() != "/" {
			t.Errorf("%s: at %s: %s", path, shown.Request.URL, shown.body)
		}
	}
}
