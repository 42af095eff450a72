package conformance

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// printable is every printable ASCII character.
func printable() string {
	var b strings.Builder
	for c := byte(' '); c <= '~'; c++ {
		b.WriteByte(c)
	}
	return b.String()
}

// A hint of the session that this browser has: it ends without a question, everybody is told, state comes back, nothing is added.
func TestRPInitiatedLogout_2_HintOfThisSession(t *testing.T) {
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		t.Run(method, func(t *testing.T) {
			w := open(t)
			alice := w.browser()
			shop := alice.firstSignOn("shop", "alice")
			wiki, mail := alice.signOn("wiki"), alice.signOn("mail")
			state := strings.Repeat(printable(), 6)
			query := values("id_token_hint", shop.id, "post_logout_redirect_uri", bye("shop"), "state", state, "logout_hint", "alice", "ui_locales", "de en", "unknown", "x")
			a := alice.once().get("/end_session", query)
			if method == http.MethodPost {
				alice.firstSignOn("shop", "alice")
				fresh := alice.signOn("shop")
				query.Set("id_token_hint", fresh.id)
				a = alice.once().with("Sec-Fetch-Site", "same-site").post("/end_session", query)
				if w.told(fresh.id) != 1 {
					t.Error("the session of the POST was not ended")
				}
			}
			got := a.want(http.StatusSeeOther).location()
			if !strings.HasPrefix(got.String(), bye("shop")+"?") || got.Query().Get("state") != state || len(got.Query()) != 1 || got.Fragment != "" {
				t.Errorf("redirected to %s", got)
			}
			if alice.alive() {
				t.Error("prompt=none signs on after the logout")
			}
			for name, token := range map[string]string{"the initiator": shop.id, "wiki": wiki.id, "mail": mail.id} {
				if n := w.told(token); n != 1 {
					t.Errorf("%s was told %d times", name, n)
				}
			}
			if w.active("shop", shop.access) || w.active("wiki", wiki.access) || w.userinfo(mail.access).status != http.StatusUnauthorized {
				t.Error("a token lives")
			}
			w.refresh("wiki", wiki.refresh).wantError(400, "invalid_grant")
			if a.header.Get("Cache-Control") != "no-store" || a.header.Get("Referrer-Policy") != "no-referrer" {
				t.Errorf("headers %v", a.header)
			}
		})
	}
}

// Registered with a query: it is kept, state is appended.
func TestRPInitiatedLogout_3_RedirectKeepsQuery(t *testing.T) {
	w := open(t)
	alice := w.browser()
	shop := alice.firstSignOn("shop", "alice")
	uri := "https://shop.example.com/bye?kept=a%20b"
	alice.get("/end_session", values("id_token_hint", shop.id, "post_logout_redirect_uri", uri, "state", "x")).wantRedirect(uri + "&state=x")
	alice.firstSignOn("shop", "alice")
	shop = alice.signOn("shop")
	alice.get("/end_session", values("id_token_hint", shop.id, "post_logout_redirect_uri", uri)).wantRedirect(uri)
}

// Nothing that vouches, or only for somebody else: ask, end by POST, say so.
func TestRPInitiatedLogout_2_Asks(t *testing.T) {
	w := open(t)
	older := w.browser()
	old := older.firstSignOn("shop", "alice")
	older.get("/logout", values("client_id", "shop"))
	bobs := w.browser().firstSignOn("shop", "bob")
	tests := map[string]struct {
		query url.Values
		then  string // where the confirmation leads; "": the page
	}{
		"no parameters":                     {query: nil},
		"only state":                        {query: values("state", "x")},
		"only client_id":                    {query: values("client_id", "shop")},
		"client_id and redirect":            {query: values("client_id", "shop", "post_logout_redirect_uri", bye("shop")), then: bye("shop")},
		"client_id, redirect and state":     {query: values("client_id", "shop", "post_logout_redirect_uri", bye("shop"), "state", "a b+c"), then: bye("shop") + "?state=a%20b%2Bc"},
		"logout_hint":                       {query: values("logout_hint", "alice")},
		"hint of an older session":          {query: values("id_token_hint", old.id, "post_logout_redirect_uri", bye("shop")), then: bye("shop")},
		"hint of another user":              {query: values("id_token_hint", bobs.id, "post_logout_redirect_uri", bye("shop"), "state", "s"), then: bye("shop") + "?state=s"},
		"hint, no redirect, another's":      {query: values("id_token_hint", bobs.id)},
		"empty values count as not present": {query: values("id_token_hint", "", "post_logout_redirect_uri", "", "client_id", "", "state", "")},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := open(t)
			alice := w.browser()
			mine := alice.firstSignOn("wiki", "alice")
			page := alice.get("/end_session", test.query).wantPage(http.StatusOK, "alice")
			if page.form().method != "post" || page.url.Path != w.base+"/end_session" {
				t.Errorf("%s: the page asks by %s", page.url, page.form().method)
			}
			if !alice.alive() {
				t.Fatal("ended without a question")
			}
			a := alice.submit(page)
			if test.then != "" {
				a.wantRedirect(test.then)
			} else if a.wantPage(http.StatusOK, "You are logged out"); a.url.Path != w.base+"/logged_out" {
				t.Errorf("the done page is at %s", a.url)
			}
			if alice.alive() || w.told(mine.id) != 1 {
				t.Error("the session lives, or its RP was not told")
			}
			if w.told(bobs.id) != 0 || !w.active("shop", bobs.access) {
				t.Error("the other user's session was touched")
			}
		})
	}
}

// Not agreeing leaves everything as it was.
func TestRPInitiatedLogout_2_Declined(t *testing.T) {
	w := open(t)
	alice := w.browser()
	shop := alice.firstSignOn("shop", "alice")
	page := alice.get("/end_session", nil).wantPage(200, `id="stay"`)
	alice.get("/", nil).want(200)
	if !alice.alive() || w.told(shop.id) != 0 {
		t.Error("the session ended")
	}
	// A confirmation is for the session that the page named.
	alice.get("/logout", values("client_id", "shop"))
	bob := alice.firstSignOn("shop", "bob")
	alice.submit(page).wantPage(200, "bob")
	if !alice.alive() || w.told(bob.id) != 0 {
		t.Error("a session ended that nobody was asked about")
	}
}

// Hints are accepted after they expired, and after the key that signed them was retired.
func TestRPInitiatedLogout_2_ExpiredHint(t *testing.T) {
	for _, client := range []string{"shop", "wiki", "mail"} { // RS256, ES256, EdDSA
		t.Run(client, func(t *testing.T) {
			w := open(t)
			alice := w.browser()
			first := alice.firstSignOn(client, "alice")
			w.clock.Advance(3 * time.Hour)
			alice.get("/end_session", values("id_token_hint", first.id, "post_logout_redirect_uri", bye(client))).wantRedirect(bye(client))
			if alice.alive() || w.told(first.id) != 1 {
				t.Error("the session lives, or its RP was not told")
			}
		})
	}
}

func TestRPInitiatedLogout_2_RetiredKeyHint(t *testing.T) {
	w := open(t)
	alice := w.browser()
	shop := alice.firstSignOn("shop", "alice")
	hint := w.retiredKey().sign(map[string]any{"typ": "JWT"}, readJWT(shop.id).claims)
	w.clock.Advance(time.Minute) // a cached key set lasts half a minute
	alice.get("/end_session", values("id_token_hint", hint, "post_logout_redirect_uri", bye("shop"))).wantRedirect(bye("shop"))
	if alice.alive() {
		t.Error("the session lives")
	}
}

// A hint identifies and does not authorise: without the cookie a person is asked about the session that it names.
func TestRPInitiatedLogout_2_NoCookie(t *testing.T) {
	t.Run("live sid", func(t *testing.T) {
		w := open(t)
		alice, stranger := w.browser(), w.browser()
		shop := alice.firstSignOn("shop", "alice")
		page := stranger.get("/end_session", values("id_token_hint", shop.id, "post_logout_redirect_uri", bye("shop"), "state", "x")).wantPage(200, "alice")
		if !alice.alive() {
			t.Fatal("ended without a question")
		}
		stranger.submit(page).wantRedirect(bye("shop") + "?state=x")
		if alice.alive() || w.told(shop.id) != 1 {
			t.Error("the session lives, or its RP was not told")
		}
	})
	t.Run("dead sid", func(t *testing.T) {
		w := open(t)
		alice := w.browser()
		shop := alice.firstSignOn("shop", "alice")
		alice.get("/logout", values("client_id", "shop"))
		w.browser().get("/end_session", values("id_token_hint", shop.id, "post_logout_redirect_uri", bye("shop"), "state", "x")).wantRedirect(bye("shop") + "?state=x")
		w.browser().get("/end_session", values("id_token_hint", shop.id)).wantPage(200, "You are logged out")
		if w.told(shop.id) != 1 {
			t.Error("told again")
		}
	})
	t.Run("unknown sid", func(t *testing.T) {
		w := open(t)
		shop := w.browser().firstSignOn("shop", "alice")
		claims := readJWT(shop.id).claims
		claims["sid"] = "never-seen"
		w.browser().get("/end_session", values("id_token_hint", w.signed("RS256", "JWT", claims), "post_logout_redirect_uri", bye("shop"))).wantRedirect(bye("shop"))
	})
	t.Run("nothing", func(t *testing.T) {
		w := open(t)
		w.browser().get("/end_session", nil).wantPage(200, "You are logged out")
		w.browser().get("/end_session", values("state", "x")).wantPage(200, "You are logged out")
	})
	t.Run("redirect by client_id alone", func(t *testing.T) {
		w := open(t)
		stranger := w.browser()
		page := stranger.get("/end_session", values("client_id", "shop", "post_logout_redirect_uri", bye("shop"))).wantPage(200, "<form")
		stranger.submit(page).wantRedirect(bye("shop"))
	})
}

// A cross-site POST has no Lax cookies: it is kept and comes back as a GET, for navigations only.
func TestRPInitiatedLogout_2_CrossSitePOST(t *testing.T) {
	w := open(t)
	alice := w.browser()
	shop := alice.firstSignOn("shop", "alice")
	form := values("id_token_hint", shop.id, "post_logout_redirect_uri", bye("shop"), "state", printable())
	for name, caller := range map[string]*agent{
		"fetch metadata": w.crossSite(),
		"old browser":    w.program().with("User-Agent", "Mozilla/5.0 (old)", "Accept", "text/html,*/*"),
	} {
		t.Run(name, func(t *testing.T) {
			a := caller.in(t).post("/end_session", form).want(http.StatusSeeOther)
			if to := a.location(); !strings.HasPrefix(to.String(), w.issuer+"/end_session?") || strings.Contains(to.String(), shop.id) {
				t.Errorf("sent to %s", to)
			}
			if !alice.in(t).alive() {
				t.Error("ended without the cookie")
			}
		})
	}
	back := w.crossSite().post("/end_session", form).location().String()
	t.Run("not for another endpoint", func(t *testing.T) {
		alice.in(t).get(strings.Replace(back, "/end_session", "/logout", 1), nil).wantPage(400, "waited for too long")
		alice.in(t).get(strings.Replace(back, "/end_session", "/authorize", 1), nil).wantPage(400, "waited for too long")
	})
	t.Run("forged", func(t *testing.T) {
		alice.in(t).get(back[:len(back)-4]+"AAAA", nil).wantPage(400, "waited for too long")
	})
	alice.get(back, nil).wantRedirect(bye("shop") + "?state=" + strings.ReplaceAll(url.QueryEscape(printable()), "+", "%20"))
	if alice.alive() || w.told(shop.id) != 1 {
		t.Error("the session lives, or its RP was not told")
	}
	t.Run("expired", func(t *testing.T) {
		w := open(t)
		kept := w.crossSite().post("/end_session", form).location().String()
		w.clock.Advance(3 * time.Minute)
		w.browser().get(kept, nil).wantPage(400, "waited for too long")
	})
}

// Servers that call follow no redirect and cannot be asked. Only hint_logout lets them end a session.
func TestRPInitiatedLogout_2_ServerSide(t *testing.T) {
	w := open(t)
	alice := w.browser()
	shop := alice.firstSignOn("shop", "alice")
	batch, phone := alice.signOn("batch"), alice.signOn("phone")
	refused := map[string]func(w *world) answer{
		"no hint_logout":          func(w *world) answer { return w.asAt("/end_session", "shop", values("id_token_hint", shop.id)) },
		"no hint":                 func(w *world) answer { return w.program().get("/end_session", nil) },
		"no hint, authenticated":  func(w *world) answer { return w.asAt("/end_session", "batch", values("client_id", "batch")) },
		"confidential, no secret": func(w *world) answer { return w.program().post("/end_session", values("id_token_hint", batch.id)) },
		"by GET": func(w *world) answer {
			return w.program().with("Authorization", basic("batch", "wrong")).get("/end_session", values("id_token_hint", batch.id))
		},
		"wrong secret": func(w *world) answer {
			return w.program().with("Authorization", basic("batch", "wrong")).post("/end_session", values("id_token_hint", batch.id))
		},
		"another client authenticated": func(w *world) answer { return w.asAt("/end_session", "wiki", values("id_token_hint", batch.id)) },
		"unauthenticated with cross-site flag": func(w *world) answer {
			return w.program().with("Sec-Fetch-Site", "cross-site").post("/end_session", values("id_token_hint", batch.id))
		},
	}
	for name, call := range refused {
		t.Run(name, func(t *testing.T) {
			call(open(t)).wantPage(400, "Nothing was ended")
			if !alice.in(t).alive() {
				t.Fatal("the session ended")
			}
		})
	}
	t.Run("confidential, authenticated", func(t *testing.T) {
		w := open(t)
		a := w.asAt("/end_session", "batch", values("id_token_hint", batch.id, "post_logout_redirect_uri", bye("batch"), "state", "x")).want(200)
		if a.header.Get("Location") != "" || alice.in(t).alive() {
			t.Error("answered by a redirect, or the session lives")
		}
		w.eventually("all are told", func() bool { return w.told(shop.id) == 1 && w.told(batch.id) == 1 && w.told(phone.id) == 1 })
	})
	t.Run("ended already", func(t *testing.T) {
		open(t).asAt("/end_session", "batch", values("id_token_hint", batch.id)).wantPage(400, "Nothing was ended")
	})
	t.Run("public", func(t *testing.T) {
		w := open(t)
		alice := w.browser()
		phone := alice.firstSignOn("phone", "alice")
		w.program().post("/end_session", values("id_token_hint", phone.id)).want(200)
		if alice.alive() {
			t.Error("the session lives")
		}
	})
	t.Run("expired hint", func(t *testing.T) {
		w := open(t)
		alice := w.browser()
		batch := alice.firstSignOn("batch", "alice")
		w.clock.Advance(11 * time.Minute)
		w.asAt("/end_session", "batch", values("id_token_hint", batch.id)).wantPage(400, "Nothing was ended")
		if !alice.alive() {
			t.Error("the session ended")
		}
	})
}

// The confirmation is taken from our own page in this browser only.
func TestRPInitiatedLogout_2_ForgedConfirmation(t *testing.T) {
	w := open(t)
	alice, mallory := w.browser(), w.browser()
	alice.firstSignOn("shop", "alice")
	page := alice.get("/end_session", nil)
	mallory.firstSignOn("shop", "bob")
	foreign := mallory.get("/end_session", nil).form()
	own := page.form()
	tests := map[string]struct {
		headers []string
		form    url.Values
	}{
		"empty":               {form: values()},
		"no csrf":             {form: values("kept", own.fields.Get("kept"))},
		"another's csrf":      {form: values("kept", own.fields.Get("kept"), "csrf", foreign.fields.Get("csrf"))},
		"cross-site":          {headers: []string{"Sec-Fetch-Site", "cross-site"}, form: own.fields},
		"same-site":           {headers: []string{"Sec-Fetch-Site", "same-site"}, form: own.fields},
		"another origin":      {headers: []string{"Origin", "https://evil.example.com"}, form: own.fields},
		"another's form":      {form: foreign.fields},
		"csrf in the query":   {form: values("kept", own.fields.Get("kept"))},
		"another's kept form": {form: values("kept", foreign.fields.Get("kept"), "csrf", "x")},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			alice := alice.in(t)
			path := "/end_session/confirm"
			if name == "csrf in the query" {
				path += "?csrf=" + own.fields.Get("csrf")
			}
			alice.with("Sec-Fetch-Site", "same-origin").with(test.headers...).post(path, test.form).wantPage(403, "could not be accepted")
			if !alice.alive() {
				t.Error("the session ended")
			}
		})
	}
	t.Run("too late", func(t *testing.T) {
		w := open(t)
		w.clock.Advance(61 * time.Minute)
		alice.in(t).submit(page).wantPage(400, "waited for too long")
	})
}

// Only what a person sees ends a session.
func TestRPInitiatedLogout_2_FetchMetadata(t *testing.T) {
	w := open(t)
	alice := w.browser()
	shop := alice.firstSignOn("shop", "alice")
	query := values("id_token_hint", shop.id)
	for _, dest := range []string{"image", "iframe", "frame", "object", "embed", "script", "style", "empty", "font", "worker", "fencedframe"} {
		mode := "no-cors"
		if strings.Contains(dest, "frame") || dest == "object" || dest == "embed" {
			mode = "navigate"
		}
		alice.with("Sec-Fetch-Dest", dest, "Sec-Fetch-Mode", mode).get("/end_session", query).want(403)
		alice.with("Sec-Fetch-Dest", dest, "Sec-Fetch-Mode", mode).post("/end_session", query).want(403)
	}
	for _, mode := range []string{"cors", "no-cors", "same-origin", "websocket"} {
		alice.with("Sec-Fetch-Mode", mode).get("/end_session", query).want(403)
	}
	for _, purpose := range []string{"Sec-Purpose", "Purpose", "X-Purpose", "X-Moz"} {
		alice.with(purpose, "prefetch").get("/end_session", query).want(503)
	}
	alice.with("Sec-Purpose", "prefetch;prerender").get("/end_session", query).want(503)
	alice.send(http.MethodHead, "/end_session?"+query.Encode(), "", "").want(405)
	if !alice.alive() || w.told(shop.id) != 0 {
		t.Fatal("the session ended")
	}
	alice.with("Sec-Fetch-Dest", "", "Sec-Fetch-Mode", "", "Sec-Fetch-Site", "").get("/end_session", query).want(200)
	if alice.alive() {
		t.Error("a browser without fetch metadata cannot log out")
	}
}
