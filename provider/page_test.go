package provider_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/exeunt-id/exeunt/provider/identity"
)

// script calls an endpoint as a page of an application does.
func (a *agent) script(path, origin string, body any) answer {
	a.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		a.Fatal(err)
	}
	r, err := http.NewRequestWithContext(a.Context(), http.MethodPost, a.url+path, strings.NewReader(string(text)))
	if err != nil {
		a.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	if origin != "" {
		r.Header.Set("Origin", origin)
	}
	return a.answer(r)
}

func originOf(client string) string { return "https://" + client + ".example.com" }

func page(client, idToken string) map[string]string {
	body := map[string]string{"client_id": client}
	if idToken != "" {
		body["id_token"] = idToken
	}
	return body
}

func (w *world) status(client, idToken string) any {
	w.Helper()
	return w.program().script("/api/session/status", originOf(client), page(client, idToken)).want(200).json()["status"]
}

// A page logs out by script: by the cookie where the browser sends it, by its ID token where it does not; and what ends nothing says so.
func TestSessionLogout(t *testing.T) {
	w := newSQLiteWorld(t)
	const path = "/api/session/logout"

	t.Run("by cookie", func(t *testing.T) {
		alice := w.browser()
		alice.firstSignOn("shop", "alice")
		wiki := alice.signOn("wiki")
		a := alice.script(path, originOf("shop"), page("shop", "")).want(200)
		got := a.json()
		if got["ended"] != true || got["status"] != "ended" || got["by"] != "cookie" {
			t.Errorf("%s", a.body)
		}
		if r := got["receipts"].(map[string]any); r["total"] != 2.0 || r["delivered"] != 2.0 || r["open"] != 0.0 {
			t.Errorf("receipts %v", r)
		}
		for name, want := range map[string]string{
			"Access-Control-Allow-Origin": originOf("shop"), "Access-Control-Allow-Credentials": "true", "Cache-Control": "no-store", "Vary": "Origin",
		} {
			if a.header.Get(name) != want {
				t.Errorf("%s: %q", name, a.header.Get(name))
			}
		}
		if len(w.told("wiki")) != 1 || w.active("wiki", wiki.access) || w.status("wiki", wiki.id) != "ended" {
			t.Error("the other application has not left")
		}
		again := alice.script(path, originOf("shop"), page("shop", "")).want(200)
		if got := again.json(); got["ended"] != false || got["reason"] != "no_session" || got["status"] != "unknown" {
			t.Errorf("again: %s", again.body)
		}
	})

	t.Run("by ID token", func(t *testing.T) {
		alice := w.browser()
		shop := alice.firstSignOn("shop", "alice")
		if w.status("shop", shop.id) != "live" {
			t.Error("the session does not live")
		}
		a := w.program().script(path, originOf("shop"), page("shop", shop.id)).want(200)
		if got := a.json(); got["ended"] != true || got["by"] != "id_token" || len(a.header.Values("Set-Cookie")) != 0 {
			t.Errorf("%s, %v", a.body, a.header)
		}
		a = w.program().script(path, originOf("shop"), page("shop", shop.id)).want(200)
		if got := a.json(); got["ended"] != false || got["reason"] != "session_ended" || got["status"] != "ended" {
			t.Errorf("again: %s", a.body)
		}
		alice.get("/authorize", request("shop", "prompt", "none")).want(303)
	})

	t.Run("the cookie is another session's", func(t *testing.T) {
		alice, bob := w.browser(), w.browser()
		shop := alice.firstSignOn("shop", "alice")
		bob.firstSignOn("shop", "bob")
		dead := w.browser().firstSignOn("shop", "alice")
		w.program().script(path, originOf("shop"), page("shop", dead.id)).want(200)
		if got := bob.script(path, originOf("shop"), page("shop", dead.id)).want(200).json(); got["ended"] != false || got["reason"] != "session_ended" {
			t.Errorf("a dead ID token ends the cookie's session: %v", got)
		}
		if got := bob.script(path, originOf("shop"), page("shop", shop.id)).want(200).json(); got["by"] != "id_token" {
			t.Errorf("%v", got)
		}
		bob.signOn("shop") // silently: bob's session lives
		if got := bob.script(path, originOf("wiki"), page("wiki", "")).want(200).json(); got["ended"] != false || got["reason"] != "no_session" {
			t.Errorf("a client that takes no part ends the session: %v", got)
		}
	})

	t.Run("refused", func(t *testing.T) {
		alice := w.browser()
		shop, wiki := alice.firstSignOn("shop", "alice"), alice.signOn("wiki")
		for name, test := range map[string]struct {
			origin string
			body   any
			status int
			code   string
		}{
			"no origin":            {"", page("shop", shop.id), 403, "origin_not_allowed"},
			"foreign origin":       {"https://evil.example.com", page("shop", shop.id), 403, "origin_not_allowed"},
			"another client's":     {originOf("wiki"), page("shop", shop.id), 403, "origin_not_allowed"},
			"null origin":          {"null", page("shop", shop.id), 403, "origin_not_allowed"},
			"access token":         {originOf("shop"), page("shop", shop.access), 400, "invalid_request"},
			"another's ID token":   {originOf("shop"), page("shop", wiki.id), 400, "invalid_request"},
			"forged":               {originOf("shop"), page("shop", shop.id[:len(shop.id)-4]+"AAAA"), 400, "invalid_request"},
			"unknown client":       {originOf("shop"), page("nobody", shop.id), 400, "invalid_request"},
			"no client":            {originOf("shop"), map[string]string{"id_token": shop.id}, 400, "invalid_request"},
			"not an object":        {originOf("shop"), []string{"x"}, 400, "invalid_request"},
			"a number for a token": {originOf("shop"), map[string]any{"client_id": "shop", "id_token": 1}, 400, "invalid_request"},
		} {
			a := alice.script(path, test.origin, test.body).wantError(test.status, test.code)
			if allowed := a.header.Get("Access-Control-Allow-Origin"); allowed != "" && allowed != originOf("shop") {
				t.Errorf("%s: %s may read the answer", name, allowed)
			}
		}
		alice.with("Origin", originOf("shop")).post(path, map[string][]string{"client_id": {"shop"}}).wantError(400, "invalid_request")
		alice.signOn("shop") // silently: nothing has ended
	})

	t.Run("expired ID token", func(t *testing.T) {
		alice := w.browser()
		shop := alice.firstSignOn("shop", "alice")
		w.clock.Advance(11 * time.Minute)
		if got := w.program().script(path, originOf("shop"), page("shop", shop.id)).want(200).json(); got["ended"] != false || got["reason"] != "id_token_expired" || got["status"] != "live" {
			t.Errorf("without a cookie: %v", got)
		}
		if w.status("shop", shop.id) != "live" {
			t.Error("an expired ID token may still ask")
		}
		if got := alice.script(path, originOf("shop"), page("shop", shop.id)).want(200).json(); got["ended"] != true || got["by"] != "cookie" {
			t.Errorf("with the cookie: %v", got)
		}
	})
}

// Only a client's own origins may call, and only the logout takes cookies (Fetch, 3.2).
func TestPagePreflight(t *testing.T) {
	w := newWorld(t, openDB(t), withClient("wiki", func(c *identity.Client) { c.AllowedOrigins = []string{"https://pages.example.com"} }),
		withClient("app", func(c *identity.Client) {
			c.ApplicationType, c.RedirectURIs = "native", []string{"http://127.0.0.1/cb", "com.example.app:/cb", "https://app.example.com/cb"}
		}))
	for path, credentials := range map[string]string{"/api/session/logout": "true", "/api/session/status": "", "/api/realtime/ticket": ""} {
		for origin, allowed := range map[string]bool{
			originOf("shop"): true, "https://pages.example.com": true, originOf("app"): true, originOf("wiki"): false, "http://127.0.0.1": false,
			"https://evil.example.com": false, "null": false, "https://shop.example.com.evil.com": false, "http://shop.example.com": false, w.url: false, "": false,
		} {
			a := w.program().with("Origin", origin, "Access-Control-Request-Method", "POST").do(http.MethodOptions, path, nil).want(204)
			got := a.header.Get("Access-Control-Allow-Origin")
			if allowed && (got != origin || a.header.Get("Access-Control-Allow-Credentials") != credentials || a.header.Get("Access-Control-Allow-Headers") != "Content-Type") ||
				!allowed && (got != "" || a.header.Get("Access-Control-Allow-Credentials") != "") || !strings.Contains(a.header.Get("Vary"), "Origin") {
				t.Errorf("%s from %s: %v", path, origin, a.header)
			}
		}
	}
	// The SDK itself is for everybody, and nothing else is.
	for file, open := range map[string]bool{"exeunt.js": true, "exeunt.classic.js": true, "exeunt.d.ts": true, "exeunt.css": false, "console.js": false} {
		a := w.program().get("/static/"+file, nil).want(200)
		if (a.header.Get("Access-Control-Allow-Origin") == "*") != open || (a.header.Get("Cross-Origin-Resource-Policy") == "cross-origin") != open {
			t.Errorf("%s: %v", file, a.header)
		}
	}
}
