package provider_test

import (
	"encoding/json"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/database/databasetest"
	"github.com/exeunt-id/exeunt/provider"
)

// carol has everything that OpenID Connect Core 1.0, 5.1 knows.
var carol = provider.User{Username: "carol", Password: "wonderland", Email: "carol@example.com", Claims: map[string]any{
	"name": "Carol Q. Roe", "family_name": "Roe", "given_name": "Carol", "middle_name": "Q.", "nickname": "Caz", "preferred_username": "carol.roe",
	"profile": "https://example.com/carol", "picture": "https://example.com/carol.png", "website": "https://carol.example.com", "gender": "female",
	"birthdate": "1990-02-28", "zoneinfo": "Europe/Paris", "locale": "fr-FR", "updated_at": 1700000000, "name#ja": "キャロル",
	"email_verified": true, "phone_number": "+33 1 23 45 67 89", "phone_number_verified": true,
	"address": map[string]any{"formatted": "1 rue X", "locality": "Paris", "country": "FR"}, "department": "secret",
}}

func withCarol(c *provider.Config) { c.Users = append(c.Users, carol) }

func asked(claims string, pairs ...string) []string {
	return append([]string{"claims", claims}, pairs...)
}

// Core 5.4: scopes and their claims, all of them for somebody who has them all.
func TestStandardClaims(t *testing.T) {
	w := newWorld(t, openDB(t), withCarol)
	got := w.userinfo(w.browser().firstSignOn("shop", "carol", "scope", "openid profile email address phone").access).want(http.StatusOK).json()
	for name, want := range carol.Claims {
		switch {
		case name == "department" || name == "name#ja":
			if got[name] != nil {
				t.Errorf("%s was not asked for", name)
			}
		case string(asJSON(t, got[name])) != string(asJSON(t, want)):
			t.Errorf("%s is %v, want %v", name, got[name], want)
		}
	}
	if got["email"] != carol.Email {
		t.Errorf("email %v", got["email"])
	}
	supported := asJSON(t, w.program().get("/.well-known/openid-configuration", nil).json()["claims_supported"])
	for name := range got {
		if !strings.Contains(string(supported), `"`+name+`"`) {
			t.Errorf("claims_supported lacks %s", name)
		}
	}
}

func asJSON(t *testing.T, v any) []byte {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// Core 5.5: claims one by one, where they were asked for, also after a refresh, on both databases.
func TestClaimsParameter(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		w := newWorld(t, db, withCarol)
		browser := w.browser()
		first := browser.firstSignOn("shop", "carol", asked(`{
			"userinfo": {"email": {"essential": true}, "phone_number": null, "locale": {"value": "de"}, "middle_name": null, "name#ja": null, "department": null},
			"id_token": {"name": null, "birthdate": {"essential": true}, "gender": {"values": ["male", "female"]}, "zoneinfo": {"value": "Asia/Tokyo"},
				"auth_time": {"essential": true}, "acr": {"essential": true, "values": ["1", "2"]}, "email_verified": null}}`,
			"scope", "openid", "acr_values", "2 1", "display", "popup", "ui_locales", "fr-FR xx-not-a-tag en")...)
		for round, tokens := range []tokens{first, w.refresh("shop", first.refresh).tokens()} {
			info := w.userinfo(tokens.access).want(http.StatusOK).json()
			delete(info, "sub")
			if got, want := string(asJSON(t, info)), `{"email":"carol@example.com","middle_name":"Q.","name#ja":"キャロル","phone_number":"+33 1 23 45 67 89"}`; got != want {
				t.Errorf("round %d: userinfo %s, want %s", round, got, want)
			}
			id := claims(t, tokens.id)
			if id["name"] != "Carol Q. Roe" || id["birthdate"] != "1990-02-28" || id["gender"] != "female" || id["email_verified"] != true || id["acr"] != "1" {
				t.Errorf("round %d: ID token %v", round, id)
			}
			for _, name := range []string{"zoneinfo", "email", "nickname", "locale"} {
				if id[name] != nil {
					t.Errorf("round %d: the ID token has %s, which was not asked for there", round, name)
				}
			}
		}
		if id := claims(t, browser.signOn("shop", "scope", "openid profile email").id); id["name"] != nil || id["email"] != nil {
			t.Errorf("claims of the person without having been asked for: %v", id)
		}
	})
}

// Core 3.1.2.2 and 5.5.1: sub with a value is one person; 5.5.1.1: an essential acr out of reach is a failure.
func TestClaimsThatDecide(t *testing.T) {
	w := newWorld(t, openDB(t), withCarol)
	browser := w.browser()
	sub := claims(t, browser.firstSignOn("shop", "alice").id)["sub"].(string)
	tests := map[string]struct{ claims, code string }{
		"herself":            {`{"id_token":{"sub":{"value":"` + sub + `"}}}`, ""},
		"one of several":     {`{"id_token":{"sub":{"values":["x","` + sub + `"]}}}`, ""},
		"another":            {`{"id_token":{"sub":{"value":"x"}}}`, "login_required"},
		"another, userinfo":  {`{"userinfo":{"sub":{"value":"x"}}}`, "login_required"},
		"acr out of reach":   {`{"id_token":{"acr":{"essential":true,"values":["2"]}}}`, "unmet_authentication_requirements"},
		"acr if possible":    {`{"id_token":{"acr":{"values":["2"]}}}`, ""},
		"claims unknown":     {`{"id_token":{"shoe_size":{"essential":true}}}`, ""},
		"malformed":          {`{"id_token":`, "invalid_request"},
		"claim no object":    {`{"userinfo":{"name":"Alice"}}`, "invalid_request"},
		"not an object":      {`[]`, "invalid_request"},
		"empty counts as no": {"", ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := browser.get("/authorize", request("shop", asked(test.claims, "prompt", "none")...)).location().Query()
			if got.Get("error") != test.code || test.code == "" && got.Get("code") == "" {
				t.Errorf("answer %v, want %q", got, test.code)
			}
		})
	}
	t.Run("another person logs in", func(t *testing.T) {
		page := browser.get("/authorize", request("shop", asked(`{"id_token":{"sub":{"value":"x"}}}`)...))
		if got := browser.logIn(page, "alice").location().Query().Get("error"); got != "login_required" {
			t.Errorf("answer %q", got)
		}
	})
}

// A claim is not a way around the consent for its scope, nor around the scopes that a client registered.
func TestClaimsAndConsent(t *testing.T) {
	w := newWorld(t, openDB(t), withCarol, func(c *provider.Config) {
		for i := range c.Clients {
			if c.Clients[i].ID == "wiki" {
				c.Clients[i].Scope = "openid profile"
			}
		}
	})
	browser := w.browser()
	ask := request("strict", asked(`{"userinfo":{"email":null}}`, "scope", "openid")...)
	page := browser.logIn(browser.get("/authorize", ask), "carol").wantPage(http.StatusOK, "See your e-mail address")
	tokens := w.exchange("strict", browser.submit(page, url.Values{"decision": {"allow"}}).code())
	if got := w.userinfo(tokens.access).json(); tokens.scope != "openid" || got["email"] != carol.Email || got["email_verified"] != nil {
		t.Errorf("scope %q, userinfo %v", tokens.scope, got)
	}
	ask.Set("claims", `{"userinfo":{"phone_number":null}}`)
	ask.Set("prompt", "none")
	if got := browser.get("/authorize", ask).location().Query().Get("error"); got != "consent_required" {
		t.Errorf("a further claim: %q", got)
	}
	tokens = browser.signOn("wiki", asked(`{"userinfo":{"email":null,"name":null}}`, "scope", "openid")...)
	if got := w.userinfo(tokens.access).json(); got["email"] != nil || got["name"] == nil {
		t.Errorf("userinfo of a client that may not ask for email: %v", got)
	}
}

// RFC 6749, 4.1.2, Core 3.1.2.1: state and nonce come back byte for byte, by query and by form post, from GET and from POST.
func TestStateAndNonce(t *testing.T) {
	w := newSQLiteWorld(t)
	alice := w.browser()
	alice.firstSignOn("shop", "alice")
	printable := ""
	for r := ' '; r <= '~'; r++ {
		printable += string(r)
	}
	long := strings.Repeat(printable, 6) + " %20+%2B&amp;é"
	ask := request("shop", "state", long, "nonce", long)
	posted := alice.with("Sec-Fetch-Site", "same-origin").post("/authorize", ask)
	for name, a := range map[string]answer{"GET": alice.get("/authorize", ask), "POST": posted} {
		got := a.location().Query()
		if got.Get("state") != long {
			t.Errorf("%s: state %q", name, got.Get("state"))
		}
		if nonce := claims(t, w.exchange("shop", got.Get("code")).id)["nonce"]; nonce != long {
			t.Errorf("%s: nonce %q", name, nonce)
		}
	}
	field := regexp.MustCompile(`name="state" value="([^"]*)"`)
	for _, more := range []string{"code", "error"} {
		ask.Set("response_mode", "form_post")
		if more == "error" {
			ask.Set("max_age", "soon")
		}
		page := alice.get("/authorize", ask).wantPage(http.StatusOK, `name="`+more+`"`)
		if m := field.FindStringSubmatch(page.body); m == nil || html.UnescapeString(m[1]) != long {
			t.Errorf("form post with %s: %q", more, m)
		}
	}
}

// Core 3.1.2.1 max_age and prompt; Dynamic Client Registration 1.0, 2 default_max_age and require_auth_time.
func TestAges(t *testing.T) {
	hour := 3600
	w := newWorld(t, openDB(t), func(c *provider.Config) {
		for i := range c.Clients {
			if c.Clients[i].ID == "wiki" {
				c.Clients[i].DefaultMaxAge, c.Clients[i].RequireAuthTime = &hour, true
			}
		}
	})
	alice := w.browser()
	first := claims(t, alice.firstSignOn("shop", "alice", "max_age", "1").id)
	none := func(client string, pairs ...string) string {
		return alice.get("/authorize", request(client, append([]string{"prompt", "none"}, pairs...)...)).location().Query().Get("error")
	}
	w.clock.Advance(2 * time.Second)
	for name, got := range map[string]string{
		"max_age=1, two seconds later":         none("shop", "max_age", "1"),
		"max_age=0":                            none("shop", "max_age", "0"),
		"max_age beyond every number of bits":  none("shop", "max_age", "99999999999999999999"),
		"max_age=15000":                        none("shop", "max_age", "15000"),
		"default_max_age":                      none("wiki"),
		"select_account with none contradicts": none("shop", "prompt", "none select_account"),
	} {
		want := map[string]string{"max_age=1, two seconds later": "login_required", "max_age=0": "login_required", "max_age beyond every number of bits": "invalid_request", "select_account with none contradicts": "invalid_request"}[name]
		if got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	page := alice.get("/authorize", request("shop", "prompt", "select_account")).wantPage(http.StatusOK, "You are signed in as alice")
	second := claims(t, w.exchange("shop", alice.logIn(page, "alice").code()).id)
	if second["auth_time"].(float64) <= first["auth_time"].(float64) || second["sub"] != first["sub"] {
		t.Errorf("first %v, second %v", first, second)
	}
	w.clock.Advance(2 * time.Hour)
	if got := none("wiki"); got != "login_required" {
		t.Errorf("default_max_age after two hours: %q", got)
	}
	if got := none("wiki", "max_age", "86400"); got != "" {
		t.Errorf("max_age goes before default_max_age: %q", got)
	}
	if id := claims(t, alice.signOn("wiki", "max_age", "86400").id); id["auth_time"] == nil {
		t.Error("no auth_time")
	}
}

// What a request may carry beside what matters.
func TestRequestsThatAreRefusedOrIgnored(t *testing.T) {
	w := newSQLiteWorld(t)
	alice := w.browser()
	alice.firstSignOn("shop", "alice")
	for name, test := range map[string]struct {
		pairs []string
		code  string
	}{
		"registration":           {[]string{"registration", "{}"}, "registration_not_supported"},
		"NUL in nonce":           {[]string{"nonce", "a\x00b"}, "invalid_request"},
		"display of no kind":     {[]string{"display", "hologram"}, ""},
		"locales of no language": {[]string{"ui_locales", "?? 1-2-3-4-5"}, ""},
		"an unknown parameter":   {[]string{"extra", "foobar"}, ""},
		"claims_locales":         {[]string{"claims_locales", "se"}, ""},
		"login_hint":             {[]string{"login_hint", "bob"}, ""},
	} {
		got := alice.get("/authorize", request("shop", append(test.pairs, "prompt", "none")...)).location().Query()
		if got.Get("error") != test.code {
			t.Errorf("%s: %v", name, got)
		}
	}
	w.browser().get("/authorize", request("shop", "login_hint", "bob")).wantPage(http.StatusOK, `value="bob"`)
}
