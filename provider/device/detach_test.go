package device_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"testing"

	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider/device"
	"github.com/exeunt-id/exeunt/provider/identity"
)

// store has one device, to which the shop has attached something.
type store struct{ device.Store }

func (store) Find(_ context.Context, subject, id string) (identity.Device, error) {
	if subject != "alice" || id != "phone" {
		return identity.Device{}, identity.ErrNoDevice
	}
	return identity.Device{ID: id, Subject: subject, Name: "Phone", Address: "192.0.2.7"}, nil
}

func (store) Attachment(_ context.Context, deviceID, clientID string) (identity.Attachment, error) {
	if clientID != "shop" {
		return identity.Attachment{}, identity.ErrNoDevice
	}
	return identity.Attachment{DeviceID: deviceID, ClientID: clientID, OwnID: "mine", Metadata: json.RawMessage(`{"a":1}`)}, nil
}

type presence struct {
	online bool
	err    error
}

func (p presence) Online(_ context.Context, deviceID string) (bool, error) {
	return p.online && deviceID == "phone", p.err
}

func TestDescribe(t *testing.T) {
	for name, test := range map[string]struct {
		presence device.Presence
		client   string
		target   logout.Target
		want     string
	}{
		"attached, nobody knows": {
			nil, "shop",
			logout.Target{Subject: "alice", DeviceID: "phone"},
			`{"acknowledged_at":null,"device":{"attached_at":"0001-01-01T00:00:00Z","device_id":"mine","id":"phone","name":"Phone","seen_at":"0001-01-01T00:00:00Z","user_agent":""},"metadata":{"a":1},"online":false}`,
		},
		"another app, online": {
			presence{online: true},
			"wiki",
			logout.Target{Subject: "alice", DeviceID: "phone"},
			`{"acknowledged_at":null,"device":{"attached_at":"0001-01-01T00:00:00Z","id":"phone","name":"Phone","seen_at":"0001-01-01T00:00:00Z","user_agent":""},"metadata":{},"online":true}`,
		},
		"nobody can say": {
			presence{online: true, err: errors.New("out of order")},
			"wiki",
			logout.Target{Subject: "alice", DeviceID: "phone"},
			`{"acknowledged_at":null,"device":{"attached_at":"0001-01-01T00:00:00Z","id":"phone","name":"Phone","seen_at":"0001-01-01T00:00:00Z","user_agent":""},"metadata":{},"online":false}`,
		},
		"another person's": {nil, "shop", logout.Target{Subject: "bob", DeviceID: "phone"}, `null`},
		"no device":        {nil, "shop", logout.Target{Subject: "alice"}, `null`},
	} {
		r := &device.Registry{Store: store{}, Presence: test.presence, Logger: slog.New(slog.DiscardHandler)}
		said, err := r.Describe(t.Context(), logout.Request{Cause: logout.CauseDeviceDetached, Target: test.target}, test.client)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got, err := json.Marshal(said); err != nil || string(got) != test.want {
			t.Errorf("%s: %s, %v; want %s", name, got, err, test.want)
		}
	}
}
