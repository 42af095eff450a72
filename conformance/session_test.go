package conformance

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/exeunt-id/exeunt/database/databasetest"
)

// cookie returns the value of a cookie that the browser holds.
func (a *agent) cookie(name string) string {
	a.Helper()
	u, err := url.Parse(a.issuer)
	if err != nil {
		a.Fatal(err)
	}
	for _, c := range a.client.Jar.Cookies(u) {
		if c.Name == a.cookieName(name) {
			return c.Value
		}
	}
	return ""
}

// setCookies are the cookies that an answer sets, by name.
func (a answer) setCookies() map[string]*http.Cookie {
	found := map[string]*http.Cookie{}
	for _, c := range (&http.Response{Header: a.header}).Cookies() {
		found[c.Name] = c
	}
	return found
}

// The session's cookie is new at every login; what it was before is worth nothing (session fixation).
func TestSession_RotationAtLogin(t *testing.T) {
	w := open(t)
	alice := w.browser()
	alice.get("/login", nil)
	if alice.cookie("exeunt_session") != "" {
		t.Error("a session before the login")
	}
	u, err := url.Parse(w.issuer)
	if err != nil {
		t.Fatal(err)
	}
	planted := strings.Repeat("A", 43)
	alice.client.Jar.SetCookies(u, []*http.Cookie{{Name: w.cookieName("exeunt_session"), Value: planted, Path: "/"}})
	first := alice.firstSignOn("shop", "alice")
	secret := alice.cookie("exeunt_session")
	if secret == planted || len(secret) < 43 {
		t.Fatalf("session cookie %q", secret)
	}
	thief := w.program().with("Cookie", w.cookieName("exeunt_session")+"="+secret)
	if thief.get("/authorize", request("shop", "prompt", "none")).response().Get("code") == "" {
		t.Fatal("the cookie is not the session")
	}
	// The same person again: session, sid and tokens stay, cookie and auth_time change, the old cookie dies.
	w.clock.Advance(2 * time.Second)
	got := w.exchange("shop", alice.logIn(alice.get("/authorize", request("shop", "prompt", "login")), "alice").code()).tokens()
	before, after := readJWT(first.id).claims, readJWT(got.id).claims
	if alice.cookie("exeunt_session") == secret || before["sid"] != after["sid"] || before["auth_time"] == after["auth_time"] {
		t.Errorf("before %v, after %v", before, after)
	}
	if thief.get("/authorize", request("shop", "prompt", "none")).response().Get("error") != "login_required" {
		t.Error("the old cookie lives")
	}
	if !w.active("shop", first.access) || w.told(first.id) != 0 {
		t.Error("the first login's tokens died")
	}
	if thief.with("Cookie", w.cookieName("exeunt_session")+"="+planted).get("/authorize", request("shop", "prompt", "none")).response().Has("code") {
		t.Error("the planted cookie is a session")
	}
	// A logout ends it for every copy of the cookie.
	secret = alice.cookie("exeunt_session")
	a := alice.once().get("/logout", values("client_id", "shop"))
	if dropped := a.setCookies()[w.cookieName("exeunt_session")]; dropped == nil || dropped.MaxAge >= 0 || dropped.Value != "" {
		t.Errorf("the cookie is not dropped: %v", a.header["Set-Cookie"])
	}
	if w.program().with("Cookie", w.cookieName("exeunt_session")+"="+secret).get("/authorize", request("shop", "prompt", "none")).response().Has("code") {
		t.Error("a copy of the cookie lives")
	}
}

// Another person in the same browser: the old session ends as by a logout, so that no orphan lives.
func TestSession_UserSwitch(t *testing.T) {
	for _, by := range []string{"prompt", "plain login"} {
		t.Run(by, func(t *testing.T) {
			w := open(t)
			shared := w.browser()
			shop := shared.firstSignOn("shop", "alice")
			wiki := shared.signOn("wiki")
			if by == "prompt" {
				shared.logIn(shared.get("/authorize", request("mail", "prompt", "select_account")), "bob").code()
			} else {
				shared.logIn(shared.get("/login", nil), "bob")
			}
			w.eventually("the apps are told", func() bool { return w.told(shop.id) == 1 && w.told(wiki.id) == 1 })
			if w.active("shop", shop.access) || w.active("wiki", wiki.refresh) {
				t.Error("tokens of the first person live")
			}
			if got := shared.signOn("shop"); readJWT(got.id).claims["sub"] == readJWT(shop.id).claims["sub"] || sidOf(got.id) == sidOf(shop.id) {
				t.Error("the second person is the first, or has their sid")
			}
		})
	}
}

// Idle and absolute lifetime. Refresh, userinfo and silent sign-on are activity, introspection is none.
func TestSession_Lifetimes(t *testing.T) {
	w := openOn(t, databasetest.Open(t, databasetest.SQLiteURL(t)), "http")
	step := func() { w.clock.Advance(7 * time.Hour) } // idle is 12 h
	active := map[string]func(a *agent, got *tokens){
		"refresh":        func(a *agent, got *tokens) { *got = a.refresh("shop", got.refresh).tokens() },
		"silent sign-on": func(a *agent, got *tokens) { *got = a.signOn("shop", "prompt", "none") },
		"userinfo": func(a *agent, got *tokens) {
			*got = a.refresh("shop", got.refresh).tokens()
			a.userinfo(got.access).want(200)
		},
	}
	for name, act := range active {
		t.Run(name, func(t *testing.T) {
			w := &world{T: t, place: w.place}
			alice := w.browser()
			got := alice.firstSignOn("shop", "alice")
			for range 3 {
				step()
				act(alice, &got)
			}
			if !alice.alive() {
				t.Error("the session ended although it was active")
			}
		})
	}
	t.Run("introspection", func(t *testing.T) {
		w := &world{T: t, place: w.place}
		alice := w.browser()
		got := alice.firstSignOn("shop", "alice")
		step()
		w.active("shop", got.refresh)
		step()
		if w.active("shop", got.refresh) || alice.alive() {
			t.Error("the idle session lives")
		}
		w.refresh("shop", got.refresh).wantError(400, "invalid_grant")
	})
	t.Run("absolute", func(t *testing.T) {
		w := &world{T: t, place: w.place}
		alice := w.browser()
		got := alice.firstSignOn("shop", "alice")
		for range 102 { // 30 days, seven hours at a time
			step()
			got = w.refresh("shop", got.refresh).tokens()
		}
		w.clock.Advance(7 * time.Hour)
		w.refresh("shop", got.refresh).wantError(400, "invalid_grant")
		if alice.alive() {
			t.Error("the session lives beyond its absolute lifetime")
		}
	})
}

// Cookies: HttpOnly, SameSite=Lax, the whole host; on https Secure and with the prefix that binds them to it.
func TestSession_CookieAttributes(t *testing.T) {
	for _, scheme := range []string{"http", "https"} {
		t.Run(scheme, func(t *testing.T) {
			w := open(t)
			if scheme == "https" {
				w = openOn(t, databasetest.Open(t, databasetest.SQLiteURL(t)), "https")
			}
			alice := w.browser()
			page := alice.get("/login", nil)
			loggedIn := alice.once().submit(page, "username", "alice", "password", "wonderland").want(303)
			alice.signOn("shop")
			left := alice.once().get("/logout", values("client_id", "shop")).want(303)
			want := map[string]answer{"exeunt_browser": page, "exeunt_session": loggedIn, "exeunt_device": loggedIn, "exeunt_receipt": left}
			for name, a := range want {
				c := a.setCookies()[w.cookieName(name)]
				if c == nil {
					t.Errorf("%s is not set: %v", w.cookieName(name), a.header["Set-Cookie"])
					continue
				}
				if !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != cmp.Or(w.base, "/") || c.Domain != "" || c.Secure != (scheme == "https") {
					t.Errorf("%s: %s", name, c.Raw)
				}
				if len(c.Value) < 43 {
					t.Errorf("%s has a short value", name)
				}
			}
			for _, a := range []answer{page, loggedIn, left} {
				for name, c := range a.setCookies() {
					if name == w.cookieName("exeunt_state") { // Session Management 1.0, 3.2: the page for the iframe reads it, and embedded in other sites
						if c.HttpOnly || c.Secure != (scheme == "https") || c.Secure != (c.SameSite == http.SameSiteNoneMode) {
							t.Errorf("%s: %s", name, c.Raw)
						}
						continue
					}
					if name == w.cookieName("exeunt-logout") { // it travels from pages of other sites, and ends its session only
						if !c.HttpOnly || c.Secure != (scheme == "https") || c.Secure != (c.SameSite == http.SameSiteNoneMode) {
							t.Errorf("%s: %s", name, c.Raw)
						}
						continue
					}
					if !slices.Contains([]string{w.cookieName("exeunt_browser"), w.cookieName("exeunt_session"), w.cookieName("exeunt_device"), w.cookieName("exeunt_receipt")}, name) {
						t.Errorf("an unknown cookie %s", name)
					}
				}
			}
			if c := left.setCookies()[w.cookieName("exeunt_receipt")]; c != nil && c.MaxAge > 15*60 {
				t.Errorf("receipts for %d seconds", c.MaxAge)
			}
			if hsts := page.header.Get("Strict-Transport-Security"); (hsts != "") != (scheme == "https") {
				t.Errorf("Strict-Transport-Security %q", hsts)
			}
			if scheme == "https" {
				// A cookie of the http kind, which a neighbour may plant, means nothing.
				secret := loggedIn.setCookies()[w.cookieName("exeunt_session")].Value
				if w.program().with("Cookie", w.cookieName("exeunt_session")+"="+secret).get("/authorize", request("shop", "prompt", "none")).response().Has("code") {
					t.Error("a cookie without the prefix is taken")
				}
			}
		})
	}
}

// The done page shows this browser's receipts, for a quarter of an hour, and no name.
func TestSession_Receipts(t *testing.T) {
	w := open(t)
	alice := w.browser()
	alice.firstSignOn("shop", "alice")
	alice.signOn("wiki")
	page := alice.get("/logout", values("client_id", "shop")).wantPage(200, "The wiki")
	if strings.Contains(page.body, "alice") || strings.Contains(page.body, "Alice") {
		t.Error("the page names the person")
	}
	if other := w.browser().get("/logged_out", nil).wantPage(200, "You are logged out"); strings.Contains(other.body, "The wiki") {
		t.Error("another browser sees the receipts")
	}
	receipt := alice.cookie("exeunt_receipt")
	id, _, _ := strings.Cut(receipt, ".")
	for _, forged := range []string{id, id + ".", id + ".x", receipt + "x", "." + receipt} {
		if a := w.program().with("Cookie", w.cookieName("exeunt_receipt")+"="+forged).get("/logged_out", nil).want(200); strings.Contains(a.body, "The wiki") {
			t.Errorf("a forged cookie %q is believed", forged)
		}
	}
	w.clock.Advance(16 * time.Minute)
	if a := alice.get("/logged_out", nil).want(200); strings.Contains(a.body, "The wiki") {
		t.Error("the receipts are shown for too long")
	}
}

// Nobody logs another person's browser in (login CSRF).
func TestBCP_4_7_LoginCSRF(t *testing.T) {
	w := open(t)
	alice, mallory := w.browser(), w.browser()
	page := alice.get("/login", nil)
	foreign := mallory.get("/login", nil).form().fields.Get("csrf")
	good := values("username", "alice", "password", "wonderland", "csrf", page.form().fields.Get("csrf"))
	forms := map[string]func() answer{
		"no csrf": func() answer { return alice.post("/login", values("username", "alice", "password", "wonderland")) },
		"another's csrf": func() answer {
			return alice.post("/login", values("username", "alice", "password", "wonderland", "csrf", foreign))
		},
		"cross-site":     func() answer { return alice.with("Sec-Fetch-Site", "cross-site").post("/login", good) },
		"same-site":      func() answer { return alice.with("Sec-Fetch-Site", "same-site").post("/login", good) },
		"another origin": func() answer { return alice.with("Origin", "https://evil.example.com").post("/login", good) },
		"no cookie":      func() answer { return w.program().post("/login", good) },
	}
	for name, send := range forms {
		send().want(403)
		if alice.cookie("exeunt_session") != "" {
			t.Fatalf("%s: logged in", name)
		}
	}
	alice.with("Sec-Fetch-Site", "same-origin", "Origin", w.origin()).post("/login", good)
	if alice.cookie("exeunt_session") == "" {
		t.Error("the real form is refused")
	}
}
