package conformance

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

// All standard claims of a user who has them, by scope.
func TestCore_5_4_ScopeClaims(t *testing.T) {
	w := open(t)
	alice := w.browser()
	alice.firstSignOn("shop", "alice")
	sub := readJWT(alice.signOn("shop").id).claims["sub"]
	scopes := map[string][]string{
		"openid": nil,
		"openid profile": {
			"name", "family_name", "given_name", "middle_name", "nickname", "preferred_username", "profile", "picture", "website", "gender", "birthdate",
			"zoneinfo", "locale", "updated_at",
		},
		"openid email":   {"email", "email_verified"},
		"openid address": {"address"},
		"openid phone":   {"phone_number", "phone_number_verified"},
	}
	for scope, names := range scopes {
		got := w.userinfo(alice.signOn("shop", "scope", scope).access).want(200).json()
		if got["sub"] != sub || len(got) != len(names)+1 {
			t.Errorf("%s gives %v", scope, got)
		}
		for _, name := range names {
			if got[name] == nil || got[name] == "" {
				t.Errorf("%s gives no %s", scope, name)
			}
		}
	}
	all := w.userinfo(alice.signOn("shop", "scope", "openid profile email address phone").access).want(200).json()
	if len(all) != 20 {
		t.Errorf("%d claims: %v", len(all), all)
	}
	if at, ok := all["updated_at"].(float64); !ok || at <= 0 {
		t.Errorf("updated_at %v", all["updated_at"])
	}
	if address, _ := all["address"].(map[string]any); len(address) != 6 {
		t.Errorf("address %v", all["address"])
	}
	if all["email_verified"] != true || all["phone_number_verified"] != true {
		t.Errorf("claims %v", all)
	}
}

// Never an empty string, never null, nor a verdict about what is not there.
func TestCore_5_3_2_NothingEmpty(t *testing.T) {
	w := open(t)
	for _, user := range []string{"bob", "carol"} {
		claims := w.userinfo(w.browser().firstSignOn("shop", user, "scope", "openid profile email address phone").access).want(200).json()
		for name, value := range claims {
			if value == nil || value == "" || reflect.DeepEqual(value, map[string]any{}) {
				t.Errorf("%s: %s is %v", user, name, value)
			}
		}
		if claims["email_verified"] != nil || claims["phone_number_verified"] != nil || claims["preferred_username"] != user {
			t.Errorf("%s: %v", user, claims)
		}
	}
}

// By GET and POST, in the header or the body, once, and never in the URL.
func TestBearer_2_Userinfo(t *testing.T) {
	w := open(t)
	alice := w.browser()
	shop := alice.firstSignOn("shop", "alice")
	header := w.program().with("Authorization", "Bearer "+shop.access)
	good := map[string]answer{
		"GET":                   header.get("/userinfo", nil),
		"POST, header":          header.send("POST", "/userinfo", "", ""),
		"POST, header and form": header.post("/userinfo", nil),
		"POST, body":            w.program().post("/userinfo", values("access_token", shop.access)),
		"lower case":            w.program().with("Authorization", "bearer "+shop.access).get("/userinfo", nil),
	}
	for name, a := range good {
		if claims := a.want(200).json(); claims["sub"] != readJWT(shop.id).claims["sub"] || a.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %v", name, claims)
		}
	}
	w.program().get("/userinfo", values("access_token", shop.access)).wantError(400, "invalid_request")
	w.program().post("/userinfo?access_token=x", values("access_token", shop.access)).wantError(400, "invalid_request")
	header.post("/userinfo", values("access_token", shop.access)).wantError(400, "invalid_request")
	w.program().post("/userinfo", twice(values("access_token", shop.access), "access_token")).wantError(400, "invalid_request")
	w.program().send("POST", "/userinfo", "application/json", `{"access_token":"`+shop.access+`"}`).want(401)
	for _, method := range []string{"PUT", "DELETE", "HEAD"} {
		header.send(method, "/userinfo", "", "").want(405)
	}
}

func TestBearer_3_Challenge(t *testing.T) {
	w := open(t)
	alice := w.browser()
	shop := alice.firstSignOn("shop", "alice")
	for name, token := range map[string]string{"unknown": "x", "ID token": shop.id, "refresh token": shop.refresh, "not UTF-8": "\xff", "JWT": "eyJhbGciOiJub25lIn0.e30."} {
		a := w.userinfo(token).wantError(401, "invalid_token")
		if got := a.header.Get("WWW-Authenticate"); !strings.HasPrefix(got, "Bearer ") || !strings.Contains(got, `error="invalid_token"`) {
			t.Errorf("%s: WWW-Authenticate %q", name, got)
		}
	}
	for name, a := range map[string]answer{"none": w.program().get("/userinfo", nil), "Basic": w.program().with("Authorization", basic("shop", secret)).get("/userinfo", nil)} {
		if got := a.want(401).header.Get("WWW-Authenticate"); !strings.HasPrefix(got, "Bearer ") || strings.Contains(got, "error") {
			t.Errorf("%s: WWW-Authenticate %q", name, got)
		}
	}
	narrow := w.userinfo(alice.signOn("shop", "scope", "profile").access).wantError(403, "insufficient_scope")
	if got := narrow.header.Get("WWW-Authenticate"); !strings.Contains(got, `scope="openid"`) {
		t.Errorf("WWW-Authenticate %q", got)
	}
	w.clock.Advance(11 * time.Minute)
	w.userinfo(shop.access).wantError(401, "invalid_token")
}

func TestIntrospection_2_2_Response(t *testing.T) {
	w := open(t)
	alice := w.browser()
	shop := alice.firstSignOn("shop", "alice")
	for kind, token := range map[string]string{"access": shop.access, "refresh": shop.refresh} {
		a := w.asAt("/introspect", "shop", values("token", token, "token_type_hint", "nonsense")).want(200)
		got := a.json()
		exp, _ := got["exp"].(float64)
		iat, _ := got["iat"].(float64)
		if got["active"] != true || got["client_id"] != "shop" || got["sub"] != readJWT(shop.id).claims["sub"] || got["iss"] != w.issuer || exp <= iat || got["scope"] == nil {
			t.Errorf("%s token: %v", kind, got)
		}
		if sid := readJWT(shop.id).claims["sid"]; got["sid"] != sid || sid == nil {
			t.Errorf("%s token: sid %v, want that of the ID token, %v", kind, got["sid"], sid)
		}
		if a.header.Get("Cache-Control") != "no-store" {
			t.Error("cacheable")
		}
	}
	// What outlives the session does not name it.
	offline := alice.signOn("shop", "scope", "openid offline_access")
	if got := w.asAt("/introspect", "shop", values("token", offline.access)).want(200).json(); got["active"] != true || got["sid"] != nil {
		t.Errorf("an offline grant's token: %v", got)
	}
	// Only the owner sees it; everybody else sees what they see of an unknown one.
	for client, token := range map[string]string{"wiki": shop.access, "mail": shop.refresh, "shop": "unknown", "batch": shop.id} {
		if got := w.asAt("/introspect", client, values("token", token)).want(200).json(); len(got) != 1 || got["active"] != false {
			t.Errorf("%s sees %v", client, got)
		}
	}
	w.program().post("/introspect", values("token", shop.access)).wantError(401, "invalid_client")
	w.asAt("/introspect", "app", values("token", shop.access)).wantError(401, "invalid_client")
	w.program().with("Authorization", "Bearer "+shop.access).post("/introspect", values("token", shop.access)).wantError(401, "invalid_client")
	w.asAt("/introspect", "shop", values()).wantError(400, "invalid_request")
	w.program().with("Authorization", basic("shop", secret)).get("/introspect", values("token", shop.access)).want(405)
	w.program().with("Authorization", basic("shop", secret)).post("/introspect?token="+shop.access, nil).wantError(400, "invalid_request")
	w.clock.Advance(11 * time.Minute)
	if w.active("shop", shop.access) || !w.active("shop", shop.refresh) {
		t.Error("the access token does not expire, or the refresh token did")
	}
	alice.get("/logout", values("client_id", "shop"))
	if w.active("shop", shop.refresh) {
		t.Error("the refresh token lives after the logout")
	}
}

func TestRevocation_2_Revoke(t *testing.T) {
	w := open(t)
	alice := w.browser()
	shop := alice.firstSignOn("shop", "alice")
	w.asAt("/revoke", "wiki", values("token", shop.access)).want(200)
	w.asAt("/revoke", "app", values("token", shop.refresh)).want(200)
	w.asAt("/revoke", "shop", values("token", "unknown")).want(200)
	w.asAt("/revoke", "shop", values("token", shop.id)).want(200)
	w.asAt("/revoke", "shop", values()).wantError(400, "invalid_request")
	w.program().post("/revoke", values("token", shop.access)).wantError(401, "invalid_client")
	w.program().with("Authorization", basic("shop", "wrong")).post("/revoke", values("token", shop.access)).wantError(401, "invalid_client")
	w.program().with("Authorization", basic("shop", secret)).get("/revoke", values("token", shop.access)).want(405)
	w.program().with("Authorization", basic("shop", secret)).post("/revoke?token="+shop.access, nil).wantError(400, "invalid_request")
	if !w.active("shop", shop.access) || !w.active("shop", shop.refresh) {
		t.Fatal("somebody else revoked the token")
	}
	if a := w.asAt("/revoke", "shop", values("token", shop.refresh, "token_type_hint", "access_token")).want(200); a.body != "" || a.header.Get("Cache-Control") != "no-store" {
		t.Errorf("answer %s", a)
	}
	if w.active("shop", shop.access) || w.active("shop", shop.refresh) || w.userinfo(shop.access).status != 401 {
		t.Error("access or refresh token lives")
	}
	w.asAt("/revoke", "shop", values("token", shop.refresh)).want(200)
	app := alice.signOn("app")
	w.asAt("/revoke", "app", values("token", app.access)).want(200)
	w.refresh("app", app.refresh).wantError(400, "invalid_grant")
	if !alice.alive() || w.told(shop.id) != 0 {
		t.Error("the session ended with the token")
	}
}
