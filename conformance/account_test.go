package conformance

import (
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// A person leaves one app on the account page (cause account_app): everything that it has of them dies, the session lives, and the app comes
// in unasked no more: interaction_required for prompt=none, otherwise one question, also for clients without consent.
func TestCore_3_1_2_6_InteractionRequired(t *testing.T) {
	w := open(t)
	alice := w.browser()
	shop := alice.firstSignOn("shop", "alice", "scope", "openid offline_access")
	wiki := alice.signOn("wiki")
	alice.submit(alice.get("/account/end", values("app", "shop"))).wantPage(200, "You have left")
	if w.active("shop", shop.access) || !w.active("wiki", wiki.access) || !alice.alive() || w.told(shop.id) != 1 || w.told(wiki.id) != 0 {
		t.Error("not exactly the one app was left")
	}
	w.refresh("shop", shop.refresh).wantError(400, "invalid_grant")
	for range 2 {
		if got := alice.get("/authorize", request("shop", "prompt", "none")).response(); got.Get("error") != "interaction_required" || got.Get("state") == "" || got.Get("iss") == "" {
			t.Errorf("prompt=none: %v", got)
		}
	}
	question := alice.get("/authorize", request("shop")).wantPage(200, "Continue to")
	if question.url.Path != w.base+"/continue" {
		t.Errorf("asked at %s", question.url)
	}
	alice.exchange("shop", alice.submit(question).code()).tokens()
	alice.exchange("shop", alice.get("/authorize", request("shop", "prompt", "none")).code()).tokens()
}

// The pages speak the languages of ui_locales_supported, by ui_locales in the order of the person's preference, and another is no error.
func TestCore_3_1_2_1_UILocales(t *testing.T) {
	w := open(t)
	var supported []string
	for _, tag := range w.program().get("/.well-known/openid-configuration", nil).want(200).json()["ui_locales_supported"].([]any) {
		supported = append(supported, tag.(string))
	}
	if len(supported) < 2 {
		t.Fatalf("only %v", supported)
	}
	for _, tag := range supported {
		for _, asked := range []string{tag, "tlh " + tag, tag + "-x-private"} {
			page := w.browser().with("Accept-Language", "fr").get("/authorize", request("shop", "ui_locales", asked)).want(200)
			if page.header.Get("Content-Language") != tag || langOf(t, page.body) != tag {
				t.Errorf("ui_locales=%s: Content-Language %q, lang %q", asked, page.header.Get("Content-Language"), langOf(t, page.body))
			}
		}
	}
	if page := w.browser().get("/authorize", request("shop", "ui_locales", "tlh")).want(200); langOf(t, page.body) != "en" {
		t.Errorf("Klingon is answered in %q", langOf(t, page.body))
	}
}

// langOf returns the language that a page says it is in.
func langOf(t *testing.T, body string) string {
	t.Helper()
	root, err := html.Parse(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for n := range root.Descendants() {
		for _, a := range n.Attr {
			if n.Data == "html" && a.Key == "lang" {
				return a.Val
			}
		}
	}
	return ""
}
