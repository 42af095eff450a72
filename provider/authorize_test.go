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

func newSQLiteWorld(t *testing.T) *world {
	t.Helper()
	return newWorld(t, openDB(t))
}

func openDB(t *testing.T) *database.DB {
	t.Helper()
	return databasetest.Open(t, databasetest.SQLiteURL(t))
}

// Errors before client and redirect URI are known are pages; all others go to the client.
func TestAuthorizeErrors(t *testing.T) {
	w := newSQLiteWorld(t)
	tests := map[string]struct {
		query url.Values
		page  string // text of the page; or
		code  string // error at the client
	}{
		"no client":            {query: request("shop", "client_id", ""), page: "which application sent you"},
		"unknown client":       {query: request("shop", "client_id", "nobody"), page: "not known here"},
		"NUL in client":        {query: request("shop", "client_id", "a\x00b"), page: "not known here"},
		"no redirect":          {query: request("shop", "redirect_uri", ""), page: "where to return to"},
		"foreign redirect":     {query: request("shop", "redirect_uri", "https://evil.example.com/"), page: "not one that the application has registered"},
		"longer redirect":      {query: request("shop", "redirect_uri", "https://shop.example.com/callback?x=1"), page: "not one that"},
		"repeated client":      {query: twice(request("shop"), "client_id"), page: "which application sent you"},
		"repeated redirect":    {query: twice(request("shop"), "redirect_uri"), page: "where to return to"},
		"repeated scope":       {query: twice(request("shop"), "scope"), code: "invalid_request"},
		"no response type":     {query: request("shop", "response_type", ""), code: "invalid_request"},
		"implicit":             {query: request("shop", "response_type", "id_token"), code: "unsupported_response_type"},
		"fragment":             {query: request("shop", "response_mode", "fragment"), code: "invalid_request"},
		"request object":       {query: request("shop", "request", "x.y.z"), code: "request_not_supported"},
		"request_uri":          {query: request("shop", "request_uri", "https://x"), code: "request_uri_not_supported"},
		"no PKCE, public":      {query: request("app", "code_challenge", "", "code_challenge_method", ""), code: "invalid_request"},
		"plain":                {query: request("shop", "code_challenge_method", "plain"), code: "invalid_request"},
		"method absent":        {query: request("shop", "code_challenge_method", ""), code: "invalid_request"},
		"challenge absent":     {query: request("shop", "code_challenge", ""), code: "invalid_request"},
		"no hash":              {query: request("shop", "code_challenge", "short"), code: "invalid_request"},
		"no known scope":       {query: request("shop", "scope", "admin"), code: "invalid_scope"},
		"max_age no number":    {query: request("shop", "max_age", "soon"), code: "invalid_request"},
		"prompt none and more": {query: request("shop", "prompt", "none login"), code: "invalid_request"},
		"unknown prompt":       {query: request("shop", "prompt", "guess"), code: "invalid_request"},
		"nobody logged in":     {query: request("shop", "prompt", "none"), code: "login_required"},
		"bad hint":             {query: request("shop", "id_token_hint", "x.y.z"), code: "invalid_request"},
		"not UTF-8":            {query: request("shop", "nonce", "\xff"), code: "invalid_request"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			answer := w.browser().get("/authorize", test.query)
			if test.page != "" {
				answer.wantPage(http.StatusBadRequest, test.page)
				return
			}
			got := answer.want(http.StatusSeeOther).location().Query()
			if got.Get("error") != test.code || got.Get("iss") != w.url || got.Get("state") != test.query.Get("state") || got.Has("code") {
				t.Errorf("answer %v, want %s", got, test.code)
			}
		})
	}
	w.browser().get("/authorize?client_id=%zz", nil).wantPage(http.StatusBadRequest, "cannot be read")
}

func twice(v url.Values, name string) url.Values {
	v.Add(name, v.Get(name))
	return v
}

func TestAuthorizationResponse(t *testing.T) {
	w := newSQLiteWorld(t)
	alice := w.browser()
	alice.firstSignOn("shop", "alice")

	other := "https://shop.example.com/other?kept=a%20b"
	got := alice.get("/authorize", request("shop", "redirect_uri", other)).location()
	if !strings.HasPrefix(got.String(), other+"&code=") || got.Query().Get("state") != request("shop").Get("state") || got.Query().Get("iss") != w.url {
		t.Errorf("redirected to %s", got)
	}

	page := alice.get("/authorize", request("shop", "response_mode", "form_post")).wantPage(http.StatusOK, `action="https://shop.example.com/callback"`)
	for _, field := range []string{"code", "state", "iss"} {
		if !strings.Contains(page.body, `name="`+field+`"`) {
			t.Errorf("form post without %s", field)
		}
	}
	refused := alice.get("/authorize", request("shop", "response_mode", "form_post", "scope", "admin")).wantPage(http.StatusOK, "invalid_scope")
	if !strings.Contains(refused.header.Get("Content-Security-Policy"), "form-action 'self' https:") {
		t.Error("the policy does not let the form go")
	}

	// A POST with our cookies is answered at once; from another site it has none and comes back as a GET.
	alice.with("Sec-Fetch-Site", "same-origin").post("/authorize", request("shop")).code()
	crossSite := w.program().with("Sec-Fetch-Mode", "navigate", "Sec-Fetch-Site", "cross-site").post("/authorize", request("shop"))
	back := crossSite.want(http.StatusSeeOther).location()
	if strings.Contains(back.String(), "client_id") {
		t.Error("the request stands in the URL")
	}
	alice.get(back.String(), nil).code()
	alice.get(back.Path+"?kept=forged", nil).wantPage(http.StatusBadRequest, "waited for too long")
}

func TestPrompts(t *testing.T) {
	w := newSQLiteWorld(t)
	alice := w.browser()
	first := alice.firstSignOn("shop", "alice")
	before := claims(t, first.id)

	t.Run("none", func(t *testing.T) { alice.get("/authorize", request("wiki", "prompt", "none")).code() })

	t.Run("login keeps session and sid", func(t *testing.T) {
		w.clock.Advance(2 * time.Second)
		page := alice.get("/authorize", request("shop", "prompt", "login"))
		after := claims(t, w.exchange("shop", alice.logIn(page, "alice").code()).id)
		if after["sid"] != before["sid"] || after["auth_time"].(float64) <= before["auth_time"].(float64) {
			t.Errorf("before %v, after %v", before, after)
		}
		if !w.active("shop", first.access) {
			t.Error("the first login's tokens died")
		}
	})

	t.Run("max_age", func(t *testing.T) {
		alice.get("/authorize", request("shop", "max_age", "3600")).code()
		w.clock.Advance(3 * time.Second)
		page := alice.get("/authorize", request("shop", "max_age", "1"))
		alice.logIn(page, "alice").code()
	})

	t.Run("consent although it is skipped", func(t *testing.T) {
		page := alice.get("/authorize", request("shop", "prompt", "consent")).wantPage(http.StatusOK, "The shop")
		alice.submit(page, url.Values{"decision": {"allow"}}).code()
	})

	t.Run("hint", func(t *testing.T) {
		alice.get("/authorize", request("wiki", "id_token_hint", first.id, "prompt", "none")).code()
		bob := w.browser()
		bob.firstSignOn("shop", "bob")
		got := bob.get("/authorize", request("wiki", "id_token_hint", first.id, "prompt", "none")).location().Query()
		if got.Get("error") != "login_required" {
			t.Errorf("another person's hint: %v", got)
		}
		page := bob.get("/authorize", request("wiki", "id_token_hint", first.id))
		got = bob.logIn(page, "bob").location().Query()
		if got.Get("error") != "login_required" {
			t.Errorf("the wrong person logged in: %v", got)
		}
	})
}

func TestConsent(t *testing.T) {
	w := newSQLiteWorld(t)
	alice := w.browser()
	ask := request("strict", "scope", "openid email offline_access")

	if got := alice.submitDenied(alice.logIn(alice.get("/authorize", ask), "alice")).location().Query(); got.Get("error") != "access_denied" || got.Get("iss") != w.url {
		t.Errorf("denied: %v", got)
	}
	none := request("strict", "scope", "openid email", "prompt", "none")
	if got := alice.get("/authorize", none).location().Query().Get("error"); got != "consent_required" {
		t.Errorf("prompt=none: %s", got)
	}
	allowed := w.exchange("strict", alice.submit(alice.get("/authorize", request("strict", "scope", "openid email")), url.Values{"decision": {"allow"}}).code())
	if allowed.scope != "openid email" {
		t.Errorf("scope %q", allowed.scope)
	}
	// What was agreed is remembered; offline access that was not is left out where nobody can be asked (Core 11).
	none.Set("scope", "openid email offline_access")
	if got := w.exchange("strict", alice.get("/authorize", none).code()).scope; got != "openid email" {
		t.Errorf("scope %q", got)
	}
	alice.get("/authorize", ask).wantPage(http.StatusOK, "Act for you")
}

// submitDenied presses the other button, which has an address of its own.
func (a *agent) submitDenied(page answer) answer {
	a.Helper()
	page.wantPage(http.StatusOK, `formaction="/authorize/deny"`)
	page.body = strings.Replace(page.body, `action="/consent"`, `action="/authorize/deny"`, 1)
	return a.submit(page, nil)
}

// A waiting request belongs to the browser that made it, and is answered once.
func TestResume(t *testing.T) {
	w := newSQLiteWorld(t)
	victim, attacker := w.browser(), w.browser()
	attacker.get("/authorize", request("shop")).wantPage(http.StatusOK, "password")
	page := victim.get("/authorize", request("shop"))
	id := page.url.Query()
	victim.logIn(page, "alice").code()
	victim.get("/authorize/resume", id).wantPage(http.StatusBadRequest, "has expired")

	page = attacker.get("/authorize", request("shop"))
	victim.get("/authorize/resume", page.url.Query()).wantPage(http.StatusForbidden, "another browser")
	victim.get("/authorize/resume", url.Values{"id": {"a\x00"}}).wantPage(http.StatusBadRequest, "has expired")
}
