package rp_test

import (
	"net/url"
	"strings"
	"testing"
)

// Session Management 1.0, 3.1: the frame that asks, and what becomes of the answers to prompt=none.
func TestSessionManagement_3_1_Frame(t *testing.T) {
	o := newOpenProvider(t)
	app := newApplication(t, o, nil)
	alice := newBrowser(t)
	if got := alice.want(app.URL+"/auth/session", 200, "session.js"); strings.Contains(got.body, "iframe") {
		t.Errorf("a frame for nobody: %s", got.body)
	}
	alice.want(app.URL+"/page", 200, "alice")
	got := alice.want(app.URL+"/auth/session", 200, `<iframe id="provider" src="`+o.URL+`/check"`)
	for _, part := range []string{`data-client="` + clientID + `"`, `data-state="state.salt"`, `data-origin="` + o.URL + `"`, `data-login="/auth/login?prompt=none"`} {
		if !strings.Contains(got.body, part) {
			t.Errorf("%s lacks %s", got.body, part)
		}
	}
	csp := got.header.Get("Content-Security-Policy")
	if !strings.Contains(csp, "frame-src "+o.URL) || !strings.Contains(csp, "frame-ancestors 'self'") || got.header.Get("Cache-Control") != "no-store" {
		t.Errorf("headers %v", got.header)
	}
	alice.want(app.URL+"/auth/session.js", 200, "postMessage")

	o.bend(func(o *openProvider) { o.bendDiscovery = func(d object) { delete(d, "check_session_iframe") } })
	without := newApplication(t, o, nil)
	alice.want(without.URL+"/page", 200, "alice")
	if got := alice.want(without.URL+"/auth/session", 200, ""); strings.Contains(got.body, "iframe") {
		t.Errorf("a frame of nothing: %s", got.body)
	}
}

func TestSessionManagement_3_1_PromptNone(t *testing.T) {
	const changed = "state2.salt"
	for _, test := range []struct {
		name  string
		bend  func(*openProvider)
		stays bool
		part  string // of the frame
	}{
		{"the same person", func(o *openProvider) { o.bendAnswer = func(v url.Values) { v.Set("session_state", changed) } }, true, changed},
		{"somebody else", func(o *openProvider) { o.subject = "bob" }, false, "data-ended"},
		{"nobody", func(o *openProvider) {
			o.bendAnswer = func(v url.Values) { v.Del("code"); v.Set("error", "login_required") }
		}, false, "data-ended"},
		{"a question is to be asked", func(o *openProvider) {
			o.bendAnswer = func(v url.Values) { v.Del("code"); v.Set("error", "interaction_required") }
		}, false, "data-ended"},
		{"the provider has a problem", func(o *openProvider) {
			o.bendAnswer = func(v url.Values) { v.Del("code"); v.Set("error", "server_error") }
		}, true, "session.js"},
		{"another provider says no", func(o *openProvider) {
			o.bendAnswer = func(v url.Values) { v.Set("iss", "https://evil.example"); v.Set("error", "login_required") }
		}, true, "session.js"},
		{"a token that cannot be accepted", func(o *openProvider) { o.bendToken = func(d *draft) { d.claims["aud"] = "x" } }, true, "session.js"},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := newOpenProvider(t)
			app := newApplication(t, o, nil)
			alice := newBrowser(t)
			alice.want(app.URL+"/page", 200, "alice")
			o.bend(test.bend)
			got := alice.want(app.URL+"/auth/login?prompt=none", 200, test.part)
			if strings.Contains(got.body, "data-ended") == test.stays {
				t.Errorf("frame %s", got.body)
			}
			if asked := o.requests[1]; asked.Get("prompt") != "none" || strings.Count(asked.Get("id_token_hint"), ".") != 2 {
				t.Errorf("the provider was asked %v", asked)
			}
			o.bend(func(o *openProvider) { o.subject = "alice" })
			want := "nobody"
			if test.stays {
				want = "alice"
			}
			alice.want(app.URL+"/", 200, want)
		})
	}
}

// The frame of a tab that was left open after a logout elsewhere has nothing to ask the provider.
func TestSessionManagement_3_1_EndedHereAlready(t *testing.T) {
	o := newOpenProvider(t)
	app := newApplication(t, o, nil)
	newBrowser(t).want(app.URL+"/auth/login?prompt=none", 200, "data-ended")
	if n := len(o.requests); n != 0 {
		t.Errorf("the provider was asked %d times", n)
	}
}
