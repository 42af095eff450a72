package conformance

import (
	"net/http"
	"net/url"
	"testing"
	"time"
)

func (w *world) wantRevoked(a answer, want bool) {
	w.Helper()
	if got := a.want(http.StatusOK).json()["revoked"]; got != want {
		w.Errorf("revoked %v, want %v", got, want)
	}
	if a.header.Get("Cache-Control") != "no-store" {
		w.Errorf("cacheable: %v", a.header)
	}
}

func (w *world) bearerLogout(token string) answer {
	w.Helper()
	return w.program().with("Authorization", "Bearer "+token).send(http.MethodPost, "/api/logout", "", "")
}

// Every way to name the token revokes its one authorization and nothing else.
func TestAPILogout_RevokesOneAuthorization(t *testing.T) {
	tests := map[string]struct {
		client string
		call   func(w *world, got tokens) answer
	}{
		"bearer": {"shop", func(w *world, got tokens) answer { return w.bearerLogout(got.access) }},
		"bearer, lower case": {"shop", func(w *world, got tokens) answer {
			return w.program().with("Authorization", "bearer "+got.access).post("/api/logout", nil)
		}},
		"bearer, public":          {"app", func(w *world, got tokens) answer { return w.bearerLogout(got.access) }},
		"client and access token": {"shop", func(w *world, got tokens) answer { return w.asAt("/api/logout", "shop", values("token", got.access)) }},
		"client and refresh token": {"shop", func(w *world, got tokens) answer {
			return w.asAt("/api/logout", "shop", values("token", got.refresh, "token_type_hint", "access_token"))
		}},
		"client_secret_post":    {"mail", func(w *world, got tokens) answer { return w.asAt("/api/logout", "mail", values("token", got.refresh)) }},
		"public, refresh token": {"app", func(w *world, got tokens) answer { return w.asAt("/api/logout", "app", values("token", got.refresh)) }},
		"rotated refresh token": {"app", func(w *world, got tokens) answer {
			w.refresh("app", got.refresh).want(200)
			return w.asAt("/api/logout", "app", values("token", got.refresh))
		}},
		"expired access token": {"app", func(w *world, got tokens) answer {
			w.clock.Advance(11 * time.Minute)
			return w.bearerLogout(got.access)
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := open(t)
			alice := w.browser()
			here := alice.firstSignOn(test.client, "alice")
			there := alice.signOn(test.client) // another authorization of the same app
			wiki := alice.signOn("wiki")
			w.wantRevoked(test.call(w, here), true)
			w.wantRevoked(w.bearerLogout(here.access), false)
			if w.userinfo(here.access).status != 401 {
				t.Error("the access token lives")
			}
			w.refresh(test.client, here.refresh).wantError(400, "invalid_grant")
			w.refresh(test.client, there.refresh).want(200)
			w.refresh("wiki", wiki.refresh).want(200)
			if !alice.alive() || w.told(here.id)+w.told(there.id)+w.told(wiki.id) != 0 {
				t.Error("the session ended, or somebody was told")
			}
		})
	}
}

func TestAPILogout_Refused(t *testing.T) {
	w := open(t)
	alice := w.browser()
	shop := alice.firstSignOn("shop", "alice")
	plain := alice.signOn("plain")
	t.Run("bearer", func(t *testing.T) {
		w := open(t)
		for name, token := range map[string]string{"unknown": "x", "refresh token": shop.refresh, "ID token": shop.id, "alg none": "eyJhbGciOiJub25lIn0.e30."} {
			if a := w.bearerLogout(token).wantError(401, "invalid_token"); a.header.Get("WWW-Authenticate") == "" {
				t.Errorf("%s: no WWW-Authenticate", name)
			}
		}
	})
	t.Run("form", func(t *testing.T) {
		w := open(t)
		w.wantRevoked(w.asAt("/api/logout", "wiki", values("token", shop.access)), false)
		w.wantRevoked(w.asAt("/api/logout", "shop", values("token", "unknown")), false)
		w.asAt("/api/logout", "shop", values()).wantError(400, "invalid_request")
		w.asAt("/api/logout", "shop", twice(values("token", "x"), "token")).wantError(400, "invalid_request")
		w.program().post("/api/logout", values("token", shop.refresh)).wantError(401, "invalid_client")
		w.program().post("/api/logout", values("token", shop.refresh, "client_id", "shop")).wantError(401, "invalid_client")
		w.program().post("/api/logout", values("token", shop.refresh, "client_id", "shop", "client_secret", secret)).wantError(401, "invalid_client")
		w.program().with("Authorization", basic("shop", "wrong")).post("/api/logout", values("token", shop.refresh)).wantError(401, "invalid_client")
		w.program().post("/api/logout?token=x", values("client_id", "app")).wantError(400, "invalid_request")
		w.program().send(http.MethodPost, "/api/logout", "application/json", `{"token":"x"}`).wantError(400, "invalid_request")
	})
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPut, http.MethodDelete} {
		if a := w.program().with("Authorization", "Bearer "+shop.access).send(method, "/api/logout", "", "").want(405); a.header.Get("Allow") == "" {
			t.Errorf("%s: no Allow", method)
		}
	}
	if !w.active("shop", shop.access) || !w.active("shop", shop.refresh) || !alice.alive() {
		t.Error("something was revoked")
	}
	// Nothing is left to revoke of an expired token without a refresh token beside it.
	w.clock.Advance(11 * time.Minute)
	w.wantRevoked(w.bearerLogout(plain.access), false)
}

// A session cookie is no authority here: no cookie decides what is revoked.
func TestAPILogout_NoCookies(t *testing.T) {
	w := open(t)
	alice := w.browser()
	shop := alice.firstSignOn("shop", "alice")
	for _, body := range []url.Values{nil, values("client_id", "shop"), values("client_id", "shop", "token", shop.refresh)} {
		alice.with("Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty", "Origin", "https://evil.example.com").post("/api/logout", body).wantError(401, "invalid_client")
	}
	if !alice.alive() || !w.active("shop", shop.refresh) {
		t.Error("something ended")
	}
}
