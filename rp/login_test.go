package rp_test

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/exeunt-id/exeunt/rp"
)

// OpenID Connect Core 1.0, 3.1.2.1 and 3.1.3.1, RFC 7636, 4: the request and the exchange.
func TestCore_3_1_2_1_Request(t *testing.T) {
	o := newOpenProvider(t)
	app := newApplication(t, o, func(cfg *rp.Config) { cfg.AuthParams = map[string]string{"ui_locales": "de", "max_age": "600"} })
	alice := newBrowser(t)
	got := alice.want(app.URL+"/page?x=1&y=/", 200, "alice Alice Doe s-1")
	if got.at.RequestURI() != "/page?x=1&y=/" {
		t.Errorf("arrived at %s", got.at)
	}
	request := o.requests[0]
	for name, value := range map[string]string{
		"response_type": "code", "client_id": clientID, "redirect_uri": app.URL + "/auth/callback", "scope": "openid profile email",
		"code_challenge_method": "S256", "ui_locales": "de", "max_age": "600",
	} {
		if request.Get(name) != value {
			t.Errorf("%s is %q, want %q", name, request.Get(name), value)
		}
	}
	seen := map[string]bool{}
	for _, name := range []string{"state", "nonce", "code_challenge"} {
		if len(request.Get(name)) != 43 || seen[request.Get(name)] {
			t.Errorf("%s is %q: want 256 bits of its own", name, request.Get(name))
		}
		seen[request.Get(name)] = true
	}
	if exchange := o.exchanges[0]; len(exchange.Get("code_verifier")) != 43 || seen[exchange.Get("code_verifier")] || exchange.Has("client_secret") {
		t.Errorf("exchange %v", exchange)
	}
	if got := got.header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("a protected page has Cache-Control %q", got)
	}
	alice.want(app.URL+"/", 200, "alice")
	newBrowser(t).want(app.URL+"/", 200, "nobody")
}

// The session cookie: HttpOnly, Lax, a new one for each login; Secure and __Host- with https.
func TestSessionCookie(t *testing.T) {
	o := newOpenProvider(t)
	app := newApplication(t, o, nil)
	alice := newBrowser(t)
	cookie := func() (found *http.Cookie) {
		alice.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		at := app.URL + "/auth/login"
		for range 3 {
			res, err := alice.client.Get(at) //nolint:noctx // a test
			if err != nil {
				t.Fatal(err)
			}
			if err := res.Body.Close(); err != nil {
				t.Fatal(err)
			}
			for _, c := range res.Cookies() {
				if strings.HasPrefix(c.Name, "session_") && c.MaxAge > 0 {
					found = c
				}
			}
			at = res.Header.Get("Location")
		}
		return found
	}
	first, second := cookie(), cookie()
	if first == nil || second == nil || !first.HttpOnly || first.SameSite != http.SameSiteLaxMode || first.Path != "/" || first.MaxAge != 12*3600 || first.Secure {
		t.Fatalf("cookie %+v", first)
	}
	if first.Value == second.Value || len(first.Value) != 43 {
		t.Errorf("cookies %q and %q", first.Value, second.Value)
	}
	// The one before the second login is dead.
	thief := newBrowser(t)
	base, err := url.Parse(app.URL)
	if err != nil {
		t.Fatal(err)
	}
	thief.client.Jar.SetCookies(base, []*http.Cookie{first})
	thief.want(app.URL+"/", 200, "nobody")

	kit, err := rp.New(rp.Config{Issuer: o.URL, ClientID: clientID, BaseURL: "https://shop.example.com", Now: o.now, Logger: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	w := send(kit, http.MethodGet, "", "") // not one of its addresses
	if w.Code != http.StatusNotFound {
		t.Errorf("status %d", w.Code)
	}
	w = request(kit, http.MethodGet, "/auth/login", nil)
	for _, c := range w.Result().Cookies() {
		if !c.Secure || !strings.HasPrefix(c.Name, "__Host-") || c.Path != "/" || c.Domain != "" {
			t.Errorf("cookie %+v over https", c)
		}
	}
}

// OpenID Connect Core 1.0, 3.1.3.7, and 5.3.2; RFC 9207, 2.4; RFC 6749, 4.1.2: each answer has one fault.
func TestCore_3_1_3_7_Answer(t *testing.T) {
	claim := func(name string, value any) func(*openProvider) {
		return func(o *openProvider) { o.bendToken = func(d *draft) { d.claims[name] = value } }
	}
	without := func(name string) func(*openProvider) {
		return func(o *openProvider) { o.bendToken = func(d *draft) { delete(d.claims, name) } }
	}
	header := func(name string, value any) func(*openProvider) {
		return func(o *openProvider) { o.bendToken = func(d *draft) { d.header[name] = value } }
	}
	answer := func(name, value string) func(*openProvider) {
		return func(o *openProvider) { o.bendAnswer = func(v url.Values) { v.Set(name, value) } }
	}
	drop := func(name string) func(*openProvider) {
		return func(o *openProvider) { o.bendAnswer = func(v url.Values) { v.Del(name) } }
	}
	tokens := func(name string, value any) func(*openProvider) {
		return func(o *openProvider) { o.bendTokens = func(m object) { m[name] = value } }
	}
	const good = 200
	for _, test := range []struct {
		name   string
		bend   func(*openProvider)
		status int
	}{
		{"nothing", func(*openProvider) {}, good},
		{"iss of another provider", answer("iss", "https://evil.example"), 400},
		{"iss missing although promised", drop("iss"), 400},
		{"iss missing and not promised", func(o *openProvider) {
			drop("iss")(o)
			o.bendDiscovery = func(d object) { delete(d, "authorization_response_iss_parameter_supported") }
		}, good},
		{"state of nobody", answer("state", "x"), 400},
		{"state missing", drop("state"), 400},
		{"state twice", func(o *openProvider) { o.bendAnswer = func(v url.Values) { v.Add("state", "y") } }, 400},
		{"error", answer("error", "access_denied"), 403},
		{"code of nobody", answer("code", "x"), 502},
		{"no id_token", tokens("id_token", ""), 502},
		{"another token type", tokens("token_type", "DPoP"), 502},
		{"no access token", tokens("access_token", ""), 502},
		{"typ JWT", header("typ", "JWT"), good},
		{"a logout token's typ", header("typ", "logout+jwt"), 502},
		{"an access token's typ", header("typ", "at+jwt"), 502},
		{"alg none", func(o *openProvider) { o.bendToken = func(d *draft) { d.header["alg"], d.alg = "none", "none" } }, 502},
		{"alg HS256 with the secret", func(o *openProvider) {
			o.bendToken = func(d *draft) { d.header["alg"], d.key = "HS256", []byte(clientSecret) }
		}, 502},
		{"another alg than registered", header("alg", "ES256"), 502},
		{"signed by a stranger", func(o *openProvider) {
			o.bendToken = func(d *draft) { d.header["kid"], d.alg, d.key = "RS256", "ES256", testKeys()["stranger"] }
		}, 502},
		{"iss", claim("iss", "https://evil.example"), 502},
		{"aud", claim("aud", "payroll"), 502},
		{"aud a list with azp", func(o *openProvider) {
			o.bendToken = func(d *draft) { d.claims["aud"], d.claims["azp"] = []string{clientID, "x"}, clientID }
		}, good},
		{"aud a list without azp", claim("aud", []string{clientID, "x"}), 502},
		{"azp of another client", claim("azp", "payroll"), 502},
		{"expired", claim("exp", start.Unix()-120), 502},
		{"exp missing", without("exp"), 502},
		{"iat in the future", claim("iat", start.Unix()+120), 502},
		{"iat missing", without("iat"), 502},
		{"nonce of another login", claim("nonce", "x"), 502},
		{"nonce missing", without("nonce"), 502},
		{"auth_time too long ago", claim("auth_time", start.Unix()-7200), 502},
		{"auth_time missing", without("auth_time"), 502},
		{"at_hash", claim("at_hash", "x"), 502},
		{"at_hash that fits", claim("at_hash", "oFYf1knNtrqnhAVfBRuteQ"), good},
		{"sub missing", without("sub"), 502},
		{"sub a number", claim("sub", 7), 502},
		{"sid missing", without("sid"), good},
		{"sid empty", claim("sid", ""), 502},
		{"events", claim("events", object{rp.BackchannelEvent: object{}}), 502},
		{"userinfo of somebody else", func(o *openProvider) { o.bendUserinfo = func(m object) { m["sub"] = "bob"; m["name"] = "Bob" } }, good},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := newOpenProvider(t)
			test.bend(o)
			app := newApplication(t, o, func(cfg *rp.Config) { cfg.AuthParams = map[string]string{"max_age": "3600"} })
			alice := newBrowser(t)
			got := alice.get(app.URL + "/page")
			if got.status != test.status || strings.Contains(got.body, "Bob") {
				t.Errorf("%d %s, want %d", got.status, got.body, test.status)
			}
			inside := "nobody"
			if test.status == good {
				inside = "alice"
			}
			alice.want(app.URL+"/", 200, inside)
		})
	}
}

// RFC 6749, 10.12: an answer is good once, and only in the browser that asked.
func TestLoginIsBoundToTheBrowser(t *testing.T) {
	o := newOpenProvider(t)
	app := newApplication(t, o, nil)
	alice, mallory := newBrowser(t), newBrowser(t)
	alice.get(app.URL + "/auth/login")
	callback := alice.last[1]
	if !strings.HasPrefix(callback, app.URL+"/auth/callback?") {
		t.Fatalf("redirects %v", alice.last)
	}
	mallory.want(callback, 400, "did not begin here")
	alice.want(callback, 400, "did not begin here")
	alice.want(app.URL+"/", 200, "alice")

	// Two instances share what has been used, even if the browser keeps its cookie.
	store := rp.NewMemoryStore(0, o.now)
	shared := func(cfg *rp.Config) { cfg.Store = store }
	app = newApplication(t, o, shared)
	other := newApplication(t, o, shared) // answers for the same client; its cookies have the same names, cookies ignore ports
	stubborn := newBrowser(t)
	stubborn.client.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(r.URL.Path, "/auth/callback") {
			return http.ErrUseLastResponse
		}
		return nil
	}
	begun := stubborn.get(app.URL + "/auth/login")
	target, err := url.Parse(begun.header.Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	base, err := url.Parse(app.URL)
	if err != nil {
		t.Fatal(err)
	}
	kept := stubborn.client.Jar.Cookies(base)
	stubborn.want(target.String(), 200, "alice")
	stubborn.client.Jar.SetCookies(base, kept)
	replay, err := url.Parse(other.URL)
	if err != nil {
		t.Fatal(err)
	}
	target.Host = replay.Host
	stubborn.want(target.String(), 400, "did not begin here")
}

// Several tabs may log in at a time, and many abandoned logins do not break the next.
func TestManyAttempts(t *testing.T) {
	o := newOpenProvider(t)
	app := newApplication(t, o, nil)
	alice := newBrowser(t)
	follow := alice.client.CheckRedirect
	var pending []string
	for range 12 {
		alice.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		pending = append(pending, alice.get(app.URL+"/auth/login").header.Get("Location"))
	}
	base, err := url.Parse(app.URL)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(alice.client.Jar.Cookies(base)); n > 5 {
		t.Errorf("%d cookies", n)
	}
	alice.client.CheckRedirect = follow
	alice.want(pending[11], 200, "alice")
	alice.want(pending[10], 200, "alice")
}

// No open redirect: what is not a path of the application leads to its first page.
func TestReturnTo(t *testing.T) {
	o := newOpenProvider(t)
	app := newApplication(t, o, nil)
	for _, address := range []string{
		"https://evil.example", "//evil.example", "/\\evil.example", "\\\\evil.example", "javascript:alert(1)", "evil", "", "/\t/evil.example",
		"/" + strings.Repeat("x", 1100), "http:evil.example", "/\x00",
	} {
		got := newBrowser(t).get(app.URL + "/auth/login?return_to=" + url.QueryEscape(address))
		if got.at.String() != app.URL+"/" {
			t.Errorf("%q leads to %s", address, got.at)
		}
	}
}

// Who is not logged in is sent to log in, if that makes sense.
func TestMiddlewareAnswers(t *testing.T) {
	o := newOpenProvider(t)
	app := newApplication(t, o, nil)
	for _, test := range []struct {
		name, method string
		header       http.Header
		status       int
	}{
		{"a script's request", "GET", http.Header{"Accept": {"application/json"}}, 401},
		{"a script's request, as browsers say it", "GET", http.Header{"Accept": {"text/html"}, "Sec-Fetch-Mode": {"cors"}}, 401},
		{"a form", "POST", http.Header{"Accept": {"text/html"}}, 401},
		{"a link", "GET", http.Header{"Sec-Fetch-Mode": {"navigate"}, "Accept": {"*/*"}}, 200},
	} {
		got := newBrowser(t).do(test.method, app.URL+"/page", test.header)
		if got.status != test.status || test.status == 401 && got.header.Get("WWW-Authenticate") == "" {
			t.Errorf("%s: %d %v", test.name, got.status, got.header)
		}
	}
}

// A store that does not answer lets nobody in and logs nobody out.
func TestStoreDown(t *testing.T) {
	o := newOpenProvider(t)
	store := &brittle{MemoryStore: rp.NewMemoryStore(0, o.now)}
	app := newApplication(t, o, func(cfg *rp.Config) { cfg.Store = store })
	alice := newBrowser(t)
	alice.want(app.URL+"/page", 200, "alice")
	store.down.Store(true)
	for _, path := range []string{"/page", "/", "/auth/live", "/auth/frontchannel-logout?sid=s-1&iss=" + url.QueryEscape(o.URL)} {
		if got := alice.want(app.URL+path, 503, ""); got.header.Get("Retry-After") == "" || strings.Contains(got.body, "brittle") {
			t.Errorf("%s: %v %s", path, got.header, got.body)
		}
	}
	alice.do(http.MethodPost, app.URL+"/auth/logout", nil).want(t, 503, "")
	if status := o.logoutToken(t, app, nil); status != 503 {
		t.Errorf("a logout token: %d", status)
	}
	newBrowser(t).want(app.URL+"/auth/login", 503, "")
	store.down.Store(false)
	alice.want(app.URL+"/page", 200, "alice")
	if len(o.requests) != 2 { // the second is the one whose state could not be kept
		t.Errorf("%d logins", len(o.requests))
	}
}

func TestProviderDown(t *testing.T) {
	o := newOpenProvider(t)
	app := newApplication(t, o, nil)
	o.down.Store(true)
	newBrowser(t).want(app.URL+"/page", 503, "not possible at the moment")
	o.down.Store(false)
	alice := newBrowser(t)
	alice.want(app.URL+"/page", 200, "alice")
	// What is known of the provider serves through an outage.
	o.down.Store(true)
	o.advance(2 * time.Hour)
	alice.want(app.URL+"/page", 200, "alice")
}

func TestSessionLife(t *testing.T) {
	o := newOpenProvider(t)
	app := newApplication(t, o, func(cfg *rp.Config) { cfg.SessionLife = time.Hour })
	alice := newBrowser(t)
	alice.want(app.URL+"/page", 200, "alice")
	o.advance(59 * time.Minute)
	alice.want(app.URL+"/", 200, "alice")
	o.advance(time.Minute)
	alice.want(app.URL+"/", 200, "nobody")
}

func TestNewNamesTheField(t *testing.T) {
	good := rp.Config{Issuer: "https://id.example.com", ClientID: "shop", BaseURL: "https://shop.example.com"}
	for field, change := range map[string]func(*rp.Config){
		"Issuer":         func(c *rp.Config) { c.Issuer = "id.example.com" },
		"ClientID":       func(c *rp.Config) { c.ClientID = "" },
		"BaseURL":        func(c *rp.Config) { c.BaseURL += "/app" },
		"Prefix":         func(c *rp.Config) { c.Prefix = "/" },
		"AuthMethod":     func(c *rp.Config) { c.AuthMethod = rp.AuthPost },
		"AuthParams":     func(c *rp.Config) { c.AuthParams = map[string]string{"state": "x"} },
		"Algorithms":     func(c *rp.Config) { c.Algorithms = []string{"HS256"} },
		"SessionLife":    func(c *rp.Config) { c.SessionLife = -1 },
		"AfterLogout":    func(c *rp.Config) { c.AfterLogout = "https://shop.example.com/" },
		"RedirectLogout": func(c *rp.Config) { c.RedirectLogout = "/logout" },
	} {
		cfg := good
		change(&cfg)
		if _, err := rp.New(cfg); err == nil || !strings.Contains(err.Error(), "Config."+field) {
			t.Errorf("%s: got error %v", field, err)
		}
	}
	if _, err := rp.New(good); err != nil {
		t.Error(err)
	}
}

var errBrittle = errors.New("brittle")
