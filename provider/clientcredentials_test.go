package provider_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/database/databasetest"
	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider"
	"github.com/exeunt-id/exeunt/provider/identity"
)

// withJob adds a client "job" that works without people.
func withJob(changes ...func(*identity.Client)) func(*provider.Config) {
	return func(cfg *provider.Config) {
		c := cfg.Clients[0]
		c.ID, c.GrantTypes, c.Scope = "job", []string{identity.GrantClientCredentials}, "openid profile offline_access jobs.read jobs.run"
		for _, change := range changes {
			change(&c)
		}
		cfg.Clients = append(cfg.Clients, c)
	}
}

func (w *world) clientCredentials(client string, pairs ...string) answer {
	w.Helper()
	form := url.Values{"grant_type": {"client_credentials"}}
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	return w.as(client, form)
}

func TestClientCredentials(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		w := newWorld(t, db, withJob())
		a := w.clientCredentials("job").want(http.StatusOK)
		if a.header.Get("Cache-Control") != "no-store" || a.json()["token_type"] != "Bearer" || a.json()["expires_in"] != 600.0 {
			t.Errorf("%v\n%s", a.header, a.body)
		}
		job := a.tokens()
		if job.refresh != "" || job.id != "" || job.scope != "jobs.read jobs.run" {
			t.Errorf("tokens %+v", job)
		}
		if narrow := w.clientCredentials("job", "scope", "jobs.run").tokens(); narrow.scope != "jobs.run" {
			t.Errorf("scope %q", narrow.scope)
		}
		state := w.asAt("/introspect", "job", url.Values{"token": {job.access}}).want(http.StatusOK).json()
		for name, want := range map[string]any{
			"active": true, "sub": "job", "client_id": "job", "scope": "jobs.read jobs.run", "auth_time": nil, "username": nil, "token_type": "Bearer",
		} {
			if state[name] != want {
				t.Errorf("%s is %v", name, state[name])
			}
		}
		refused := w.userinfo(job.access).wantError(http.StatusForbidden, "insufficient_scope")
		if !strings.Contains(refused.header.Get("WWW-Authenticate"), `error="insufficient_scope"`) {
			t.Errorf("WWW-Authenticate %q", refused.header.Get("WWW-Authenticate"))
		}

		// People come and go.
		alice := w.browser()
		alice.firstSignOn("shop", "alice")
		if _, err := w.provider.Engine().End(t.Context(), logout.Request{Cause: logout.CauseAdmin, Target: logout.Target{Everyone: true}}); err != nil {
			t.Fatal(err)
		}
		if !w.active("job", job.access) {
			t.Error("everybody's logout ended a client's token")
		}
		// It ends by its own hand, and with its time.
		if w.program().with("Authorization", "Bearer "+job.access).post("/api/logout", nil).want(http.StatusOK).json()["revoked"] != true || w.active("job", job.access) {
			t.Error("not revoked by /api/logout")
		}
		job = w.clientCredentials("job").tokens()
		w.asAt("/revoke", "job", url.Values{"token": {job.access}}).want(http.StatusOK)
		if w.active("job", job.access) {
			t.Error("not revoked by /revoke")
		}
		job = w.clientCredentials("job").tokens()
		w.clock.Advance(10 * time.Minute)
		if w.active("job", job.access) {
			t.Error("active after its time")
		}
		if w.asAt("/api/logout", "job", url.Values{"token": {job.access}}).want(http.StatusOK).json()["revoked"] != false {
			t.Error("something of an expired token was alive")
		}
	})
}

func TestClientCredentialsRefused(t *testing.T) {
	w := newWorld(t, openDB(t), withJob(), withJob(func(c *identity.Client) { c.ID, c.Scope = "idle", "openid" }), func(cfg *provider.Config) {
		for i, c := range cfg.Clients {
			if c.ID == "app" { // by a mistake that the configuration would not let pass
				cfg.Clients[i].GrantTypes = append(c.GrantTypes, identity.GrantClientCredentials)
			}
		}
	})
	tests := map[string]struct {
		client, scope, code string
	}{
		"not registered":      {"shop", "", "unauthorized_client"},
		"public":              {"app", "", "unauthorized_client"},
		"openid":              {"job", "openid", "invalid_scope"},
		"offline":             {"job", "jobs.run offline_access", "invalid_scope"},
		"profile":             {"job", "profile", "invalid_scope"},
		"not registered, too": {"job", "jobs.run jobs.delete", "invalid_scope"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w.clientCredentials(test.client, "scope", test.scope).wantError(http.StatusBadRequest, test.code)
		})
	}
	t.Run("nothing registered", func(t *testing.T) {
		if got := w.clientCredentials("idle").tokens(); got.scope != "" || got.access == "" {
			t.Errorf("tokens %+v", got)
		}
	})
	t.Run("no code flow", func(t *testing.T) {
		w.browser().get("/authorize", request("job", "redirect_uri", "https://shop.example.com/callback")).wantRedirectError("unauthorized_client")
	})
}

// wantRedirectError checks the error of an authorization response.
func (a answer) wantRedirectError(code string) {
	a.Helper()
	if got := a.want(http.StatusSeeOther).location().Query().Get("error"); got != code {
		a.Fatalf("error %q, want %s", got, code)
	}
}
