package audit

import "github.com/exeunt-id/exeunt/logout"

// Device records what became of a device: KindDeviceDetached, KindDeviceExcluded or KindDeviceIncluded. clientID is the app that asked for it;
// empty for none.
func Device(kind Kind, actor logout.Actor, subject, clientID, deviceID, name string) Entry {
	return Entry{
		Kind: kind, Actor: actor, Subject: subject, ClientID: clientID, Detail: detail(map[string]any{"device_id": deviceID, "name": name}),
	}
}

// DeviceSignal records that a login raised a signal about the person's devices. clientID is the app that waited for it; empty for none. refused
// says that it got no session; then there is no device.
func DeviceSignal(actor logout.Actor, clientID, deviceID, signal string, refused bool) Entry {
	d := map[string]any{"signal": signal, "refused": refused}
	if deviceID != "" {
		d["device_id"] = deviceID
	}
	return Entry{Kind: KindDeviceSignal, Actor: actor, Subject: actor.ID, ClientID: clientID, Detail: detail(d)}
}
