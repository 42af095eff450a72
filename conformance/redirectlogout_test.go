package conformance

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// The cookie's session ends at once, by GET and POST; the person lands at any registered URI, with state.
func TestRedirectLogout_Ends(t *testing.T) {
	other := "https://shop.example.com/other?kept=a%20b"
	tests := map[string]struct {
		query url.Values
		to    string // "": the done page
	}{
		"client only":          {query: values("client_id", "shop")},
		"post-logout redirect": {query: values("client_id", "shop", "redirect_uri", bye("shop")), to: bye("shop")},
		"redirect URI":         {query: values("client_id", "shop", "redirect_uri", callback("shop")), to: callback("shop")},
		"with a query": {
			query: values("client_id", "shop", "redirect_uri", other, "state", "a b+c&d=e"), to: other + "&state=a%20b%2Bc%26d%3De",
		},
		"state":             {query: values("client_id", "shop", "redirect_uri", bye("shop"), "state", "x"), to: bye("shop") + "?state=x"},
		"state, no address": {query: values("client_id", "shop", "state", "x")},
		"unknown parameter": {query: values("client_id", "shop", "redirect_uri", bye("shop"), "foo", "bar"), to: bye("shop")},
	}
	for name, test := range tests {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			t.Run(method+" "+name, func(t *testing.T) {
				w := open(t)
				alice := w.browser()
				shop := alice.firstSignOn("shop", "alice")
				wiki := alice.signOn("wiki")
				send := alice.once().get
				if method == http.MethodPost {
					send = alice.once().with("Sec-Fetch-Site", "same-site").post
				}
				a := send("/logout", test.query).want(http.StatusSeeOther)
				if to := a.header.Get("Location"); test.to != "" && to != test.to || test.to == "" && !strings.HasPrefix(to, w.base+"/logged_out") {
					t.Errorf("redirected to %s", to)
				}
				if a.header.Get("Cache-Control") != "no-store" || a.header.Get("Referrer-Policy") != "no-referrer" {
					t.Errorf("headers %v", a.header)
				}
				if alice.alive() || w.active("wiki", wiki.access) || w.told(shop.id) != 1 || w.told(wiki.id) != 1 {
					t.Error("the session or a token lives, or somebody was not told")
				}
				// Once more is no error.
				a = send("/logout", test.query).want(http.StatusSeeOther)
				if w.told(shop.id) != 1 || test.to != "" && a.header.Get("Location") != test.to {
					t.Error("the second time differs")
				}
			})
		}
	}
}

// What is wrong with the request is a page; nothing ends, nobody is redirected.
func TestRedirectLogout_Refused(t *testing.T) {
	w := open(t)
	alice := w.browser()
	shop := alice.firstSignOn("shop", "alice")
	to := func(uri string) url.Values { return values("client_id", "shop", "redirect_uri", uri) }
	tests := map[string]url.Values{
		"no client":          nil,
		"empty client":       values("client_id", ""),
		"unknown client":     values("client_id", "nobody"),
		"client NUL":         values("client_id", "shop\x00"),
		"client not UTF-8":   values("client_id", "\xff"),
		"client case":        values("client_id", "Shop"),
		"foreign redirect":   to("https://evil.example.com/"),
		"another client's":   to(bye("wiki")),
		"added query":        to(bye("shop") + "?x=y"),
		"fragment":           to(bye("shop") + "#x"),
		"trailing slash":     to(bye("shop") + "/"),
		"dropped slash":      to("https://shop.example.com/slash"),
		"decoded %2F":        to("https://shop.example.com/a/b"),
		"lower %2f":          to("https://shop.example.com/a%2fb"),
		"scheme-relative":    to("//evil.example.com"),
		"path":               to("/"),
		"javascript":         to("javascript:alert(1)"),
		"data":               to("data:text/html,x"),
		"user info":          to("https://shop.example.com@evil.example.com/bye"),
		"backslash":          to(`https://shop.example.com\@evil.example.com/bye`),
		"line feed":          to(bye("shop") + "\r\nSet-Cookie: a=b"),
		"repeated client":    twice(to(bye("shop")), "client_id"),
		"repeated redirect":  twice(to(bye("shop")), "redirect_uri"),
		"two redirects":      values("client_id", "shop", "redirect_uri", bye("shop"), "redirect_uri", "https://evil.example.com"),
		"post logout name":   values("post_logout_redirect_uri", bye("shop")),
		"repeated token":     values("client_id", "shop", "oauth_token", shop.access, "oauth_token", "x"),
		"forged kept":        values("kept", "x"),
		"kept and the rest ": values("kept", "x", "client_id", "shop"),
	}
	for name, query := range tests {
		t.Run(name, func(t *testing.T) {
			alice := alice.in(t)
			alice.get("/logout", query).wantPage(400, signOutRefused)
			if !strings.Contains(name, "kept") { // only a GET carries it
				alice.with("Sec-Fetch-Site", "same-origin").post("/logout", query).wantPage(400, signOutRefused)
			}
			w.browser().get("/logout", query).wantPage(400, signOutRefused)
			if !alice.alive() || !w.active("shop", shop.access) || w.told(shop.id) != 0 {
				t.Error("something ended")
			}
		})
	}
	t.Run("semicolon", func(t *testing.T) { alice.in(t).get("/logout?client_id=shop;x=y", nil).wantPage(400, signOutRefused) })
	t.Run("bad escape", func(t *testing.T) { alice.in(t).get("/logout?client_id=%zz", nil).wantPage(400, signOutRefused) })
	t.Run("client in query and body", func(t *testing.T) {
		alice.in(t).with("Sec-Fetch-Site", "same-origin").post("/logout?client_id=shop", values("client_id", "shop")).wantPage(400, signOutRefused)
	})
}

// Only for a top-level navigation.
func TestRedirectLogout_FetchMetadata(t *testing.T) {
	w := open(t)
	alice := w.browser()
	shop := alice.firstSignOn("shop", "alice")
	query := values("client_id", "shop", "oauth_token", shop.access)
	for _, dest := range []string{"image", "iframe", "frame", "script", "style", "empty", "object", "embed", "audio", "video", "worker", "report"} {
		for _, mode := range []string{"no-cors", "cors", "navigate", ""} {
			alice.with("Sec-Fetch-Dest", dest, "Sec-Fetch-Mode", mode).get("/logout", query).want(403)
			alice.with("Sec-Fetch-Dest", dest, "Sec-Fetch-Mode", mode).post("/logout", query).want(403)
		}
	}
	for _, headers := range [][]string{
		{"Sec-Purpose", "prefetch"},
		{"Sec-Purpose", "prefetch;prerender"},
		{"Sec-Purpose", "prefetch;anonymous-client-ip"},
		{"Purpose", "prefetch"},
		{"Purpose", "Prerender"},
		{"X-Moz", "prefetch"},
		{"X-Purpose", "preview"},
	} {
		alice.with(headers...).get("/logout", query).want(503)
	}
	for _, method := range []string{http.MethodHead, http.MethodPut, http.MethodDelete, http.MethodPatch} {
		if a := alice.send(method, "/logout?"+query.Encode(), "", "").want(405); a.header.Get("Allow") == "" {
			t.Errorf("%s: no Allow", method)
		}
	}
	if !alice.alive() || !w.active("shop", shop.access) || w.told(shop.id) != 0 {
		t.Fatal("something ended")
	}
	for _, site := range []string{"same-origin", "same-site", "cross-site", "none"} {
		alice := w.browser()
		alice.firstSignOn("shop", "alice")
		alice.with("Sec-Fetch-Site", site, "Sec-Fetch-User", "?1").get("/logout", query).wantPage(200, "You are logged out")
		if alice.alive() {
			t.Errorf("Sec-Fetch-Site %s cannot log out by navigation", site)
		}
	}
}

// A client that takes no part, or that is configured so, does not end the session without a question.
func TestRedirectLogout_Asks(t *testing.T) {
	for _, client := range []string{"wiki", "strict"} {
		t.Run(client, func(t *testing.T) {
			w := open(t)
			alice := w.browser()
			shop := alice.firstSignOn("shop", "alice")
			if client == "strict" {
				page := alice.get("/authorize", request("strict"))
				if strings.Contains(page.body, "consent-form") {
					page = alice.submit(page, "decision", "allow")
				}
				w.exchange("strict", page.code()).want(200)
			}
			page := alice.get("/logout", values("client_id", client, "redirect_uri", bye(client), "state", "x")).wantPage(200, "The "+client)
			if !alice.alive() {
				t.Fatal("ended without a question")
			}
			w.browser().submit(page).want(403)
			alice.with("Sec-Fetch-Site", "cross-site").post("/logout/confirm", page.form().fields).want(403)
			alice.submit(page).wantRedirect(bye(client) + "?state=x")
			if alice.alive() || w.told(shop.id) != 1 {
				t.Error("the session lives, or its RP was not told")
			}
			alice.submit(page).wantRedirect(bye(client) + "?state=x") // pressed twice
		})
	}
}

// oauth_token is revoked if it is live, the user's and the client's. Anything else about it stops nothing and revokes nothing.
func TestRedirectLogout_OAuthToken(t *testing.T) {
	leave := func(a *agent, token string) {
		a.Helper()
		a.with("Sec-Fetch-Site", "same-site").post("/logout", values("client_id", "shop", "redirect_uri", bye("shop"), "oauth_token", token)).wantRedirect(bye("shop"))
	}
	t.Run("own, with its whole authorization", func(t *testing.T) {
		w := open(t)
		for _, pick := range []func(tokens) string{func(s tokens) string { return s.access }, func(s tokens) string { return s.refresh }} {
			alice := w.browser()
			offline := alice.firstSignOn("shop", "alice", "scope", "openid offline_access")
			leave(alice, pick(offline))
			if alice.alive() || w.active("shop", offline.access) || w.active("shop", offline.refresh) {
				t.Error("the session, or the offline grant, lives")
			}
		}
	})
	t.Run("offline grants without it survive", func(t *testing.T) {
		w := open(t)
		alice := w.browser()
		offline := alice.firstSignOn("shop", "alice", "scope", "openid offline_access")
		leave(alice, "")
		if !w.active("shop", offline.refresh) {
			t.Error("the offline grant died")
		}
	})
	t.Run("others", func(t *testing.T) {
		w := open(t)
		bobs := w.browser().firstSignOn("shop", "bob")
		setup := w.browser()
		wikis := setup.firstSignOn("wiki", "alice", "scope", "openid offline_access")
		revoked := setup.signOn("shop", "scope", "openid offline_access")
		w.asAt("/revoke", "shop", values("token", revoked.access)).want(200)
		for name, token := range map[string]string{
			"another user's": bobs.access, "another client's": wikis.access, "unknown": "x", "revoked": revoked.access, "an ID token": wikis.id,
			"not UTF-8": "\xff\xfe", "NUL": "\x00", "long": strings.Repeat("x", 20000), "expired": "",
		} {
			alice := w.browser()
			shop := alice.firstSignOn("shop", "alice")
			if name == "expired" {
				plain := alice.signOn("shop", "scope", "openid offline_access")
				token = plain.access
				w.clock.Advance(11 * 60e9)
				bobs = w.browser().firstSignOn("shop", "bob")
			}
			leave(alice, token)
			if alice.alive() || w.told(shop.id) != 1 {
				t.Errorf("%s: it stopped the logout", name)
			}
		}
		if !w.active("shop", bobs.access) || !w.active("wiki", wikis.refresh) {
			t.Error("a foreign token was revoked")
		}
	})
	t.Run("no session", func(t *testing.T) {
		w := open(t)
		alice := w.browser()
		shop := alice.firstSignOn("shop", "alice")
		wiki := alice.signOn("wiki")
		leave(w.browser(), wiki.access)
		leave(w.browser(), "unknown")
		if !w.active("wiki", wiki.access) {
			t.Error("another client's token was revoked")
		}
		leave(w.browser(), shop.access)
		leave(w.browser(), shop.access)
		if w.active("shop", shop.access) || !alice.alive() || w.told(shop.id) != 0 {
			t.Error("the token lives, or more than it died")
		}
	})
}

// A cross-site POST comes without the cookie and is repeated as a GET that shows no token.
func TestRedirectLogout_CrossSitePOST(t *testing.T) {
	w := open(t)
	alice := w.browser()
	shop := alice.firstSignOn("shop", "alice", "scope", "openid offline_access")
	state := printable()
	back := w.crossSite().post("/logout", values("client_id", "shop", "redirect_uri", bye("shop"), "oauth_token", shop.access, "state", state)).want(303)
	if strings.Contains(back.header.Get("Location"), shop.access) || !w.active("shop", shop.access) {
		t.Error("the token stands in the URL, or it was revoked already")
	}
	if got := alice.get(back.location().String(), nil).want(303).location(); got.Query().Get("state") != state {
		t.Errorf("redirected to %s", got)
	}
	if alice.alive() || w.active("shop", shop.refresh) {
		t.Error("the session or the token lives")
	}
}
