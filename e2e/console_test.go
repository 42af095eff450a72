package e2e

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/exeunt-id/exeunt/bench/driver"
	"github.com/exeunt-id/exeunt/database/databasetest"
)

// outage is a provider with its console and two apps, one of which is down.
type outage struct {
	*world
	admin string // URL of the admin listener
	down  *app
}

// app is an app as far as these tests need one: a page where people come back to, and a back-channel that answers as it is told.
type app struct {
	*httptest.Server
	status atomic.Int64
}

func newApp(t *testing.T, status int) *app {
	t.Helper()
	a := &app{}
	a.status.Store(int64(status))
	a.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/logout" {
			w.WriteHeader(int(a.status.Load()))
		}
	}))
	t.Cleanup(a.Close)
	return a
}

func newOutage(t *testing.T, database string, logout map[string]any) *outage {
	t.Helper()
	port, err := driver.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	o := &outage{world: &world{transport: driver.NewTransport()}, admin: fmt.Sprintf("http://localhost:%d", port), down: newApp(t, http.StatusServiceUnavailable)}
	for i, a := range []*app{newApp(t, http.StatusOK), o.down} {
		name := fmt.Sprintf("rp-%d", i)
		o.clients = append(o.clients, driver.Client{
			ID: name, Secret: "a-secret-of-" + name + "-0123456789abcdef", RedirectURI: a.URL + "/callback", LogoutURI: a.URL + "/logout", Alg: "ES256",
		})
	}
	users := []map[string]any{{"username": "user-0", "password": driver.Password}, {"username": "carol", "password": driver.Password, "admin": true}}
	o.Process, err = driver.Start(t.Context(), driver.Setup{Binary: binary, Dir: t.TempDir(), Database: database, Clients: o.clients, Extra: map[string]any{
		"admin_listen": net.JoinHostPort("localhost", fmt.Sprint(port)), "users": users, "logout": logout,
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := o.Kill(); err != nil {
			t.Error(err)
		}
		o.transport.CloseIdleConnections()
	})
	return o
}

// signOut is a person who was signed in at both apps and leaves, elsewhere.
func (o *outage) signOut(t *testing.T) {
	t.Helper()
	agent := o.agent(t, 0)
	for _, c := range o.clients {
		if _, err := agent.SignOn(t.Context(), c, "openid"); err != nil {
			t.Fatal(err)
		}
	}
	if err := agent.Logout(t.Context(), o.clients[0]); err != nil {
		t.Fatal(err)
	}
}

func text(t *testing.T, window context.Context, where chromedp.CSS) string {
	t.Helper()
	s, err := chromedp.Run(window, chromedp.Text(where))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(strings.Fields(s), " ")
}

// until waits for a text on the page. The page may load itself again meanwhile; it is asked from outside.
func until(t *testing.T, window context.Context, where, want string) {
	t.Helper()
	expression := fmt.Sprintf(`(document.querySelector(%q)||{textContent:""}).textContent.replace(/\s+/g," ")`, where)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(30 * time.Second); ; <-tick.C {
		got, err := chromedp.Run(window, chromedp.Evaluate[string](expression))
		if err == nil && strings.Contains(got, want) {
			return
		}
		if time.Now().After(deadline) {
			body, _ := chromedp.Run(window, chromedp.Evaluate[string]("document.body.innerText"))
			t.Fatalf("%q never shows %q but %q (%v)\n%.800s", where, want, got, err, body)
		}
	}
}

// An operator at night: signs in, sees which app is down, filters, reads the attempt, tells again, and watches the receipt come.
func TestConsoleTellsAgain(t *testing.T) {
	databasetest.EachURL(t, func(t *testing.T, database string) {
		window := chromium(t)
		o := newOutage(t, database, map[string]any{"wait": "2s", "retry_for": "1ms"})
		o.signOut(t)
		do(t, window, "opening the console", chromedp.Navigate(o.admin+"/admin"), chromedp.WaitVisible(id("login-form")))
		do(t, window, "signing in", chromedp.SendKeys(id("username"), "carol"), chromedp.SendKeys(id("password"), driver.Password), chromedp.Click(id("login")),
			chromedp.WaitVisible(id("sign-out")))
		until(t, window, "#trouble-title", "1 app needs a look")
		do(t, window, "filtering by app", chromedp.SendKeys(id("client_id"), "rp-1"), chromedp.Click(id("apply")), chromedp.WaitVisible(id("clear")))
		if got := text(t, window, "table.rows tbody"); !strings.Contains(got, "dead") || !strings.Contains(got, "rp-1") || strings.Contains(got, "rp-0") {
			t.Errorf("the filter shows %q", got)
		}
		do(t, window, "opening the dead delivery", chromedp.Click(chromedp.CSS("a.row-link")), chromedp.WaitVisible(id("redeliver")))
		if got := text(t, window, "ol.attempts"); !strings.Contains(got, "HTTP 503") {
			t.Errorf("the attempts are %q", got)
		}
		o.down.status.Store(http.StatusOK)
		do(t, window, "telling again", chromedp.Click(id("redeliver")), chromedp.WaitVisible(id("notice")))
		mark(t, window)
		until(t, window, "#delivery-state", "delivered")
		marked(t, window, true)
		do(t, window, "back at the deliveries", chromedp.Navigate(o.admin+"/admin/deliveries"), chromedp.WaitVisible(id("all-well")))
		do(t, window, "signing out", chromedp.Click(id("sign-out")), chromedp.WaitVisible(id("login-form")))
		do(t, window, "the console is closed", chromedp.Navigate(o.admin+"/admin/deliveries"), chromedp.WaitVisible(id("login-form")))
	})
}

// mark leaves a sign in the page that does not survive its being loaded again.
func mark(t *testing.T, window context.Context) {
	t.Helper()
	if _, err := chromedp.Run(window, chromedp.Evaluate[bool]("window.marked = true")); err != nil {
		t.Fatal(err)
	}
}

func marked(t *testing.T, window context.Context, want bool) {
	t.Helper()
	got, err := chromedp.Run(window, chromedp.Evaluate[bool]("window.marked === true"))
	if err != nil || got != want {
		t.Errorf("the page is the same: %t, want %t (%v)", got, want, err)
	}
}

// The page after a logout says who has been told and who is being retried, and follows it to the end: by script in place, without scripts by
// loading itself again.
func TestProgressPage(t *testing.T) {
	for name, script := range map[string]bool{"with scripts": true, "without scripts": false} {
		t.Run(name, func(t *testing.T) {
			var options []chromedp.ExecAllocatorOption
			if !script {
				options = profile(t, cookiesInFrames, `"default_content_setting_values":{"javascript":2}`)
			}
			window := chromium(t, options...)
			o := newOutage(t, databasetest.SQLiteURL(t), map[string]any{"wait": "100ms"})
			do(t, window, "signing in", chromedp.Navigate(o.Issuer+"/login"), chromedp.WaitVisible(id("login-form")), chromedp.SendKeys(id("username"), "user-0"),
				chromedp.SendKeys(id("password"), driver.Password), chromedp.Click(id("login")), chromedp.WaitVisible(id("signed-in")))
			for _, c := range o.clients {
				o.signOnIn(t, window, c)
			}
			do(t, window, "signing out", chromedp.Navigate(o.Issuer+"/logout?client_id=rp-0"), chromedp.WaitVisible(id("summary")))
			until(t, window, "#summary", "Signed out of 1 of 2. rp-1 is being retried.")
			mark(t, window)
			o.down.status.Store(http.StatusOK)
			until(t, window, "#summary", "All 2 apps have confirmed that you are signed out.")
			marked(t, window, script)
			if got, err := chromedp.Run(window, chromedp.Evaluate[int]("document.querySelectorAll('#apps .mark.told').length")); err != nil || got != 2 {
				t.Errorf("%d apps have the mark of being told, %v", got, err)
			}
			until(t, window, "main", "On a shared computer")
			if body := text(t, window, "main"); strings.Contains(body, "keeps itself up to date") || strings.Contains(body, "user-0") {
				t.Errorf("in the end the page says %q", body)
			}
		})
	}
}

var codeVerifier = strings.Repeat("v", 43)

// authorize is the address where an app sends the browser.
func (o *outage) authorize(c driver.Client) string {
	sum := sha256.Sum256([]byte(codeVerifier))
	return o.Issuer + "/authorize?" + url.Values{
		"response_type": {"code"}, "client_id": {c.ID}, "redirect_uri": {c.RedirectURI}, "scope": {"openid"}, "state": {"s"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
	}.Encode()
}

// signOnIn makes an app take part in the browser's session.
func (o *outage) signOnIn(t *testing.T, window context.Context, c driver.Client) {
	t.Helper()
	do(t, window, "signing in at "+c.ID, chromedp.Navigate(o.authorize(c)))
	o.exchange(t, window, c)
}

// exchange takes the code out of the address that the browser has come to.
func (o *outage) exchange(t *testing.T, window context.Context, c driver.Client) {
	t.Helper()
	at, err := chromedp.Run(window, chromedp.Location())
	if err != nil || !strings.Contains(at, "code=") {
		t.Fatalf("the browser is at %s, %v", at, err)
	}
	back, err := url.Parse(at)
	if err != nil {
		t.Fatal(err)
	}
	if _, status, err := driver.NewAgent(o.Issuer, o.transport).Exchange(t.Context(), c, back.Query().Get("code"), codeVerifier); err != nil || status != http.StatusOK {
		t.Fatalf("exchange: %d, %v", status, err)
	}
}
