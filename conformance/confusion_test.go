package conformance

import (
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/exeunt-id/exeunt/rp"
)

// Every JWT that the provider issues, offered in every place that takes a token of another kind: nobody takes it for what it is not
// (RFC 8725, 3.11 and 3.12), and nothing ends or is revoked.
func TestBCP_JWTConfusion(t *testing.T) {
	w := open(t)
	alice := w.browser()
	shop := alice.firstSignOn("shop", "alice")
	refreshed := w.refresh("shop", shop.refresh).tokens()
	other := w.browser()
	left := other.firstSignOn("shop", "alice")
	other.get("/logout", values("client_id", "shop"))
	got := w.receiver.to("shop", sidOf(left.id))
	if len(got) != 1 {
		t.Fatalf("%d logout tokens", len(got))
	}
	issued := map[string]string{"ID token": shop.id, "refreshed ID token": refreshed.id, "logout token": strings.Join(got[0].token.parts, ".")}
	// As later kinds will look, signed with the provider's own keys.
	claims := readJWT(shop.id).claims
	access := maps.Clone(claims)
	access["client_id"], access["scope"], access["jti"] = "shop", "openid profile", "x"
	event := map[string]any{
		"iss": w.issuer, "aud": "shop", "iat": claims["iat"], "jti": "x", "sub_id": map[string]any{"format": "iss_sub", "iss": w.issuer, "sub": claims["sub"]},
		"events": map[string]any{"https://schemas.openid.net/secevent/caep/event-type/session-revoked": map[string]any{}},
	}
	issued["JWT access token"] = w.signed("RS256", "at+jwt", access)
	issued["JWT access token without its type"] = w.signed("RS256", "JWT", access)
	issued["security event token"] = w.signed("RS256", "secevent+jwt", event)

	assertion := "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
	for name, token := range issued {
		t.Run(name, func(t *testing.T) {
			w, alice := open(t), alice.in(t)
			w.userinfo(token).wantError(401, "invalid_token")
			w.program().post("/userinfo", values("access_token", token)).wantError(401, "invalid_token")
			w.bearerLogout(token).wantError(401, "invalid_token")
			w.wantRevoked(w.asAt("/api/logout", "shop", values("token", token)), false)
			w.asAt("/revoke", "shop", values("token", token)).want(200)
			if w.active("shop", token) {
				t.Error("introspection calls it active")
			}
			w.refresh("shop", token).wantError(400, "invalid_grant")
			w.exchange("shop", token).wantError(400, "invalid_grant")
			w.program().post("/token", values("grant_type", "client_credentials", "client_assertion_type", assertion, "client_assertion", token)).wantError(401, "invalid_client")
			w.program().post("/token", values("grant_type", "client_credentials", "client_id", "shop", "client_secret", token)).wantError(401, "invalid_client")
			w.program().with("Authorization", basic("shop", token)).post("/token", values("grant_type", "client_credentials")).wantError(401, "invalid_client")
			if w.program().with("Cookie", w.cookieName("exeunt_session")+"="+token).get("/authorize", request("shop", "prompt", "none")).response().Has("code") {
				t.Error("it is taken for a session cookie")
			}
			if !strings.Contains(name, "ID token") {
				alice.get("/end_session", values("id_token_hint", token, "post_logout_redirect_uri", bye("shop"))).wantPage(400, signOutRefused)
				if r := alice.get("/authorize", request("shop", "id_token_hint", token)).response(); r.Get("error") != "invalid_request" {
					t.Errorf("as authorization hint: %v", r)
				}
			}
			w.browser().get("/logout", values("client_id", "shop", "redirect_uri", bye("shop"), "oauth_token", token)).wantRedirect(bye("shop"))
			if r := alice.get("/authorize", request("shop", "request", token)).response(); r.Get("error") != "request_not_supported" {
				t.Errorf("as request object: %v", r)
			}

			// Our own kit takes logout tokens only.
			verify, err := rp.NewLogoutTokenVerifier(rp.VerifierConfig{
				Issuer: w.issuer, ClientID: "shop", HTTPClient: w.program().client, Now: w.clock.Now, MaxAge: time.Hour,
			})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := verify.Verify(t.Context(), token); (err == nil) != (name == "logout token") {
				t.Errorf("as logout token: %v", err)
			}
		})
	}
	if !alice.alive() || !w.active("shop", refreshed.refresh) || w.told(shop.id) != 0 {
		t.Error("something ended")
	}
}

// Opaque tokens too: each kind in the place of every other, and those of another client.
func TestBCP_TokenSubstitution(t *testing.T) {
	w := open(t)
	alice := w.browser()
	shop := alice.firstSignOn("shop", "alice")
	code := alice.get("/authorize", request("shop")).code()
	w.userinfo(shop.refresh).wantError(401, "invalid_token")
	w.userinfo(code).wantError(401, "invalid_token")
	w.bearerLogout(shop.refresh).wantError(401, "invalid_token")
	w.bearerLogout(code).wantError(401, "invalid_token")
	w.refresh("shop", shop.access).wantError(400, "invalid_grant")
	w.refresh("shop", code).wantError(400, "invalid_grant")
	w.exchange("shop", shop.access).wantError(400, "invalid_grant")
	w.exchange("shop", shop.refresh).wantError(400, "invalid_grant")
	if w.active("shop", code) {
		t.Error("a code is an active token")
	}
	for _, client := range []string{"wiki", "mail", "app", "plain"} {
		w.exchange(client, code, "redirect_uri", callback("shop")).wantError(400, "invalid_grant")
		if client != "plain" {
			w.refresh(client, shop.refresh).wantError(400, "invalid_grant")
		}
		w.wantRevoked(w.asAt("/api/logout", client, values("token", shop.refresh)), false)
	}
	if !w.active("shop", shop.access) || !w.active("shop", shop.refresh) {
		t.Error("a foreign attempt harmed the tokens")
	}
	w.exchange("shop", code).want(200)
}
