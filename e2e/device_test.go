package e2e

import (
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/exeunt-id/exeunt/bench/driver"
)

// A person who is signed in elsewhere, and may be on one device only, chooses it with the keyboard and comes out at the app: the policy of the page
// lets its answer lead there, over all redirects.
func TestDeviceChoice(t *testing.T) {
	window := chromium(t)
	th := newTheatre(t, map[string]any{"devices": map[string]any{"limit": 1, "policy": "ask"}})
	transport := &http.Transport{DialContext: dialLoopback}
	t.Cleanup(transport.CloseIdleConnections)
	if err := driver.NewAgent(th.Issuer, transport).Login(t.Context(), "user-0"); err != nil {
		t.Fatal(err)
	}
	ask := func() {
		t.Helper()
		th.state(t, window, 0)
		do(t, window, "signing in", chromedp.Click(id("login")), chromedp.WaitVisible(id("login-form")),
			chromedp.SendKeys(id("username"), "user-0"), chromedp.SendKeys(id("password"), driver.Password), chromedp.Click(id("login")),
			chromedp.WaitVisible(id("devices-form")))
		text, err := chromedp.Run(window, chromedp.Text(chromedp.CSS("main")))
		if err != nil || !strings.Contains(text, "You are signed in on 1 of 1 devices. Choose one to sign out.") {
			t.Errorf("the page says %q, %v", text, err)
		}
	}
	ask()
	do(t, window, "not signing in", chromedp.Click(id("deny")), chromedp.WaitVisible(id("state")))
	th.expect(t, window, "after saying no", out)
	ask()
	do(t, window, "choosing", chromedp.SendKeys(id("device-1"), " "), chromedp.SendKeys(id("sign-out"), kb.Enter), chromedp.WaitVisible(id("user")))
	th.expect(t, window, "after the choice", in)
}
