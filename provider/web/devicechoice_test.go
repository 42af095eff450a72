package web_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider/device"
	"github.com/exeunt-id/exeunt/provider/identity"
)

// devices lets everybody in, unless full says otherwise; then whoever chooses a device.
type devices struct{ *world }

func (devices) Hold(context.Context, string) error { return nil }

func (d devices) Attach(ctx context.Context, a device.Arrival) (identity.Device, error) {
	if d.full != nil && (d.full.Limit.Policy != identity.DeviceAsk || len(a.Chosen) < d.full.Surplus()) {
		return identity.Device{}, d.full
	}
	return identity.Device{ID: "d-" + a.User.ID}, write(ctx)
}

func (d devices) Full(context.Context, device.Arrival) (*device.Refusal, error) { return d.full, nil }

func (d devices) Refused(_ context.Context, refusal *device.Refusal) error {
	d.refused = append(d.refused, refusal)
	return nil
}

type choices struct{ *world }

func (c choices) WaitForChoice(_ context.Context, hash []byte, choice identity.DeviceChoice) error {
	c.choices[string(hash)] = choice
	return nil
}

func (c choices) Choice(_ context.Context, hash []byte, at time.Time) (identity.DeviceChoice, error) {
	if choice, ok := c.choices[string(hash)]; ok && at.Before(choice.ExpiresAt) {
		return choice, nil
	}
	return identity.DeviceChoice{}, identity.ErrNoDeviceChoice
}

func (c choices) TakeChoice(ctx context.Context, hash []byte) error {
	if _, ok := c.choices[string(hash)]; !ok {
		return identity.ErrNoDeviceChoice
	}
	delete(c.choices, string(hash))
	return write(ctx)
}

// full is a refusal beside two devices with a limit.
func full(limit int, policy identity.DevicePolicy) *device.Refusal {
	return &device.Refusal{Limit: identity.DeviceLimit{Devices: limit, Policy: policy}, Devices: []identity.Device{
		{ID: "d-1", Name: "<Firefox>", SeenAt: time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC), Place: identity.Place{City: "Oxford"}}, {ID: "d-2", Name: "Phone"},
	}}
}

func TestDeviceChoice(t *testing.T) {
	s := newSite(t)
	id := s.waiting("a-1", identity.AuthorizationRequest{})
	credentials := url.Values{"id": {id}, "username": {"alice"}, "password": {"wonderland"}}
	s.full = full(1, identity.DeviceAsk)
	a := s.post("/login", credentials)
	if a.status != http.StatusSeeOther || !strings.HasPrefix(a.location, "/login/devices?id=") || a.setSession != "" || len(s.live()) != 0 || len(s.refused) != 1 {
		t.Fatalf("%d to %q, sessions %v", a.status, a.location, s.live())
	}
	page := s.get(a.location)
	s.contains(page, "on 2 of 1 devices. Choose 2 to sign out.", `type="checkbox"`, "&lt;Firefox&gt;", "used 2 hours ago, Oxford", "formnovalidate")
	if !strings.Contains(page.policy, "form-action 'self' https:;") {
		t.Errorf("policy %q does not let the answer lead to the app", page.policy)
	}
	choice := strings.TrimPrefix(a.location, "/login/devices?id=")
	answer := func(devices ...string) url.Values {
		return url.Values{"choice": {choice}, "id": {id}, "device": devices}
	}
	one := s.post("/login/devices", answer("d-1"))
	if s.contains(one, `role="alert">Please choose 2 devices`, `aria-describedby="devices-error"`); one.status != http.StatusUnprocessableEntity {
		t.Errorf("status %d", one.status)
	}
	s.commitErr = errStore
	if got := s.post("/login/devices", answer("d-1", "d-2")); got.status != http.StatusInternalServerError || got.setSession != "" {
		t.Errorf("a transaction that failed: %d", got.status)
	}
	s.commitErr = nil
	let := s.post("/login/devices", answer("d-1", "d-2"))
	if live := s.live(); let.location != "/authorize/resume?id=a-1" || len(live) != 1 || live[0].DeviceID != "d-u-alice" || let.setSession == "" {
		t.Errorf("%d to %q, sessions %+v", let.status, let.location, live)
	}
	if cookies := strings.Join(let.header.Values("Set-Cookie"), "\n"); !strings.Contains(cookies, "exeunt_device=") || !strings.Contains(cookies, "Max-Age=34560000") {
		t.Errorf("cookies %s", cookies)
	}
	s.contains(s.post("/login/devices", answer("d-1", "d-2")), "This sign-in has expired")
	if len(s.live()) != 1 {
		t.Error("a choice worked twice")
	}
}

// auth_time is when the person proved who they are, however long they took to choose.
func TestDeviceChoiceRenewsAsOfTheLogin(t *testing.T) {
	s := newSite(t)
	credentials := url.Values{"username": {"alice"}, "password": {"wonderland"}}
	s.post("/login", credentials)
	s.now = s.now.Add(time.Minute)
	proved := s.now
	s.full = full(2, identity.DeviceAsk)
	choice := strings.TrimPrefix(s.post("/login", credentials).location, "/login/devices?id=")
	s.now = s.now.Add(5 * time.Minute)
	s.post("/login/devices", url.Values{"choice": {choice}, "device": {"d-1"}})
	if live := s.live(); len(live) != 1 || !live[0].AuthTime.Equal(proved) || !live[0].SeenAt.Equal(s.now) {
		t.Errorf("%+v, want one with the auth_time %s", live, proved)
	}
}

// Whoever is signed in on very many devices when a limit comes can still make room.
func TestDeviceChoiceOfMany(t *testing.T) {
	s := newSite(t)
	s.full = full(1, identity.DeviceAsk)
	for len(s.full.Devices) < 300 {
		s.full.Devices = append(s.full.Devices, identity.Device{ID: logout.NewID(), Name: "Robot"})
	}
	var all []string
	for _, d := range s.full.Devices {
		all = append(all, d.ID)
	}
	a := s.post("/login", url.Values{"username": {"alice"}, "password": {"wonderland"}})
	a = s.post("/login/devices", url.Values{"choice": {strings.TrimPrefix(a.location, "/login/devices?id=")}, "device": all})
	if a.status != http.StatusSeeOther || len(s.live()) != 1 {
		t.Errorf("status %d, sessions %v", a.status, s.live())
	}
}

func TestDeviceChoiceRefused(t *testing.T) {
	for name, test := range map[string]struct {
		limit  int
		policy identity.DevicePolicy
		late   func(s *site) // between the page and its answer
		status int
		text   string
	}{
		"refused":           {2, identity.DeviceRefuse, nil, 403, "on 2 of 2 devices. Sign out on one of them"},
		"late":              {2, identity.DeviceAsk, func(s *site) { s.now = s.now.Add(time.Hour) }, 400, "This sign-in has expired"},
		"another browser":   {2, identity.DeviceAsk, func(s *site) { s.newBrowser(); s.token() }, 400, "This sign-in has expired"},
		"disabled":          {2, identity.DeviceAsk, func(s *site) { s.change(func(u *identity.User) { u.DisabledAt = s.now }) }, 400, "This sign-in has expired"},
		"another password":  {2, identity.DeviceAsk, func(s *site) { s.change(func(u *identity.User) { u.PasswordHash = "x" }) }, 400, "This sign-in has expired"},
		"disabled just now": {2, identity.DeviceAsk, func(s *site) { s.gone = true }, 400, "This sign-in has expired"},
		"room by now":       {2, identity.DeviceAsk, func(s *site) { s.full = nil }, 303, ""},
		"refused by now":    {2, identity.DeviceAsk, func(s *site) { s.full = full(2, identity.DeviceRefuse) }, 403, "Sign out on one of them"},
		"strange by now":    {2, identity.DeviceAsk, func(s *site) { s.full = &device.Refusal{} }, 403, "This sign-in was refused"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			s.full = full(test.limit, test.policy)
			a := s.post("/login", url.Values{"username": {"alice"}, "password": {"wonderland"}})
			if test.late != nil {
				s.contains(s.get(a.location), `type="radio"`, `href="/"`)
				test.late(s)
				a = s.post("/login/devices", url.Values{"choice": {strings.TrimPrefix(a.location, "/login/devices?id=")}, "device": {"d-1"}})
			}
			if s.contains(a, test.text); a.status != test.status || (len(s.live()) > 0) != (test.status == 303) {
				t.Errorf("status %d, sessions %v\n%s", a.status, s.live(), a.body)
			}
		})
	}
}

// change changes alice.
func (s *site) change(fn func(u *identity.User)) {
	alice := s.users["u-alice"]
	fn(&alice)
	s.users["u-alice"] = alice
}
