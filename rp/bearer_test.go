package rp_test

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestBearer(t *testing.T) {
	o := newOpenProvider(t)
	active := func(change func(object)) {
		answer := object{
			"active": true, "iss": o.URL, "sub": "alice", "sid": "s-1", "scope": "read write", "aud": []string{"api"}, "name": "Alice Doe",
			"iat": o.now().Unix(), "exp": o.now().Unix() + 600,
		}
		if change != nil {
			change(answer)
		}
		o.bend(func(o *openProvider) { o.introspection = answer })
	}
	app := newApplication(t, o, nil)
	call := func(path, token string) page {
		return newBrowser(t).do("GET", app.URL+path, http.Header{"Authorization": {token}})
	}

	active(nil)
	call("/api", "Bearer one").want(t, 200, "alice Alice Doe s-1")
	call("/api", "bearer one").want(t, 200, "alice")
	call("/api/write", "Bearer one").want(t, 200, "alice")
	if n := o.introspected.Load(); n != 2 { // one guard each
		t.Errorf("the provider was asked %d times", n)
	}
	o.advance(31 * time.Second)
	call("/api", "Bearer one").want(t, 200, "alice")
	if n := o.introspected.Load(); n != 3 {
		t.Errorf("after the cache's time the provider had been asked %d times", n)
	}

	// The logout is known, and nobody is asked.
	asked := o.introspected.Load()
	if status := o.logoutToken(t, app, nil); status != 200 {
		t.Fatalf("status %d", status)
	}
	got := call("/api", "Bearer one")
	got.want(t, 401, "")
	if challenge := got.header.Get("WWW-Authenticate"); challenge != `Bearer error="invalid_token"` || got.header.Get("Cache-Control") != "no-store" {
		t.Errorf("headers %v", got.header)
	}
	if n := o.introspected.Load(); n != asked {
		t.Errorf("the provider was asked")
	}
	// Neither does a provider that has not noticed yet make it good again.
	call("/api", "Bearer another of that session").want(t, 401, "")
	active(func(a object) { a["sid"] = "s-2" })
	call("/api", "Bearer of another session").want(t, 200, "s-2")

	// Without sid: by sub and iat.
	active(func(a object) { delete(a, "sid") })
	call("/api", "Bearer without sid").want(t, 200, "alice")
	o.advance(time.Second)
	o.logoutToken(t, app, func(c object) { delete(c, "sid") })
	call("/api", "Bearer without sid").want(t, 401, "")
	o.advance(time.Second)
	active(func(a object) { delete(a, "sid") })
	call("/api", "Bearer of the next login").want(t, 200, "alice")

	for name, change := range map[string]func(object){
		"not active":     func(a object) { a["active"] = false },
		"active a text":  func(a object) { a["active"] = "true" },
		"expired":        func(a object) { a["exp"] = o.now().Unix() },
		"another issuer": func(a object) { a["iss"] = "https://evil.example" },
		"another API's":  func(a object) { a["aud"] = "other"; a["sid"] = "s-2" },
	} {
		active(change)
		path := "/api"
		if name == "another API's" {
			path = "/api/write"
		}
		if got := call(path, "Bearer "+name[:3]); got.status != 401 {
			t.Errorf("%s: %d", name, got.status)
		}
	}
	active(func(a object) { a["sid"] = "s-3"; a["scope"] = "read" })
	got = call("/api/write", "Bearer narrow")
	if got.status != 403 || got.header.Get("WWW-Authenticate") != `Bearer error="insufficient_scope", scope="write"` {
		t.Errorf("%d %v", got.status, got.header)
	}
	for _, header := range []string{"", "Basic x", "Bearer", "Bearer ", "Bearer " + strings.Repeat("x", 20<<10)} {
		got := call("/api", header)
		if got.status != 401 || got.header.Get("WWW-Authenticate") != "Bearer" {
			t.Errorf("%.20q: %d %v", header, got.status, got.header)
		}
	}
	o.down.Store(true)
	if got := call("/api", "Bearer unknown"); got.status != 503 || got.header.Get("Retry-After") == "" {
		t.Errorf("with the provider away: %d", got.status)
	}
}
