package provider_test

import (
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/exeunt-id/exeunt/provider"
)

// withFrontchannel gives wiki only the front channel, and mail both.
func withFrontchannel(c *provider.Config) {
	for i := range c.Clients {
		switch client := &c.Clients[i]; client.ID {
		case "wiki":
			client.BackchannelLogoutURI, client.FrontchannelLogoutURI = "", "https://wiki.example.com/out?kept=a%20b&x=%22"
		case "mail":
			client.FrontchannelLogoutURI = "https://mail.example.com/out"
		}
	}
}

var (
	framePattern   = regexp.MustCompile(`<iframe src="([^"]*)"`)
	refreshPattern = regexp.MustCompile(`<noscript><meta http-equiv="refresh" content="2;url=([^"]*)"></noscript>`)
	linkPattern    = regexp.MustCompile(`<a class="button main" id="continue" href="([^"]*)">`)
)

// wantFrames checks the page of a front-channel logout: its frames, its policy, and that it leads on to next by link, script and refresh.
func (a answer) wantFrames(next string, frames ...string) answer {
	a.Helper()
	a.wantPage(http.StatusOK, "Logging you out")
	var got []string
	for _, m := range framePattern.FindAllStringSubmatch(a.body, -1) {
		got = append(got, html.UnescapeString(m[1]))
	}
	if strings.Join(got, "\n") != strings.Join(frames, "\n") {
		a.Errorf("frames %q, want %q", got, frames)
	}
	for _, pattern := range []*regexp.Regexp{refreshPattern, linkPattern} {
		if m := pattern.FindStringSubmatch(a.body); m == nil || html.UnescapeString(m[1]) != next {
			a.Errorf("%s: %q, want %q", pattern, m, next)
		}
	}
	policy := a.header.Get("Content-Security-Policy")
	var origins []string
	for _, frame := range frames {
		origins = append(origins, "https://"+strings.Split(frame, "/")[2])
	}
	for _, must := range []string{"default-src 'none';", "form-action 'self';", "frame-src " + strings.Join(origins, " ") + ";", "frame-ancestors 'none'", "script-src 'nonce-"} {
		if !strings.Contains(policy, must) {
			a.Errorf("policy %q lacks %s", policy, must)
		}
	}
	return a
}

// Front-Channel Logout 1.0, 2 and 3.
func TestFrontchannelLogout(t *testing.T) {
	w := newWorld(t, openDB(t), withFrontchannel)
	frame := func(uri, separator, idToken string) string {
		return uri + separator + "iss=" + url.QueryEscape(w.url) + "&sid=" + claims(t, idToken)["sid"].(string)
	}
	signIn := func(alice *agent) (shop tokens, frames []string) {
		shop = alice.firstSignOn("shop", "alice")
		wiki, mail := alice.signOn("wiki"), alice.signOn("mail")
		return shop, []string{frame("https://wiki.example.com/out?kept=a%20b&x=%22", "&", wiki.id), frame("https://mail.example.com/out", "?", mail.id)}
	}

	t.Run("back to the application", func(t *testing.T) {
		alice := w.browser()
		shop, frames := signIn(alice)
		alice.get("/end_session", endRequest("id_token_hint", shop.id, "post_logout_redirect_uri", "https://shop.example.com/bye", "state", `a"b'c <&>`)).
			wantFrames("https://shop.example.com/bye?state=a%22b%27c%20%3C%26%3E", frames...)
		if w.active("shop", shop.access) || len(w.told("mail")) == 0 {
			t.Error("the session lives, or the back channel was forgotten over the front channel")
		}
		// Who comes again has nothing left to end and just goes on.
		alice.get("/end_session", endRequest("id_token_hint", shop.id, "post_logout_redirect_uri", "https://shop.example.com/bye")).wantRedirect("https://shop.example.com/bye")
	})
	t.Run("to the page of receipts", func(t *testing.T) {
		alice := w.browser()
		_, frames := signIn(alice)
		alice.submit(alice.get("/end_session", nil), nil).wantFrames("/logged_out", frames...)
		page := alice.get("/logged_out", nil).wantPage(http.StatusOK, "Signed out of 2 of 3.")
		if !strings.Contains(page.body, "The wiki has been asked by this browser and cannot confirm it.") {
			t.Errorf("the page is not honest about the front channel:\n%s", page.body)
		}
	})
	t.Run("redirect logout", func(t *testing.T) {
		alice := w.browser()
		_, frames := signIn(alice)
		alice.get("/logout", url.Values{"client_id": {"shop"}, "redirect_uri": {"https://shop.example.com/bye"}}).wantFrames("https://shop.example.com/bye", frames...)
	})
	t.Run("one app on the account page", func(t *testing.T) {
		alice, phone := w.browser(), w.browser()
		_, frames := signIn(alice)
		signIn(phone) // whose frames no browser is there to load
		page := alice.submit(alice.get("/account/end", url.Values{"app": {"wiki"}}).wantPage(http.StatusOK, "The wiki will be told."), nil)
		page.wantFrames("/account/done", frames[0]).wantWords("This browser is now asking this app", "not", "Your session here has ended.")
		alice.get("/account/done", nil).wantWords("You have left The wiki", "The wiki could not be told.")
		if !alice.alive() || !phone.alive() {
			t.Error("a session ended")
		}
		others := alice.get("/account/end", url.Values{"scope": {"others"}}).wantWords("The shop and The mail will be told.")
		alice.submit(others, nil).wantWords("One session has ended", "not", "Logging you out")
	})
	t.Run("this device", func(t *testing.T) {
		alice := w.browser()
		_, frames := signIn(alice)
		page := alice.get(alice.get("/account", nil).link(`Remove<span class="unseen">: Unknown device</span>`), nil).wantWords("The shop, The wiki and The mail will be told.")
		alice.submit(page, nil).wantFrames("/logged_out", frames...)
	})
	t.Run("everywhere", func(t *testing.T) {
		alice, phone := w.browser(), w.browser()
		_, frames := signIn(alice)
		signIn(phone)
		page := alice.get("/account/end", url.Values{"scope": {"everywhere"}}).wantWords("The shop, The wiki and The mail will be told.", "The wiki cannot be told: log out there yourself.")
		alice.submit(page, nil).wantFrames("/logged_out", frames...)
	})
	t.Run("nobody has a page", func(t *testing.T) {
		alice := w.browser()
		shop := alice.firstSignOn("shop", "alice")
		alice.get("/end_session", endRequest("id_token_hint", shop.id, "post_logout_redirect_uri", "https://shop.example.com/bye")).wantRedirect("https://shop.example.com/bye")
	})
}
