package provider_test

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/database/databasetest"
)

func TestCodeFlow(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		w := newWorld(t, db)
		alice := w.browser()
		shop := alice.firstSignOn("shop", "alice")
		wiki, mail, app := alice.signOn("wiki"), alice.signOn("mail"), alice.signOn("app", "scope", "profile")
		if app.id != "" {
			t.Error("an ID token without openid")
		}
		got := claims(t, shop.id)
		for _, name := range []string{"iss", "sub", "aud", "azp", "exp", "iat", "auth_time", "acr", "sid", "nonce", "at_hash"} {
			if got[name] == nil {
				t.Errorf("ID token without %s: %v", name, got)
			}
			delete(got, name)
		}
		if len(got) > 0 {
			t.Errorf("more than asked for in the ID token: %v", got)
		}
		if a, b := claims(t, shop.id)["sid"], claims(t, wiki.id)["sid"]; a == b {
			t.Error("two clients see the same sid")
		}
		for client, access := range map[string]string{"shop": shop.access, "wiki": wiki.access, "mail": mail.access} {
			if !w.active(client, access) {
				t.Errorf("%s: not active", client)
			}
		}
		if w.active("wiki", shop.access) {
			t.Error("one client sees another's token")
		}

		// Logging out at one reaches all, and kills every token.
		alice.get("/logout", url.Values{"client_id": {"shop"}, "redirect_uri": {"https://shop.example.com/bye"}, "state": {"x y+"}}).
			wantRedirect("https://shop.example.com/bye?state=x%20y%2B")
		for _, client := range []string{"shop", "wiki", "mail", "app"} {
			if len(w.told(client)) != 1 {
				t.Errorf("%s was told %v", client, w.told(client))
			}
		}
		if w.told("shop")[0] != claims(t, shop.id)["sid"] {
			t.Error("the logout token has another sid than the ID token")
		}
		if w.active("shop", shop.access) || w.active("wiki", wiki.access) {
			t.Error("tokens live after the logout")
		}
		w.refresh("wiki", wiki.refresh).wantError(http.StatusBadRequest, "invalid_grant")
		w.userinfo(mail.access).wantError(http.StatusUnauthorized, "invalid_token")
		if got := alice.get("/authorize", request("shop", "prompt", "none")).location().Query().Get("error"); got != "login_required" {
			t.Errorf("silent sign-on after the logout: %s", got)
		}
	})
}

func (w *world) userinfo(token string) answer {
	w.Helper()
	return w.program().with("Authorization", "Bearer "+token).get("/userinfo", nil)
}

func TestExchangeErrors(t *testing.T) {
	w := newSQLiteWorld(t)
	alice := w.browser()
	alice.firstSignOn("shop", "alice")
	change := func(client, name, value string) url.Values {
		form := codeForm(client, alice.get("/authorize", request(client)).code())
		if form.Del(name); value != "" {
			form.Set(name, value)
		}
		return form
	}
	tests := map[string]struct {
		client string
		form   url.Values
		code   string
	}{
		"no grant type":   {"shop", change("shop", "grant_type", ""), "invalid_request"},
		"unknown grant":   {"shop", change("shop", "grant_type", "password"), "unsupported_grant_type"},
		"no code":         {"shop", change("shop", "code", ""), "invalid_request"},
		"unknown code":    {"shop", change("shop", "code", "x"), "invalid_grant"},
		"no redirect":     {"shop", change("shop", "redirect_uri", ""), "invalid_request"},
		"other redirect":  {"shop", change("shop", "redirect_uri", "https://shop.example.com/"), "invalid_grant"},
		"no verifier":     {"shop", change("shop", "code_verifier", ""), "invalid_grant"},
		"wrong verifier":  {"shop", change("shop", "code_verifier", verifier+"x"), "invalid_grant"},
		"another client":  {"wiki", change("shop", "", ""), "invalid_grant"},
		"repeated":        {"shop", twice(change("shop", "", ""), "code"), "invalid_request"},
		"refresh, plain":  {"plain", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {"x"}}, "unauthorized_client"},
		"no refresh":      {"shop", url.Values{"grant_type": {"refresh_token"}}, "invalid_request"},
		"unknown refresh": {"shop", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {"x"}}, "invalid_grant"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			a := w.as(test.client, test.form).wantError(http.StatusBadRequest, test.code)
			if a.header.Get("Cache-Control") != "no-store" {
				t.Error("cacheable")
			}
		})
	}
	t.Run("verifier without challenge", func(t *testing.T) {
		code := alice.get("/authorize", request("shop", "code_challenge", "", "code_challenge_method", "")).code()
		w.as("shop", codeForm("shop", code)).wantError(http.StatusBadRequest, "invalid_grant")
	})
	t.Run("expired", func(t *testing.T) {
		code := alice.get("/authorize", request("shop")).code()
		w.clock.Advance(61 * time.Second)
		w.as("shop", codeForm("shop", code)).wantError(http.StatusBadRequest, "invalid_grant")
	})
	t.Run("after the logout", func(t *testing.T) {
		code := alice.get("/authorize", request("shop", "scope", "openid offline_access")).code()
		alice.get("/logout", url.Values{"client_id": {"shop"}})
		w.as("shop", codeForm("shop", code)).wantError(http.StatusBadRequest, "invalid_grant")
	})
}

func TestClientAuthentication(t *testing.T) {
	w := newSQLiteWorld(t)
	basic := func(id, secret string) string {
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(id)+":"+url.QueryEscape(secret)))
	}
	post := func(id, secret string) url.Values { return url.Values{"client_id": {id}, "client_secret": {secret}} }
	tests := map[string]struct {
		header, path string
		form         url.Values
		status       int
		code         string
	}{
		"basic":               {header: basic("shop", secret), status: 400, code: "unsupported_grant_type"},
		"basic and client_id": {header: basic("shop", secret), form: url.Values{"client_id": {"shop"}}, status: 400, code: "unsupported_grant_type"},
		"post":                {form: post("mail", secret), status: 400, code: "unsupported_grant_type"},
		"public":              {form: url.Values{"client_id": {"app"}}, status: 400, code: "unsupported_grant_type"},
		"nothing":             {status: 401, code: "invalid_client"},
		"wrong secret":        {header: basic("shop", "wrong"), status: 401, code: "invalid_client"},
		"unknown client":      {header: basic("nobody", secret), status: 401, code: "invalid_client"},
		"empty secret":        {header: basic("shop", ""), status: 401, code: "invalid_client"},
		"post, not basic":     {form: post("shop", secret), status: 401, code: "invalid_client"},
		"basic, not post":     {header: basic("mail", secret), status: 401, code: "invalid_client"},
		"none, not basic":     {form: url.Values{"client_id": {"shop"}}, status: 401, code: "invalid_client"},
		"public with secret":  {form: post("app", secret), status: 401, code: "invalid_client"},
		"both":                {header: basic("shop", secret), form: post("shop", secret), status: 400, code: "invalid_request"},
		"two clients":         {header: basic("shop", secret), form: url.Values{"client_id": {"wiki"}}, status: 400, code: "invalid_request"},
		"no base64":           {header: "Basic %%%", status: 401, code: "invalid_client"},
		"bearer":              {header: "Bearer x", form: url.Values{"client_id": {"app"}}, status: 401, code: "invalid_client"},
		"secret in the URL":   {path: "/token?client_secret=x", header: basic("shop", secret), status: 400, code: "invalid_request"},
		"code in the URL":     {path: "/token?code=x", header: basic("shop", secret), status: 400, code: "invalid_request"},
	}
	descriptions := map[any]bool{}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if test.form == nil {
				test.form = url.Values{}
			}
			test.form.Set("grant_type", "dance")
			if test.path == "" {
				test.path = "/token"
			}
			a := w.program().with("Authorization", test.header).post(test.path, test.form).wantError(test.status, test.code)
			if asked := a.header.Get("WWW-Authenticate") != ""; asked != (test.status == 401 && len(test.header) > 5 && test.header[:5] == "Basic") {
				t.Errorf("WWW-Authenticate: %q", a.header.Get("WWW-Authenticate"))
			}
			if test.status == 401 {
				descriptions[a.json()["error_description"]] = true
			}
		})
	}
	if len(descriptions) != 1 {
		t.Errorf("failures can be told apart: %v", descriptions)
	}
}

func TestRefresh(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		w := newWorld(t, db)
		alice := w.browser()
		first := alice.firstSignOn("shop", "alice", "scope", "openid profile email")
		second := w.refresh("shop", first.refresh, "scope", "openid").tokens()
		before, after := claims(t, first.id), claims(t, second.id)
		for _, name := range []string{"sub", "azp", "auth_time", "sid", "acr", "iss"} {
			if before[name] != after[name] {
				t.Errorf("%s was %v, is %v", name, before[name], after[name])
			}
		}
		if second.scope != "openid" || !w.active("shop", second.access) {
			t.Errorf("narrowed: %+v", second)
		}
		w.refresh("shop", second.refresh, "scope", "openid offline_access").wantError(http.StatusBadRequest, "invalid_scope")
		if third := w.refresh("shop", second.refresh).tokens(); third.scope != "openid profile email" {
			t.Errorf("the grant was narrowed: %q", third.scope)
		}

		// Another client's attempt harms nobody.
		wiki := alice.signOn("wiki")
		w.refresh("shop", wiki.refresh).wantError(http.StatusBadRequest, "invalid_grant")
		w.refresh("wiki", wiki.access).wantError(http.StatusBadRequest, "invalid_grant")
		w.refresh("wiki", wiki.refresh).tokens()
	})
}

// An offline grant outlives an ordinary logout; its ID token then has no sid.
func TestOfflineAccess(t *testing.T) {
	w := newSQLiteWorld(t)
	alice := w.browser()
	offline := alice.firstSignOn("shop", "alice", "scope", "openid offline_access")
	alice.get("/logout", url.Values{"client_id": {"shop"}}).want(http.StatusOK)
	refreshed := w.refresh("shop", offline.refresh).tokens()
	if got := claims(t, refreshed.id); got["sid"] != nil || got["auth_time"] != claims(t, offline.id)["auth_time"] {
		t.Errorf("ID token after the logout: %v", got)
	}
	w.userinfo(refreshed.access).want(http.StatusOK)
}

func TestReuse(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		w := newWorld(t, db)
		alice := w.browser()
		wiki := alice.firstSignOn("wiki", "alice")

		t.Run("code", func(t *testing.T) {
			form := codeForm("shop", alice.get("/authorize", request("shop")).code())
			shop := w.as("shop", form).tokens()
			w.as("shop", form).wantError(http.StatusBadRequest, "invalid_grant")
			if !w.active("shop", shop.access) {
				t.Fatal("a lost answer cost the tokens")
			}
			w.clock.Advance(6 * time.Second)
			w.as("shop", form).wantError(http.StatusBadRequest, "invalid_grant")
			if w.active("shop", shop.access) || w.refresh("shop", shop.refresh).status == http.StatusOK {
				t.Error("the tokens live")
			}
			w.eventuallyTold("shop", 1)

			// The client logs in again; the old code does not end that.
			again := alice.signOn("shop")
			w.as("shop", form).wantError(http.StatusBadRequest, "invalid_grant")
			if !w.active("shop", again.access) {
				t.Error("the old code ended the next login")
			}
		})
		t.Run("refresh token", func(t *testing.T) {
			old := alice.signOn("shop")
			fresh := w.refresh("shop", old.refresh).tokens()
			w.refresh("shop", old.refresh).wantError(http.StatusBadRequest, "invalid_grant")
			if !w.active("shop", fresh.access) {
				t.Fatal("racing tabs cost the tokens")
			}
			w.clock.Advance(11 * time.Second)
			w.refresh("shop", old.refresh).wantError(http.StatusBadRequest, "invalid_grant")
			if w.active("shop", fresh.access) {
				t.Error("the tokens live")
			}
			w.eventuallyTold("shop", 2)
		})
		if !w.active("wiki", wiki.access) {
			t.Error("another client suffered")
		}
		alice.get("/authorize", request("shop", "prompt", "none")).code()
	})
}

func TestParallelExchange(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		w := newWorld(t, db)
		alice := w.browser()
		alice.firstSignOn("wiki", "alice")
		form := codeForm("shop", alice.get("/authorize", request("shop")).code())
		answers := make([]answer, 20)
		var group sync.WaitGroup
		for i := range answers {
			group.Go(func() { answers[i] = w.as("shop", form) })
		}
		group.Wait()
		won := 0
		for _, a := range answers {
			if a.status == http.StatusOK {
				won++
				if !w.active("shop", a.tokens().access) {
					t.Error("the winner's token is dead")
				}
				continue
			}
			a.wantError(http.StatusBadRequest, "invalid_grant")
		}
		if won != 1 {
			t.Errorf("%d exchanges succeeded", won)
		}
	})
}

func TestUserinfo(t *testing.T) {
	w := newSQLiteWorld(t)
	alice := w.browser()
	all := alice.firstSignOn("shop", "alice", "scope", "openid profile email address phone")
	got := w.userinfo(all.access).want(http.StatusOK).json()
	want := map[string]any{
		"name": "Alice Doe", "given_name": "Alice", "preferred_username": "alice", "email": "alice@example.com", "email_verified": true,
		"phone_number_verified": false, "locale": "en-GB",
	}
	for name, value := range want {
		if got[name] != value {
			t.Errorf("%s is %v", name, got[name])
		}
	}
	if got["sub"] == "" || got["middle_name"] != nil || len(got["address"].(map[string]any)) != 1 {
		t.Errorf("claims %v", got)
	}
	w.program().post("/userinfo", url.Values{"access_token": {all.access}}).want(http.StatusOK)
	w.program().with("Authorization", "bearer "+all.access, "Content-Type", "").post("/userinfo", nil).want(http.StatusOK)
	w.program().with("Authorization", "Bearer "+all.access).post("/userinfo", url.Values{"access_token": {all.access}}).wantError(400, "invalid_request")
	w.program().get("/userinfo", url.Values{"access_token": {all.access}}).wantError(400, "invalid_request")
	for _, bad := range []string{"x", all.id, all.refresh} {
		if a := w.userinfo(bad).wantError(401, "invalid_token"); a.header.Get("WWW-Authenticate") == "" {
			t.Error("no WWW-Authenticate")
		}
	}
	if a := w.program().get("/userinfo", nil).want(401); a.header.Get("WWW-Authenticate") != `Bearer realm="`+w.url+`"` {
		t.Errorf("WWW-Authenticate: %s", a.header.Get("WWW-Authenticate"))
	}
	if minimal := w.userinfo(alice.signOn("wiki", "scope", "openid").access).want(200).json(); len(minimal) != 1 {
		t.Errorf("scope openid alone gives %v", minimal)
	}
	w.userinfo(alice.signOn("wiki", "scope", "profile").access).wantError(403, "insufficient_scope")
	w.clock.Advance(11 * time.Minute)
	w.userinfo(all.access).wantError(401, "invalid_token")
}

func TestIntrospectAndRevoke(t *testing.T) {
	w := newSQLiteWorld(t)
	alice := w.browser()
	shop := alice.firstSignOn("shop", "alice")
	got := w.asAt("/introspect", "shop", url.Values{"token": {shop.access}}).want(200).json()
	if got["active"] != true || got["client_id"] != "shop" || got["token_type"] != "Bearer" || got["scope"] != "openid profile" || got["iss"] != w.url {
		t.Errorf("introspection %v", got)
	}
	if dead := w.asAt("/introspect", "shop", url.Values{"token": {"x"}}).want(200).json(); len(dead) != 1 {
		t.Errorf("more than active in %v", dead)
	}
	w.asAt("/introspect", "app", url.Values{"token": {shop.access}}).wantError(401, "invalid_client")
	w.asAt("/introspect", "shop", url.Values{}).wantError(400, "invalid_request")

	w.asAt("/revoke", "wiki", url.Values{"token": {shop.access}}).want(200)
	w.asAt("/revoke", "shop", url.Values{"token": {"unknown"}}).want(200)
	if !w.active("shop", shop.access) {
		t.Fatal("another client revoked the token")
	}
	w.asAt("/revoke", "shop", url.Values{"token": {shop.access}, "token_type_hint": {"refresh_token"}}).want(200)
	if w.active("shop", shop.access) || w.active("shop", shop.refresh) {
		t.Error("tokens live after the revocation")
	}
	alice.get("/authorize", request("shop", "prompt", "none")).code() // the session lives
}
