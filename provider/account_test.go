package provider_test

import (
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/exeunt-id/exeunt/database/databasetest"
	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider"
	"github.com/exeunt-id/exeunt/provider/identity"
)

const (
	linuxChrome = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36"
	iPhone      = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1"
)

// words returns what a person reads on a page, with single spaces.
func (a answer) words() string {
	return strings.Join(strings.Fields(regexp.MustCompile(`<[^>]*>`).ReplaceAllString(a.body, " ")), " ")
}

// wantWords checks that a person reads all of these, and none of those after "not".
func (a answer) wantWords(words ...string) answer {
	a.Helper()
	want := true
	for _, w := range words {
		if w == "not" {
			want = false
			continue
		}
		if strings.Contains(a.words(), w) != want {
			a.Errorf("%s: %q is on the page: %t\n%s", a.url, w, !want, a.words())
		}
	}
	return a
}

// link returns the address that a page's link with such a text leads to.
func (a answer) link(text string) string {
	a.Helper()
	m := regexp.MustCompile(`<a [^>]*href="([^"]*)"[^>]*>` + regexp.QuoteMeta(text) + `</a>`).FindStringSubmatch(a.body)
	if m == nil {
		a.Fatalf("no link %q on the page:\n%s", text, a.body)
	}
	return strings.ReplaceAll(m[1], "&amp;", "&")
}

// follow opens a link of a page.
func (a *agent) follow(page answer, text string) answer {
	a.Helper()
	return a.get(page.link(text), nil).want(http.StatusOK)
}

func TestAccount(t *testing.T) {
	w := newWorld(t, databasetest.Open(t, databasetest.SQLiteURL(t)))

	// Nobody sees anything without being signed in, and the login leads back.
	alice := w.browser().with("User-Agent", linuxChrome)
	login := alice.get("/account", nil).wantPage(http.StatusOK, `name="next" value="account"`)
	page := alice.logIn(login, "alice").wantPage(http.StatusOK, "<h1>Your account</h1>")
	page.wantWords("You are signed in as alice .", "Chrome on Linux This browser", "Signed in just now from 127.0.0.1", "No app used yet", "You are signed in to no app.", "not", "Log out all others")
	stranger := w.browser()
	for _, next := range []string{"https://evil.example.com/", "/account", "//evil", "accounts", ""} {
		got := stranger.submit(stranger.get("/login", url.Values{"next": {next}}).want(http.StatusOK), url.Values{"username": {"bob"}, "password": {"builder"}})
		if got.want(http.StatusOK).url.Path != "/" {
			t.Errorf("next=%s leads to %s", next, got.url)
		}
	}
	for _, path := range []string{"/account/end", "/account/done", "/account/password"} {
		w.browser().get(path, nil).wantPage(http.StatusOK, "<h1>Sign in</h1>")
	}

	// Three more sessions, one of them somebody else's.
	alice.signOn("shop")
	phone, old := w.browser().with("User-Agent", iPhone), w.browser().with("User-Agent", "curl/8")
	phone.firstSignOn("shop", "alice")
	phone.signOn("wiki")
	old.firstSignOn("wiki", "alice", "scope", "openid offline_access")
	bobs := stranger.get("/account", nil).wantWords("not", "shop", "iPhone").link("Log out everywhere")
	page = alice.get("/account", nil).wantWords("Safari on iPhone", "curl", "Apps: The shop and The wiki", "The wiki In 2 sessions Keeps its access while you are away", "not", "bob")

	t.Run("one session", func(t *testing.T) {
		toEnd := page.link(`Log out<span class="unseen">: Safari on iPhone</span>`)
		confirm := alice.get(toEnd, nil).wantWords("Log out of Safari on iPhone?", "This session ends: Safari on iPhone Signed in just now from 127.0.0.1 The shop and The wiki will be told.", "not", "Chrome", "loses")
		if !phone.alive() {
			t.Fatal("asking has ended it")
		}
		// Not by an address, not from elsewhere, not by somebody else.
		alice.post("/account/end", url.Values{"scope": {"everywhere"}}).want(http.StatusForbidden)
		stranger.get(toEnd, nil).wantPage(http.StatusOK, "<h1>Your account</h1>")
		session, _ := url.Parse(toEnd)
		stranger.submit(stranger.get(bobs, nil), url.Values{"session": {session.Query().Get("session")}, "scope": {""}}).wantWords("There was nothing left to end")
		if !phone.alive() {
			t.Fatal("somebody else has ended it")
		}
		done := alice.submit(confirm, nil).wantWords("One session has ended", "All 2 apps have confirmed that you are signed out.", "The shop Signed out", "The wiki Signed out", "Back to your account")
		if done.url.Path != "/account/done" || phone.alive() || !alice.alive() || !old.alive() {
			t.Error("another session ended than was meant")
		}
		if len(w.told("shop")) != 1 || len(w.told("wiki")) != 1 {
			t.Errorf("told: %v, %v", w.told("shop"), w.told("wiki"))
		}
		stranger.get("/account/done", nil).wantWords("not", "The shop")
		alice.get(toEnd, nil).wantPage(http.StatusOK, "<h1>Your account</h1>") // it has ended
	})

	t.Run("all others", func(t *testing.T) {
		confirm := alice.follow(alice.get("/account", nil), "Log out all others")
		confirm.wantWords("Log out of the other session?", "curl", "The wiki loses the access that it keeps while you are away.", "not", "Chrome on Linux")
		alice.submit(confirm, nil).wantWords("One session has ended", "The wiki Signed out")
		if old.alive() || !alice.alive() {
			t.Error("another session ended than was meant")
		}
		alice.get("/account/end?scope=others", nil).wantPage(http.StatusOK, "<h1>Your account</h1>").wantWords("not", "all others", "away")
	})

	t.Run("a device", func(t *testing.T) {
		phone := w.browser().with("User-Agent", "Mozilla/5.0 (Android 14; Mobile; rv:132.0) Gecko/132.0 Firefox/132.0")
		phone.firstSignOn("shop", "alice", "scope", "openid offline_access")
		page := alice.get("/account", nil).wantWords("Your devices", "Chrome on Linux This browser Signed in, last used just now", "Firefox on Android Signed in, last used just now", "curl Signed out, last used just now")
		remove := page.link(`Remove<span class="unseen">: Firefox on Android</span>`)
		stranger.get(remove, nil).wantPage(http.StatusOK, "<h1>Your account</h1>")
		confirm := alice.get(remove, nil).wantWords("Remove Firefox on Android?", "This session ends: Firefox on Android", "The shop will be told.", "The device is forgotten", "The shop loses the access", "not", "Chrome")
		alice.submit(confirm, nil).wantWords("The device has been removed", "The shop Signed out")
		if phone.alive() || !alice.alive() {
			t.Error("another device was removed than was meant")
		}
		// One on which nobody is signed in any more.
		confirm = alice.get(alice.get("/account", nil).wantWords("not", "Firefox").link(`Remove<span class="unseen">: curl</span>`), nil).wantWords("Remove curl?", "not", "session")
		if got := alice.submit(confirm, nil).wantWords("not", "curl"); got.url.Path != "/account" {
			t.Errorf("removed, and led to %s", got.url)
		}
		// This one.
		page = alice.get(alice.get("/account", nil).link(`Remove<span class="unseen">: Chrome on Linux</span>`), nil).wantWords("you have to sign in again")
		if got := alice.submit(page, nil).wantWords("You are logged out"); got.url.Path != "/logged_out" || alice.alive() {
			t.Errorf("this device was removed, and led to %s", got.url)
		}
		alice.logIn(alice.get("/account", nil), "alice").wantPage(http.StatusOK, "<h1>Your account</h1>")
		alice.signOn("shop")
	})

	t.Run("everywhere", func(t *testing.T) {
		phone := w.browser().with("User-Agent", iPhone)
		phone.firstSignOn("shop", "alice")
		confirm := alice.follow(alice.get("/account", nil), "Log out everywhere")
		confirm.wantWords("Log out everywhere?", "the one in this browser too", "Chrome on Linux This browser", "Safari on iPhone", "The shop will be told.")
		done := alice.submit(confirm, nil).wantWords("You are logged out", "confirmed", "not", "alice")
		if done.url.Path != "/logged_out" || phone.alive() || alice.alive() || !stranger.alive() {
			t.Error("another session ended than was meant")
		}
	})
}

// The page speaks the language that is asked for, on every step, and the login before it too.
func TestAccountLanguage(t *testing.T) {
	w := newWorld(t, databasetest.Open(t, databasetest.SQLiteURL(t)))
	alice := w.browser().with("User-Agent", linuxChrome)
	login := alice.get("/account", url.Values{"ui_locales": {"fr de-AT"}}).wantPage(http.StatusOK, `<html lang="de">`).wantWords("Benutzername")
	alice.submit(login, url.Values{"username": {"alice"}, "password": {"x"}}).wantWords("gehören nicht zusammen")
	page := alice.logIn(login, "alice").wantWords("Ihr Konto", "Chrome auf Linux Dieser Browser", "Angemeldet gerade eben von 127.0.0.1")
	confirm := alice.follow(page, "Überall abmelden").wantWords("Diese Sitzung endet, und Sie müssen sich neu anmelden:")
	alice.submit(alice.follow(page, "Passwort ändern"), url.Values{"password": {"a"}, "new_password": {"b"}, "new_password_again": {"b"}}).wantWords("Es braucht mindestens 8 Zeichen.")
	alice.submit(confirm, nil).wantPage(http.StatusOK, `<html lang="de">`).wantWords("Sie sind abgemeldet")

	// An app's request, and its pages.
	login = alice.get("/authorize", request("strict", "ui_locales", "de")).wantWords("um mit The strict fortzufahren")
	alice.logIn(login, "alice").wantWords("Mit The strict teilen?", "Ihr Profil sehen")
	confirm = alice.get("/end_session", url.Values{"ui_locales": {"de"}}).wantWords("Abmelden?", "alice")
	alice.submit(confirm, nil).wantWords("Sie sind abgemeldet")
	alice.with("Accept-Language", "de").get("/nowhere", nil).wantWords("Diese Seite gibt es nicht")
	alice.with("Accept-Language", "de").get("/logout", nil).wantWords("Sie sagt nicht, welche Anwendung Sie geschickt hat (client_id). Nichts wurde beendet")
}

// The way to the account page may lead over the choice of a device.
func TestAccountAfterDeviceChoice(t *testing.T) {
	w := newWorld(t, databasetest.Open(t, databasetest.SQLiteURL(t)), withLimit(1, identity.DeviceAsk))
	phone, alice := w.browser().with("User-Agent", iPhone), w.browser().with("User-Agent", linuxChrome)
	phone.firstSignOn("shop", "alice")
	choice := alice.logIn(alice.get("/account?ui_locales=de", nil), "alice").wantWords("Sie sind auf 1 von 1 Geräten angemeldet. Wählen Sie eines, das abgemeldet wird.", "Safari auf iPhone gerade eben benutzt")
	device := regexp.MustCompile(`name="device" value="([^"]*)"`).FindStringSubmatch(choice.body)
	if device == nil {
		t.Fatalf("no device to choose:\n%s", choice.body)
	}
	page := alice.submit(alice.submit(choice, nil).want(422).wantWords("Bitte wählen Sie ein Gerät"), url.Values{"device": {device[1]}})
	if page.wantWords("Ihr Konto", "Chrome auf Linux Dieser Browser", "not", "Shop"); page.url.Path != "/account" || phone.alive() {
		t.Errorf("led to %s", page.url)
	}
}

func TestChangePassword(t *testing.T) {
	w := newWorld(t, databasetest.Open(t, databasetest.SQLiteURL(t)), func(c *provider.Config) { c.Login.MaxFailures = 3 })
	alice, other := w.browser(), w.browser()
	alice.firstSignOn("shop", "alice")
	wiki := other.firstSignOn("wiki", "alice", "scope", "openid offline_access")
	form := func(current, chosen, again string) answer {
		t.Helper()
		page := alice.follow(alice.get("/account", nil), "Change password")
		return alice.submit(page, url.Values{"password": {current}, "new_password": {chosen}, "new_password_again": {again}})
	}
	const chosen = "looking-glass ünd more"
	form("wonderland", "", "").want(422).wantWords("Please fill in all three fields.")
	form("wonderland", chosen, chosen+" ").want(422).wantWords("The two new passwords differ.")
	form("wonderland", "seven77", "seven77").want(422).wantWords("It needs at least 8 characters.")
	form("wonderland", strings.Repeat("x", 1025), strings.Repeat("x", 1025)).want(422).wantWords("too long")
	form("wonderland", "wonderland", "wonderland").want(422).wantWords("Please choose another.")
	form("wrong", chosen, chosen).want(422).wantWords("That is not your current password.")
	if !other.alive() {
		t.Fatal("a refusal has ended a session")
	}
	alice.post("/account/password", url.Values{"password": {"wonderland"}, "new_password": {chosen}, "new_password_again": {chosen}}).want(http.StatusForbidden)

	form("wonderland", chosen, chosen).wantWords("Your password has been changed", "One other session has ended with it.", "The wiki Signed out")
	if other.alive() || !alice.alive() {
		t.Error("not exactly the other session has ended")
	}
	w.refresh("wiki", wiki.refresh).wantError(http.StatusBadRequest, "invalid_grant")
	stranger := w.browser()
	stranger.logIn(stranger.get("/login", nil), "alice").want(422)
	form(chosen, "yet another one", "yet another one").want(http.StatusOK).wantWords("Your password has been changed", "not", "session", "told")

	// The current password cannot be guessed here either.
	for range 3 {
		form("guess", chosen, chosen).want(422)
	}
	if form("yet another one", chosen, chosen).want(429).header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}

	// Whoever proved who they are by a password that is not theirs any more comes too late.
	op := w.provider.Operator()
	stale, err := op.User(t.Context(), "alice")
	must(t, err)
	_, err = op.SetPassword(t.Context(), stale, "yet another one", logout.Actor{Kind: "admin"})
	must(t, err)
	if _, err := op.ChangePassword(t.Context(), stale, "mine again", "", logout.Actor{Kind: "user"}); !errors.Is(err, identity.ErrLoginFailed) {
		t.Errorf("an old password changes the new one: %v", err)
	}
}
