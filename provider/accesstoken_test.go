package provider_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/database/databasetest"
	"github.com/exeunt-id/exeunt/provider"
	"github.com/exeunt-id/exeunt/provider/identity"
)

// jwts gives all clients JWT access tokens.
func jwts(cfg *provider.Config) {
	for i := range cfg.Clients {
		cfg.Clients[i].AccessTokenFormat = identity.AccessTokenJWT
	}
}

// verified checks an access token as a resource server does (RFC 9068, 4) and returns its claims.
func (w *world) verified(alg, token string) map[string]any {
	w.Helper()
	jws, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(alg)})
	if err != nil {
		w.Fatalf("%v: %q", err, token)
	}
	header := jws.Signatures[0].Protected
	if header.ExtraHeaders[jose.HeaderType] != "at+jwt" {
		w.Errorf("typ %v", header.ExtraHeaders[jose.HeaderType])
	}
	var set jose.JSONWebKeySet
	if err := json.Unmarshal([]byte(w.program().get("/keys", nil).want(http.StatusOK).body), &set); err != nil {
		w.Fatal(err)
	}
	payload, err := jws.Verify(set.Key(header.KeyID)[0])
	if err != nil {
		w.Fatal(err)
	}
	var claims map[string]any
	if err := json.Unmarshal(payload, &claims); err != nil {
		w.Fatal(err)
	}
	return claims
}

func TestJWTAccessTokens(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		w := newWorld(t, db, withJob(), jwts)
		alice := w.browser()
		alice.firstSignOn("app", "alice")
		all := map[string]tokens{}
		for client, alg := range map[string]string{"shop": "RS256", "wiki": "ES256", "mail": "EdDSA"} {
			got := alice.signOn(client)
			all[client] = w.refresh(client, got.refresh).tokens()
			for _, access := range []string{got.access, all[client].access} {
				have, id := w.verified(alg, access), claims(t, got.id)
				for name, want := range map[string]any{
					"iss": w.url, "aud": w.url, "sub": id["sub"], "client_id": client, "scope": "openid profile", "auth_time": id["auth_time"], "acr": id["acr"],
				} {
					if have[name] != want {
						t.Errorf("%s: %s is %v, want %v", client, name, have[name], want)
					}
					delete(have, name)
				}
				if have["jti"] == nil || have["exp"].(float64) != have["iat"].(float64)+600 || len(have) != 3 {
					t.Errorf("%s: jti, iat, exp: %v", client, have)
				}
				if state := w.asAt("/introspect", client, url.Values{"token": {access}}).want(http.StatusOK).json(); state["active"] != true ||
					state["aud"].([]any)[0] != w.url || state["exp"] == nil {
					t.Errorf("%s: introspection %v", client, state)
				}
				w.userinfo(access).want(http.StatusOK)
			}
		}
		offline := alice.signOn("shop", "scope", "openid offline_access")
		job := w.clientCredentials("job").tokens()
		own := w.verified("RS256", job.access)
		if own["sub"] != "job" || own["client_id"] != "job" || own["scope"] != "jobs.read jobs.run" || own["auth_time"] != nil || own["acr"] != nil {
			t.Errorf("claims %v", own)
		}
		w.userinfo(job.access).wantError(http.StatusForbidden, "insufficient_scope")

		// Revoked, and left.
		w.asAt("/revoke", "wiki", url.Values{"token": {all["wiki"].access}}).want(http.StatusOK)
		w.program().with("Authorization", "Bearer "+all["mail"].access).post("/api/logout", nil).want(http.StatusOK)
		for _, client := range []string{"wiki", "mail"} {
			w.userinfo(all[client].access).wantError(http.StatusUnauthorized, "invalid_token")
			w.refresh(client, all[client].refresh).wantError(http.StatusBadRequest, "invalid_grant")
		}
		alice.get("/logout", url.Values{"client_id": {"shop"}}).want(http.StatusOK)
		w.userinfo(all["shop"].access).wantError(http.StatusUnauthorized, "invalid_token")
		if w.active("shop", all["shop"].access) {
			t.Error("active after the logout")
		}
		if !w.active("shop", offline.access) || !w.active("job", job.access) {
			t.Error("the logout reached what has no session")
		}
	})
}

// A JWT that resource servers verify by themselves must not outlive the session either.
func TestJWTAccessTokenEndsWithSession(t *testing.T) {
	w := newWorld(t, openDB(t), jwts, func(cfg *provider.Config) { cfg.Sessions.Absolute = 5 * time.Minute })
	alice := w.browser()
	shop := alice.firstSignOn("shop", "alice")
	w.clock.Advance(time.Minute)
	for _, access := range []string{shop.access, alice.signOn("shop").access, w.refresh("shop", shop.refresh).tokens().access} {
		got := w.verified("RS256", access)
		if until := time.Unix(int64(got["exp"].(float64)), 0); until.After(w.clock.Now().Add(4 * time.Minute)) {
			t.Errorf("expires at %s", until)
		}
	}
	code := alice.get("/authorize", request("shop")).code()
	alice.get("/logout", url.Values{"client_id": {"shop"}}).want(http.StatusOK)
	w.as("shop", codeForm("shop", code)).wantError(http.StatusBadRequest, "invalid_grant")
}

// Every kind of JWT that the provider signs is good for one thing.
func TestJWTsAreNotConfused(t *testing.T) {
	w := newWorld(t, openDB(t), withJob(), jwts)
	alice := w.browser()
	shop := alice.firstSignOn("shop", "alice")
	job := w.clientCredentials("job").tokens()
	alice.get("/authorize", request("shop", "id_token_hint", shop.id, "prompt", "none")).code()

	for name, token := range map[string]string{"access token": shop.access, "client's access token": job.access} {
		t.Run(name+" as hint", func(t *testing.T) {
			alice.get("/end_session", url.Values{"id_token_hint": {token}}).want(http.StatusBadRequest)
			if got := alice.get("/authorize", request("shop", "id_token_hint", token, "prompt", "none")); got.status == http.StatusSeeOther && got.location().Query().Has("code") {
				t.Error("a code for it")
			}
		})
		t.Run(name+" as assertion", func(t *testing.T) {
			w.introspectAs(token).wantError(http.StatusUnauthorized, "invalid_client")
		})
		t.Run(name+" as refresh token", func(t *testing.T) {
			w.refresh("shop", token).wantError(http.StatusBadRequest, "invalid_grant")
		})
	}
	t.Run("ID token as access token", func(t *testing.T) {
		notAccessToken(t, w, shop.id)
	})
	t.Run("its signature in other clothes", func(t *testing.T) {
		parts := strings.Split(shop.access, ".")
		notAccessToken(t, w, parts[0]+"."+parts[1]+".")
		notAccessToken(t, w, shop.access+"=")
		notAccessToken(t, w, strings.ToUpper(shop.access))
	})
	w.userinfo(shop.access).want(http.StatusOK) // nothing of that revoked it
	received := make(chan string, 1)
	w.rps["shop"].Answer(func(_ http.ResponseWriter, r *http.Request) { received <- r.PostFormValue("logout_token") })
	alice.get("/logout", url.Values{"client_id": {"shop"}}).want(http.StatusOK)
	logoutToken := <-received
	t.Run("logout token as access token", func(t *testing.T) { notAccessToken(t, w, logoutToken) })
	t.Run("logout token as assertion", func(t *testing.T) {
		w.introspectAs(logoutToken).wantError(http.StatusUnauthorized, "invalid_client")
	})
}

// notAccessToken offers a token wherever access tokens are taken.
func notAccessToken(t *testing.T, w *world, token string) {
	t.Helper()
	w.userinfo(token).wantError(http.StatusUnauthorized, "invalid_token")
	w.program().post("/userinfo", url.Values{"access_token": {token}}).wantError(http.StatusUnauthorized, "invalid_token")
	if w.active("shop", token) {
		t.Error("active")
	}
	w.program().with("Authorization", "Bearer "+token).post("/api/logout", nil).wantError(http.StatusUnauthorized, "invalid_token")
	if w.asAt("/api/logout", "shop", url.Values{"token": {token}}).want(http.StatusOK).json()["revoked"] != false {
		t.Error("revoked something")
	}
	w.asAt("/revoke", "shop", url.Values{"token": {token}}).want(http.StatusOK)
}

// The default form is the short one.
func TestOpaqueAccessTokens(t *testing.T) {
	w := newSQLiteWorld(t)
	shop := w.browser().firstSignOn("shop", "alice")
	if strings.Contains(shop.access, ".") || len(shop.access) != 43 {
		t.Errorf("access token %q", shop.access)
	}
	aud := w.asAt("/introspect", "shop", url.Values{"token": {shop.access}}).json()["aud"]
	if list, ok := aud.([]any); !ok || !slices.Equal(list, []any{"shop"}) {
		t.Errorf("aud %v", aud)
	}
}
