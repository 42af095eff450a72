package e2e

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/exeunt-id/exeunt/bench/driver"
	"github.com/exeunt-id/exeunt/database/databasetest"
)

// The account page in a real browser: with scripts and without, by keyboard alone, examined by axe, in windows of every width.
func TestAccountPage(t *testing.T) {
	o := newOutage(t, databasetest.SQLiteURL(t), map[string]any{"wait": "100ms"})
	window := chromium(t)
	rules := axe(t)

	// elsewhere signs the person in on another device, at both apps.
	elsewhere := func(t *testing.T) {
		t.Helper()
		o.down.status.Store(http.StatusServiceUnavailable)
		agent := o.agent(t, 0)
		for _, c := range o.clients {
			if _, err := agent.SignOn(t.Context(), c, "openid"); err != nil {
				t.Fatal(err)
			}
		}
	}
	signIn := func(t *testing.T, window context.Context) {
		t.Helper()
		do(t, window, "signing in on the way to the account", chromedp.Navigate(o.Issuer+"/account"), chromedp.WaitVisible(id("login-form")),
			chromedp.SendKeys(id("username"), "user-0"), chromedp.SendKeys(id("password"), driver.Password), chromedp.Click(id("login")), chromedp.WaitVisible(id("sessions")))
		o.signOnIn(t, window, o.clients[0])
		do(t, window, "the account again", chromedp.Navigate(o.Issuer+"/account"), chromedp.WaitVisible(id("sessions")))
	}
	wantText := func(t *testing.T, window context.Context, where chromedp.CSS, want ...string) {
		t.Helper()
		got := text(t, window, where)
		for _, w := range want {
			if !strings.Contains(got, w) {
				t.Errorf("%s lacks %q: %s", where, w, got)
			}
		}
	}
	// press follows the Tab key to an element, and activates it.
	press := func(t *testing.T, window context.Context, selector string) {
		t.Helper()
		for range 40 {
			do(t, window, "the Tab key", chromedp.KeyEvent(kb.Tab))
			if there, err := chromedp.Run(window, chromedp.Evaluate[bool]("document.activeElement.matches('"+selector+"')")); err != nil {
				t.Fatal(err)
			} else if there {
				do(t, window, "the Enter key", chromedp.KeyEvent(kb.Enter))
				return
			}
		}
		t.Fatalf("the Tab key never comes to %s", selector)
	}

	t.Run("with scripts", func(t *testing.T) {
		elsewhere(t)
		do(t, window, "the login page", chromedp.Navigate(o.Issuer+"/account"), chromedp.WaitVisible(id("login-form")))
		accessible(t, window, rules, "login")
		signIn(t, window)
		wantText(t, window, "#sessions .current", "Chrome on Linux", "This browser", "Apps: rp-0")
		accessible(t, window, rules, "account")
		do(t, window, "asking to end the others", chromedp.Click(id("end-others")), chromedp.WaitVisible(id("end")))
		wantText(t, window, "#ending", "Go-http-client", "rp-0 and rp-1 will be told.")
		accessible(t, window, rules, "end")
		do(t, window, "ending them", chromedp.Click(id("end")), chromedp.WaitVisible(id("done")))
		wantText(t, window, "#done", "One session has ended")
		until(t, window, "#summary", "Signed out of 1 of 2. rp-1 is being retried.")
		mark(t, window)
		accessible(t, window, rules, "done")
		o.down.status.Store(http.StatusOK)
		until(t, window, "#summary", "All 2 apps have confirmed that you are signed out.")
		marked(t, window, true)
	})

	t.Run("by keyboard", func(t *testing.T) {
		do(t, window, "the account", chromedp.Navigate(o.Issuer+"/account"), chromedp.WaitVisible(id("sessions")))
		press(t, window, "#apps a")
		do(t, window, "leaving an app", chromedp.WaitVisible(id("end")))
		accessible(t, window, rules, "leave")
		press(t, window, "#end")
		do(t, window, "it is left", chromedp.WaitVisible(id("done")))
		wantText(t, window, "#done", "You have left rp-0")
		press(t, window, "#back")
		do(t, window, "back", chromedp.WaitVisible(id("no-apps")))
		do(t, window, "the app asks", chromedp.Navigate(o.authorize(o.clients[0])), chromedp.WaitVisible(id("continue-form")))
		accessible(t, window, rules, "continue")
		press(t, window, "#continue")
		do(t, window, "at the app", chromedp.WaitNotPresent(id("continue-form")))
		o.exchange(t, window, o.clients[0])
		do(t, window, "the account", chromedp.Navigate(o.Issuer+"/account"), chromedp.WaitVisible(id("sessions")))
		press(t, window, "#change-password")
		do(t, window, "a new password", chromedp.WaitVisible(id("password-form")), chromedp.KeyEvent("not it"+kb.Tab+"looking-glass"+kb.Tab+"looking-glass"+kb.Enter),
			chromedp.WaitVisible(id("password-error")))
		wantText(t, window, "#password-error", "That is not your current password.")
		accessible(t, window, rules, "password")
		do(t, window, "the account in German", chromedp.Navigate(o.Issuer+"/account?ui_locales=de"), chromedp.WaitVisible(id("sessions")))
		accessible(t, window, rules, "account in German")
		press(t, window, "#end-everywhere")
		do(t, window, "everywhere", chromedp.WaitVisible(id("end")))
		press(t, window, "#end")
		do(t, window, "logged out", chromedp.WaitVisible(id("summary")))
		wantText(t, window, "main", "Sie sind abgemeldet", "Ihre App hat bestätigt")
		accessible(t, window, rules, "logged out in German")
	})

	t.Run("without scripts", func(t *testing.T) {
		signIn(t, window) // an open page, which hears of its end
		plain := chromium(t, profile(t, `"default_content_setting_values":{"javascript":2}`)...)
		elsewhere(t)
		signIn(t, plain)
		do(t, plain, "ending the others", chromedp.Click(id("end-others")), chromedp.WaitVisible(id("end")), chromedp.Click(id("end")), chromedp.WaitVisible(id("done")))
		until(t, plain, "#summary", "Signed out of 1 of 2. rp-1 is being retried.")
		mark(t, plain)
		o.down.status.Store(http.StatusOK)
		until(t, plain, "#summary", "All 2 apps have confirmed that you are signed out.")
		marked(t, plain, false)
		wantText(t, plain, "#done", "2 sessions have ended")
		do(t, window, "the open page has left by itself", chromedp.WaitVisible(id("login-form")))
		do(t, plain, "and this one", chromedp.Navigate(o.Issuer+"/account"), chromedp.Click("#sessions .current a"), chromedp.WaitVisible(id("end")), chromedp.Click(id("end")), chromedp.WaitVisible(id("summary")))
		wantText(t, plain, "main", "You are logged out")
	})
}
