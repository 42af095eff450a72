package provider_test

import (
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/database/databasetest"
	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/logout/logoutstore"
	"github.com/exeunt-id/exeunt/logout/logouttest"
	"github.com/exeunt-id/exeunt/provider"
	"github.com/exeunt-id/exeunt/provider/identity"
)

// desk is the admin listener of a provider, and a browser at it.
type desk struct {
	*world
	db       *database.DB
	admin    string // URL
	operator *provider.Operator
	journal  *logoutstore.Store
}

// newDesk starts a provider whose deliveries get one attempt, so that a failed one is dead at once. Carol and dave are administrators.
func newDesk(t *testing.T, db *database.DB, changes ...func(*provider.Config)) *desk {
	t.Helper()
	all := append([]func(*provider.Config){func(cfg *provider.Config) {
		cfg.Logout.RetryFor = 0
		cfg.Users = append(cfg.Users, provider.User{Username: "carol", Password: "wonderland", Admin: true}, provider.User{Username: "dave", Password: "wonderland", Admin: true})
	}}, changes...)
	var kept provider.Config
	w := newWorld(t, db, append(all, func(cfg *provider.Config) { kept = *cfg })...)
	server := httptest.NewServer(w.provider.Admin())
	t.Cleanup(server.Close)
	operator, err := provider.NewOperator(kept)
	must(t, err)
	return &desk{world: w, db: db, admin: server.URL, operator: operator, journal: logoutstore.New(db)}
}

// subject is the id of a user.
func (d *desk) subject(username string) string {
	d.Helper()
	user, err := d.operator.User(d.Context(), username)
	must(d.T, err)
	return user.ID
}

// browserAt is a browser at the admin listener.
func (d *desk) browserAt() *agent {
	a := d.browser()
	jar, _ := cookiejar.New(nil)
	moved := *d.world
	moved.url = d.admin
	a.world, a.client = &moved, &http.Client{Jar: jar, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		for name, value := range navigating {
			r.Header.Set(name, value)
		}
		return nil
	}}
	return a
}

// still is the same browser, which follows nothing.
func (a *agent) still() *agent {
	copied := *a
	client := *a.client
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	copied.client = &client
	return &copied
}

func (a *agent) enter(username, password string) answer {
	a.Helper()
	return a.submit(a.get("/admin/login", nil).want(200), url.Values{"username": {username}, "password": {password}})
}

// carol is an administrator who is in.
func (d *desk) carol() *agent {
	d.Helper()
	a := d.browserAt()
	a.enter("carol", "wonderland").wantPage(200, "<h1>Deliveries</h1>")
	return a
}

// settled waits until the outcome of every first attempt is written.
func (d *desk) settled(a *agent) {
	d.Helper()
	d.eventually("nothing is pending", func() bool {
		return strings.Contains(a.get("/admin/deliveries", url.Values{"state": {"pending"}}).body, "No delivery matches this filter.")
	})
}

// csrf finds the token of a page.
func (a answer) csrf() string {
	a.Helper()
	m := regexp.MustCompile(`name="csrf" value="([^"]+)"`).FindStringSubmatch(a.body)
	if m == nil {
		a.Fatalf("no token on the page:\n%s", a.body)
	}
	return m[1]
}

// What an operator does at night: sees what is wrong, reads why, mends it, tells again, sees the receipt.
func TestConsole(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		d := newDesk(t, db)
		d.rps["wiki"].Answer(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = w.Write([]byte("<script>alert('down for maintenance')</script>"))
		})
		carol := d.carol()
		carol.get("/admin/deliveries", nil).wantPage(200, "Everybody has been told.")
		carol.get("/admin/logouts", nil).wantPage(200, "Nobody has signed out yet.")

		alice := d.browser()
		alice.firstSignOn("shop", "alice")
		alice.signOn("wiki")
		alice.get("/logout", url.Values{"client_id": {"shop"}}).wantPage(200, "Signed out of 1 of 2.")

		d.settled(carol)
		page := carol.get("/admin/deliveries", nil).wantPage(200, "1 app needs a look")
		for _, text := range []string{"The wiki", "<strong>1</strong> given up", "HTTP 503", "alice", "delivered", "dead"} {
			page.wantPage(200, text)
		}
		dead := carol.get("/admin/deliveries", url.Values{"state": {"failed"}, "client_id": {"wiki"}, "user": {"alice"}, "since": {"1h"}}).want(200)
		link := regexp.MustCompile(`href="(/admin/deliveries/[^"?]+)"`).FindAllStringSubmatch(dead.body, -1)
		if len(link) != 1 || strings.Contains(dead.body, ">The shop</a></td>") {
			t.Fatalf("the filter found %v:\n%s", link, dead.body)
		}
		carol.get("/admin/deliveries", url.Values{"error": {"no such text"}}).wantPage(200, "No delivery matches this filter.")

		show := carol.get(link[0][1], nil).wantPage(200, "HTTP 503").wantPage(200, "&lt;script&gt;alert").wantPage(200, "http://schemas.openid.net/event/backchannel-logout").wantPage(200, d.rps["wiki"].URL)
		if strings.Contains(show.body, "<script>alert") {
			t.Error("the answer of a relying party runs in the console")
		}
		d.rps["wiki"].Answer(logouttest.Status(200))
		carol.submit(page2(show, "redeliver"), nil).wantPage(200, "1 delivery is being told again.")
		d.eventuallyTold("wiki", 1)
		d.eventually("the console shows the receipt", func() bool {
			return strings.Contains(carol.get(link[0][1], nil).body, "The relying party has acknowledged it.")
		})
		carol.get(link[0][1], nil).wantPage(200, "Attempt 2")
		carol.get("/admin/deliveries", nil).wantPage(200, "Everybody has been told.")
		carol.get("/admin/clients", nil).wantPage(200, "The wiki").wantPage(200, "100 % of 1")
		carol.get("/admin/clients/wiki", nil).wantPage(200, d.rps["wiki"].URL).wantPage(200, "signed with ES256")
		logouts := carol.get("/admin/logouts", url.Values{"user": {"alice"}}).wantPage(200, "all 2 told")
		detail := regexp.MustCompile(`href="(/admin/logouts/[^"?]+)"`).FindStringSubmatch(logouts.body)
		carol.get(detail[1], nil).wantPage(200, "Logout of alice").wantPage(200, "signed out in the browser").wantPage(200, "The shop").wantPage(200, "The wiki")
	})
}

// page2 keeps of a page only the form that has the button of that id.
func page2(a answer, button string) answer {
	a.Helper()
	for _, form := range regexp.MustCompile(`(?s)<form.*?</form>`).FindAllString(a.body, -1) {
		if strings.Contains(form, `id="`+button+`"`) {
			a.body = form
			return a
		}
	}
	a.Fatalf("no button %s:\n%s", button, a.body)
	return a
}

// Everything since a time, with the number said before, and by choice also what was acknowledged.
func TestConsoleRedeliverMany(t *testing.T) {
	d := newDesk(t, openDB(t))
	carol := d.carol()
	for range 3 {
		alice := d.browser()
		alice.firstSignOn("shop", "alice")
		alice.get("/logout", url.Values{"client_id": {"shop"}}).want(200)
	}
	d.eventuallyTold("shop", 3)
	d.settled(carol)
	carol.get("/admin/redeliver", nil).wantPage(400, "Nothing is chosen")
	carol.get("/admin/redeliver", url.Values{"state": {"x"}}).wantPage(400, "cannot be read")
	form := carol.get("/admin/redeliver", url.Values{"client_id": {"shop"}, "since": {"1h"}}).wantPage(200, "Nothing here waits").wantPage(200, "Also the 3 that were acknowledged")
	carol.submit(page2(form, "redeliver"), nil).wantPage(200, "Nothing was left to tell again.")
	carol.submit(page2(form, "redeliver"), url.Values{"include_delivered": {"true"}}).wantPage(200, "3 deliveries are being told again.")
	d.eventuallyTold("shop", 6)
}

// What will end is said before; it ends through the engine, in the administrator's name.
func TestConsoleEnd(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		d := newDesk(t, db)
		carol := d.carol()
		var tokens []string
		for range 2 {
			alice := d.browser()
			tokens = append(tokens, alice.firstSignOn("shop", "alice").access)
		}
		list := carol.get("/admin/sessions", url.Values{"user": {"alice"}}).wantPage(200, "End all of this user…")
		one := regexp.MustCompile(`href="(/admin/sessions/end\?session_id=[^"]+)"`).FindStringSubmatch(list.body)
		ask := carol.get(one[1], nil).wantPage(200, "End this session?").wantPage(200, "<strong>The shop</strong>")
		if !d.active("shop", tokens[1]) {
			t.Fatal("asking has ended the session")
		}
		carol.submit(page2(ask, "end"), nil).wantPage(200, "Logout of alice").wantPage(200, "administrator carol").wantPage(200, "ended by an administrator")
		if d.active("shop", tokens[1]) || !d.active("shop", tokens[0]) {
			t.Error("not that session alone has ended") // the list is newest first
		}
		carol.get(one[1], nil).wantPage(404, "This session has ended already")
		all := regexp.MustCompile(`href="(/admin/sessions/end\?sub=[^"]+)"`).FindStringSubmatch(list.body)
		carol.submit(page2(carol.get(all[1], nil).wantPage(200, "End all sessions of alice?"), "end"), nil).wantPage(200, "Logout of alice")
		d.eventuallyTold("shop", 2)
		if d.active("shop", tokens[0]) {
			t.Error("a session of the user lives")
		}
		records, err := d.journal.Logouts(t.Context(), logout.LogoutFilter{Cause: logout.CauseAdmin})
		must(t, err)
		if len(records) == 0 || records[0].Actor.ID != d.subject("carol") || records[0].Actor.Kind != "admin" || records[0].Actor.Address == "" || !strings.Contains(records[0].Actor.UserAgent, "Mozilla") {
			t.Errorf("the record names %+v", records[0].Actor)
		}
		carol.get("/admin/sessions", url.Values{"user": {"alice"}}).wantPage(200, "Nobody of that name is signed in.")
		for _, query := range []string{"", "?session_id=x&sub=y", "?session_id=nothing", "?sub=nobody"} {
			if a := carol.get("/admin/sessions/end"+query, nil); a.status != 400 && a.status != 404 {
				t.Errorf("%q: %d", query, a.status)
			}
		}
	})
}

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

// Whatever somebody writes into an address or a form: never a failure of ours.
func TestConsoleGarbage(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		d := newDesk(t, db)
		carol := d.carol().still()
		csrf := carol.get("/admin/deliveries", nil).csrf()
		nasty := []string{"\x00", "\xff\xfe", "a\x00b", "%", "'; DROP TABLE users; --", strings.Repeat("x", 3000), "\u202e🙂", "-1", "99999999999999999999", "../..", "<script>", "2026-13-45T99:99", "0001-01-01", "9999-12-31", "-24h", "1.x", "zzzzzzzzzz.0"}
		names := []string{"client_id", "state", "user", "since", "from", "until", "error", "channel", "cause", "logout_id", "session_id", "cursor", "include_delivered", "after", "sub", "next", "done", "n", "username", "password"}
		for _, value := range nasty {
			for _, name := range names {
				for _, path := range adminPages() {
					if a := carol.get(path, url.Values{name: {value}, "done": {"redelivered"}}); a.status >= 500 {
						t.Errorf("%s?%s=%.30q: %d", path, name, value, a.status)
					}
				}
			}
			for _, name := range names {
				for _, path := range []string{"/admin/deliveries/x/redeliver", "/admin/redeliver", "/admin/sessions/end"} {
					if a := carol.with("Sec-Fetch-Site", "same-origin").post(path, url.Values{name: {value}, "csrf": {csrf}}); a.status >= 500 {
						t.Errorf("%s %s=%.30q: %d", path, name, value, a.status)
					}
				}
			}
			for _, path := range []string{"/admin/deliveries/", "/admin/clients/", "/admin/logouts/"} {
				if a := carol.get(path+url.PathEscape(value), nil); a.status >= 500 {
					t.Errorf("%s%.30q: %d", path, value, a.status)
				}
			}
		}
	})
}

// Clients are called what they like.
func TestConsoleNames(t *testing.T) {
	d := newDesk(t, openDB(t), func(cfg *provider.Config) {
		cfg.Clients = append(cfg.Clients, identity.Client{
			ID: "https://app.example.com/a?b=c#d%2F", Name: `<img src=x onerror=alert(1)>`, ApplicationType: "web", TokenEndpointAuthMethod: identity.AuthNone,
			GrantTypes: []string{identity.GrantAuthorizationCode}, ResponseTypes: []string{"code"}, Scope: "openid", RedirectURIs: []string{"https://app.example.com/cb"}, IDTokenSigningAlg: "RS256",
		})
	})
	carol := d.carol()
	page := carol.get("/admin/clients", nil).wantPage(200, "&lt;img src=x")
	links := regexp.MustCompile(`href="(/admin/clients/[^"]*app\.example[^"]*)"`).FindStringSubmatch(page.body)
	if links == nil || strings.Contains(page.body, "<img src=x") {
		t.Fatalf("no link, or markup:\n%s", page.body)
	}
	carol.get(links[1], nil).wantPage(200, "https://app.example.com/a?b=c#d%2F")
	carol.get("/admin/clients/nobody", nil).wantPage(404, "There is no such client")
	carol.get("/admin/nowhere", nil).wantPage(404, "There is no such page")
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

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
