package provider_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider"
)

func TestDiscovery(t *testing.T) {
	w := newSQLiteWorld(t)
	a := w.program().get("/.well-known/openid-configuration", nil).want(http.StatusOK)
	if a.header.Get("Content-Type") != "application/json" || a.header.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("headers %v", a.header)
	}
	doc := a.json()
	for name, want := range map[string]any{
		"issuer": w.url, "authorization_endpoint": w.url + "/authorize", "end_session_endpoint": w.url + "/end_session", "jwks_uri": w.url + "/keys",
		"backchannel_logout_supported": true, "backchannel_logout_session_supported": true, "frontchannel_logout_supported": true,
		"frontchannel_logout_session_supported": true, "authorization_response_iss_parameter_supported": true,
		"request_parameter_supported": false, "request_uri_parameter_supported": false, "claims_parameter_supported": true,
	} {
		if doc[name] != want {
			t.Errorf("%s is %v", name, doc[name])
		}
	}
	for name, want := range map[string]string{
		"token_endpoint_auth_methods_supported":                    "client_secret_basic client_secret_post private_key_jwt none",
		"revocation_endpoint_auth_methods_supported":               "client_secret_basic client_secret_post private_key_jwt none",
		"introspection_endpoint_auth_methods_supported":            "client_secret_basic client_secret_post private_key_jwt",
		"token_endpoint_auth_signing_alg_values_supported":         "RS256 ES256 EdDSA",
		"revocation_endpoint_auth_signing_alg_values_supported":    "RS256 ES256 EdDSA",
		"introspection_endpoint_auth_signing_alg_values_supported": "RS256 ES256 EdDSA",
	} {
		if got := strings.Trim(fmt.Sprint(doc[name]), "[]"); got != want {
			t.Errorf("%s is %s", name, got)
		}
	}
	for name, value := range doc {
		if list, ok := value.([]any); ok && len(list) == 0 || value == nil {
			t.Errorf("%s is empty", name)
		}
	}
	kids := map[any]bool{}
	for _, key := range w.program().get("/keys", nil).want(http.StatusOK).json()["keys"].([]any) {
		key := key.(map[string]any)
		kids[key["kid"]] = true
		for _, private := range []string{"d", "p", "q", "k"} {
			if key[private] != nil {
				t.Errorf("private member %s", private)
			}
		}
	}
	if len(kids) != 3 {
		t.Errorf("kids %v", kids)
	}
}

func TestMethods(t *testing.T) {
	w := newSQLiteWorld(t)
	for path, method := range map[string]string{
		"/token": "GET", "/introspect": "GET", "/revoke": "GET", "/api/logout": "GET", "/userinfo": "PUT", "/keys": "POST",
		"/end_session": "HEAD", "/end_session/confirm": "GET", "/authorize/deny": "GET", "/.well-known/openid-configuration": "POST", "/logout": "DELETE",
	} {
		if a := w.browser().do(method, path, nil).want(http.StatusMethodNotAllowed); a.header.Get("Allow") == "" {
			t.Errorf("%s %s: no Allow", method, path)
		}
	}
	w.program().with("Accept", "application/json").get("/nowhere", nil).wantError(404, "invalid_request")
	w.browser().get("/nowhere", nil).wantPage(404, "There is no such page")
	w.program().get("/healthz", nil).want(200)
	w.program().get("/readyz", nil).want(200)
	preflight := w.program().with("Origin", "https://spa.example.com", "Access-Control-Request-Method", "POST").do(http.MethodOptions, "/token", nil).want(204)
	if preflight.header.Get("Access-Control-Allow-Origin") != "*" || preflight.header.Get("Access-Control-Allow-Credentials") != "" {
		t.Errorf("preflight %v", preflight.header)
	}
	for _, path := range []string{"/introspect", "/end_session", "/login"} {
		if a := w.program().with("Origin", "https://spa.example.com").do(http.MethodOptions, path, nil); a.header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s is open to scripts", path)
		}
	}
}

func TestBodies(t *testing.T) {
	w := newSQLiteWorld(t)
	for _, path := range []string{"/token", "/introspect", "/revoke", "/api/logout"} {
		w.program().with("Content-Type", "application/json").post(path, nil).wantError(400, "invalid_request")
		a := w.program().post(path, map[string][]string{"x": {strings.Repeat("x", 70<<10)}})
		if a.status != http.StatusRequestEntityTooLarge {
			t.Errorf("%s takes a large body: %d", path, a.status)
		}
	}
}

// Nobody sees what an inner layer said; the log does, with the id that the answer shows.
func TestFailuresStayInside(t *testing.T) {
	db := openDB(t)
	w := newWorld(t, db)
	alice := w.browser()
	shop := alice.firstSignOn("shop", "alice")
	if err := db.Writer(t.Context()).Exec("DROP TABLE tokens").Error; err != nil {
		t.Fatal(err)
	}
	form := map[string][]string{"token": {shop.access}}
	for _, a := range []answer{
		w.asAt("/introspect", "shop", form).wantError(503, "temporarily_unavailable"),
		w.asAt("/revoke", "shop", form).wantError(503, "temporarily_unavailable"),
		w.userinfo(shop.access).wantError(503, "temporarily_unavailable"),
		w.refresh("shop", shop.refresh).wantError(500, "server_error"),
		alice.get("/logout", endRequest("client_id", "shop", "oauth_token", shop.access)).wantPage(500, "Something went wrong on our side"),
	} {
		if strings.Contains(a.body, "tokens") && strings.Contains(a.body, "table") {
			t.Errorf("an inner error is shown: %s", a.body)
		}
		if a.header.Get("X-Request-Id") == "" {
			t.Error("no request id")
		}
	}
}

func TestConfigRefused(t *testing.T) {
	db := openDB(t)
	for field, cfg := range map[string]provider.Config{
		"Config.Issuer":  {Issuer: "https://id.example.com/a%2Fb", DB: db},
		"Config.DB":      {Issuer: "https://id.example.com"},
		"Config.Secrets": {Issuer: "https://id.example.com", DB: db},
		"Config.Registration.Check": {
			Issuer: "https://id.example.com", DB: db, Secrets: [][32]byte{{1}}, Outgoing: &logout.Outgoing{}, Algorithms: []string{"RS256"},
			Registration: provider.Registration{InitialAccessTokens: [][]byte{{1}}},
		},
	} {
		if _, err := provider.New(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%s: %v", field, err)
		}
	}
}
