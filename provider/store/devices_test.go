package store_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider/identity"
)

// device attaches one with a cookie of its name.
func (f *fixture) device(t testing.TB, subject, secret string) identity.Device {
	t.Helper()
	d, err := f.Devices.Attach(t.Context(), identity.Device{
		ID: logout.NewID(), Subject: subject, Name: secret, UserAgent: "Mozilla/5.0", Address: "192.0.2.1", CreatedAt: f.now(), PlacedAt: f.now(),
		Place: identity.Place{City: "Oxford", Country: "GB", Latitude: 51.75, Longitude: -1.25, Located: true},
	}, hash(secret))
	must(t, err)
	return d
}

func TestDevices(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		laptop := f.device(t, "alice", "laptop")
		if laptop.Place.String() != "Oxford, GB" || !laptop.Place.Located || laptop.SignedIn || laptop.SeenAt != f.now() {
			t.Errorf("stored %+v", laptop)
		}
		f.advance(time.Hour)
		f.device(t, "bob", "laptop") // another person in the same browser
		phone := f.device(t, "alice", "phone")
		session, _ := f.session(t, "alice")
		must(t, f.sessions.SetDevice(ctx, session, laptop.ID))
		f.advance(30 * time.Minute)
		must(t, f.sessions.Touch(ctx, session, f.now(), f.now().Add(time.Hour)))

		all, err := f.Devices.Of(ctx, "alice")
		must(t, err)
		if len(all) != 2 || all[0].ID != laptop.ID || !all[0].SignedIn || all[0].SeenAt != f.now() || all[1].ID != phone.ID || all[1].SignedIn {
			t.Fatalf("devices %+v", all)
		}
		again := f.device(t, "alice", "laptop")
		if again.ID != laptop.ID || again.CreatedAt != laptop.CreatedAt {
			t.Errorf("not recognised: %+v", again)
		}
		for name, subject := range map[string]string{"bob's": "bob", "nobody's": "x\x00"} {
			if _, err := f.Devices.Find(ctx, subject, laptop.ID); !errors.Is(err, identity.ErrNoDevice) {
				t.Errorf("%s: %v", name, err)
			}
			if err := f.Devices.Detach(ctx, "bob", laptop.ID, f.now()); !errors.Is(err, identity.ErrNoDevice) {
				t.Errorf("detached as %s: %v", name, err)
			}
		}
		if won := race(t, identity.ErrNoDevice, func(int) error { return f.Devices.Detach(ctx, "alice", phone.ID, f.now()) }); won != 1 {
			t.Errorf("%d calls detached one device", won)
		}
		if n, err := f.Devices.CreatedSince(ctx, "alice", f.now().Add(-time.Hour)); err != nil || n != 1 {
			t.Errorf("%d new devices, %v", n, err)
		}
		if d, err := f.Devices.Recognise(ctx, "alice", hash("phone")); err != nil || d.DetachedAt != f.now() {
			t.Errorf("the detached one: %+v, %v", d, err)
		}
		// What outlives a session keeps the device signed in.
		f.grant(t, identity.Grant{ClientID: "shop", Subject: "alice", SessionID: session, SID: "x", Offline: true})
		must(t, f.db.Writer(ctx).Exec(`UPDATE logout_sessions SET ended_at = 1`).Error)
		if d, err := f.Devices.Find(ctx, "alice", laptop.ID); err != nil || !d.SignedIn {
			t.Errorf("with an offline grant: %+v, %v", d, err)
		}
		inactive := func(since time.Time, want int) {
			t.Helper()
			if got, err := f.Devices.Inactive(ctx, since, "", 10); err != nil || len(got) != want {
				t.Errorf("inactive since %s: %v, %v", since, got, err)
			}
		}
		f.advance(time.Hour)
		inactive(f.now(), 2)
		inactive(f.now().Add(-70*time.Minute), 1) // bob's
		must(t, f.Devices.SetExcluded(ctx, laptop.ID, true))
		inactive(f.now(), 1)
		must(t, f.Devices.Sweep(ctx, f.now(), f.now()))
		if _, err := f.Devices.Device(ctx, phone.ID); !errors.Is(err, identity.ErrNoDevice) {
			t.Errorf("a detached device was not swept: %v", err)
		}
		if left, err := f.Devices.Of(ctx, "bob"); err != nil || len(left) != 0 {
			t.Errorf("a lost device was not swept: %v, %v", left, err)
		}
		if _, err := f.Devices.Device(ctx, laptop.ID); err != nil {
			t.Errorf("a device with a session was swept: %v", err)
		}
	})
}

func TestDeviceAttachments(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		old, fresh := f.device(t, "alice", "old"), f.device(t, "alice", "new")
		put := func(device, client, own, metadata string) {
			t.Helper()
			must(t, f.Devices.PutAttachment(ctx, identity.Attachment{
				DeviceID: device, ClientID: client, Subject: "alice", OwnID: own, Metadata: json.RawMessage(metadata), AttachedAt: f.now(),
			}))
		}
		put(old.ID, "shop", "mine", `{"n":1}`)
		put(old.ID, "wiki", "mine", `{"n":2}`)
		put(fresh.ID, "wiki", "mine", `{"n":3}`) // the wiki's name moves
		if a, err := f.Devices.Named(ctx, "alice", "wiki", "mine"); err != nil || a.DeviceID != fresh.ID {
			t.Errorf("named %+v, %v", a, err)
		}
		if _, err := f.Devices.Named(ctx, "bob", "shop", "mine"); !errors.Is(err, identity.ErrNoDevice) {
			t.Errorf("named by another person: %v", err)
		}
		if byShop, err := f.Devices.AttachmentsBy(ctx, "alice", "shop"); err != nil || len(byShop) != 1 || string(byShop[old.ID].Metadata) != `{"n":1}` {
			t.Errorf("the shop's %v, %v", byShop, err)
		}
		must(t, f.Clients.Create(ctx, identity.Client{ID: "wiki"}))
		must(t, f.Clients.Delete(ctx, "wiki"))
		if left, err := f.Devices.Attachments(ctx, old.ID); err != nil || len(left) != 1 || left[0].ClientID != "shop" {
			t.Errorf("after the wiki was deleted: %v, %v", left, err)
		}
		must(t, f.Devices.Detach(ctx, "alice", old.ID, f.now()))
		must(t, f.Devices.Merge(ctx, fresh.ID, old.ID))
		if d, err := f.Devices.Recognise(ctx, "alice", hash("new")); err != nil || d.ID != old.ID || !d.DetachedAt.IsZero() {
			t.Errorf("the browser is recognised as %+v, %v", d, err)
		}
		if _, err := f.Devices.Find(ctx, "alice", fresh.ID); !errors.Is(err, identity.ErrNoDevice) {
			t.Errorf("the merged device: %v", err)
		}
	})
}

// What one app has attached to two devices that become one: the later word counts.
func TestMergedAttachments(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		old, fresh := f.device(t, "alice", "old"), f.device(t, "alice", "new")
		put := func(device identity.Device, client, own string) {
			t.Helper()
			f.advance(time.Minute)
			must(t, f.Devices.PutAttachment(ctx, identity.Attachment{
				DeviceID: device.ID, ClientID: client, Subject: "alice", OwnID: own, Metadata: json.RawMessage(`{}`), AttachedAt: f.now(),
			}))
		}
		put(fresh, "wiki", "before")
		put(old, "shop", "installed")
		put(old, "wiki", "after")
		put(fresh, "shop", "installed again")
		must(t, f.Devices.Merge(ctx, fresh.ID, old.ID))
		left, err := f.Devices.Attachments(ctx, old.ID)
		if err != nil || len(left) != 2 || left[0].OwnID != "installed again" || left[1].OwnID != "after" {
			t.Errorf("attached: %+v, %v", left, err)
		}
	})
}

// A script that logs in again and again leaves no more than so many devices; none that somebody uses, or that means something to an app, goes.
func TestManyDevices(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		ctx, stay := t.Context(), map[string]identity.Device{}
		for _, name := range []string{"signed in", "attached", "excluded"} {
			stay[name] = f.device(t, "alice", name)
		}
		session, _ := f.session(t, "alice")
		must(t, f.sessions.SetDevice(ctx, session, stay["signed in"].ID))
		must(t, f.Devices.PutAttachment(ctx, identity.Attachment{
			DeviceID: stay["attached"].ID, ClientID: "shop", Subject: "alice", Metadata: json.RawMessage(`{}`), AttachedAt: f.now(),
		}))
		must(t, f.Devices.SetExcluded(ctx, stay["excluded"].ID, true))
		for i := range 102 {
			f.advance(time.Second)
			f.device(t, "alice", fmt.Sprint(i))
		}
		f.device(t, "bob", "bob's")
		must(t, f.Devices.Thin(ctx))
		left, err := f.Devices.Of(ctx, "alice")
		must(t, err)
		names := map[string]bool{}
		for _, d := range left {
			names[d.Name] = true
		}
		if len(left) != 103 || !names["signed in"] || !names["attached"] || !names["excluded"] || names["0"] || names["1"] || !names["2"] {
			t.Errorf("%d devices are left", len(left))
		}
	})
}

func TestDeviceChoices(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		want := identity.DeviceChoice{
			Subject: "alice", BrowserHash: hash("b"), PasswordHash: hash("p"), AuthorizationID: "a-1", LoggedInAt: f.now(), ExpiresAt: f.now().Add(time.Minute),
		}
		must(t, f.Devices.WaitForChoice(ctx, hash("id"), want))
		if got, err := f.Devices.Choice(ctx, hash("id"), f.now()); err != nil || got.AuthorizationID != "a-1" || !got.ExpiresAt.Equal(want.ExpiresAt) {
			t.Errorf("%+v, %v", got, err)
		}
		if _, err := f.Devices.Choice(ctx, hash("id"), want.ExpiresAt); !errors.Is(err, identity.ErrNoDeviceChoice) {
			t.Errorf("after its time: %v", err)
		}
		if won := race(t, identity.ErrNoDeviceChoice, func(int) error { return f.Devices.TakeChoice(ctx, hash("id")) }); won != 1 {
			t.Errorf("%d calls took one choice", won)
		}
	})
}
