package provider_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/database/databasetest"
	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/logout/logouttest"
	"github.com/exeunt-id/exeunt/provider"
	"github.com/exeunt-id/exeunt/provider/identity"
)

const deviceScopes = "openid devices.read devices.detach"

// withDevices lets two clients ask for the scopes of devices.
func withDevices(cfg *provider.Config) {
	for _, id := range []string{"shop", "wiki"} {
		withClient(id, func(c *identity.Client) { c.Scope += " devices.read devices.detach" })(cfg)
	}
}

func withLimit(limit int, policy identity.DevicePolicy) func(*provider.Config) {
	return func(cfg *provider.Config) { cfg.Devices.Limit = identity.DeviceLimit{Devices: limit, Policy: policy} }
}

// devices asks the API with an access token.
func (w *world) devices(token, method, path, body string) answer {
	w.Helper()
	r, err := http.NewRequestWithContext(w.Context(), method, w.url+"/api/devices"+path, strings.NewReader(body))
	must(w.T, err)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return w.program().answer(r)
}

// list returns the devices that an access token shows, the current one first, which must be there.
func (w *world) list(token string) []map[string]any {
	w.Helper()
	var current, others []map[string]any
	for _, d := range w.devices(token, http.MethodGet, "", "").want(http.StatusOK).json()["devices"].([]any) {
		if d := d.(map[string]any); d["current"] == true {
			current = append(current, d)
		} else {
			others = append(others, d)
		}
	}
	if len(current) != 1 {
		w.Fatalf("%d devices are the current one", len(current))
	}
	return append(current, others...)
}

// What an app attaches is its own; what it lists is its user's; what it detaches ends, and everybody concerned is told what is theirs.
func TestDeviceAPI(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		shopHook, mailHook := logouttest.NewHook(t, "shop"), logouttest.NewHook(t, "mail")
		w := newWorld(t, db, withDevices, withHook(shopHook), withHook(mailHook))
		laptop, phone := w.browser(), w.browser().with("User-Agent", "Mozilla/5.0 (iPhone) Version/17.5 Safari/604.1")
		shop, wiki := laptop.firstSignOn("shop", "alice", "scope", deviceScopes), laptop.signOn("wiki", "scope", deviceScopes)
		far := phone.firstSignOn("shop", "alice", "scope", deviceScopes)
		phone.signOn("mail")
		plain := w.browser().firstSignOn("shop", "bob")

		a := w.devices(far.access, http.MethodPost, "", `{"metadata": {"push": "p-1"}, "device_id": "phone-1", "redirect_urls": {"logout_url": "https://shop.example.com/out"}, "new": 1}`)
		got := a.want(http.StatusOK).json()
		if got["device_id"] != "phone-1" || got["name"] != "Safari on iPhone" || got["current"] != true || a.header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("attached %s", a.body)
		}
		// A second time without some of it: that stays.
		again := w.devices(far.access, http.MethodPost, "", `{}`).want(http.StatusOK)
		if again.json()["id"] != got["id"] || !strings.Contains(again.body, `"push":"p-1"`) || !strings.Contains(again.body, "https://shop.example.com/out") {
			t.Errorf("attached again %s", again.body)
		}
		w.devices(wiki.access, http.MethodPost, "", `{"metadata": {"wiki": true}, "device_id": "phone-1"}`).want(http.StatusOK)

		list := w.list(shop.access)
		if len(list) != 2 || list[1]["id"] != got["id"] || list[1]["metadata"].(map[string]any)["push"] != "p-1" || list[0]["device_id"] != nil {
			t.Errorf("the shop sees %v", list)
		}
		if list = w.list(wiki.access); len(list) != 2 || len(list[1]["metadata"].(map[string]any)) != 0 || list[1]["device_id"] != nil || list[0]["device_id"] != "phone-1" {
			t.Errorf("the wiki sees %v", list)
		}

		for name, test := range map[string]struct {
			token, method, path, body string
			status                    int
		}{
			"no token":            {"", http.MethodGet, "", "", 401},
			"refresh token":       {shop.refresh, http.MethodGet, "", "", 401},
			"no scope":            {plain.access, http.MethodGet, "", "", 403},
			"no scope to detach":  {plain.access, http.MethodDelete, "/" + list[0]["id"].(string), "", 403},
			"another person's":    {shop.access, http.MethodDelete, "/" + w.devices(plain.access, http.MethodPost, "", "{}").json()["id"].(string), "", 404},
			"unknown":             {shop.access, http.MethodDelete, "/x%00", "", 404},
			"no JSON":             {shop.access, http.MethodPost, "", "metadata", 400},
			"a list":              {shop.access, http.MethodPost, "", `{"metadata": []}`, 400},
			"too much":            {shop.access, http.MethodPost, "", `{"metadata": {"x": "` + strings.Repeat("y", 4096) + `"}}`, 400},
			"not UTF-8":           {shop.access, http.MethodPost, "", "{\"metadata\": {\"x\": \"\xff\"}}", 400},
			"control character":   {shop.access, http.MethodPost, "", `{"device_id": "a\u0000"}`, 400},
			"elsewhere":           {shop.access, http.MethodPost, "", `{"redirect_urls": {"logout_url": "https://wiki.example.com/"}}`, 400},
			"elsewhere, hidden":   {shop.access, http.MethodPost, "", `{"redirect_urls": {"logout_url": "https://shop.example.com@evil.example.com/"}}`, 400},
			"no address":          {shop.access, http.MethodPost, "", `{"redirect_urls": {"logout_url": "javascript:alert(1)//https://shop.example.com"}}`, 400},
			"a NUL as an escape":  {shop.access, http.MethodPost, "", `{"metadata": {"x": "\u0000"}}`, 200},
			"what is left out":    {shop.access, http.MethodPost, "", `{"metadata": null}`, 200},
			"another media type":  {shop.access, http.MethodPut, "", "", 405},
			"the list of a token": {far.access, http.MethodGet, "", "", 200},
		} {
			if a := w.devices(test.token, test.method, test.path, test.body); a.status != test.status {
				t.Errorf("%s: %d %s", name, a.status, a.body)
			}
		}

		// Another device only by somebody who has just logged in; one's own at any time.
		w.clock.Advance(6 * time.Minute)
		stale := w.devices(shop.access, http.MethodDelete, "/"+got["id"].(string), "").wantError(http.StatusUnauthorized, "insufficient_user_authentication")
		if challenge := stale.header.Get("WWW-Authenticate"); !strings.Contains(challenge, `error="insufficient_user_authentication"`) || !strings.Contains(challenge, `max_age="300"`) {
			t.Errorf("challenge %q", challenge)
		}
		fresh := laptop.exchange("shop", laptop.logIn(laptop.get("/authorize", request("shop", "scope", deviceScopes, "max_age", "300")), "alice").code())
		w.devices(fresh.access, http.MethodDelete, "/"+got["id"].(string), "").want(http.StatusNoContent)
		w.devices(fresh.access, http.MethodDelete, "/"+got["id"].(string), "").want(http.StatusNotFound)
		w.devices(far.access, http.MethodGet, "", "").want(http.StatusUnauthorized)
		if w.active("shop", far.access) || !w.active("shop", fresh.access) {
			t.Error("the wrong session ended")
		}
		data := w.hears(shopHook, logout.EventDeviceDetached, 1)[0].Data
		about := data["device"].(map[string]any)
		if about["id"] != got["id"] || about["device_id"] != "phone-1" || about["name"] != "Safari on iPhone" || data["metadata"].(map[string]any)["push"] != "p-1" ||
			data["online"] != false || data["cause"] != "device_detached" || data["sid"] != claims(t, far.id)["sid"] {
			t.Errorf("the shop hears %v", data)
		}
		if _, there := data["acknowledged_at"]; !there {
			t.Errorf("the shop hears %v", data)
		}
		data = w.hears(mailHook, logout.EventDeviceDetached, 1)[0].Data
		if strings.Contains(string(mailHook.Received(logout.EventDeviceDetached)[0].Body), "p-1") || data["device"].(map[string]any)["device_id"] != nil {
			t.Errorf("the mail hears %v", data)
		}

		// It comes back: the same device, which the app knows by its own name even in a browser that has lost its cookie.
		back := phone.firstSignOn("shop", "alice", "scope", deviceScopes)
		if w.list(back.access)[0]["id"] != got["id"] {
			t.Error("the device was not recognised")
		}
		lost := w.browser().firstSignOn("shop", "alice", "scope", deviceScopes)
		w.devices(back.access, http.MethodDelete, "/"+got["id"].(string), "").want(http.StatusNoContent)
		if n := len(w.list(lost.access)); n != 2 {
			t.Errorf("%d devices", n)
		}
		if a := w.devices(lost.access, http.MethodPost, "", `{"device_id": "phone-1"}`).want(http.StatusOK); a.json()["id"] != got["id"] {
			t.Errorf("the app's device: %s", a.body)
		}
		if n := len(w.list(lost.access)); n != 2 {
			t.Errorf("%d devices after they became one", n)
		}

		// Nobody is signed in on it any more, and the app that had attached something hears all the same.
		heard := len(shopHook.Received(logout.EventDeviceDetached))
		laptop.get("/logout", endRequest("client_id", "shop")).want(http.StatusOK)
		other := w.list(lost.access)[1]["id"].(string)
		w.devices(lost.access, http.MethodDelete, "/"+other, "").want(http.StatusNoContent)
		w.hears(shopHook, logout.EventDeviceDetached, heard+1)
	})
}

var deviceInputs = regexp.MustCompile(`<input id="device-\d+" type="(radio|checkbox)" name="device" value="([^"]+)"`)

func TestDeviceLimits(t *testing.T) {
	// Two devices are signed in, in this order.
	full := func(t *testing.T, policy identity.DevicePolicy, more ...func(*provider.Config)) (w *world, old, young tokens) {
		w = newWorld(t, databasetest.Open(t, databasetest.SQLiteURL(t)), append([]func(*provider.Config){withDevices, withLimit(2, policy)}, more...)...)
		old = w.browser().firstSignOn("shop", "alice", "scope", deviceScopes)
		w.clock.Advance(time.Minute)
		return w, old, w.browser().firstSignOn("wiki", "alice", "scope", deviceScopes)
	}
	t.Run("refuse", func(t *testing.T) {
		w, old, young := full(t, identity.DeviceRefuse)
		third := w.browser()
		refused := third.logIn(third.get("/authorize", request("shop")), "alice").wantPage(http.StatusForbidden, "You are signed in on 2 of 2 devices. Sign out on one of them")
		if deviceInputs.MatchString(refused.body) || !w.active("shop", old.access) || !w.active("wiki", young.access) {
			t.Error("somebody was signed out")
		}
		third.get("/", nil).wantPage(http.StatusOK, "You are not signed in")
		back := third.submit(refused, nil).want(http.StatusSeeOther).location()
		if back.Host != "shop.example.com" || back.Query().Get("error") != "access_denied" {
			t.Errorf("back to %s", back)
		}
		third.logIn(third.get("/login", nil), "bob").wantPage(http.StatusOK, "signed in as")
	})
	t.Run("detach the oldest", func(t *testing.T) {
		w, old, young := full(t, identity.DeviceDetachOldest)
		w.browser().firstSignOn("shop", "alice")
		if w.active("shop", old.access) || !w.active("wiki", young.access) {
			t.Error("the wrong one was detached")
		}
		w.eventuallyTold("shop", 1)
	})
	t.Run("notify", func(t *testing.T) {
		hook := logouttest.NewHook(t, "mail")
		w, old, _ := full(t, identity.DeviceNotify, withHook(hook, func(c *identity.Client) { c.WebhookEvents = []string{logout.EventDeviceSignal} }))
		w.browser().firstSignOn("mail", "alice") // the event is for clients that know her
		w.browser().firstSignOn("mail", "alice")
		if data := w.hears(hook, logout.EventDeviceSignal, 1)[0].Data; data["signal"] != "too_many_devices" || data["refused"] != false {
			t.Errorf("heard %v", data)
		}
		if !w.active("shop", old.access) {
			t.Error("somebody was signed out")
		}
	})
	t.Run("ask", func(t *testing.T) {
		w, old, young := full(t, identity.DeviceAsk)
		third := w.browser()
		page := third.logIn(third.get("/authorize", request("shop")), "alice").wantPage(http.StatusOK, "You are signed in on 2 of 2 devices. Choose one to sign out.")
		inputs := deviceInputs.FindAllStringSubmatch(page.body, -1)
		if len(inputs) != 2 || inputs[0][1] != "radio" {
			t.Fatalf("choices %v", inputs)
		}
		third.get("/", nil).wantPage(http.StatusOK, "You are not signed in")
		w.browser().get(page.url.RequestURI(), nil).wantPage(http.StatusBadRequest, "This sign-in has expired")
		for name, chosen := range map[string][]string{"none": nil, "foreign": {"x"}} {
			third.submit(page, url.Values{"device": chosen}).wantPage(http.StatusUnprocessableEntity, "Please choose a device to sign out.")
			if !w.active("shop", old.access) {
				t.Errorf("%s: somebody was signed out", name)
			}
		}
		third.exchange("shop", third.submit(page, url.Values{"device": {inputs[0][2]}}).code())
		if w.active("shop", old.access) || !w.active("wiki", young.access) {
			t.Error("the wrong one was detached")
		}
		// Whoever goes back after a logout is not let in by the page.
		third.get("/logout", endRequest("client_id", "shop"))
		third.submit(page, url.Values{"device": {inputs[1][2]}}).wantPage(http.StatusBadRequest, "This sign-in has expired")
		third.get("/", nil).wantPage(http.StatusOK, "You are not signed in")

		// A plain login, and a password that has changed while the page was open.
		again := w.browser()
		again.firstSignOn("shop", "alice")
		plain := w.browser()
		page = plain.logIn(plain.get("/login", nil), "alice").wantPage(http.StatusOK, "Choose one to sign out.")
		user, err := w.provider.Operator().User(t.Context(), "alice")
		must(t, err)
		_, err = w.provider.Operator().SetPassword(t.Context(), user, "another", logout.Actor{Kind: "admin"})
		must(t, err)
		plain.submit(page, url.Values{"device": {"x"}}).wantPage(http.StatusBadRequest, "This sign-in has expired")
	})
	t.Run("own limit, excluded and inactive devices", func(t *testing.T) {
		one := 1
		w := newWorld(t, databasetest.Open(t, databasetest.SQLiteURL(t)), withDevices, withLimit(9, identity.DeviceRefuse), func(cfg *provider.Config) {
			cfg.Users[0].DeviceLimit, cfg.Devices.Inactivity = &one, 100*24*time.Hour
		})
		tv := w.browser()
		first := tv.firstSignOn("shop", "alice", "scope", deviceScopes)
		second := w.browser()
		second.logIn(second.get("/login", nil), "alice").want(http.StatusForbidden)
		id := w.list(first.access)[0]["id"].(string)
		must(t, w.provider.Operator().ExcludeDevice(t.Context(), id, true, logout.Actor{Kind: "admin"}))
		second.logIn(second.get("/login", nil), "alice").wantPage(http.StatusOK, "signed in as")
		tv.firstSignOn("wiki", "alice", "prompt", "login")
		w.clock.Advance(101 * 24 * time.Hour)
		must(t, w.provider.Sweep(t.Context()))
		user, err := w.provider.Operator().User(t.Context(), "alice")
		must(t, err)
		if left, err := w.provider.Operator().Devices(t.Context(), user); err != nil || len(left) != 1 || left[0].ID != id || left[0].SignedIn {
			t.Errorf("left %+v, %v", left, err)
		}
	})
}

// An app that stays signed in beyond its session belongs to its device for as long as it does: it counts for the limit, keeps the device active,
// and goes with it.
func TestDeviceOutlivesSessions(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		w := newWorld(t, db, withDevices, withLimit(1, identity.DeviceRefuse), func(cfg *provider.Config) {
			cfg.Retention, cfg.Devices.Inactivity = 24*time.Hour, 30*24*time.Hour
		})
		ctx, phone := t.Context(), w.browser()
		app := phone.firstSignOn("shop", "alice", "scope", "openid offline_access")
		w.browser().firstSignOn("shop", "bob")
		for range 4 {
			w.clock.Advance(20 * 24 * time.Hour)
			app = w.refresh("shop", app.refresh).tokens()
			must(t, w.provider.Sweep(ctx))
			must(t, w.provider.Clean(ctx))
		}
		var sessions int
		must(t, db.Reader(ctx).Raw("SELECT COUNT(*) FROM logout_sessions").Scan(&sessions).Error)
		if sessions != 1 {
			t.Errorf("%d sessions are kept, want the one that a grant outlives", sessions)
		}
		another := w.browser()
		another.logIn(another.get("/login", nil), "alice").want(http.StatusForbidden)
		alice, err := w.provider.Operator().User(ctx, "alice")
		must(t, err)
		devices, err := w.provider.Operator().Devices(ctx, alice)
		must(t, err)
		if len(devices) != 1 || !devices[0].SignedIn {
			t.Fatalf("devices %+v", devices)
		}
		_, err = w.provider.Operator().DetachDevice(ctx, devices[0].ID, logout.Actor{Kind: "admin"})
		must(t, err)
		w.refresh("shop", app.refresh).wantError(http.StatusBadRequest, "invalid_grant")
	})
}

// Of many logins at once on a limit of one, one device stays signed in, whatever the policy.
func TestDeviceLimitRace(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		for _, policy := range []identity.DevicePolicy{identity.DeviceRefuse, identity.DeviceDetachOldest} {
			t.Run(string(policy), func(t *testing.T) {
				w := newWorld(t, db, withLimit(1, policy))
				var group sync.WaitGroup
				var in atomic.Int64
				for range 8 {
					browser := w.browser()
					page := browser.get("/login", nil)
					group.Go(func() {
						if browser.logIn(page, "bob").status == http.StatusOK {
							in.Add(1)
						}
					})
				}
				group.Wait()
				user, err := w.provider.Operator().User(t.Context(), "bob")
				must(t, err)
				live, err := w.provider.Operator().Sessions(t.Context(), logout.Target{Subject: user.ID}, 10)
				must(t, err)
				if len(live) != 1 || policy == identity.DeviceRefuse && in.Load() != 1 {
					t.Errorf("%d sessions, %d logins", len(live), in.Load())
				}
			})
		}
	})
}

// Two people who swap browsers at once, each on one device too many, do not wait for each other.
func TestPeopleSwapBrowsers(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		w := newWorld(t, db, withLimit(1, identity.DeviceDetachOldest), func(cfg *provider.Config) { cfg.Logout.Wait = 0 })
		people, browsers := []string{"alice", "bob"}, []*agent{w.browser(), w.browser()}
		for round := range 12 {
			var group sync.WaitGroup
			for i, browser := range browsers {
				page := browser.get("/login", nil)
				group.Go(func() { browser.logIn(page, people[(i+round)%2]).want(http.StatusOK) })
			}
			group.Wait()
		}
	})
}

// The admin API sees and detaches.
func TestAdminDevices(t *testing.T) {
	d := newDesk(t, databasetest.Open(t, databasetest.SQLiteURL(t)), withAdmins, withDevices)
	alice := d.browser().firstSignOn("shop", "alice", "scope", deviceScopes)
	robot := d.own("robot")
	list := d.list(robot, "/devices?user=alice", "devices")
	if len(list) != 1 || list[0]["address"] != "127.0.0.1" || list[0]["signed_in"] != true || list[0]["excluded"] != false || list[0]["sub"] != d.subject("alice") {
		t.Fatalf("devices %v", list)
	}
	one := "/devices/" + list[0]["device_id"].(string)
	d.call(robot, "POST", one+"/exclude", "").want(http.StatusNoContent)
	if d.list(robot, "/devices?sub="+d.subject("alice"), "devices")[0]["excluded"] != true {
		t.Error("not excluded")
	}
	d.call(robot, "POST", one+"/include", "").want(http.StatusNoContent)
	if ended := d.call(robot, "POST", one+"/detach", "").want(http.StatusOK).json(); ended["ended"] != 1.0 || d.active("shop", alice.access) {
		t.Errorf("detached: %v", ended)
	}
	d.call(robot, "POST", one+"/detach", "").want(http.StatusNotFound)
	d.call(robot, "POST", "/devices/x%00/exclude", "").want(http.StatusNotFound)
	d.call(robot, "GET", "/devices", "").wantError(http.StatusBadRequest, "invalid_request")
	d.call(alice.access, "GET", "/devices?user=alice", "").want(http.StatusUnauthorized)
	if n := len(d.list(robot, "/devices?user=nobody", "devices")); n != 0 {
		t.Errorf("nobody has %d devices", n)
	}
}
