package identity_test

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/exeunt-id/exeunt/provider/identity"
)

func ExampleDeviceName() {
	for _, userAgent := range []string{
		"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36 Edg/126.0.0.0",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1",
		"Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/25.0 Chrome/121.0.0.0 Mobile Safari/537.36",
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:127.0) Gecko/20100101 Firefox/127.0",
		"ShopApp/3.2 (Android 14)",
		"curl/8.8.0",
		"Mozilla/5.0",
		"<script>/1",
		"",
	} {
		fmt.Println(identity.DeviceName(userAgent))
	}
	// Output:
	// Chrome on Linux
	// Edge on Windows
	// Safari on iPhone
	// Samsung Internet on Android
	// Firefox on Mac
	// ShopApp on Android
	// curl
	// Unknown device
	// Unknown device
	// Unknown device
}

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func TestLimitOf(t *testing.T) {
	two, none := 2, 0
	rules := identity.DeviceRules{
		Limit:  identity.DeviceLimit{Devices: 5, Policy: identity.DeviceRefuse},
		Groups: map[string]identity.DeviceLimit{"staff": {Devices: 3, Policy: identity.DeviceDetachOldest}},
	}
	for name, test := range map[string]struct {
		user identity.User
		want identity.DeviceLimit
	}{
		"everybody":             {identity.User{}, identity.DeviceLimit{Devices: 5, Policy: identity.DeviceRefuse}},
		"group":                 {identity.User{DeviceGroup: "staff"}, identity.DeviceLimit{Devices: 3, Policy: identity.DeviceDetachOldest}},
		"group that is no more": {identity.User{DeviceGroup: "gone"}, identity.DeviceLimit{Devices: 5, Policy: identity.DeviceRefuse}},
		"own":                   {identity.User{DeviceGroup: "staff", DeviceLimit: &two}, identity.DeviceLimit{Devices: 2, Policy: identity.DeviceDetachOldest}},
		"none at all":           {identity.User{DeviceLimit: &none}, identity.DeviceLimit{Policy: identity.DeviceRefuse}},
	} {
		if got := rules.LimitOf(test.user); got != test.want {
			t.Errorf("%s: %+v, want %+v", name, got, test.want)
		}
	}
	if got := (identity.DeviceRules{}).LimitOf(identity.User{DeviceLimit: &two}); got.Policy != identity.DeviceAsk {
		t.Errorf("a limit without a policy: %+v", got)
	}
}

func TestExceeding(t *testing.T) {
	on := func(id string, seen time.Duration, change ...func(*identity.Device)) identity.Device {
		d := identity.Device{ID: id, SeenAt: noon.Add(-seen), SignedIn: true}
		for _, c := range change {
			c(&d)
		}
		return d
	}
	out := func(d *identity.Device) { d.SignedIn = false }
	excluded := func(d *identity.Device) { d.Excluded = true }
	all := []identity.Device{on("a", time.Hour), on("b", 3*time.Hour), on("c", time.Minute), on("d", 0, out), on("e", 0, excluded)}
	for name, test := range map[string]struct {
		limit    int
		arriving []string
		want     []string
	}{
		"no limit":        {0, nil, nil},
		"room":            {4, nil, nil},
		"full":            {3, nil, []string{"b", "a", "c"}},
		"lowered":         {1, nil, []string{"b", "a", "c"}},
		"one of them":     {3, []string{"", "a"}, nil},
		"two of them":     {2, []string{"a", "b"}, nil},
		"signed out":      {3, []string{"d"}, []string{"b", "a", "c"}},
		"one of too many": {2, []string{"c"}, []string{"b", "a"}},
	} {
		var got []string
		for _, d := range (identity.DeviceLimit{Devices: test.limit}).Exceeding(all, test.arriving...) {
			got = append(got, d.ID)
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}

var (
	oxford = identity.Place{City: "Oxford", Country: "GB", Latitude: 51.752, Longitude: -1.2577, Located: true}
	tokyo  = identity.Place{City: "Tokyo", Country: "JP", Latitude: 35.6895, Longitude: 139.6917, Located: true}
)

func TestDistance(t *testing.T) {
	antipode := identity.Place{Latitude: -oxford.Latitude, Longitude: oxford.Longitude + 180, Located: true}
	for name, test := range map[string]struct {
		from, to identity.Place
		want     float64
	}{
		"far":      {oxford, tokyo, 9570},
		"nowhere":  {oxford, identity.Place{Country: "JP"}, 0},
		"the same": {tokyo, tokyo, 0},
		"farthest": {oxford, antipode, 20015},
	} {
		if got := test.from.Distance(test.to); math.Abs(got-test.want) > 30 || math.IsNaN(got) {
			t.Errorf("%s: %.0f km, want %.0f", name, got, test.want)
		}
	}
}

func TestSignals(t *testing.T) {
	rules := identity.DeviceRules{Concurrent: 5 * time.Minute, Velocity: 2, VelocityWindow: time.Hour, TravelSpeed: 1000}
	laptop := identity.Device{ID: "laptop", SignedIn: true, SeenAt: noon.Add(-time.Hour), Place: oxford, PlacedAt: noon.Add(-2 * time.Hour)}
	change := func(d identity.Device, f func(*identity.Device)) identity.Device { f(&d); return d }
	active := change(laptop, func(d *identity.Device) { d.SeenAt = noon.Add(-time.Minute) })
	phone := identity.Device{ID: "phone"}
	for name, test := range map[string]struct {
		arriving identity.Device
		known    []identity.Device
		recent   int
		want     []identity.DeviceSignal
	}{
		"first":                     {phone, nil, 1, nil},
		"quiet":                     {phone, []identity.Device{laptop}, 1, nil},
		"concurrent":                {phone, []identity.Device{active}, 1, []identity.DeviceSignal{identity.SignalConcurrentUse}},
		"the same device":           {change(active, func(d *identity.Device) { d.Place = identity.Place{} }), []identity.Device{active}, 1, nil},
		"active, but signed out":    {phone, []identity.Device{change(active, func(d *identity.Device) { d.SignedIn = false })}, 1, nil},
		"many new":                  {phone, []identity.Device{laptop}, 3, []identity.DeviceSignal{identity.SignalHighVelocity}},
		"many new, but known":       {laptop, []identity.Device{laptop}, 3, nil},
		"from Oxford to Tokyo":      {change(phone, func(d *identity.Device) { d.Place = tokyo }), []identity.Device{laptop}, 1, []identity.DeviceSignal{identity.SignalImpossibleTravel}},
		"the laptop itself":         {change(laptop, func(d *identity.Device) { d.Place = tokyo }), []identity.Device{laptop}, 1, []identity.DeviceSignal{identity.SignalImpossibleTravel}},
		"by plane":                  {change(phone, func(d *identity.Device) { d.Place = tokyo }), []identity.Device{change(laptop, func(d *identity.Device) { d.PlacedAt = noon.Add(-13 * time.Hour) })}, 1, nil},
		"the last login counts":     {change(phone, func(d *identity.Device) { d.Place = tokyo }), []identity.Device{laptop, {ID: "x", Place: tokyo, PlacedAt: noon.Add(-time.Minute)}}, 1, nil},
		"around the corner":         {change(phone, func(d *identity.Device) { d.Place = oxford; d.Place.Latitude++ }), []identity.Device{change(laptop, func(d *identity.Device) { d.PlacedAt = noon })}, 1, nil},
		"a place that nobody knows": {phone, []identity.Device{laptop}, 1, nil},
	} {
		if got := rules.Signals(test.arriving, test.known, test.recent, noon); !slices.Equal(got, test.want) {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
		if got := (identity.DeviceRules{}).Signals(test.arriving, test.known, test.recent, noon); got != nil {
			t.Errorf("%s: %v without any rule", name, got)
		}
	}
}
