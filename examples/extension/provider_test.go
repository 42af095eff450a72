package main

import (
	"context"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/database/databasetest"
	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/rp"
)

// world is the provider with two applications that were made with the kit.
type world struct {
	*testing.T
	provider   *Provider
	issuer     string
	shop, wiki *application
}

type application struct {
	*httptest.Server
	down   atomic.Bool  // its back channel answers 502
	told   atomic.Int64 // logout tokens that were accepted
	access atomic.Pointer[string]
}

func open(t *testing.T, db *database.DB) *world {
	w := &world{T: t}
	server := httptest.NewUnstartedServer(nil)
	w.issuer = "http://" + server.Listener.Addr().String()
	var clients []Client
	for id, app := range map[string]**application{"shop": &w.shop, "wiki": &w.wiki} {
		*app = w.application(id)
		clients = append(clients, Client{
			ID: id, Secret: "secret", RedirectURIs: []string{(*app).URL + "/auth/callback"}, PostLogoutRedirectURIs: []string{(*app).URL + "/auth/logged-out"},
			BackchannelLogoutURI: (*app).URL + "/auth/backchannel-logout",
		})
	}
	var err error
	if w.provider, err = New(t.Context(), Config{Issuer: w.issuer, DB: db, Clients: clients}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := w.provider.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	server.Config.Handler = w.provider
	server.Start()
	t.Cleanup(server.Close)
	return w
}

func (w *world) application(id string) *application {
	app := &application{Server: httptest.NewUnstartedServer(nil)}
	kit, err := rp.New(rp.Config{
		Issuer: w.issuer, ClientID: id, ClientSecret: "secret", BaseURL: "http://" + app.Listener.Addr().String(),
		Ended: func(context.Context, rp.Ending) error { app.told.Add(1); return nil },
	})
	if err != nil {
		w.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/auth/", kit)
	show := http.HandlerFunc(func(res http.ResponseWriter, r *http.Request) {
		name := "nobody"
		if user := rp.UserFrom(r.Context()); user != nil {
			name = user.Claim("name") + " " + user.SID
			app.access.Store(&user.AccessToken)
		}
		_, _ = io.WriteString(res, name)
	})
	mux.Handle("/", kit.Identify(show))
	mux.Handle("/page", kit.Middleware(show))
	app.Config.Handler = http.HandlerFunc(func(res http.ResponseWriter, r *http.Request) {
		if app.down.Load() && strings.HasSuffix(r.URL.Path, "/backchannel-logout") {
			res.WriteHeader(http.StatusBadGateway)
			return
		}
		mux.ServeHTTP(res, r)
	})
	app.Start()
	w.Cleanup(func() {
		kit.Close()
		app.Close()
	})
	return app
}

// browser has one jar for each host and port, as different sites have.
func (w *world) browser() *http.Client {
	jar, err := cookiejar.New(nil)
	if err != nil {
		w.Fatal(err)
	}
	return &http.Client{Jar: jar}
}

func (w *world) send(b *http.Client, method, address string, form url.Values) (status int, at, body string) {
	w.Helper()
	r, err := http.NewRequestWithContext(w.Context(), method, address, strings.NewReader(form.Encode()))
	if err != nil {
		w.Fatal(err)
	}
	r.Header.Set("Accept", "text/html")
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	res, err := b.Do(r)
	if err != nil {
		w.Fatal(err)
	}
	content, err := io.ReadAll(res.Body)
	if err != nil {
		w.Fatal(err)
	}
	if err := res.Body.Close(); err != nil {
		w.Fatal(err)
	}
	return res.StatusCode, res.Request.URL.String(), string(content)
}

// logIn opens an application's page and, if it is asked, gives name and password.
func (w *world) logIn(b *http.Client, app *application) (asked bool, body string) {
	w.Helper()
	_, at, body := w.send(b, http.MethodGet, app.URL+"/page", nil)
	if !strings.Contains(at, "/login?id=") {
		return false, body
	}
	u, err := url.Parse(at)
	if err != nil {
		w.Fatal(err)
	}
	form := url.Values{"id": {u.Query().Get("id")}, "username": {"test-user2"}, "password": {"wrong"}}
	if status, _, _ := w.send(b, http.MethodPost, w.issuer+"/login", form); status != http.StatusUnauthorized {
		w.Errorf("a wrong password: %d", status)
	}
	form.Set("password", "verysecure")
	_, _, body = w.send(b, http.MethodPost, w.issuer+"/login", form)
	return true, body
}

func (w *world) wantAt(b *http.Client, app *application, part string) {
	w.Helper()
	if _, _, body := w.send(b, http.MethodGet, app.URL+"/", nil); !strings.Contains(body, part) {
		w.Fatalf("the application shows %q, want %q", body, part)
	}
}

func (w *world) userinfo(token string) int {
	w.Helper()
	r, err := http.NewRequestWithContext(w.Context(), http.MethodGet, w.issuer+"/userinfo", http.NoBody)
	if err != nil {
		w.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		w.Fatal(err)
	}
	if err := res.Body.Close(); err != nil {
		w.Fatal(err)
	}
	return res.StatusCode
}

// A login for two applications, and a logout at one of them that reaches the other, on both databases.
func TestLogoutReachesEveryApplication(t *testing.T) {
	databasetest.EachURL(t, func(t *testing.T, address string) {
		w := open(t, databasetest.Open(t, address))
		alice, bob := w.browser(), w.browser()
		if asked, body := w.logIn(alice, w.shop); !asked || !strings.Contains(body, "Test User2") {
			t.Fatalf("asked %t, then %q", asked, body)
		}
		if asked, body := w.logIn(alice, w.wiki); asked || !strings.Contains(body, "Test User2") {
			t.Fatalf("a second application: asked %t, then %q", asked, body)
		}
		w.logIn(bob, w.shop) // the same person in another browser
		_, _, sid1 := w.send(alice, http.MethodGet, w.shop.URL+"/", nil)
		_, _, sid2 := w.send(alice, http.MethodGet, w.wiki.URL+"/", nil)
		if sid1 == sid2 {
			t.Errorf("both applications see the sid of %s", sid1)
		}
		token := *w.wiki.access.Load()
		if status := w.userinfo(token); status != http.StatusOK {
			t.Errorf("userinfo before: %d", status)
		}

		_, at, _ := w.send(alice, http.MethodPost, w.shop.URL+"/auth/logout", nil)
		if at != w.shop.URL+"/" {
			t.Errorf("the browser arrived at %s", at)
		}
		w.wantAt(alice, w.shop, "nobody")
		w.wantAt(alice, w.wiki, "nobody")
		w.wantAt(bob, w.shop, "Test User2") // another session of the same person
		if w.shop.told.Load() != 1 || w.wiki.told.Load() != 1 {
			t.Errorf("told: shop %d, wiki %d", w.shop.told.Load(), w.wiki.told.Load())
		}
		if status := w.userinfo(token); status == http.StatusOK {
			t.Error("a token of the session lives")
		}
		if asked, _ := w.logIn(alice, w.wiki); !asked {
			t.Error("the provider's session lives")
		}

		// Everywhere: from one browser, for both.
		_, _, body := w.send(alice, http.MethodPost, w.issuer+"/leave-everywhere", nil)
		if strings.Count(body, "delivered") != 2 {
			t.Errorf("receipts %s", body)
		}
		w.wantAt(alice, w.wiki, "nobody")
		w.wantAt(bob, w.shop, "nobody")
	})
}

// An application that is down is told when it is back.
func TestDownIsToldLater(t *testing.T) {
	databasetest.EachURL(t, func(t *testing.T, address string) {
		w := open(t, databasetest.Open(t, address))
		alice := w.browser()
		w.logIn(alice, w.shop)
		w.logIn(alice, w.wiki)
		w.wiki.down.Store(true)
		w.send(alice, http.MethodPost, w.shop.URL+"/auth/logout", nil)
		w.wantAt(alice, w.shop, "nobody")
		w.wantAt(alice, w.wiki, "Test User2") // it cannot know yet
		w.wiki.down.Store(false)
		if _, err := w.provider.engine.Redeliver(t.Context(), logout.Filter{ClientID: "wiki"}); err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(20 * time.Second); w.wiki.told.Load() == 0; {
			if time.Now().After(deadline) {
				t.Fatal("the application was not told within twenty seconds")
			}
			w.send(alice, http.MethodGet, w.issuer+"/logged-out", nil)
		}
		w.wantAt(alice, w.wiki, "nobody")
	})
}

// RP-Initiated Logout 1.0, 2: the hint vouches, the cookie decides, everybody else is asked.
func TestEndSession(t *testing.T) {
	w := open(t, databasetest.Open(t, databasetest.SQLiteURL(t)))
	alice := w.browser()
	w.logIn(alice, w.shop)
	end := w.issuer + "/end_session"
	for name, query := range map[string]url.Values{
		"nothing":          {},
		"a client alone":   {"client_id": {"shop"}, "post_logout_redirect_uri": {w.shop.URL + "/auth/logged-out"}},
		"state alone":      {"state": {"x"}},
		"a wrong redirect": {"client_id": {"shop"}, "post_logout_redirect_uri": {"https://evil.example/"}},
		"no ID token":      {"id_token_hint": {"x.y.z"}},
	} {
		status, at, body := w.send(alice, http.MethodGet, end+"?"+query.Encode(), nil)
		asked := status == http.StatusOK && strings.Contains(body, `action="/leave"`)
		if refused := status == http.StatusBadRequest; !asked && !refused || !strings.HasPrefix(at, w.issuer) {
			t.Errorf("%s: %d at %s: %s", name, status, at, body)
		}
		w.wantAt(alice, w.shop, "Test User2")
	}
	status, _, _ := w.send(alice, http.MethodPost, w.issuer+"/leave", nil)
	if status != http.StatusOK {
		t.Errorf("the person's answer: %d", status)
	}
	w.wantAt(alice, w.shop, "nobody")
	// Nobody is logged in any more.
	if _, at, _ := w.send(alice, http.MethodGet, end, nil); at != w.issuer+"/logged-out" {
		t.Errorf("without a session the browser arrives at %s", at)
	}
}

// A code that was issued before the logout is dead after it.
func TestCodeAfterLogout(t *testing.T) {
	w := open(t, databasetest.Open(t, databasetest.SQLiteURL(t)))
	alice := w.browser()
	w.logIn(alice, w.shop)
	var callback string
	alice.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(r.URL.String(), w.wiki.URL+"/auth/callback") {
			callback = r.URL.String()
			return http.ErrUseLastResponse
		}
		return nil
	}
	w.send(alice, http.MethodGet, w.wiki.URL+"/page", nil)
	alice.CheckRedirect = nil
	if callback == "" {
		t.Fatal("no code")
	}
	w.send(alice, http.MethodPost, w.issuer+"/leave", nil)
	if status, _, body := w.send(alice, http.MethodGet, callback, nil); status != http.StatusBadGateway {
		t.Errorf("the code: %d %s", status, body)
	}
	w.wantAt(alice, w.wiki, "nobody")
}
