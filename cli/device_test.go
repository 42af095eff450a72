package cli_test

import (
	"strings"
	"testing"
	"time"

	"github.com/exeunt-id/exeunt/database/databasetest"
	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider/identity"
)

func TestDevice(t *testing.T) {
	s := newSite(t, databasetest.SQLiteURL(t))
	fixed := s.subject("fixed")
	s.run("", "device", "list", "fixed").check(t, 0, []string{"fixed has no device."}, nil)
	session, grants := s.login(fixed, "shop")
	now := time.Now().UTC()
	d, err := s.clients().Devices.Attach(t.Context(), identity.Device{
		ID: logout.NewID(), Subject: fixed, Name: "Firefox on Linux", UserAgent: "Firefox", Address: "192.0.2.7", CreatedAt: now, PlacedAt: now,
	}, []byte("cookie"))
	must(t, err)
	must(t, s.store.SetDevice(t.Context(), session, d.ID))
	s.run("", "device", "list", "fixed").check(t, 0, []string{d.ID, "Firefox on Linux", "192.0.2.7"}, nil)
	s.run("", "device", "list", "nobody").check(t, 1, nil, []string{"there is no user nobody"})
	s.run("", "device", "exclude", d.ID).check(t, 0, []string{"counts for no limit"}, nil)
	if r := s.run("", "device", "list", "fixed", "--json"); r.code != 0 || !strings.Contains(r.stdout, `"excluded":true`) || !strings.Contains(r.stdout, `"signed_in":true`) {
		t.Errorf("list: %s%s", r.stdout, r.stderr)
	}
	s.run("", "device", "exclude", d.ID, "--undo").check(t, 0, []string{"counts for limits"}, nil)
	s.run("", "device", "detach").check(t, 2, nil, []string{"name one device"})
	s.run("", "device", "detach", "mistyped").check(t, 1, nil, []string{"no device mistyped"})
	s.run("", "device", "detach", d.ID).check(t, 0, []string{"The device is detached. 1 session ended, 1 delivery to make"}, nil)
	if !s.ended(session) || s.alive(grants[0]) || s.cause(session) != "device_detached" {
		t.Error("what was signed in on it lives")
	}
	s.told("shop", 1)
	s.run("", "device", "detach", d.ID).check(t, 1, nil, []string{"is attached to anybody"})
	s.run("", "audit", "list", "--kind", "device.detached").check(t, 0, []string{"device.detached"}, nil)
}
