package e2e

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/exeunt-id/exeunt/bench/driver"
	"github.com/exeunt-id/exeunt/provider/browser"
)

// watcher is a page of a relying party that embeds the provider's iframe and asks it (OpenID Connect Session Management 1.0, 3.1).
const watcher = `<!DOCTYPE html><title>RP</title><p id="ready" hidden>ready</p><iframe id="op" src="%s/check_session"></iframe><script>
var answers = [], op = document.getElementById("op");
window.addEventListener("message", function (e) { if (e.origin === %q) { answers.push(e.data); } });
op.addEventListener("load", function () { document.getElementById("ready").hidden = false; });
function ask(messages) { answers = []; messages.forEach(function (m) { op.contentWindow.postMessage(m, %q); }); }
</script>`

// asked posts messages to the iframe and waits for as many answers.
func asked(t *testing.T, tab context.Context, messages ...string) []string {
	t.Helper()
	text, err := json.Marshal(messages)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := chromedp.Run(tab, chromedp.Evaluate[string]("ask("+string(text)+"), 'asked'")); err != nil {
		t.Fatal(err)
	}
	for {
		joined, err := chromedp.Run(tab, chromedp.Evaluate[string]("answers.join()"))
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Split(joined, ","); joined != "" && len(got) >= len(messages) {
			return got
		}
	}
}

func wantAnswer(t *testing.T, tab context.Context, when, message, want string) {
	t.Helper()
	// What one tab writes into document.cookie reaches the frames of others a moment later.
	for deadline := time.Now().Add(10 * time.Second); ; {
		got := asked(t, tab, message)
		switch {
		case got[0] == want:
			return
		case time.Now().After(deadline):
			t.Errorf("%s: the iframe says %s, want %s", when, got[0], want)
			return
		}
	}
}

// A relying party on another site watches the session: unchanged, changed after a logout, error where there is no cookie. What the iframe's
// script computes is what the provider computes, for texts of every length.
func TestSessionManagement(t *testing.T) {
	t.Run("issuer", func(t *testing.T) { sessionManagement(t, "", "__Host-exeunt_state") })
	t.Run("issuer with a path", func(t *testing.T) { sessionManagement(t, "/tenants/one", "__Secure-exeunt_state.tenants.one") })
}

func sessionManagement(t *testing.T, path, cookie string) {
	window := chromium(t, profile(t, cookiesInFrames)...)
	var h *house
	h = newHouse(t, path, func(h *house) []map[string]any { return []map[string]any{h.registration("watcher", nil)} }, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = fmt.Fprintf(w, watcher, h.issuer, strings.TrimSuffix(h.issuer, path), strings.TrimSuffix(h.issuer, path))
	})
	do(t, window, "signing in", chromedp.Navigate(h.authorize("watcher")), chromedp.WaitVisible(id("login-form")), chromedp.SendKeys(id("username"), "user-0"),
		chromedp.SendKeys(id("password"), driver.Password), chromedp.Click(id("login")), chromedp.WaitVisible(id("ready")))
	at, err := chromedp.Run(window, chromedp.Location())
	if err != nil {
		t.Fatal(err)
	}
	callback, err := url.Parse(at)
	if err != nil {
		t.Fatal(err)
	}
	message := "watcher " + callback.Query().Get("session_state")
	wantAnswer(t, window, "right after the login", message, "unchanged")

	tab, closeTab := chromedp.NewContext(window)
	defer closeTab()
	if err := chromedp.Do(tab); err != nil { // opens it
		t.Fatal(err)
	}
	do(t, tab, "opening the provider", chromedp.Navigate(h.issuer+"/"), chromedp.WaitVisible(id("log-out")))
	checkHashes(t, window, h.origin("watcher"), readState(t, tab, cookie))
	if strings.Contains(cookies(t, tab), "session") {
		t.Error("a script can read the session's cookie")
	}

	do(t, tab, "logging out in another tab", chromedp.Click(id("log-out")), chromedp.WaitVisible(id("logout")), chromedp.Click(id("logout")), chromedp.WaitVisible(id("sign-in")))
	wantAnswer(t, window, "after the logout", message, "changed")

	if _, err := chromedp.Run(tab, chromedp.Evaluate[string](fmt.Sprintf("document.cookie = '%s=; max-age=0; path=%s; secure'", cookie, cmp.Or(path, "/")))); err != nil {
		t.Fatal(err)
	}
	wantAnswer(t, window, "without a cookie", message, "error")
}

func cookies(t *testing.T, tab context.Context) string {
	t.Helper()
	text, err := chromedp.Run(tab, chromedp.Evaluate[string]("document.cookie"))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func readState(t *testing.T, tab context.Context, cookie string) string {
	t.Helper()
	_, state, found := strings.Cut(cookies(t, tab), cookie+"=")
	if !found {
		t.Fatal("a script cannot read the browser state")
	}
	state, _, _ = strings.Cut(state, ";")
	return state
}

func checkHashes(t *testing.T, window context.Context, origin, state string) {
	t.Helper()
	var messages []string
	for n := 1; n <= 200; n++ { // every remainder of SHA-256's block of 64 bytes
		client := strings.Repeat("x", n)
		messages = append(messages, client+" "+browser.SessionState(client, origin, state, "salt"))
	}
	for _, client := range []string{"with spaces in it", "ü€😀"} {
		messages = append(messages, client+" "+browser.SessionState(client, origin, state, "salt"))
	}
	for i, got := range asked(t, window, messages...) {
		if got != "unchanged" {
			t.Errorf("message %d of %d bytes: %s", i, len(messages[i]), got)
		}
	}
	zeros := strings.Repeat("0", 64)
	for message, want := range map[string]string{
		"watcher " + browser.SessionState("other", origin, state, "salt"):                        "changed",
		"watcher " + browser.SessionState("watcher", "https://elsewhere.example", state, "salt"): "changed",
		"watcher " + zeros + ".salt": "changed",
		"watcher":                    "error",
		"":                           "error",
		"watcher " + zeros:           "error",
		"watcher " + zeros + ".":     "error",
		"watcher x.salt":             "error",
		" " + zeros + ".salt":        "error",
	} {
		wantAnswer(t, window, message, message, want)
	}
}
