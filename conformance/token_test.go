package conformance

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/database/databasetest"
)

// Of twenty parallel exchanges of one code exactly one succeeds, and harms nobody.
func TestOAuth_4_1_2_CodeIsSingleUse(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		w := openOn(t, db, "http")
		alice := w.browser()
		alice.firstSignOn("wiki", "alice")
		code := alice.get("/authorize", request("shop")).code()
		if len(code) < 22 { // 128 bits in base64
			t.Errorf("code %q is short", code)
		}
		answers := make([]answer, 20)
		var group sync.WaitGroup
		for i := range answers {
			group.Go(func() { answers[i] = w.exchange("shop", code) })
		}
		group.Wait()
		var won []tokens
		for _, a := range answers {
			if a.status == http.StatusOK {
				won = append(won, a.tokens())
				continue
			}
			a.wantError(400, "invalid_grant")
		}
		if len(won) != 1 || !w.active("shop", won[0].access) || !w.active("shop", won[0].refresh) {
			t.Fatalf("%d exchanges succeeded, or the winner's tokens are dead", len(won))
		}
		// The same for one refresh token.
		group = sync.WaitGroup{}
		for i := range answers {
			group.Go(func() { answers[i] = w.refresh("shop", won[0].refresh) })
		}
		group.Wait()
		refreshed := 0
		for _, a := range answers {
			if a.status == http.StatusOK {
				refreshed++
				if !w.active("shop", a.tokens().access) {
					t.Error("the winner's token is dead")
				}
				continue
			}
			a.wantError(400, "invalid_grant")
		}
		if refreshed != 1 {
			t.Errorf("%d refreshes succeeded", refreshed)
		}
	})
}

// A code that comes again within the grace is a lost answer; later it is theft: its tokens die, its RP is told, the session lives.
func TestOAuth_4_1_2_CodeReuse(t *testing.T) {
	w := open(t)
	alice := w.browser()
	wiki := alice.firstSignOn("wiki", "alice")
	code := alice.get("/authorize", request("shop")).code()
	shop := w.exchange("shop", code).tokens()
	w.exchange("shop", code).wantError(400, "invalid_grant")
	w.exchange("shop", code, "code_verifier", verifier+"x").wantError(400, "invalid_grant")
	if !w.active("shop", shop.access) {
		t.Fatal("a lost answer cost the tokens")
	}
	w.clock.Advance(6 * time.Second)
	w.exchange("wiki", code, "redirect_uri", callback("shop")).wantError(400, "invalid_grant")
	w.exchange("shop", code, "code_verifier", verifier+"x").wantError(400, "invalid_grant")
	if !w.active("shop", shop.access) {
		t.Fatal("another client, or one without the verifier, ended the authorization")
	}
	w.exchange("shop", code).wantError(400, "invalid_grant")
	if w.active("shop", shop.access) || w.active("shop", shop.refresh) {
		t.Error("the tokens live")
	}
	w.refresh("shop", shop.refresh).wantError(400, "invalid_grant")
	w.eventually("its RP is told", func() bool { return w.told(shop.id) == 1 })
	if !alice.alive() || !w.active("wiki", wiki.access) || w.told(wiki.id) != 0 {
		t.Error("others suffered")
	}
	again := alice.signOn("shop")
	w.exchange("shop", code).wantError(400, "invalid_grant")
	if !w.active("shop", again.access) || sidOf(again.id) == sidOf(shop.id) {
		t.Error("the old code ended the next login, or its sid came back")
	}
}

func TestOAuth_4_1_3_Exchange(t *testing.T) {
	w := open(t)
	alice := w.browser()
	alice.firstSignOn("shop", "alice")
	code := func(client string, pairs ...string) string {
		return alice.get("/authorize", request(client, pairs...)).code()
	}
	noPKCE := []string{"code_challenge", "", "code_challenge_method", ""}
	tests := map[string]struct {
		client string
		form   url.Values
		error  string // "": tokens
	}{
		"PKCE":                          {"shop", codeForm("shop", code("shop")), ""},
		"PKCE, public":                  {"app", codeForm("app", code("app")), ""},
		"confidential without PKCE":     {"shop", codeForm("shop", code("shop", noPKCE...), "code_verifier", ""), ""},
		"challenge, no verifier":        {"shop", codeForm("shop", code("shop"), "code_verifier", ""), "invalid_grant"},
		"wrong verifier":                {"shop", codeForm("shop", code("shop"), "code_verifier", verifier+"x"), "invalid_grant"},
		"the challenge as verifier":     {"shop", codeForm("shop", code("shop"), "code_verifier", challenge()), "invalid_grant"},
		"verifier without challenge":    {"shop", codeForm("shop", code("shop", noPKCE...)), "invalid_grant"},
		"public, no verifier":           {"app", codeForm("app", code("app"), "code_verifier", ""), "invalid_grant"},
		"another client's code":         {"wiki", codeForm("shop", code("shop")), "invalid_grant"},
		"another public client's code":  {"app", codeForm("shop", code("shop")), "invalid_grant"},
		"no redirect_uri":               {"shop", codeForm("shop", code("shop"), "redirect_uri", ""), "invalid_request"},
		"another registered redirect":   {"shop", codeForm("shop", code("shop"), "redirect_uri", "https://shop.example.com/slash/"), "invalid_grant"},
		"no code":                       {"shop", codeForm("shop", ""), "invalid_request"},
		"unknown code":                  {"shop", codeForm("shop", "x"), "invalid_grant"},
		"no grant_type":                 {"shop", codeForm("shop", "x", "grant_type", ""), "invalid_request"},
		"password":                      {"shop", codeForm("shop", "x", "grant_type", "password"), "unsupported_grant_type"},
		"client_credentials, not asked": {"shop", values("grant_type", "client_credentials"), "*"},
		"jwt-bearer":                    {"shop", values("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion", "x"), "unsupported_grant_type"},
		"device_code":                   {"shop", values("grant_type", "urn:ietf:params:oauth:grant-type:device_code"), "unsupported_grant_type"},
		"token-exchange":                {"shop", values("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"), "unsupported_grant_type"},
		"repeated code":                 {"shop", twice(codeForm("shop", code("shop")), "code"), "invalid_request"},
		"repeated grant_type":           {"shop", twice(codeForm("shop", code("shop")), "grant_type"), "invalid_request"},
		"unknown parameter":             {"shop", codeForm("shop", code("shop"), "foo", "bar"), ""},
		"refresh not registered":        {"plain", values("grant_type", "refresh_token", "refresh_token", "x"), "unauthorized_client"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := open(t)
			a := w.asAt("/token", test.client, test.form)
			switch test.error {
			case "":
				a.tokens()
			case "*":
				if a.status != 400 || a.json()["access_token"] != nil {
					t.Errorf("answered %s", a)
				}
			default:
				a.wantError(400, test.error)
			}
			if a.header.Get("Cache-Control") != "no-store" || a.header.Get("Pragma") != "no-cache" {
				t.Errorf("headers %v", a.header)
			}
		})
	}
	t.Run("expired code", func(t *testing.T) {
		w := open(t)
		old := code("shop")
		w.clock.Advance(61 * time.Second)
		w.exchange("shop", old).wantError(400, "invalid_grant")
	})
	t.Run("code of an ended session", func(t *testing.T) {
		w := open(t)
		alice := w.browser()
		alice.firstSignOn("shop", "alice")
		for _, scope := range []string{"openid", "openid offline_access"} {
			dead := alice.get("/authorize", request("wiki", "scope", scope)).code()
			alice.get("/logout", values("client_id", "shop"))
			w.exchange("wiki", dead).wantError(400, "invalid_grant")
			alice.firstSignOn("shop", "alice")
		}
	})
}

// POST only, form only; nothing secret in the URL; never cached.
func TestOAuth_3_2_TokenEndpoint(t *testing.T) {
	w := open(t)
	alice := w.browser()
	shop := alice.firstSignOn("shop", "alice")
	authenticated := w.program().with("Authorization", basic("shop", secret))
	for _, method := range []string{"GET", "HEAD", "PUT", "DELETE", "PATCH"} {
		if a := authenticated.send(method, "/token?grant_type=refresh_token&refresh_token="+shop.refresh, "", "").want(405); a.header.Get("Allow") == "" {
			t.Errorf("%s: no Allow", method)
		}
	}
	for _, name := range []string{"client_secret", "client_assertion", "code", "code_verifier", "refresh_token", "access_token", "token", "password"} {
		authenticated.post("/token?"+name+"=x", values("grant_type", "refresh_token", "refresh_token", shop.refresh)).wantError(400, "invalid_request")
	}
	authenticated.post("/token?grant_type=refresh_token", nil).wantError(400, "invalid_request")
	authenticated.send("POST", "/token", "application/json", `{"grant_type":"refresh_token","refresh_token":"`+shop.refresh+`"}`).wantError(400, "invalid_request")
	authenticated.send("POST", "/token", "", "grant_type=refresh_token&refresh_token="+shop.refresh).wantError(400, "invalid_request")
	a := authenticated.send("POST", "/token", formType+"; charset=UTF-8", "grant_type=refresh_token&refresh_token="+url.QueryEscape(shop.refresh)).want(200)
	if m := a.json(); m["token_type"] != "Bearer" || m["expires_in"] != 600.0 || a.header.Get("Cache-Control") != "no-store" || a.header.Get("Access-Control-Allow-Credentials") != "" {
		t.Errorf("answer %v, headers %v", m, a.header)
	}
}

// Each client by its registered method alone; every failure looks the same.
func TestCore_9_ClientAuthentication(t *testing.T) {
	post := func(id, secret string) url.Values { return values("client_id", id, "client_secret", secret) }
	tests := map[string]struct {
		header string
		form   url.Values
		status int
		code   string
	}{
		"basic":                         {basic("shop", secret), nil, 400, "unsupported_grant_type"},
		"basic and its client_id":       {basic("shop", secret), values("client_id", "shop"), 400, "unsupported_grant_type"},
		"basic, scheme in lower case":   {strings.Replace(basic("shop", secret), "Basic", "basic", 1), nil, 400, "unsupported_grant_type"},
		"basic and another client_id":   {basic("shop", secret), values("client_id", "wiki"), 400, "invalid_request"},
		"basic and a secret":            {basic("shop", secret), post("shop", secret), 400, "invalid_request"},
		"basic, wrong secret":           {basic("shop", "wrong"), nil, 401, "invalid_client"},
		"basic, empty secret":           {basic("shop", ""), nil, 401, "invalid_client"},
		"basic, unknown client":         {basic("nobody", secret), nil, 401, "invalid_client"},
		"basic, not base64":             {"Basic x y", nil, 401, "invalid_client"},
		"basic, no colon":               {"Basic c2hvcA==", nil, 401, "invalid_client"},
		"basic, public client":          {basic("app", ""), nil, 401, "invalid_client"},
		"basic, registered post":        {basic("mail", secret), nil, 401, "invalid_client"},
		"post":                          {"", post("mail", secret), 400, "unsupported_grant_type"},
		"post, registered basic":        {"", post("shop", secret), 401, "invalid_client"},
		"post, wrong secret":            {"", post("mail", "wrong"), 401, "invalid_client"},
		"post, another's secret case":   {"", post("mail", strings.ToUpper(secret)), 401, "invalid_client"},
		"none":                          {"", values("client_id", "app"), 400, "unsupported_grant_type"},
		"none, registered basic":        {"", values("client_id", "shop"), 401, "invalid_client"},
		"none, with a secret":           {"", post("app", "x"), 401, "invalid_client"},
		"nothing":                       {"", nil, 401, "invalid_client"},
		"bearer":                        {"Bearer x", values("client_id", "app"), 401, "invalid_client"},
		"an assertion that is none":     {"", values("client_assertion", "x.y.z", "client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"), 401, "invalid_client"},
		"assertion for a secret client": {"", values("client_id", "shop", "client_assertion", "x.y.z", "client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"), 401, "invalid_client"},
	}
	descriptions := map[any]bool{}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := open(t)
			form := values("grant_type", "dance")
			for name, v := range test.form {
				form[name] = v
			}
			a := w.program().with("Authorization", test.header).post("/token", form).wantError(test.status, test.code)
			if asked := a.header.Get("WWW-Authenticate"); test.status == 401 && strings.HasPrefix(test.header, "Basic ") != strings.HasPrefix(asked, "Basic ") {
				t.Errorf("WWW-Authenticate %q", asked)
			}
			if test.status == 401 && strings.HasPrefix(test.header, "Basic") {
				descriptions[a.json()["error_description"]] = true
			}
		})
	}
	if len(descriptions) > 1 {
		t.Errorf("who is known can be told: %v", descriptions)
	}
}

// Rotation, reuse, scope.
func TestOAuth_6_Refresh(t *testing.T) {
	w := open(t)
	alice := w.browser()
	first := alice.firstSignOn("shop", "alice", "scope", "openid profile email")
	wiki := alice.signOn("wiki")
	second := w.refresh("shop", first.refresh, "scope", "openid").tokens()
	if second.refresh == first.refresh || second.refresh == "" || second.access == first.access || second.scope != "openid" {
		t.Errorf("first %+v, second %+v", first, second)
	}
	if claims := w.userinfo(second.access).want(200).json(); len(claims) != 1 {
		t.Errorf("a narrowed token gives %v", claims)
	}
	w.refresh("shop", second.refresh, "scope", "openid phone").wantError(400, "invalid_scope")
	w.refresh("shop", second.refresh, "scope", "openid admin").wantError(400, "invalid_scope")
	third := w.refresh("shop", second.refresh).tokens()
	if third.scope != "openid profile email" {
		t.Errorf("the grant was narrowed to %q", third.scope)
	}
	// Another client's token is invalid_grant and stays unharmed; the wrong kind of token too.
	w.refresh("wiki", third.refresh).wantError(400, "invalid_grant")
	w.refresh("app", third.refresh).wantError(400, "invalid_grant")
	w.refresh("shop", third.access).wantError(400, "invalid_grant")
	w.refresh("shop", third.id).wantError(400, "invalid_grant")
	w.refresh("shop", "unknown").wantError(400, "invalid_grant")
	w.refresh("shop", "").wantError(400, "invalid_request")
	w.asAt("/token", "shop", twice(values("grant_type", "refresh_token", "refresh_token", third.refresh), "refresh_token")).wantError(400, "invalid_request")
	if !w.active("shop", third.refresh) {
		t.Fatal("a foreign attempt harmed the token")
	}
	// Within the grace a rotated token is harmless; later it revokes the family.
	w.refresh("shop", second.refresh).wantError(400, "invalid_grant")
	if !w.active("shop", third.access) {
		t.Fatal("racing tabs cost the tokens")
	}
	w.clock.Advance(11 * time.Second)
	w.refresh("wiki", second.refresh).wantError(400, "invalid_grant")
	if !w.active("shop", third.access) {
		t.Fatal("another client could revoke the family")
	}
	w.refresh("shop", first.refresh).wantError(400, "invalid_grant")
	if w.active("shop", third.access) || w.active("shop", third.refresh) {
		t.Error("the family lives")
	}
	w.eventually("its RP is told", func() bool { return w.told(first.id) == 1 })
	if !alice.alive() || !w.active("wiki", wiki.access) || w.told(wiki.id) != 0 {
		t.Error("others suffered")
	}
}

// What an ID token says, and nothing besides.
func TestCore_2_IDToken(t *testing.T) {
	for client, alg := range map[string]string{"shop": "RS256", "wiki": "ES256", "mail": "EdDSA"} {
		t.Run(client, func(t *testing.T) {
			w := open(t)
			got := w.browser().firstSignOn(client, "alice", "scope", "openid profile email address phone")
			w.verified(got.id, alg)
			token := readJWT(got.id)
			for _, name := range []string{"iss", "sub", "aud", "azp", "exp", "iat", "auth_time", "nonce", "acr", "sid", "at_hash"} {
				if token.claims[name] == nil {
					t.Errorf("no %s in %v", name, token.claims)
				}
			}
			if len(token.claims) != 11 {
				t.Errorf("more than the protocol's claims: %v", token.claims)
			}
			aud, _ := token.claims["aud"].([]any)
			if token.claims["iss"] != w.issuer || token.claims["azp"] != client || token.claims["nonce"] != "n-"+client || len(aud) != 1 || aud[0] != client {
				t.Errorf("claims %v", token.claims)
			}
			if token.header["alg"] != alg || token.header["kid"] == nil || token.header["typ"] != nil && token.header["typ"] != "JWT" {
				t.Errorf("header %v", token.header)
			}
			acrs := texts(t, w.program().get("/.well-known/openid-configuration", nil).json()["acr_values_supported"])
			if acr, _ := token.claims["acr"].(string); !slices.Contains(acrs, acr) {
				t.Errorf("acr %q, supported %v", acr, acrs)
			}
			if sub, _ := token.claims["sub"].(string); sub == "alice" || len(sub) > 255 {
				t.Errorf("sub %q", sub)
			}
			w.clock.Advance(2 * time.Second)
			refreshed := w.refresh(client, got.refresh, "scope", "openid").tokens()
			w.verified(refreshed.id, alg)
			after := readJWT(refreshed.id).claims
			for _, name := range []string{"iss", "sub", "azp", "auth_time", "acr", "sid"} {
				if after[name] != token.claims[name] {
					t.Errorf("after a refresh %s is %v, was %v", name, after[name], token.claims[name])
				}
			}
			if after["iat"] == token.claims["iat"] || after["at_hash"] == token.claims["at_hash"] {
				t.Error("iat or at_hash did not change")
			}
		})
	}
	t.Run("only with openid", func(t *testing.T) {
		w := open(t)
		if got := w.browser().firstSignOn("shop", "alice", "scope", "profile"); got.id != "" || got.access == "" {
			t.Errorf("tokens %+v", got)
		}
	})
	t.Run("no nonce", func(t *testing.T) {
		w := open(t)
		if _, ok := readJWT(w.browser().firstSignOn("shop", "alice", "nonce", "").id).claims["nonce"]; ok {
			t.Error("a nonce that nobody sent")
		}
	})
}
