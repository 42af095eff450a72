package rp_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"

	"github.com/exeunt-id/exeunt/rp"
)

// zitadel/oidc's own example server, whose issuer ends in a slash, and which knows no sid and registers no addresses after a logout: login,
// and an end of the session here whatever becomes of it there.
func TestZitadelExampleServer(t *testing.T) {
	for _, secret := range []string{"secret", ""} {
		app := newGuest(t)
		client := storage.WebClient("shop", secret, app.URL+"/auth/callback")
		if secret == "" {
			client = storage.NativeClient("shop", app.URL+"/auth/callback")
		}
		server := httptest.NewUnstartedServer(nil)
		issuer := "http://" + server.Listener.Addr().String() + "/"
		server.Config.Handler = exampleop.SetupServer(issuer, storage.NewStorageWithClients(storage.NewUserStore(issuer), map[string]*storage.Client{"shop": client}), nil, false)
		server.Start()
		t.Cleanup(server.Close)
		app.settle(t, rp.Config{Issuer: issuer, ClientID: "shop", ClientSecret: secret})

		alice := newBrowser(t)
		asked := alice.get(app.URL + "/page")
		alice.submit(asked, map[string]string{"username": "test-user2", "password": "verysecure"}).want(t, 200, "id2 Test User2")
		alice.want(app.URL+"/page", 200, "id2")
		left := alice.do(http.MethodPost, app.URL+"/auth/logout", nil)
		if query := left.at.Query(); !strings.HasPrefix(left.at.String(), issuer+"end_session") || strings.Count(query.Get("id_token_hint"), ".") != 2 {
			t.Errorf("the logout went to %s", left.at)
		}
		alice.want(app.URL+"/", 200, "nobody")
	}
}
