package provider_test

import (
	"net/http"
	"sync"
	"testing"

	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/database/databasetest"
	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider"
	"github.com/exeunt-id/exeunt/provider/identity"
	"github.com/exeunt-id/exeunt/provider/store"
)

// A consent is revoked at the very moment of a login that needs it, and of the exchange of a code that it has given: what comes of either is
// dead afterwards, and neither keeps the other from its end.
func TestIssueAgainstRevokedConsent(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		var cfg provider.Config
		w := newWorld(t, db, func(c *provider.Config) {
			c.Logout.Wait = 0
			cfg = *c
		})
		operator := w.trail(cfg).operator
		consents := store.New(db, w.clock.Now).Consents
		alice := w.browser()
		subject := claims(t, alice.firstSignOn("shop", "alice").id)["sub"].(string)
		silently := request("strict", "prompt", "none")
		for round := range 40 {
			err := consents.Agree(t.Context(), identity.Consent{Subject: subject, ClientID: "strict", Scopes: []string{"openid", "profile", "email"}, GrantedAt: w.clock.Now()})
			if err != nil {
				t.Fatal(err)
			}
			earlier := codeForm("strict", alice.get("/authorize", silently).code())
			var authorized, exchanged answer
			var revoked error
			var group sync.WaitGroup
			group.Go(func() { authorized = alice.get("/authorize", silently).want(http.StatusSeeOther) })
			group.Go(func() { exchanged = w.as("strict", earlier) })
			group.Go(func() {
				_, revoked = operator.RevokeConsent(t.Context(), identity.User{ID: subject}, "strict", logout.Actor{Kind: "admin"})
			})
			group.Wait()
			if revoked != nil {
				t.Fatalf("round %d: %v", round, revoked)
			}
			if code := authorized.location().Query().Get("code"); code != "" {
				w.as("strict", codeForm("strict", code)).wantError(http.StatusBadRequest, "invalid_grant")
			} else if got := authorized.location().Query().Get("error"); got != "consent_required" {
				t.Fatalf("round %d: error %q", round, got)
			}
			if exchanged.status != http.StatusOK {
				exchanged.wantError(http.StatusBadRequest, "invalid_grant")
			} else if got := exchanged.tokens(); w.active("strict", got.access) || w.refresh("strict", got.refresh).status == http.StatusOK {
				t.Fatalf("round %d: a token outlives the consent", round)
			}
		}
	})
}
