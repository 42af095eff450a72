package provider_test

import (
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/database/databasetest"
	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/logout/logouttest"
	"github.com/exeunt-id/exeunt/provider"
	"github.com/exeunt-id/exeunt/provider/audit"
	"github.com/exeunt-id/exeunt/provider/identity"
)

// places knows two networks.
type places struct{}

func (places) Place(address netip.Addr) identity.Place {
	switch {
	case netip.MustParsePrefix("192.0.2.0/24").Contains(address):
		return identity.Place{City: "Oxford", Country: "GB", Latitude: 51.75, Longitude: -1.25, Located: true}
	case netip.MustParsePrefix("198.51.100.0/24").Contains(address):
		return identity.Place{City: "Tokyo", Country: "JP", Latitude: 35.69, Longitude: 139.69, Located: true}
	}
	return identity.Place{}
}

// A login that looks strange is recorded, and told to those who asked for it by name; one that is refused too.
func TestDeviceSignals(t *testing.T) {
	hook := logouttest.NewHook(t, "wiki")
	w := newWorld(t, databasetest.Open(t, databasetest.SQLiteURL(t)), withDevices,
		withHook(hook, func(c *identity.Client) { c.WebhookEvents = []string{logout.EventDeviceSignal} }),
		func(cfg *provider.Config) {
			cfg.TrustedProxies, cfg.Places = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, places{}
			cfg.Devices = identity.DeviceRules{
				Concurrent: 5 * time.Minute, Velocity: 2, VelocityWindow: time.Hour, TravelSpeed: 1000, RefuseOn: []identity.DeviceSignal{identity.SignalImpossibleTravel},
			}
		})
	from := func(address string) *agent { return w.browser().with("X-Forwarded-For", address) }
	oxford := from("192.0.2.1").firstSignOn("wiki", "alice", "scope", deviceScopes)
	if place := w.list(oxford.access)[0]["place"]; place != "Oxford, GB" {
		t.Errorf("the place is %v", place)
	}
	w.clock.Advance(10 * time.Minute)
	from("192.0.2.2").firstSignOn("shop", "alice")
	w.clock.Advance(time.Minute)
	from("203.0.113.1").firstSignOn("shop", "alice") // the third within an hour, while the second is active
	tokyo := from("198.51.100.1")
	tokyo.logIn(tokyo.get("/authorize", request("shop")), "alice").wantPage(http.StatusForbidden, "This sign-in was refused")
	tokyo.get("/", nil).wantPage(http.StatusOK, "You are not signed in")
	w.clock.Advance(13 * time.Hour)
	tokyo.firstSignOn("shop", "alice")

	type signal struct {
		name    any
		refused any
	}
	var heard, recorded []signal
	for _, m := range w.hears(hook, logout.EventDeviceSignal, 5) {
		heard = append(heard, signal{m.Data["signal"], m.Data["refused"]})
		if m.Data["device"].(map[string]any)["name"] == nil || strings.Contains(string(m.Body), "203.0.113") {
			t.Errorf("heard %s", m.Body)
		}
	}
	must(t, w.provider.Operator().Audit(t.Context(), audit.Filter{Kind: audit.KindDeviceSignal}, func(e audit.Entry) error {
		text := string(e.Detail)
		name, _, _ := strings.Cut(text[strings.Index(text, `"signal":"`)+10:], `"`)
		recorded = append(recorded, signal{name, strings.Contains(text, `"refused":true`)})
		return nil
	}))
	want := []signal{
		{"concurrent_use", false}, {"high_velocity", false}, {"concurrent_use", true}, {"high_velocity", true}, {"impossible_travel", true},
	}
	for _, s := range want {
		if !slices.Contains(heard, s) || !slices.Contains(recorded, s) {
			t.Errorf("%v: heard %v, recorded %v", s, heard, recorded)
		}
	}
	if len(recorded) != len(want) {
		t.Errorf("recorded %v", recorded)
	}
}

// Whoever has the password but looks like a stranger is refused, and not asked which of the person's devices, in which places, shall leave.
func TestDeviceSignalBeforeLimit(t *testing.T) {
	w := newWorld(t, databasetest.Open(t, databasetest.SQLiteURL(t)), func(cfg *provider.Config) {
		cfg.TrustedProxies, cfg.Places = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, places{}
		cfg.Devices = identity.DeviceRules{
			Limit: identity.DeviceLimit{Devices: 1, Policy: identity.DeviceAsk}, TravelSpeed: 1000, RefuseOn: []identity.DeviceSignal{identity.SignalImpossibleTravel},
		}
	})
	w.browser().with("X-Forwarded-For", "192.0.2.1").firstSignOn("shop", "alice")
	tokyo := w.browser().with("X-Forwarded-For", "198.51.100.1")
	page := tokyo.logIn(tokyo.get("/login", nil), "alice").wantPage(http.StatusForbidden, "This sign-in was refused")
	if strings.Contains(page.body, "Oxford") || deviceInputs.MatchString(page.body) {
		t.Errorf("a stranger sees %s", page.body)
	}
}

// An app with a limit of its own: a device is detached from that app alone.
func TestAppDeviceLimit(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		hook := logouttest.NewHook(t, "shop")
		limited := withHook(hook, func(c *identity.Client) { c.DeviceLimit = 1 })
		t.Run("ask", func(t *testing.T) {
			w := newWorld(t, db, limited)
			first, second := w.browser(), w.browser()
			shop, wiki := first.firstSignOn("shop", "alice"), first.signOn("wiki")
			second.firstSignOn("wiki", "alice")
			if got := second.get("/authorize", request("shop", "prompt", "none")).location().Query().Get("error"); got != "interaction_required" {
				t.Errorf("silent sign-on: %s", got)
			}
			page := second.get("/authorize", request("shop")).wantPage(http.StatusOK, "You use <strong>The shop</strong> on 1 of 1 devices. Choose one to sign out.")
			inputs := deviceInputs.FindAllStringSubmatch(page.body, -1)
			if len(inputs) != 1 {
				t.Fatalf("choices %v", inputs)
			}
			second.submit(page, url.Values{"device": {"x"}}).wantPage(http.StatusUnprocessableEntity, "Please choose a device")
			w.browser().get(page.url.RequestURI(), nil).wantPage(http.StatusBadRequest, "This sign-in has expired")
			second.exchange("shop", second.submit(page, url.Values{"device": {inputs[0][2]}}).code())
			if w.active("shop", shop.access) || !w.active("wiki", wiki.access) {
				t.Error("the wrong apps were signed out")
			}
			if data := w.hears(hook, logout.EventDeviceDetached, 1)[0].Data; data["device"].(map[string]any)["id"] != inputs[0][2] || data["sid"] != claims(t, shop.id)["sid"] {
				t.Errorf("the shop hears %v", data)
			}
			if got := first.get("/authorize", request("shop", "prompt", "none")).location().Query().Get("error"); got != "interaction_required" {
				t.Errorf("the device comes back: %s", got)
			}
		})
		t.Run("refuse, codes that race", func(t *testing.T) {
			w := newWorld(t, db, limited, withLimit(0, identity.DeviceRefuse))
			var codes []string
			for range 4 {
				bob := w.browser()
				codes = append(codes, bob.logIn(bob.get("/authorize", request("shop")), "bob").code())
			}
			answers := make([]answer, len(codes))
			var group sync.WaitGroup
			for i, code := range codes {
				group.Go(func() { answers[i] = w.as("shop", codeForm("shop", code)) })
			}
			group.Wait()
			won := 0
			for _, a := range answers {
				if a.status == http.StatusOK {
					won++
				} else {
					a.wantError(http.StatusBadRequest, "invalid_grant")
				}
			}
			if won != 1 {
				t.Errorf("%d codes became tokens", won)
			}
			bob := w.browser()
			page := bob.logIn(bob.get("/authorize", request("shop")), "bob").wantPage(http.StatusForbidden, "Sign out on one of them")
			if back := bob.submit(page, nil).location(); back.Query().Get("error") != "access_denied" {
				t.Errorf("back to %s", back)
			}
		})
	})
}
