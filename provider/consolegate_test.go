package provider_test

import (
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/database/databasetest"
	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider"
)

// Who may enter, and for how long.
func TestConsoleGate(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		d := newDesk(t, db)
		operator := d.operator
		stranger := d.browserAt()
		for _, path := range adminPages() {
			a := stranger.still().get(path, nil).want(303)
			if to := a.location(); to.Path != "/admin/login" {
				t.Errorf("%s leads to %s", path, to)
			}
		}
		stranger.enter("alice", "wonderland").wantPage(403, "This user is not an administrator.")
		stranger.enter("carol", "wrong").wantPage(422, "do not belong together")
		stranger.enter("", "").wantPage(422, "Please enter")
		stranger.get("/admin/deliveries", nil).wantPage(200, "<h1>Console</h1>")

		// A person's session at the provider does not open the console, even an administrator's own, and the other way round.
		person := d.browser()
		person.submit(person.get("/login", nil), url.Values{"username": {"carol"}, "password": {"wonderland"}}).want(200)
		session := cookieOf(t, person, d.url, "exeunt_session")
		thief := d.browserAt()
		thief.with("Cookie", "exeunt_admin="+session).get("/admin/deliveries", nil).wantPage(200, "<h1>Console</h1>")
		carol := d.carol()
		d.browser().with("Cookie", "exeunt_session="+cookieOf(t, carol, d.admin, "exeunt_admin")).get("/", nil).wantPage(200, "You are not signed in.")

		// Back to where they wanted to go, and never elsewhere.
		for next, want := range map[string]string{
			"/admin/clients?after=x": "/admin/clients?after=x", "https://evil.example/admin": "/admin/deliveries", "//evil.example/admin": "/admin/deliveries",
			"/admin/../login": "/admin/deliveries", "/login": "/admin/deliveries", "/admin\\evil": "/admin/deliveries", "": "/admin/deliveries", "/admin//evil.example": "/admin/deliveries",
		} {
			again := d.browserAt()
			form := again.get("/admin/login", url.Values{"next": {next}}).want(200)
			if to := again.still().submit(form, url.Values{"username": {"carol"}, "password": {"wonderland"}}).want(303).header.Get("Location"); to != want {
				t.Errorf("next %q leads to %q, want %q", next, to, want)
			}
		}

		// The end of the session: by the operator, by a new password, by disabling, by demotion, by sitting idle, by leaving.
		user, err := operator.User(t.Context(), "carol")
		if err != nil {
			t.Fatal(err)
		}
		for what, end := range map[string]func(a *agent){
			"session end": func(*agent) {
				_, err := operator.End(t.Context(), logout.Request{Cause: logout.CauseAdmin, Target: logout.Target{Subject: user.ID}})
				must(t, err)
			},
			"set-password": func(*agent) {
				_, err := operator.SetPassword(t.Context(), user, "wonderland", logout.Actor{Kind: "admin"})
				must(t, err)
			},
			"disable": func(*agent) {
				_, err := operator.DisableUser(t.Context(), user, logout.Actor{Kind: "admin"})
				must(t, err)
			},
			"demotion": func(*agent) {
				must(t, db.Writer(t.Context()).Exec("UPDATE users SET admin = FALSE WHERE username = 'carol'").Error)
			},
			"idle": func(a *agent) {
				for range 3 { // activity keeps it alive, the script's questions do not
					d.clock.Advance(20 * time.Minute)
					a.get("/admin/deliveries", nil).wantPage(200, "<h1>Deliveries</h1>")
				}
				d.clock.Advance(20 * time.Minute)
				a.with("X-Exeunt-Live", "1").get("/admin/deliveries", nil).wantPage(200, "<h1>Deliveries</h1>")
				d.clock.Advance(20 * time.Minute)
			},
			"sign out": func(a *agent) {
				a.submit(page2(a.get("/admin/deliveries", nil), "sign-out"), nil).wantPage(200, "<h1>Console</h1>")
			},
		} {
			t.Run(what, func(t *testing.T) {
				a := d.carol()
				old := cookieOf(t, a, d.admin, "exeunt_admin")
				end(a)
				a.get("/admin/deliveries", nil).wantPage(200, "<h1>Console</h1>")
				d.browserAt().with("Cookie", "exeunt_admin="+old).get("/admin/deliveries", nil).wantPage(200, "<h1>Console</h1>")
				must(t, db.Writer(t.Context()).Exec("UPDATE users SET admin = TRUE, disabled_at = NULL WHERE username = 'carol'").Error)
			})
		}

		// Another administrator in the same browser: the old session ends.
		shared := d.carol()
		first := cookieOf(t, shared, d.admin, "exeunt_admin")
		form := d.browserAt().with("Cookie", "exeunt_admin="+first)
		csrf := form.get("/admin/deliveries", nil).csrf()
		form.with("Sec-Fetch-Site", "same-origin").post("/admin/login", url.Values{"username": {"dave"}, "password": {"wonderland"}, "csrf": {csrf}})
		d.browserAt().with("Cookie", "exeunt_admin="+first).get("/admin/deliveries", nil).wantPage(200, "<h1>Console</h1>")
	})
}

// adminPages are the pages that only administrators may see.
func adminPages() []string {
	return []string{
		"/admin", "/admin/deliveries", "/admin/deliveries/x", "/admin/redeliver", "/admin/clients", "/admin/clients/shop", "/admin/logouts", "/admin/logouts/x",
		"/admin/sessions", "/admin/sessions/end",
	}
}

// adminActions change something.
func adminActions() []string {
	return []string{"/admin/login", "/admin/logout", "/admin/deliveries/x/redeliver", "/admin/redeliver", "/admin/sessions/end"}
}

// Every POST wants the token of this browser and this session, and comes from our own pages.
func TestConsoleCSRF(t *testing.T) {
	d := newDesk(t, openDB(t))
	carol, dave := d.carol(), d.browserAt()
	dave.enter("dave", "wonderland").want(200)
	token, foreign := carol.get("/admin/sessions/end?sub="+d.subject("carol"), nil).csrf(), dave.get("/admin/deliveries", nil).csrf()
	form := func(token string) url.Values {
		return url.Values{"csrf": {token}, "sub": {d.subject("carol")}, "client_id": {"shop"}, "username": {"carol"}, "password": {"wonderland"}}
	}
	own := carol.with("Sec-Fetch-Site", "same-origin").still()
	for _, path := range adminActions() {
		for what, a := range map[string]answer{
			"no token":       own.post(path, form("")),
			"another's":      own.post(path, form(foreign)),
			"another site":   carol.with("Sec-Fetch-Site", "cross-site").still().post(path, form(token)),
			"another port":   carol.with("Sec-Fetch-Site", "same-site").still().post(path, form(token)),
			"another origin": carol.with("Sec-Fetch-Site", "", "Origin", d.url).still().post(path, form(token)),
		} {
			if a.status != http.StatusForbidden || !strings.Contains(a.body, "This form could not be accepted") {
				t.Errorf("%s, %s: %d", path, what, a.status)
			}
		}
	}
	if a := d.browserAt().with("Sec-Fetch-Site", "same-origin").still().post("/admin/login", form("x")); a.status != 403 || !strings.Contains(a.body, "did not send our cookie") {
		t.Errorf("a login without our cookie: %d", a.status)
	}
	carol.get("/admin/deliveries", nil).wantPage(200, "<h1>Deliveries</h1>") // nothing of it has ended her session
	// The form's cookie, planted from another port, makes no token for a session.
	planted := "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	plantedToken := d.browserAt().with("Cookie", "exeunt_admin_form="+planted).get("/admin/login", nil).csrf()
	victim := d.browserAt().with("Cookie", "exeunt_admin_form="+planted+"; exeunt_admin="+cookieOf(t, carol, d.admin, "exeunt_admin"), "Sec-Fetch-Site", "")
	victim.still().post("/admin/logout", url.Values{"csrf": {plantedToken}}).wantPage(403, "could not be accepted")
}

// DNS rebinding: on a loopback address only loopback names are answered.
func TestAdminHost(t *testing.T) {
	d := newDesk(t, openDB(t), func(cfg *provider.Config) {
		cfg.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
	})
	ask := func(host, path string, headers ...string) *http.Response {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, d.admin+path, nil)
		must(t, err)
		r.Host = host
		for i := 0; i < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		res, err := (&http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}).Do(r)
		must(t, err)
		must(t, res.Body.Close())
		return res
	}
	for host, want := range map[string]int{
		"localhost": 200, "LOCALHOST:8081": 200, "id.localhost:1": 200, "127.0.0.1:8081": 200, "127.8.9.10": 200, "[::1]:8081": 200, "localhost.": 200,
		"evil.example": 421, "evil.example:8081": 421, "localhost.evil.example": 421, "192.168.1.1": 421, "127.0.0.1.evil.example": 421, "xlocalhost": 421, "[2001:db8::1]": 421, "0.0.0.0": 421,
	} {
		for _, path := range []string{"/admin/login", "/healthz"} {
			if got := ask(host, path).StatusCode; got != want {
				t.Errorf("Host %s, %s: %d, want %d", host, path, got, want)
			}
		}
	}
	plain := ask("localhost", "/admin/login")
	if plain.Header.Get("Strict-Transport-Security") != "" || plain.Cookies()[0].Secure || plain.Cookies()[0].Name != "exeunt_admin_form" {
		t.Errorf("without TLS: %v", plain.Header)
	}
	byTLS := ask("localhost", "/admin/login", "X-Forwarded-Proto", "https")
	c := byTLS.Cookies()[0]
	if byTLS.Header.Get("Strict-Transport-Security") == "" || !c.Secure || c.Name != "__Host-exeunt_admin_form" || !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Path != "/" || c.Domain != "" {
		t.Errorf("by TLS: %v", byTLS.Header)
	}
	policy := plain.Header.Get("Content-Security-Policy")
	if !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") || !strings.Contains(policy, "script-src 'self'; connect-src 'self'") || !strings.Contains(policy, "frame-ancestors 'none'") {
		t.Errorf("policy %s", policy)
	}
}

// A lying header of somebody who is no proxy changes nothing.
func TestAdminForwardedProto(t *testing.T) {
	d := newDesk(t, openDB(t))
	a := d.browserAt().with("X-Forwarded-Proto", "https").get("/admin/login", nil)
	if strings.Contains(a.header.Get("Set-Cookie"), "Secure") || a.header.Get("Strict-Transport-Security") != "" {
		t.Errorf("%v", a.header)
	}
}

func cookieOf(t *testing.T, a *agent, base, name string) string {
	t.Helper()
	u, err := url.Parse(base)
	must(t, err)
	cookies := a.client.Jar.Cookies(u)
	i := slices.IndexFunc(cookies, func(c *http.Cookie) bool { return c.Name == name })
	if i < 0 {
		t.Fatalf("no cookie %s among %v", name, cookies)
	}
	return cookies[i].Value
}
