package provider_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"sync"
	"testing"

	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/logout/logouttest"
	"github.com/exeunt-id/exeunt/provider"
	"github.com/exeunt-id/exeunt/provider/identity"
	"github.com/exeunt-id/exeunt/rp"
)

// api is an application with nothing but an API and a receiver of events, made with the kit for relying parties.
type api struct {
	*httptest.Server
	events *rp.Events // of the kit

	mu   sync.Mutex
	seen []rp.Event
}

// newAPI starts the application of a client before the provider, whose address it learns by begin.
func newAPI(t *testing.T) *api {
	a := &api{Server: httptest.NewUnstartedServer(nil)}
	t.Cleanup(a.Close)
	return a
}

func (a *api) begin(w *world, client, method string) {
	w.Helper()
	kit, err := rp.New(rp.Config{Issuer: w.url, ClientID: client, ClientSecret: secret, AuthMethod: method, BaseURL: a.address(), Now: w.clock.Now})
	if err != nil {
		w.Fatal(err)
	}
	a.events, err = kit.Events(rp.EventsConfig{Secrets: []string{logouttest.WebhookSecret(1)}, Handle: func(_ context.Context, e rp.Event) error {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.seen = append(a.seen, e)
		return nil
	}})
	if err != nil {
		w.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("POST /events", a.events)
	mux.Handle("GET /api", kit.Bearer(rp.BearerConfig{}).Middleware(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		user := rp.UserFrom(r.Context())
		rw.Header().Set("Sid", user.SID)
	})))
	a.Config.Handler = mux
	a.Start()
}

func (a *api) address() string { return "http://" + a.Listener.Addr().String() }

func (a *api) types() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var all []string
	for _, e := range a.seen {
		if e.Subject == "" && e.SID == "" {
			all = append(all, "nobody's")
		}
		all = append(all, e.Type)
	}
	return slices.Sorted(slices.Values(all))
}

// The kit's guard refuses a token whose session has ended by what the provider's webhook told it, or what it pulled there, before it would
// ask again; it knows the session by the sid of introspection.
func TestKitHearsOfEnds(t *testing.T) {
	t.Parallel()
	pushed, pulls := newAPI(t), newAPI(t)
	events := []string{logout.EventSessionEnded, logout.EventUserLoggedOut}
	w := newWorld(t, openDB(t), withClient("shop", func(c *identity.Client) {
		c.BackchannelLogoutURI, c.WebhookURI, c.WebhookEvents, c.UserToken = "", pushed.address()+"/events", events, true
		c.WebhookSecrets = []identity.Secret{identity.Secret(logouttest.WebhookSecret(1))}
	}), withClient("mail", func(c *identity.Client) { c.BackchannelLogoutURI, c.WebhookEvents = "", events }), func(c *provider.Config) { c.Logout.RetryFor = 0 })
	pushed.begin(w, "shop", rp.AuthBasic)
	pulls.begin(w, "mail", rp.AuthPost)
	alice := w.browser()
	shop, mail := alice.firstSignOn("shop", "alice"), alice.signOn("mail")
	offline := alice.signOn("shop", "scope", "openid offline_access")
	call := func(a *api, token string) answer {
		t.Helper()
		return w.program().with("Authorization", "Bearer "+token).get(a.URL+"/api", nil)
	}
	if sid := call(pushed, shop.access).want(200).header.Get("Sid"); sid == "" || sid != claims(t, shop.id)["sid"] {
		t.Errorf("the guard knows the session as %q", sid)
	}
	call(pulls, mail.access).want(200)
	if sid := call(pushed, offline.access).want(200).header.Get("Sid"); sid != "" {
		t.Errorf("the guard takes a token that outlives its session for one of the session %q", sid)
	}

	alice.get("/logout", url.Values{"client_id": {"shop"}}).want(200)
	w.eventually("the webhook is handled", func() bool { return len(pushed.types()) == 2 })
	call(pushed, shop.access).want(401)
	if !w.active("shop", offline.access) {
		t.Error("the grant with offline_access did not outlive its session")
	}
	call(pulls, mail.access).want(200) // it has not asked yet
	if n, err := pulls.events.PullOnce(t.Context()); n != 2 || err != nil {
		t.Errorf("pulled %d, %v", n, err)
	}
	call(pulls, mail.access).want(401)
	for name, a := range map[string]*api{"pushed": pushed, "pulled": pulls} {
		if got := a.types(); !slices.Equal(got, events) {
			t.Errorf("%s: %q, want %q", name, got, events)
		}
	}
	if n, err := pulls.events.PullOnce(t.Context()); n != 0 || err != nil {
		t.Errorf("pulled %d again, %v", n, err)
	}
}
