package conformance

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// jsonBody is what a script on a page of a client sends.
func jsonBody(t *testing.T, client, idToken string) string {
	t.Helper()
	text, err := json.Marshal(map[string]string{"client_id": client, "id_token": idToken})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Fetch 3.2: an origin is admitted by name, only if it is the client's; cookies by one route alone; never both a wildcard and cookies.
func TestFetch_3_2_PagesOfClients(t *testing.T) {
	w := open(t)
	shop := w.browser().firstSignOn("shop", "alice")
	for path, credentials := range map[string]string{"/api/session/logout": "true", "/api/session/status": "", "/api/realtime/ticket": ""} {
		for origin, allowed := range map[string]bool{
			"https://shop.example.com": true, "https://wiki.example.com": false, "https://evil.example.com": false, "null": false, "https://shop.example.com:444": false,
			"http://shop.example.com": false, "https://SHOP.example.com": false, "https://shop.example.com/": false,
		} {
			caller := w.program().with("Origin", origin)
			if path == "/api/session/logout" && allowed {
				continue // it would end the session: see below
			}
			a := caller.send(http.MethodPost, path, "application/json", jsonBody(t, "shop", shop.id))
			got, with := a.header.Get("Access-Control-Allow-Origin"), a.header.Get("Access-Control-Allow-Credentials")
			if allowed && (a.status != 200 || got != origin || with != credentials) || !allowed && (a.status != 403 || got != "" || with != "") {
				t.Errorf("%s from %s: %s", path, origin, a)
			}
		}
		preflight := w.program().with("Origin", "https://shop.example.com", "Access-Control-Request-Method", "POST").send(http.MethodOptions, path, "", "")
		if preflight.header.Get("Access-Control-Allow-Origin") != "https://shop.example.com" || preflight.header.Get("Access-Control-Allow-Credentials") != credentials {
			t.Errorf("%s: %s", path, preflight)
		}
		// What needs no preflight is refused (Fetch, 4.8: a form's types).
		for _, kind := range []string{"text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""} {
			if a := w.program().with("Origin", "https://shop.example.com").send(http.MethodPost, path, kind, jsonBody(t, "shop", shop.id)); a.status != 400 {
				t.Errorf("%s, content type %q: %s", path, kind, a)
			}
		}
	}
	a := w.program().with("Origin", "https://shop.example.com").send(http.MethodPost, "/api/session/logout", "application/json", jsonBody(t, "shop", shop.id))
	if a.status != 200 || !strings.Contains(a.body, `"ended":true`) {
		t.Errorf("%s", a)
	}
}

// Fetch 3.2: with a user's token a page manages devices from an origin of the token's client; from another one nothing is done, and nothing can be
// read. Who is no page says no origin.
func TestFetch_3_2_Devices(t *testing.T) {
	w := open(t)
	shop := w.browser().firstSignOn("shop", "alice")
	call := func(origin, method, path, body string) answer {
		return w.program().with("Origin", origin, "Authorization", "Bearer "+shop.access).send(method, path, "application/json", body)
	}
	for _, origin := range []string{"https://wiki.example.com", "https://evil.example.com", "null", "https://shop.example.com:444", w.origin()} {
		for _, c := range [][2]string{{http.MethodGet, ""}, {http.MethodPost, ""}, {http.MethodDelete, "/x"}} {
			a := call(origin, c[0], "/api/devices"+c[1], `{"metadata": {"from": "`+origin+`"}}`).wantError(http.StatusForbidden, "origin_not_allowed")
			if a.header.Get("Access-Control-Allow-Origin") != "" || a.header.Get("Vary") != "Origin" {
				t.Errorf("%s from %s: %v", c[0], origin, a.header)
			}
		}
	}
	if a := w.program().with("Authorization", "Bearer "+shop.access).send(http.MethodPost, "/api/devices", "application/json", `{}`); a.status != 200 || !strings.Contains(a.body, `"metadata":{}`) {
		t.Errorf("without an origin: %s", a)
	}
	const own = "https://shop.example.com"
	for _, a := range []answer{
		call(own, http.MethodPost, "/api/devices", `{}`).want(http.StatusOK),
		call(own, http.MethodGet, "/api/devices", "").wantError(http.StatusForbidden, "insufficient_scope"),
		call(own, http.MethodDelete, "/api/devices/x", "").wantError(http.StatusForbidden, "insufficient_scope"),
	} {
		if a.header.Get("Access-Control-Allow-Origin") != own || a.header.Get("Access-Control-Allow-Credentials") != "" || a.header.Get("Cache-Control") != "no-store" {
			t.Errorf("from its own page: %s, %v", a, a.header)
		}
	}
	for path, methods := range map[string]string{"/api/devices": "GET, POST", "/api/devices/x": "DELETE"} {
		asked := w.program().with("Origin", own, "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "authorization").send(http.MethodOptions, path, "", "")
		h := asked.want(http.StatusNoContent).header
		if h.Get("Access-Control-Allow-Origin") != own || h.Get("Access-Control-Allow-Methods") != methods || h.Get("Access-Control-Allow-Headers") != "Authorization, Content-Type" {
			t.Errorf("%s: %v", path, h)
		}
	}
}

// RP-Initiated Logout 4 and ours: every JWT of ours that is no ID token is refused where a page shows one; an expired one may ask, and get told
// when its session ends, but ends nothing alone.
func TestPage_IDTokens(t *testing.T) {
	w := open(t)
	alice := w.browser()
	shop, wiki := alice.firstSignOn("shop", "alice"), alice.signOn("wiki")
	call := func(path, token string) answer {
		return w.program().with("Origin", "https://shop.example.com").send(http.MethodPost, path, "application/json", jsonBody(t, "shop", token))
	}
	for _, path := range []string{"/api/session/logout", "/api/session/status", "/api/realtime/ticket"} {
		for name, token := range map[string]string{
			"access token": shop.access, "refresh token": shop.refresh, "another client's": wiki.id, "alg none": "eyJhbGciOiJub25lIn0." + strings.Split(shop.id, ".")[1] + ".",
			"changed": strings.Replace(shop.id, ".", ".e", 1), "no token": "x",
		} {
			if a := call(path, token); a.status != 400 {
				t.Errorf("%s, %s: %s", path, name, a)
			}
		}
	}
	w.clock.Advance(11 * time.Minute)
	for path, want := range map[string]string{
		"/api/session/logout": `"ended":false,"status":"live","reason":"id_token_expired"`, "/api/session/status": `{"status":"live"}`, "/api/realtime/ticket": `"ticket":"`,
	} {
		if a := call(path, shop.id); a.status != 200 || !strings.Contains(a.body, want) {
			t.Errorf("%s: %s", path, a)
		}
	}
	alice.get("/logout", url.Values{"client_id": {"shop"}})
	for path, want := range map[string]string{
		"/api/session/logout": `"ended":false,"status":"ended","reason":"session_ended"`, "/api/session/status": `{"status":"ended"}`, "/api/realtime/ticket": `{"status":"ended"}`,
	} {
		if a := call(path, shop.id); a.status != 200 || !strings.Contains(a.body, want) {
			t.Errorf("%s: %s", path, a)
		}
	}
}
