package conformance

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

const signInRefused = `id="error-title">This sign-in request is not valid</h1>`

// An unknown client, an unregistered redirect URI, a request that cannot be read: a page, never a redirect. Exact string match.
func TestOAuth_3_1_2_3_RedirectURI(t *testing.T) {
	w := open(t)
	alice := w.browser()
	alice.firstSignOn("shop", "alice")
	to := func(uri string) url.Values { return request("shop", "redirect_uri", uri) }
	tests := map[string]url.Values{
		"no client":         request("shop", "client_id", ""),
		"unknown client":    request("shop", "client_id", "nobody"),
		"client NUL":        request("shop", "client_id", "shop\x00"),
		"client not UTF-8":  request("shop", "client_id", "sh\xffop"),
		"client case":       request("shop", "client_id", "SHOP"),
		"client space":      request("shop", "client_id", " shop"),
		"repeated client":   twice(request("shop"), "client_id"),
		"no redirect":       to(""),
		"repeated redirect": twice(request("shop"), "redirect_uri"),
		"two redirects":     values("client_id", "shop", "response_type", "code", "redirect_uri", callback("shop"), "redirect_uri", "https://evil.example.com/"),
		"foreign":           to("https://evil.example.com/callback"),
		"another client's":  to(callback("wiki")),
		"added query":       to(callback("shop") + "?x=1"),
		"empty query":       to(callback("shop") + "?"),
		"query dropped":     to("https://shop.example.com/other"),
		"query reordered":   to("https://shop.example.com/other?kept=a+b"),
		"query appended":    to("https://shop.example.com/other?kept=a%20b&x=1"),
		"fragment":          to(callback("shop") + "#x"),
		"trailing slash":    to(callback("shop") + "/"),
		"slash dropped":     to("https://shop.example.com/slash"),
		"%2F decoded":       to("https://shop.example.com/a/b"),
		"%2F lower case":    to("https://shop.example.com/a%2fb"),
		"%2F twice":         to("https://shop.example.com/a%252Fb"),
		"host case":         to("https://SHOP.example.com/callback"),
		"scheme":            to("http://shop.example.com/callback"),
		"port":              to("https://shop.example.com:443/callback"),
		"path traversal":    to("https://shop.example.com/callback/../callback"),
		"subdomain":         to("https://shop.example.com.evil.example.com/callback"),
		"user info":         to("https://shop.example.com@evil.example.com/callback"),
		"prefix":            to("https://shop.example.com/call"),
		"javascript":        to("javascript:alert(1)"),
		"relative":          to("/callback"),
		"NUL":               to(callback("shop") + "\x00"),
		"line feed":         to(callback("shop") + "\r\nX: y"),
		"trailing space":    to(callback("shop") + " "),
		"post-logout":       to(bye("shop")),
	}
	for name, query := range tests {
		t.Run(name, func(t *testing.T) {
			alice := alice.in(t)
			alice.get("/authorize", query).wantPage(400, signInRefused)
			alice.with("Sec-Fetch-Site", "same-origin").post("/authorize", query).wantPage(400, signInRefused)
			query.Set("prompt", "none")
			alice.get("/authorize", query).wantPage(400, signInRefused)
			query.Set("response_mode", "form_post")
			alice.get("/authorize", query).wantPage(400, signInRefused)
		})
	}
	t.Run("bad escape", func(t *testing.T) { alice.in(t).get("/authorize?client_id=%zz", nil).wantPage(400, signInRefused) })
	t.Run("registered ones", func(t *testing.T) {
		w := open(t)
		for _, uri := range []string{callback("shop"), "https://shop.example.com/other?kept=a%20b", "https://shop.example.com/a%2Fb", "https://shop.example.com/slash/"} {
			a := alice.in(t).get("/authorize", to(uri))
			separator := "?"
			if strings.Contains(uri, "?") {
				separator = "&"
			}
			if !strings.HasPrefix(a.header.Get("Location"), uri+separator+"code=") {
				t.Errorf("%s: redirected to %s", uri, a.header.Get("Location"))
			}
			w.exchange("shop", a.code(), "redirect_uri", uri).want(200)
		}
		for given, sent := range map[string]string{
			"https://shop.example.com/a%2Fb": "https://shop.example.com/a/b", "https://shop.example.com/slash/": "https://shop.example.com/slash",
			callback("shop"): "",
		} {
			code := alice.in(t).get("/authorize", to(given)).code()
			want := "invalid_grant"
			if sent == "" {
				want = "invalid_request"
			}
			w.exchange("shop", code, "redirect_uri", sent).wantError(400, want)
		}
	})
}

// Everything else that is wrong goes to the client, by the mode it asked for, with state and iss.
func TestOAuth_4_1_2_1_Errors(t *testing.T) {
	tests := map[string]struct {
		query url.Values
		code  string
	}{
		"no response type":         {request("shop", "response_type", ""), "invalid_request"},
		"implicit":                 {request("shop", "response_type", "id_token"), "unsupported_response_type"},
		"token":                    {request("shop", "response_type", "token"), "unsupported_response_type"},
		"hybrid":                   {request("shop", "response_type", "code id_token"), "unsupported_response_type"},
		"none":                     {request("shop", "response_type", "none"), "unsupported_response_type"},
		"fragment":                 {request("shop", "response_mode", "fragment"), "invalid_request"},
		"unknown mode":             {request("shop", "response_mode", "x"), "invalid_request"},
		"request object":           {request("shop", "request", "eyJhbGciOiJub25lIn0.e30."), "request_not_supported"},
		"request_uri":              {request("shop", "request_uri", "https://shop.example.com/r"), "request_uri_not_supported"},
		"unknown scope":            {request("shop", "scope", "admin"), "invalid_scope"},
		"no scope":                 {request("shop", "scope", ""), "invalid_scope"},
		"repeated scope":           {twice(request("shop"), "scope"), "invalid_request"},
		"repeated nonce":           {twice(request("shop"), "nonce"), "invalid_request"},
		"repeated prompt":          {twice(request("shop", "prompt", "login"), "prompt"), "invalid_request"},
		"repeated challenge":       {twice(request("shop"), "code_challenge"), "invalid_request"},
		"unknown prompt":           {request("shop", "prompt", "guess"), "invalid_request"},
		"none and login":           {request("shop", "prompt", "none login"), "invalid_request"},
		"login and none":           {request("shop", "prompt", "login none"), "invalid_request"},
		"max_age word":             {request("shop", "max_age", "soon"), "invalid_request"},
		"max_age negative":         {request("shop", "max_age", "-1"), "invalid_request"},
		"max_age huge":             {request("shop", "max_age", strings.Repeat("9", 40)), "invalid_request"},
		"not UTF-8":                {request("shop", "nonce", "\xff"), "invalid_request"},
		"prompt none, nobody":      {request("shop", "prompt", "none"), "login_required"},
		"PKCE plain":               {request("shop", "code_challenge_method", "plain"), "invalid_request"},
		"PKCE no method":           {request("shop", "code_challenge_method", ""), "invalid_request"},
		"PKCE no challenge":        {request("shop", "code_challenge", ""), "invalid_request"},
		"PKCE lower case method":   {request("shop", "code_challenge_method", "s256"), "invalid_request"},
		"PKCE short":               {request("shop", "code_challenge", "short"), "invalid_request"},
		"PKCE long":                {request("shop", "code_challenge", strings.Repeat("a", 44)), "invalid_request"},
		"PKCE not base64url":       {request("shop", "code_challenge", strings.Repeat("+", 43)), "invalid_request"},
		"PKCE none, public":        {request("app", "code_challenge", "", "code_challenge_method", ""), "invalid_request"},
		"PKCE plain, public":       {request("app", "code_challenge_method", "plain", "code_challenge", verifier), "invalid_request"},
		"id_token_hint no token":   {request("shop", "id_token_hint", "x"), "invalid_request"},
		"id_token_hint, logged in": {request("shop", "id_token_hint", "x", "prompt", "login"), "invalid_request"},
	}
	for name, test := range tests {
		for _, mode := range []string{"", "form_post"} {
			if mode != "" && test.query.Has("response_mode") {
				continue
			}
			t.Run(name+" "+mode, func(t *testing.T) {
				w := open(t)
				query := url.Values{}
				for name, v := range test.query {
					query[name] = v
				}
				if mode != "" {
					query.Set("response_mode", mode)
				}
				a := w.browser().get("/authorize", query)
				if (a.status == 200) != (mode == "form_post") {
					t.Errorf("answered by status %d", a.status)
				}
				r := a.response()
				if r.Get("error") != test.code || r.Get("iss") != w.issuer || r.Get("state") != "s" || r.Has("code") || len(r["state"]) != 1 {
					t.Errorf("response %v, want %s", r, test.code)
				}
			})
		}
	}
	t.Run("repeated state", func(t *testing.T) {
		w := open(t)
		if r := w.browser().get("/authorize", twice(request("shop"), "state")).response(); r.Get("error") != "invalid_request" || r.Has("state") {
			t.Errorf("response %v", r)
		}
	})
}

// iss stands in every authorization response, successes and errors, by query and by form post.
func TestIss_2_EveryResponse(t *testing.T) {
	w := open(t)
	alice := w.browser()
	alice.firstSignOn("shop", "alice")
	for _, query := range []url.Values{
		request("shop"), request("shop", "response_mode", "form_post"), request("shop", "response_mode", "query"), request("shop", "scope", "admin"),
		request("shop", "scope", "admin", "response_mode", "form_post"), request("wiki", "prompt", "none"), request("shop", "state", ""),
	} {
		r := alice.get("/authorize", query).response()
		if len(r["iss"]) != 1 || r.Get("iss") != w.issuer {
			t.Errorf("response %v", r)
		}
		if query.Get("state") == "" && r.Has("state") {
			t.Error("a state that nobody sent")
		}
	}
}

// state and nonce come back byte for byte: up to 600 characters of any printable ASCII, in every mode.
func TestCore_3_1_2_5_StateByteForByte(t *testing.T) {
	w := open(t)
	alice := w.browser()
	first := alice.logIn(alice.get("/authorize", request("shop", "state", printable())), "alice").response()
	if first.Get("state") != printable() {
		t.Errorf("after a login: %q", first.Get("state"))
	}
	nasty := map[string]string{
		"printable": printable(), "600": strings.Repeat(printable(), 7)[:600], "spaces": "  a  b  ", "plus": "a+b c%20d", "encoded": "%00%0d%0a%2F%252F",
		"markup": `"><script>alert(1)</script>`, "entities": "&amp;&lt;&#34;", "quotes": `'"` + "`", "query": "a=b&code=x&iss=y#z", "dots": "../..",
		"unicode": "ü 漢字 🙂", "JSON": `{"a":"b\\"}`, "template": "{{.Data}}", "one": "0", "backslash": `\`,
	}
	for name, state := range nasty {
		t.Run(name, func(t *testing.T) {
			alice := alice.in(t)
			for _, mode := range []string{"query", "form_post"} {
				a := alice.get("/authorize", request("shop", "state", state, "nonce", state, "response_mode", mode))
				r := a.response()
				if r.Get("state") != state || len(r["state"]) != 1 || len(r["code"]) != 1 {
					t.Errorf("%s: %q", mode, r)
				}
				if nonce := readJWT(alice.exchange("shop", a.code()).tokens().id).claims["nonce"]; nonce != state {
					t.Errorf("nonce %q", nonce)
				}
				if r := alice.get("/authorize", request("shop", "state", state, "scope", "admin", "response_mode", mode)).response(); r.Get("state") != state {
					t.Errorf("error, %s: %q", mode, r)
				}
			}
			back := w.crossSite().post("/authorize", request("shop", "state", state)).location()
			if r := alice.get(back.String(), nil).response(); r.Get("state") != state || r.Get("code") == "" {
				t.Errorf("cross-site POST: %q", r)
			}
		})
	}
}

func TestFormPost_2_Response(t *testing.T) {
	w := open(t)
	alice := w.browser()
	page := alice.logIn(alice.get("/authorize", request("shop", "response_mode", "form_post")), "alice")
	f := page.want(200).form()
	if f.action != callback("shop") || f.method != "post" || len(f.fields) != 4 || f.fields.Get("session_state") == "" || f.fields.Get("code") == "" || f.fields.Get("state") != "s" || f.fields.Get("iss") != w.issuer {
		t.Errorf("form %+v", f)
	}
	w.exchange("shop", f.fields.Get("code")).want(200)
	if policy := page.header.Get("Content-Security-Policy"); !strings.Contains(policy, "script-src 'nonce-") || strings.Contains(policy, "unsafe") || !strings.Contains(policy, "form-action 'self' https:") {
		t.Errorf("policy %s", policy)
	}
	if page.header.Get("Cache-Control") != "no-store" {
		t.Error("cacheable")
	}
	refused := alice.get("/authorize", request("shop", "response_mode", "form_post", "prompt", "none", "max_age", "0")).want(200).form()
	if refused.action != callback("shop") || refused.fields.Get("error") != "login_required" || refused.fields.Get("state") != "s" {
		t.Errorf("error %+v", refused)
	}
}

// prompt and max_age.
func TestCore_3_1_2_1_Prompt(t *testing.T) {
	w := open(t)
	alice := w.browser()
	first := readJWT(alice.firstSignOn("shop", "alice").id).claims
	auth := func(claims map[string]any) float64 { at, _ := claims["auth_time"].(float64); return at }
	t.Run("none", func(t *testing.T) {
		got := readJWT(alice.in(t).signOn("shop", "prompt", "none").id).claims
		if got["auth_time"] != first["auth_time"] || got["sub"] != first["sub"] || got["sid"] != first["sid"] {
			t.Errorf("first %v, now %v", first, got)
		}
	})
	for _, prompt := range []string{"login", "select_account", "login consent"} {
		t.Run(prompt, func(t *testing.T) {
			w := open(t)
			alice := alice.in(t)
			w.clock.Advance(2 * time.Second)
			page := alice.get("/authorize", request("shop", "prompt", prompt)).wantPage(200, `name="password"`)
			a := alice.logIn(page, "alice")
			if strings.Contains(prompt, "consent") {
				a = alice.submit(a.wantPage(200, "consent-form"), "decision", "allow")
			}
			got := readJWT(w.exchange("shop", a.code()).tokens().id).claims
			if auth(got) <= auth(first) || got["sid"] != first["sid"] || got["sub"] != first["sub"] {
				t.Errorf("first %v, now %v", first, got)
			}
		})
	}
	t.Run("consent", func(t *testing.T) {
		page := alice.in(t).get("/authorize", request("shop", "prompt", "consent")).wantPage(200, "consent-form")
		alice.in(t).submit(page, "decision", "allow").code()
	})
	t.Run("max_age=1", func(t *testing.T) {
		w := open(t)
		alice := alice.in(t)
		w.clock.Advance(3 * time.Second)
		if r := alice.get("/authorize", request("shop", "max_age", "1", "prompt", "none")).response(); r.Get("error") != "login_required" {
			t.Errorf("response %v", r)
		}
		got := readJWT(w.exchange("shop", alice.logIn(alice.get("/authorize", request("shop", "max_age", "1")), "alice").code()).tokens().id).claims
		if now := float64(w.clock.Now().Unix()); now-auth(got) > 2 {
			t.Errorf("auth_time %v, now %v", auth(got), now)
		}
	})
	t.Run("max_age=0", func(t *testing.T) {
		alice := alice.in(t)
		alice.logIn(alice.get("/authorize", request("shop", "max_age", "0")), "alice").code()
	})
	t.Run("max_age=10000", func(t *testing.T) {
		got := readJWT(alice.in(t).signOn("shop", "max_age", "10000").id).claims
		if got["auth_time"] == nil {
			t.Error("no auth_time")
		}
	})
}

func TestCore_3_1_2_1_IDTokenHint(t *testing.T) {
	w := open(t)
	alice, bob := w.browser(), w.browser()
	hint := alice.firstSignOn("shop", "alice").id
	bob.firstSignOn("shop", "bob")
	w.clock.Advance(11 * time.Minute) // expired ones are accepted
	alice.get("/authorize", request("shop", "id_token_hint", hint, "prompt", "none")).code()
	alice.get("/authorize", request("wiki", "id_token_hint", hint, "prompt", "none")).code()
	if r := bob.get("/authorize", request("shop", "id_token_hint", hint, "prompt", "none")).response(); r.Get("error") != "login_required" {
		t.Errorf("another person's: %v", r)
	}
	page := bob.get("/authorize", request("shop", "id_token_hint", hint))
	if r := bob.logIn(page, "bob").response(); r.Get("error") != "login_required" || r.Has("code") {
		t.Errorf("another person logged in: %v", r)
	}
	page = bob.get("/authorize", request("shop", "id_token_hint", hint))
	bob.logIn(page, "alice").code()
}

// What is optional, unknown or only a wish never breaks a request.
func TestCore_3_1_2_1_OptionalParameters(t *testing.T) {
	w := open(t)
	alice := w.browser()
	alice.firstSignOn("shop", "alice")
	for _, pair := range [][2]string{
		{"display", "page"},
		{"display", "popup"},
		{"display", "touch"},
		{"display", "wap"},
		{"ui_locales", "se"},
		{"ui_locales", "fr-CA fr en"},
		{"ui_locales", "not_a_language!"},
		{"claims_locales", "se"},
		{"acr_values", "1 2"},
		{"acr_values", "urn:mace:incommon:iap:silver"},
		{"login_hint", "alice"},
		{"login_hint", "nobody@example.com"},
		{"extra", "foobar"},
		{"nonce", ""},
		{"state", ""},
		{"prompt", ""},
		{"scope", "openid unknown profile"},
		{"scope", "openid openid profile"},
		{"resource", "https://api.example.com"},
		{"dpop_jkt", "x"},
	} {
		t.Run(pair[0]+"="+pair[1], func(t *testing.T) {
			alice := alice.in(t)
			alice.get("/authorize", request("shop", pair[0], pair[1])).code()
			alice.with("Sec-Fetch-Site", "same-origin").post("/authorize", request("shop", pair[0], pair[1])).code()
		})
	}
	page := w.browser().get("/authorize", request("shop", "login_hint", "alice@example.com")).wantPage(200, "alice@example.com")
	if page.url.Path != w.base+"/login" {
		t.Errorf("the login page is at %s", page.url)
	}
	if markup := w.browser().get("/authorize", request("shop", "login_hint", `"><script>alert(1)</script>`)); strings.Contains(markup.body, "<script>") {
		t.Error("login_hint is not escaped")
	}
}

// The answer is for the browser that asked, once.
func TestCore_3_1_2_CallbackBinding(t *testing.T) {
	w := open(t)
	victim, attacker := w.browser(), w.browser()
	attacker.get("/authorize", request("shop"))
	page := attacker.get("/authorize", request("shop"))
	id := page.url.Query()
	victim.firstSignOn("wiki", "alice")
	victim.get("/authorize/resume", id).wantPage(403, "another browser")
	victim.get("/login", id).wantPage(400, "has expired")
	victim.get("/consent", id).wantPage(400, "has expired")
	w.browser().get("/authorize/resume", id).want(403)
	attacker.logIn(page, "bob").code()
	attacker.get("/authorize/resume", id).wantPage(400, "has expired")
	attacker.submit(page, "username", "bob", "password", "builder").want(400)

	slow := w.browser()
	page = slow.get("/authorize", request("shop"))
	w.clock.Advance(61 * time.Minute)
	slow.submit(page, "username", "bob", "password", "builder").wantPage(400, "has expired")
}

func TestCore_3_1_2_4_Consent(t *testing.T) {
	w := open(t)
	carol := w.browser()
	ask := request("strict", "scope", "openid email offline_access")
	page := carol.logIn(carol.get("/authorize", ask), "carol").wantPage(200, "consent-form")
	if page.url.Path != w.base+"/consent" {
		t.Errorf("the consent page is at %s", page.url)
	}
	denied := carol.with("Sec-Fetch-Site", "same-origin", "Origin", "null").post("/authorize/deny", page.form().fields).response()
	if denied.Get("error") != "access_denied" || denied.Get("state") != "s" || denied.Get("iss") != w.issuer {
		t.Errorf("denied: %v", denied)
	}
	if r := carol.get("/authorize", request("strict", "prompt", "none", "scope", "openid email")).response(); r.Get("error") != "consent_required" {
		t.Errorf("prompt=none: %v", r)
	}
	w.browser().submit(page, "decision", "allow").want(403)
	page = carol.get("/authorize", ask)
	carol.with("Sec-Fetch-Site", "cross-site").post("/consent", page.form().fields).want(403)
	got := w.exchange("strict", carol.submit(page, "decision", "allow").code()).tokens()
	if got.scope != "openid email offline_access" || got.refresh == "" {
		t.Errorf("granted %+v", got)
	}
	carol.get("/authorize", request("strict", "prompt", "none", "scope", "openid email offline_access")).code() // remembered
	if r := carol.get("/authorize", request("strict", "prompt", "none", "scope", "openid phone")).response(); r.Get("error") != "consent_required" {
		t.Errorf("a scope that nobody agreed to: %v", r)
	}
	carol.get("/authorize", request("strict", "prompt", "consent", "scope", "openid")).wantPage(200, "consent-form")
}

// Nothing of a code, state or token is left in a cache or a referrer.
func TestBCP_4_2_4_ResponseHeaders(t *testing.T) {
	w := open(t)
	alice := w.browser()
	alice.firstSignOn("shop", "alice")
	for _, a := range []answer{
		alice.get("/authorize", request("shop")), alice.get("/authorize", request("shop", "response_mode", "form_post")),
		alice.get("/authorize", request("shop", "scope", "x")),
	} {
		if a.header.Get("Cache-Control") != "no-store" || a.header.Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("%s: %v", a.url, a.header)
		}
		if a.status != http.StatusSeeOther && a.status != 200 {
			t.Errorf("status %d: a form that was posted to us would be posted on", a.status)
		}
	}
}
