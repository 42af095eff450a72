package provider_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/database/databasetest"
	"github.com/exeunt-id/exeunt/provider"
)

// leave leaves an app on the account page.
func (a *agent) leave(client string) answer {
	a.Helper()
	confirm := a.get("/account/end", url.Values{"app": {client}}).wantPage(http.StatusOK, "<h1>Leave The "+client+"?</h1>")
	return a.submit(confirm, nil)
}

// One app left: all that it has of the person dies, the sessions live, and it does not come back unasked.
func TestLeaveApp(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		w := newWorld(t, db)
		alice, phone, bob := w.browser(), w.browser(), w.browser()
		here := alice.firstSignOn("shop", "alice")
		wiki := alice.signOn("wiki", "scope", "openid offline_access")
		there := phone.firstSignOn("shop", "alice", "scope", "openid offline_access")
		bobs := bob.firstSignOn("shop", "bob", "scope", "openid offline_access")
		waiting := alice.get("/authorize", request("shop")).code()

		done := alice.leave("shop").wantWords("You have left The shop", "Your app has confirmed that you are signed out.")
		if done.url.Path != "/account/done" || !alice.alive() || !phone.alive() {
			t.Error("a session ended")
		}
		if n := len(w.told("shop")); n != 2 {
			t.Errorf("the app was told %d times, want once for each session", n)
		}
		for name, token := range map[string]tokens{"here": here, "there, offline": there} {
			if w.active("shop", token.access) {
				t.Errorf("%s: the access token lives", name)
			}
			w.refresh("shop", token.refresh).wantError(http.StatusBadRequest, "invalid_grant")
		}
		w.as("shop", codeForm("shop", waiting)).wantError(http.StatusBadRequest, "invalid_grant")
		if !w.active("wiki", wiki.access) || !w.active("shop", bobs.access) {
			t.Error("another app, or another person, is affected")
		}
		alice.get("/account", nil).wantWords("The wiki", "not", "The shop")

		// In both sessions nobody is signed on unasked.
		for _, browser := range []*agent{alice, phone} {
			if got := browser.get("/authorize", request("shop", "prompt", "none")).location().Query().Get("error"); got != "interaction_required" {
				t.Errorf("prompt=none: %q", got)
			}
		}
		ask := func(browser *agent) answer {
			t.Helper()
			return browser.get("/authorize", request("shop")).wantPage(http.StatusOK, "<h1>Continue to The shop as alice?</h1>")
		}
		if got := alice.submit(ask(alice), url.Values{"decision": {"deny"}}).location().Query().Get("error"); got != "access_denied" {
			// The button posts to another address; a browser that ignores that is sent there.
			t.Errorf("denied: %q", got)
		}
		// Another person in this browser is not the one who was asked.
		page := ask(alice)
		if got := alice.submit(page, url.Values{"as": {"bob"}}).want(http.StatusOK); got.url.Path != "/continue" {
			t.Errorf("answered for somebody else: %s", got.url)
		}
		w.browser().with("Sec-Fetch-Site", "same-origin").post("/continue", url.Values{"id": {page.url.Query().Get("id")}}).want(http.StatusForbidden)
		w.exchange("shop", alice.submit(page, nil).code())
		alice.signOn("shop") // once is enough

		// Whatever an address or a form names, nothing ends that is not there.
		csrf := alice.get("/account/password", nil).wantPage(http.StatusOK, `name="csrf"`)
		for _, value := range []string{"", "\x00", "a\x00b", "\xff\xfe", "'; DROP TABLE departures; --", strings.Repeat("x", 5000), "..", "%", "nobody"} {
			for _, name := range []string{"session", "scope", "app", "device"} {
				if got := alice.get("/account/end", url.Values{name: {value}}).want(http.StatusOK); got.url.Path != "/account" {
					t.Errorf("%s=%q is asked about: %s", name, value, got.url)
				}
				got := alice.submit(answer{T: t, body: strings.Replace(csrf.body, "/account/password", "/account/end", 1), url: csrf.url}, url.Values{name: {value}})
				if got.want(http.StatusOK).url.Path != "/account" && !strings.Contains(got.body, "You have left The shop") { // what was ended last
					t.Errorf("%s=%q ended something: %s", name, value, got.url)
				}
			}
		}
		if got := alice.get("/account/end", url.Values{"session": {"x"}, "scope": {"everywhere"}}); got.url.Path != "/account" {
			t.Errorf("two aims at once: %s", got.url)
		}
		if !alice.alive() || !phone.alive() {
			t.Fatal("a session ended")
		}

		// A new login is an answer too, and sessions that begin later were never left.
		alice.leave("shop")
		w.clock.Advance(time.Second)
		later := w.browser()
		later.firstSignOn("wiki", "alice")
		later.signOn("shop")
		ask(phone)
		again := phone.logIn(phone.get("/authorize", request("shop", "prompt", "login")), "alice")
		w.exchange("shop", again.code())
		alice.signOn("shop")

		// So is consent that is given for the request.
		strict := alice.submit(alice.get("/authorize", request("strict")), url.Values{"decision": {"allow"}})
		w.exchange("strict", strict.code())
		alice.leave("strict")
		w.clock.Advance(time.Second)
		alice.get("/authorize", request("strict")).wantPage(http.StatusOK, "Continue to")
		strict = alice.submit(alice.get("/authorize", request("strict", "prompt", "consent")), url.Values{"decision": {"allow"}})
		w.exchange("strict", strict.code())
	})
}

// A silent sign-on at the moment at which the app is left, in a session in which it takes no part yet: whichever comes first, afterwards it
// has nothing, and comes in unasked no more.
func TestLeaveAppAgainstAuthorize(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		w := newWorld(t, db, func(c *provider.Config) { c.Logout.Wait = 0 })
		desk := w.browser()
		desk.firstSignOn("shop", "alice")
		confirm := desk.get("/account/end", url.Values{"app": {"shop"}}).want(http.StatusOK)
		dropped, asked := 0, 0
		for round := range 12 {
			phone := w.browser()
			phone.firstSignOn("wiki", "alice")
			w.clock.Advance(time.Second)
			var left atomic.Bool
			var authorized [4][]answer
			var group sync.WaitGroup
			for i := range authorized {
				group.Go(func() {
					for !left.Load() { // so that one of them meets it
						authorized[i] = append(authorized[i], phone.get("/authorize", request("shop")))
					}
				})
			}
			group.Go(func() {
				defer left.Store(true)
				desk.submit(confirm, nil)
			})
			group.Wait()
			for _, a := range slices.Concat(authorized[:]...) {
				if a.status == http.StatusSeeOther {
					dropped++
					w.as("shop", codeForm("shop", a.code())).wantError(http.StatusBadRequest, "invalid_grant")
				} else {
					asked++
					a.wantPage(http.StatusOK, "Continue to")
				}
			}
			if got := phone.get("/authorize", request("shop", "prompt", "none")).location().Query().Get("error"); got != "interaction_required" {
				t.Fatalf("round %d: %q", round, got)
			}
			// Everything as before for the next round.
			w.exchange("shop", desk.submit(desk.get("/authorize", request("shop")), nil).code())
		}
		t.Logf("%d codes were dropped, %d people were asked", dropped, asked)
	})
}
