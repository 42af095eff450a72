package provider

import (
	"context"
	"fmt"

	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider/audit"
	"github.com/exeunt-id/exeunt/provider/identity"
)

// Devices returns the devices that are attached to a user, the one that was seen last first.
func (o *Operator) Devices(ctx context.Context, user identity.User) ([]identity.Device, error) {
	return o.store.Devices.Of(ctx, user.ID)
}

// Device returns a device, attached or not; identity.ErrNoDevice.
func (o *Operator) Device(ctx context.Context, id string) (identity.Device, error) {
	d, err := o.store.Devices.Device(ctx, id)
	if err != nil {
		return d, fmt.Errorf("device %q: %w", id, err)
	}
	return d, nil
}

// DetachDevice detaches a device: its sessions end, and the offline grants that came of them; its apps are told. identity.ErrNoDevice when it is
// not attached.
func (o *Operator) DetachDevice(ctx context.Context, id string, actor logout.Actor) (*logout.Outcome, error) {
	d, err := o.Device(ctx, id)
	if err != nil {
		return nil, err
	}
	out, err := o.devices.Detach(ctx, logout.Request{Actor: actor, Target: logout.Target{Subject: d.Subject, DeviceID: d.ID}})
	if err != nil {
		return nil, fmt.Errorf("device %q: %w", id, err)
	}
	return out, nil
}

// ExcludeDevice makes a device count for no limit, so that no limit and no inactivity detaches it; or, with false, count again. identity.ErrNoDevice.
func (o *Operator) ExcludeDevice(ctx context.Context, id string, excluded bool, actor logout.Actor) error {
	kind := audit.KindDeviceExcluded
	if !excluded {
		kind = audit.KindDeviceIncluded
	}
	return o.cfg.DB.Tx(ctx, func(ctx context.Context) error {
		d, err := o.Device(ctx, id)
		if err != nil || d.Excluded == excluded {
			return err
		}
		if err := o.store.Devices.SetExcluded(ctx, d.ID, excluded); err != nil {
			return err
		}
		return o.trail.Record(ctx, audit.Device(kind, actor, d.Subject, "", d.ID, d.Name))
	})
}
