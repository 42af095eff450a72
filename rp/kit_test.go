package rp_test

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/exeunt-id/exeunt/rp"
)

// brittle is a store that can be down.
type brittle struct {
	*rp.MemoryStore
	down atomic.Bool
}

func (b *brittle) Get(ctx context.Context, key string) ([]byte, bool, error) {
	if b.down.Load() {
		return nil, false, errBrittle
	}
	return b.MemoryStore.Get(ctx, key)
}

func (b *brittle) Put(ctx context.Context, key string, value []byte, until time.Time) error {
	if b.down.Load() {
		return errBrittle
	}
	return b.MemoryStore.Put(ctx, key, value, until)
}

func (b *brittle) Delete(ctx context.Context, key string) error {
	if b.down.Load() {
		return errBrittle
	}
	return b.MemoryStore.Delete(ctx, key)
}

func (b *brittle) Raise(ctx context.Context, key string, value []byte, until time.Time) (bool, error) {
	if b.down.Load() {
		return false, errBrittle
	}
	return b.MemoryStore.Raise(ctx, key, value, until)
}

func request(h http.Handler, method, target string, header http.Header) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, http.NoBody)
	maps.Copy(r.Header, header)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// Back-Channel Logout 1.0, 2.7: what a token means ends, on every instance, and nothing else.
func TestBackChannelLogout_2_7_WhatEnds(t *testing.T) {
	for _, test := range []struct {
		name  string
		token func(object)
		login func(*draft) // of the session
		ends  bool
	}{
		{"sub and sid", nil, nil, true},
		{"sid alone", func(c object) { delete(c, "sub") }, nil, true},
		{"sub alone", func(c object) { delete(c, "sid") }, nil, true},
		{"sub alone, of a session without sid", func(c object) { delete(c, "sid") }, func(d *draft) { delete(d.claims, "sid") }, true},
		{"another sid", func(c object) { c["sid"] = "s-2" }, nil, false},
		{"another sub", func(c object) { delete(c, "sid"); c["sub"] = "bob" }, nil, false},
		{"a sub alone, from before the login", func(c object) { delete(c, "sid"); c["iat"] = start.Unix() - 1 }, nil, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := newOpenProvider(t)
			o.bendToken = test.login
			store := rp.NewMemoryStore(0, o.now)
			var told []rp.Ending
			shared := func(cfg *rp.Config) {
				cfg.Store = store
				cfg.Ended = func(_ context.Context, ending rp.Ending) error { told = append(told, ending); return nil }
			}
			here, there := newApplication(t, o, shared), newApplication(t, o, shared)
			alice := newBrowser(t)
			alice.want(here.URL+"/page", 200, "alice")
			if status := o.logoutToken(t, there, test.token); status != 200 {
				t.Fatalf("status %d", status)
			}
			want := "alice"
			if test.ends {
				want = "nobody"
			}
			alice.want(here.URL+"/", 200, want)
			if len(told) != 1 || told[0].Issuer != o.URL {
				t.Errorf("the application was told %+v", told)
			}
		})
	}
}

// Back-Channel Logout 1.0, 2.6 step 8: a replay is refused by every instance; the same end again is fine.
func TestBackChannelLogout_2_6_Replay(t *testing.T) {
	o := newOpenProvider(t)
	store := rp.NewMemoryStore(0, o.now)
	shared := func(cfg *rp.Config) { cfg.Store = store }
	here, there := newApplication(t, o, shared), newApplication(t, o, shared)
	same := func(c object) { c["jti"] = "j-1" }
	for i, want := range []struct {
		app    *application
		change func(object)
		status int
	}{{here, same, 200}, {there, same, 400}, {here, same, 400}, {there, nil, 200}} {
		if got := o.logoutToken(t, want.app, want.change); got != want.status {
			t.Errorf("token %d: %d, want %d", i, got, want.status)
		}
	}
}

// What the application could not do itself is asked for again.
func TestEndedFails(t *testing.T) {
	o := newOpenProvider(t)
	failing := true
	app := newApplication(t, o, func(cfg *rp.Config) {
		cfg.Ended = func(context.Context, rp.Ending) error {
			if failing {
				return errors.New("the cart's database is away")
			}
			return nil
		}
	})
	same := func(c object) { c["jti"] = "j-1" }
	if got := o.logoutToken(t, app, same); got != 503 {
		t.Errorf("status %d", got)
	}
	failing = false
	if got := o.logoutToken(t, app, same); got != 200 {
		t.Errorf("the retry: %d", got)
	}
}

// A logout token that overtakes the code exchange: the login it belongs to is refused.
func TestLogoutOvertakesLogin(t *testing.T) {
	for _, claim := range []string{"sid", "sub"} {
		t.Run("by "+claim, func(t *testing.T) {
			o := newOpenProvider(t)
			o.slowToken = make(chan struct{})
			app := newApplication(t, o, nil)
			alice := newBrowser(t)
			done := make(chan page)
			go func() { done <- alice.get(app.URL + "/page") }()
			<-o.slowToken
			other := map[string]string{"sid": "sub", "sub": "sid"}[claim]
			if status := o.logoutToken(t, app, func(c object) { delete(c, other) }); status != 200 {
				t.Fatalf("status %d", status)
			}
			o.slowToken <- struct{}{}
			(<-done).want(t, 409, "signed out meanwhile")
			alice.want(app.URL+"/", 200, "nobody")
		})
	}
}

// After a logout without sid the next login is welcome.
func TestLoginAfterLogout(t *testing.T) {
	o := newOpenProvider(t)
	app := newApplication(t, o, nil)
	alice := newBrowser(t)
	alice.want(app.URL+"/page", 200, "alice")
	o.advance(time.Second)
	o.logoutToken(t, app, func(c object) { delete(c, "sid") })
	alice.want(app.URL+"/", 200, "nobody")
	o.advance(time.Second)
	o.bend(func(o *openProvider) { o.bendToken = func(d *draft) { d.claims["sid"] = "s-2" } })
	alice.want(app.URL+"/page", 200, "alice Alice Doe s-2")
}

// Front-Channel Logout 1.0, 2: iss and sid end that session, without a cookie; the page is never cached and may be framed by the provider.
func TestFrontChannelLogout_2_Request(t *testing.T) {
	o := newOpenProvider(t)
	iss := url.QueryEscape(o.URL)
	for _, test := range []struct {
		name, method, query string
		status              int
		ends                bool
	}{
		{"iss and sid", "GET", "iss=" + iss + "&sid=s-1", 200, true},
		{"and a parameter of its own", "GET", "x=1&iss=" + iss + "&sid=s-1", 200, true},
		{"a sid that was never here", "GET", "iss=" + iss + "&sid=s-2", 200, false},
		{"another issuer", "GET", "iss=https%3A%2F%2Fevil.example&sid=s-1", 400, false},
		{"sid alone", "GET", "sid=s-1", 400, false},
		{"iss alone", "GET", "iss=" + iss, 400, false},
		{"sid empty", "GET", "iss=" + iss + "&sid=", 400, false},
		{"sid twice", "GET", "iss=" + iss + "&sid=s-1&sid=s-1", 400, false},
		{"neither, and no cookie", "GET", "", 200, false},
		{"POST", "POST", "iss=" + iss + "&sid=s-1", 405, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			app := newApplication(t, o, nil)
			alice := newBrowser(t)
			alice.want(app.URL+"/page", 200, "alice")
			got := newBrowser(t).do(test.method, app.URL+"/auth/frontchannel-logout?"+test.query, nil)
			if got.status != test.status {
				t.Fatalf("%d %s", got.status, got.body)
			}
			if c := got.header.Get("Cache-Control"); !strings.Contains(c, "no-store") || !strings.Contains(c, "no-cache") || got.header.Get("Pragma") != "no-cache" {
				t.Errorf("headers %v", got.header)
			}
			if got.header.Get("X-Frame-Options") != "" || !strings.Contains(got.header.Get("Content-Security-Policy"), "frame-ancestors "+o.URL) {
				t.Errorf("headers %v", got.header)
			}
			want := "alice"
			if test.ends {
				want = "nobody"
			}
			alice.want(app.URL+"/", 200, want)
		})
	}
	t.Run("neither, with the cookie", func(t *testing.T) {
		app := newApplication(t, o, nil)
		alice := newBrowser(t)
		alice.want(app.URL+"/page", 200, "alice")
		alice.do("GET", app.URL+"/auth/frontchannel-logout", http.Header{"Sec-Fetch-Dest": {"document"}}).want(t, 200, "")
		alice.want(app.URL+"/", 200, "alice") // a link logs nobody out
		alice.do("GET", app.URL+"/auth/frontchannel-logout", http.Header{"Sec-Fetch-Dest": {"iframe"}}).want(t, 200, "")
		alice.want(app.URL+"/", 200, "nobody")
	})
}

// RP-Initiated Logout 1.0, 2: the request, and what ends before it leaves.
func TestRPInitiatedLogout_2_Request(t *testing.T) {
	o := newOpenProvider(t)
	app := newApplication(t, o, func(cfg *rp.Config) { cfg.AfterLogout = "/?bye" })
	alice := newBrowser(t)
	alice.want(app.URL+"/page", 200, "alice")
	page := alice.want(app.URL+"/auth/logout", 200, `<form method="post" action="/auth/logout">`)
	if page.header.Get("Cache-Control") != "no-store" || !strings.Contains(page.header.Get("Content-Security-Policy"), "frame-ancestors 'none'") {
		t.Errorf("headers %v", page.header)
	}
	alice.want(app.URL+"/", 200, "alice") // it only asked

	for _, header := range []http.Header{
		{"Sec-Fetch-Site": {"cross-site"}}, {"Sec-Fetch-Site": {"same-site"}}, {"Origin": {"https://evil.example"}},
	} {
		alice.do("POST", app.URL+"/auth/logout", header).want(t, 403, "Nothing was ended")
		alice.want(app.URL+"/", 200, "alice")
	}
	alice.do("PUT", app.URL+"/auth/logout", nil).want(t, 405, "")

	got := alice.do("POST", app.URL+"/auth/logout", http.Header{"Sec-Fetch-Site": {"same-origin"}})
	if got.status != 200 || got.body != "nobody" || got.at.RequestURI() != "/?bye" {
		t.Errorf("arrived at %s: %d %s", got.at, got.status, got.body)
	}
	end := o.ends[0]
	if end.Get("kept") != "1" || end.Get("client_id") != clientID || end.Get("post_logout_redirect_uri") != app.URL+"/auth/logged-out" || len(end.Get("state")) != 43 {
		t.Errorf("end_session was asked %v", end)
	}
	if strings.Count(end.Get("id_token_hint"), ".") != 2 {
		t.Errorf("id_token_hint %q", end.Get("id_token_hint"))
	}
	// Again, from a tab that does not know yet: nothing to end, and the provider is left alone.
	got = alice.do("POST", app.URL+"/auth/logout", nil)
	if got.at.RequestURI() != "/?bye" || len(o.ends) != 1 {
		t.Errorf("arrived at %s, end_session was asked %d times", got.at, len(o.ends))
	}
}

// RP-Initiated Logout 1.0, 3: an answer with another state, or none, is borne.
func TestRPInitiatedLogout_3_Return(t *testing.T) {
	o := newOpenProvider(t)
	app := newApplication(t, o, nil)
	for _, query := range []string{"", "?state=other", "?state=a&state=b"} {
		newBrowser(t).want(app.URL+"/auth/logged-out"+query, 200, "nobody")
	}
}

func TestLogoutElsewhere(t *testing.T) {
	t.Run("the provider has no end_session_endpoint", func(t *testing.T) {
		o := newOpenProvider(t)
		o.bendDiscovery = func(d object) { delete(d, "end_session_endpoint") }
		app := newApplication(t, o, nil)
		alice := newBrowser(t)
		alice.want(app.URL+"/page", 200, "alice")
		alice.do("POST", app.URL+"/auth/logout", nil).want(t, 200, "nobody")
	})
	t.Run("the provider is away", func(t *testing.T) {
		o := newOpenProvider(t)
		store := rp.NewMemoryStore(0, o.now)
		shared := func(cfg *rp.Config) { cfg.Store = store }
		app := newApplication(t, o, shared)
		alice := newBrowser(t)
		alice.want(app.URL+"/page", 200, "alice")
		o.down.Store(true)
		restarted := newApplication(t, o, shared) // it knows nothing of the provider yet
		alice.do("POST", restarted.URL+"/auth/logout", nil).want(t, 502, "signed out here only")
		alice.want(app.URL+"/", 200, "nobody")
	})
	t.Run("redirect logout", func(t *testing.T) {
		o := newOpenProvider(t)
		app := newApplication(t, o, func(cfg *rp.Config) { cfg.RedirectLogout = o.URL + "/logout" })
		alice := newBrowser(t)
		alice.want(app.URL+"/page", 200, "alice")
		got := alice.do("POST", app.URL+"/auth/logout", nil)
		query := got.at.Query()
		if got.at.Path != "/logout" || query.Get("client_id") != clientID || query.Get("redirect_uri") != app.URL+"/auth/logged-out" || query.Has("id_token_hint") {
			t.Errorf("went to %s", got.at)
		}
	})
}
