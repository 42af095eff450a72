package provider_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/database/databasetest"
)

// alive reports whether the browser still has a session.
func (a *agent) alive() bool {
	a.Helper()
	return a.get("/authorize", request("mail", "prompt", "none")).location().Query().Has("code")
}

func bye(client string) string { return "https://" + client + ".example.com/bye" }

func endRequest(pairs ...string) url.Values {
	v := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
	}
	return v
}

func TestEndSession(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		w := newWorld(t, db)

		t.Run("hint of this session", func(t *testing.T) {
			alice := w.browser()
			shop := alice.firstSignOn("shop", "alice")
			wiki := alice.signOn("wiki")
			state := "s~'()* \"ü%2F&=+" + strings.Repeat("x", 300)
			a := alice.get("/end_session", endRequest("id_token_hint", shop.id, "post_logout_redirect_uri", bye("shop"), "state", state)).want(http.StatusSeeOther)
			if got := a.location().Query(); got.Get("state") != state || len(got) != 1 || !strings.HasPrefix(a.location().String(), bye("shop")+"?") {
				t.Errorf("redirected to %s", a.location())
			}
			if alice.alive() || w.active("wiki", wiki.access) || len(w.told("wiki")) != 1 || len(w.told("shop")) != 1 {
				t.Error("the session lives, or somebody was not told")
			}
			// Once more: the hint's sid is dead, the person goes on.
			alice.get("/end_session", endRequest("id_token_hint", shop.id, "post_logout_redirect_uri", bye("shop"))).wantRedirect(bye("shop"))
		})

		t.Run("no parameters", func(t *testing.T) {
			alice := w.browser()
			alice.firstSignOn("shop", "alice")
			page := alice.get("/end_session", endRequest("state", "x")).wantPage(http.StatusOK, "alice")
			if !strings.Contains(page.body, "The shop") || !alice.alive() {
				t.Fatal("not asked")
			}
			alice.submit(page, nil).wantPage(http.StatusOK, "You are logged out")
			if alice.alive() {
				t.Error("the session lives")
			}
		})

		t.Run("expired hint of another session", func(t *testing.T) {
			alice := w.browser()
			old := alice.firstSignOn("shop", "alice")
			alice.get("/logout", endRequest("client_id", "shop"))
			alice.firstSignOn("shop", "alice")
			w.clock.Advance(11 * time.Minute)
			page := alice.get("/end_session", endRequest("id_token_hint", old.id, "post_logout_redirect_uri", bye("shop"), "state", "s")).wantPage(200, "alice")
			if strings.Contains(page.body, old.id) {
				t.Error("the hint stands on the page")
			}
			if !alice.alive() {
				t.Fatal("ended without a question")
			}
			alice.submit(page, nil).wantRedirect(bye("shop") + "?state=s")
			if alice.alive() {
				t.Error("the session lives")
			}
		})

		t.Run("client_id and confirmation", func(t *testing.T) {
			alice := w.browser()
			alice.firstSignOn("shop", "alice")
			page := alice.get("/end_session", endRequest("client_id", "shop", "post_logout_redirect_uri", bye("shop"))).wantPage(200, "The shop")
			alice.submit(page, nil).wantRedirect(bye("shop"))
		})

		t.Run("no cookie, live sid", func(t *testing.T) {
			alice, stranger := w.browser(), w.browser()
			shop := alice.firstSignOn("shop", "alice")
			page := stranger.get("/end_session", endRequest("id_token_hint", shop.id, "post_logout_redirect_uri", bye("shop"))).wantPage(200, "alice")
			if !alice.alive() {
				t.Fatal("ended without a question")
			}
			stranger.submit(page, nil).wantRedirect(bye("shop"))
			if alice.alive() {
				t.Error("the session lives")
			}
		})

		t.Run("cross-site POST", func(t *testing.T) {
			alice := w.browser()
			shop := alice.firstSignOn("shop", "alice")
			crossSite := w.program().with("Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Sec-Fetch-Site", "cross-site")
			to := crossSite.post("/end_session", endRequest("id_token_hint", shop.id, "post_logout_redirect_uri", bye("shop"))).want(http.StatusSeeOther).location()
			if strings.Contains(to.String(), shop.id) {
				t.Error("the hint stands in the URL")
			}
			alice.get(to.String(), nil).wantRedirect(bye("shop"))
			if alice.alive() {
				t.Error("the session lives")
			}
		})
	})
}

// What is wrong with a request is shown to the person, and nothing ends.
func TestEndSessionRefused(t *testing.T) {
	w := newSQLiteWorld(t)
	alice := w.browser()
	shop := alice.firstSignOn("shop", "alice")
	parts := strings.Split(shop.id, ".")
	tests := map[string]url.Values{
		"added query":         endRequest("id_token_hint", shop.id, "post_logout_redirect_uri", bye("shop")+"?foo=bar"),
		"foreign URI":         endRequest("id_token_hint", shop.id, "post_logout_redirect_uri", bye("wiki")),
		"redirect, not after": endRequest("id_token_hint", shop.id, "post_logout_redirect_uri", "https://shop.example.com/callback"),
		"URI without client":  endRequest("post_logout_redirect_uri", bye("shop")),
		"alg none":            endRequest("id_token_hint", "eyJhbGciOiJub25lIn0."+parts[1]+"."),
		"other signature":     endRequest("id_token_hint", parts[0]+"."+parts[1]+"."+strings.Repeat("A", len(parts[2]))),
		"no token":            endRequest("id_token_hint", "x"),
		"access token":        endRequest("id_token_hint", shop.access),
		"other client_id":     endRequest("id_token_hint", shop.id, "client_id", "wiki"),
		"unknown client":      endRequest("client_id", "nobody"),
		"repeated":            twice(endRequest("state", "x"), "state"),
	}
	for name, query := range tests {
		t.Run(name, func(t *testing.T) {
			alice.get("/end_session", query).wantPage(http.StatusBadRequest, "This sign-out request is not valid")
			if !alice.alive() {
				t.Error("the session ended")
			}
		})
	}
	page := alice.get("/end_session", nil)
	t.Run("forged confirmation", func(t *testing.T) {
		alice.with("Sec-Fetch-Site", "same-origin").post("/end_session/confirm", nil).wantPage(http.StatusForbidden, "could not be accepted")
		alice.with("Sec-Fetch-Site", "cross-site").post("/end_session/confirm", nil).wantPage(http.StatusForbidden, "could not be accepted")
		other := w.browser()
		other.get("/login", nil)
		other.submit(page, nil).wantPage(http.StatusForbidden, "could not be accepted")
		if !alice.alive() {
			t.Error("the session ended")
		}
	})
	t.Run("another session by now", func(t *testing.T) {
		alice.get("/logout", endRequest("client_id", "shop"))
		alice.firstSignOn("shop", "bob")
		alice.submit(page, nil).wantPage(http.StatusOK, "bob")
		if !alice.alive() {
			t.Error("a session ended that nobody was asked about")
		}
	})
}

// A caller that is no browser ends a session only where the operator allowed it.
func TestEndSessionByServer(t *testing.T) {
	w := newSQLiteWorld(t)
	alice := w.browser()
	shop := alice.firstSignOn("shop", "alice")
	batch := alice.signOn("batch")
	w.asAt("/end_session", "shop", endRequest("id_token_hint", shop.id)).wantPage(400, "Nothing was ended")
	w.program().get("/end_session", nil).wantPage(400, "Nothing was ended")
	w.program().post("/end_session", endRequest("id_token_hint", batch.id)).wantPage(400, "Nothing was ended")
	w.asAt("/end_session", "wiki", endRequest("id_token_hint", batch.id)).wantPage(400, "Nothing was ended")
	if !alice.alive() {
		t.Fatal("the session ended")
	}
	w.asAt("/end_session", "batch", endRequest("id_token_hint", batch.id, "post_logout_redirect_uri", bye("batch"))).want(http.StatusOK)
	if alice.alive() {
		t.Error("the session lives")
	}
	w.eventuallyTold("shop", 1)

	alice = w.browser()
	batch = alice.firstSignOn("batch", "alice")
	w.clock.Advance(11 * time.Minute)
	w.asAt("/end_session", "batch", endRequest("id_token_hint", batch.id)).wantPage(400, "Nothing was ended")
}

func TestRedirectLogout(t *testing.T) {
	w := newSQLiteWorld(t)

	t.Run("refused", func(t *testing.T) {
		alice := w.browser()
		alice.firstSignOn("shop", "alice")
		for name, query := range map[string]url.Values{
			"no client":        nil,
			"unknown client":   endRequest("client_id", "nobody"),
			"foreign redirect": endRequest("client_id", "shop", "redirect_uri", bye("wiki")),
			"longer redirect":  endRequest("client_id", "shop", "redirect_uri", bye("shop")+"?x"),
			"repeated":         twice(endRequest("client_id", "shop"), "client_id"),
		} {
			t.Run(name, func(t *testing.T) { alice.get("/logout", query).wantPage(400, "This sign-out request is not valid") })
		}
		good := endRequest("client_id", "shop")
		for _, dest := range []string{"image", "iframe", "script", "style", "empty"} {
			alice.with("Sec-Fetch-Dest", dest, "Sec-Fetch-Mode", "no-cors").get("/logout", good).want(403)
		}
		alice.with("Sec-Purpose", "prefetch;prerender").get("/logout", good).want(503)
		alice.with("Purpose", "prefetch").get("/logout", good).want(503)
		alice.do(http.MethodHead, "/logout", good).want(405)
		if !alice.alive() {
			t.Error("the session ended")
		}
		alice.post("/logout", good).wantPage(200, "You are logged out")
		if alice.alive() {
			t.Error("the session lives")
		}
	})

	t.Run("asked first", func(t *testing.T) {
		alice := w.browser()
		alice.firstSignOn("shop", "alice")
		// A client that takes no part must not end the session at once.
		page := alice.get("/logout", endRequest("client_id", "wiki", "redirect_uri", bye("wiki"), "state", "s")).wantPage(200, "The wiki")
		if !alice.alive() {
			t.Fatal("ended without a question")
		}
		alice.submit(page, nil).wantRedirect(bye("wiki") + "?state=s")
		if alice.alive() {
			t.Error("the session lives")
		}
		alice.firstSignOn("shop", "alice")
		page = alice.get("/authorize", request("strict"))
		w.exchange("strict", alice.submit(page, url.Values{"decision": {"allow"}}).code())
		alice.get("/logout", endRequest("client_id", "strict")).wantPage(200, "The strict")
		if !alice.alive() {
			t.Error("redirect_logout: confirm was ignored")
		}
	})

	t.Run("oauth_token", func(t *testing.T) {
		alice, bob := w.browser(), w.browser()
		offline := alice.firstSignOn("shop", "alice", "scope", "openid offline_access")
		wiki := alice.signOn("wiki", "scope", "openid offline_access")
		bobs := bob.firstSignOn("shop", "bob")
		leave := func(a *agent, token string) {
			t.Helper()
			a.post("/logout", endRequest("client_id", "shop", "redirect_uri", bye("shop"), "oauth_token", token)).wantRedirect(bye("shop"))
		}
		leave(alice, bobs.access)
		if alice.alive() || !w.active("shop", bobs.access) {
			t.Error("another user's token stopped the logout, or was revoked")
		}
		alice.firstSignOn("shop", "alice")
		leave(alice, wiki.access)
		if !w.active("wiki", wiki.access) {
			t.Error("another client's token was revoked")
		}
		alice.firstSignOn("shop", "alice")
		leave(alice, "unknown")
		alice.firstSignOn("shop", "alice")
		leave(alice, offline.access)
		if alice.alive() || w.active("shop", offline.refresh) {
			t.Error("the offline refresh token lives")
		}
		// Without a session: the token is revoked all the same.
		leave(w.browser(), bobs.access)
		if w.active("shop", bobs.access) || !bob.alive() {
			t.Error("the token lives, or the session died with it")
		}
	})

	t.Run("cross-site POST", func(t *testing.T) {
		alice := w.browser()
		shop := alice.firstSignOn("shop", "alice")
		crossSite := w.program().with("Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Sec-Fetch-Site", "cross-site")
		to := crossSite.post("/logout", endRequest("client_id", "shop", "redirect_uri", bye("shop"), "oauth_token", shop.access)).want(303).location()
		if strings.Contains(to.String(), shop.access) {
			t.Error("the token stands in the URL")
		}
		alice.get(to.String(), nil).wantRedirect(bye("shop"))
		if alice.alive() {
			t.Error("the session lives")
		}
	})
}

func TestAPILogout(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		w := newWorld(t, db)
		alice := w.browser()
		app := alice.firstSignOn("app", "alice")
		phone := alice.signOn("app")
		shop := alice.signOn("shop")
		bearer := func(token string) answer {
			return w.program().with("Authorization", "Bearer "+token, "Content-Type", "").post("/api/logout", nil)
		}
		revoked := func(a answer, want bool) {
			t.Helper()
			if got := a.want(http.StatusOK).json()["revoked"]; got != want {
				t.Errorf("revoked %v, want %v", got, want)
			}
		}
		revoked(bearer(app.access), true)
		revoked(bearer(app.access), false)
		w.refresh("app", app.refresh).wantError(400, "invalid_grant")
		w.userinfo(app.access).want(401)
		w.userinfo(phone.access).want(200)
		if !alice.alive() || !w.active("shop", shop.access) || len(w.told("app"))+len(w.told("shop")) > 0 {
			t.Error("more than the one authorization was touched")
		}

		// Of another client, or unknown: nothing happens.
		revoked(w.asAt("/api/logout", "wiki", url.Values{"token": {shop.refresh}}), false)
		revoked(w.asAt("/api/logout", "shop", url.Values{"token": {"unknown"}}), false)
		if !w.active("shop", shop.access) {
			t.Error("another client's token was revoked")
		}
		for _, bad := range []string{"unknown", shop.refresh, shop.id} {
			if a := bearer(bad).wantError(401, "invalid_token"); a.header.Get("WWW-Authenticate") == "" {
				t.Error("no WWW-Authenticate")
			}
		}
		w.program().post("/api/logout", nil).wantError(401, "invalid_client")
		w.asAt("/api/logout", "shop", url.Values{}).wantError(400, "invalid_request")
		revoked(w.asAt("/api/logout", "shop", url.Values{"token": {shop.access}}), true)

		// An expired access token still ends what lives beside it.
		plain := alice.get("/authorize", request("plain")).code()
		noRefresh := w.exchange("plain", plain)
		w.clock.Advance(11 * time.Minute)
		revoked(bearer(noRefresh.access), false)
		revoked(bearer(phone.access), true)
		w.refresh("app", phone.refresh).wantError(400, "invalid_grant")
		last := alice.signOn("app")
		revoked(w.asAt("/api/logout", "app", url.Values{"token": {last.refresh}}), true)
	})
}
