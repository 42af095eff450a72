package provider_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider"
	"github.com/exeunt-id/exeunt/provider/identity"
)

// An ID token is seen by others than the browser it was made for. Whoever shows one may, after a question, end the session, but learns
// nothing of its other applications.
func TestStrangerLearnsNoApps(t *testing.T) {
	w := newWorld(t, openDB(t), withFrontchannel)
	alice := w.browser()
	shop := alice.firstSignOn("shop", "alice")
	alice.signOn("wiki")
	alice.signOn("mail")
	stranger := w.browser()
	page := stranger.get("/end_session", endRequest("id_token_hint", shop.id))
	if page.status != http.StatusOK || !strings.Contains(page.body, "alice") || strings.Contains(page.body, "wiki") {
		t.Errorf("the question: %d, names the person %t, another application %t", page.status, strings.Contains(page.body, "alice"), strings.Contains(page.body, "wiki"))
	}
	done := stranger.submit(page, nil)
	if strings.Contains(done.body, "<iframe") || strings.Contains(stranger.get("/logged_out", nil).body, "wiki") {
		t.Error("the answer or the receipts show other applications")
	}
}

// The address of a native application is no http URL, and the form goes there all the same.
func TestFormPostToAPrivateUseScheme(t *testing.T) {
	w := newWorld(t, openDB(t), func(c *provider.Config) {
		app := c.Clients[0]
		app.ID, app.ApplicationType, app.RedirectURIs, app.SkipConsent = "napp", "native", []string{"com.example.app:/cb"}, true
		c.Clients = append(c.Clients, app)
	})
	q := request("shop")
	for name, value := range map[string]string{"client_id": "napp", "redirect_uri": "com.example.app:/cb", "response_mode": "form_post", "prompt": "none"} {
		q.Set(name, value)
	}
	if a := w.browser().get("/authorize", q); !strings.Contains(a.body, `action="com.example.app:/cb"`) {
		t.Errorf("%d: %.600s", a.status, a.body)
	}
}

// A client that is deleted loses what it got for itself, for good: another one by its name inherits nothing.
func TestDeletedClientLosesItsOwnTokens(t *testing.T) {
	var cfg provider.Config
	w := newWorld(t, openDB(t), func(c *provider.Config) { cfg = *c })
	o, err := provider.NewOperator(cfg)
	if err != nil {
		t.Fatal(err)
	}
	job := cfg.Clients[0]
	job.ID, job.GrantTypes, job.Scope = "job", []string{identity.GrantClientCredentials}, "jobs.read"
	if err := o.CreateClient(t.Context(), job); err != nil {
		t.Fatal(err)
	}
	token := w.clientCredentials("job").want(http.StatusOK).tokens()
	if _, err := o.DeleteClient(t.Context(), "job", logout.Actor{Kind: "admin"}); err != nil {
		t.Fatal(err)
	}
	if err := o.CreateClient(t.Context(), job); err != nil {
		t.Fatal(err)
	}
	w.clock.Advance(time.Minute)
	if a := w.asAt("/introspect", "job", url.Values{"token": {token.access}}); a.status != http.StatusOK || !strings.Contains(a.body, `"active":false`) {
		t.Errorf("%d: %s", a.status, a.body)
	}
}
