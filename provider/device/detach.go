package device

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider/audit"
	"github.com/exeunt-id/exeunt/provider/identity"
)

// Detach detaches the device that a request's target names, with its person: its sessions end, its apps are told. The cause is
// logout.CauseDeviceDetached whatever the request says. identity.ErrNoDevice when the person has no such device that is attached.
func (r *Registry) Detach(ctx context.Context, req logout.Request) (*logout.Outcome, error) {
	var out *logout.Outcome
	err := r.Tx.Tx(ctx, func(ctx context.Context) error {
		if err := r.Store.Hold(ctx, req.Target.Subject); err != nil {
			return err
		}
		d, err := r.Store.Find(ctx, req.Target.Subject, req.Target.DeviceID)
		if err != nil {
			return err
		}
		out, err = r.detach(ctx, d, req)
		return err
	})
	return out, err
}

// detach does, in the transaction in ctx, which holds the person's devices:
//
//  1. Mark the device; of concurrent calls one does, the others get identity.ErrNoDevice.
//  2. End its sessions, and the offline grants that came of them. The apps that took part are told by that.
//  3. Tell the other apps that had attached something to it.
//
// req says who does it: Actor, InitiatorClientID, BrowserSessionID.
func (r *Registry) detach(ctx context.Context, d identity.Device, req logout.Request) (*logout.Outcome, error) {
	now := r.Now().UTC()
	if err := r.Store.Detach(ctx, d.Subject, d.ID, now); err != nil {
		return nil, err
	}
	if err := r.Audit.Record(ctx, audit.Device(audit.KindDeviceDetached, req.Actor, d.Subject, req.InitiatorClientID, d.ID, d.Name)); err != nil {
		return nil, err
	}
	req.Cause, req.Target = logout.CauseDeviceDetached, logout.Target{Subject: d.Subject, DeviceID: d.ID}
	out, err := r.Engine.End(ctx, req)
	if err != nil {
		return nil, err
	}
	attachments, err := r.Store.Attachments(ctx, d.ID)
	if err != nil {
		return nil, err
	}
	for _, a := range attachments {
		if slices.ContainsFunc(out.Leaving, func(p logout.Participation) bool { return p.ClientID == a.ClientID }) {
			continue
		}
		err := r.Engine.Announce(ctx, logout.Event{
			Type: logout.EventDeviceDetached, Subject: d.Subject, ClientIDs: []string{a.ClientID}, At: now, Data: r.said(ctx, d, a),
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Describe is logout.Config.Detached: what a client is told of the device that a request is about.
func (r *Registry) Describe(ctx context.Context, req logout.Request, clientID string) (map[string]any, error) {
	if req.Target.DeviceID == "" || req.Target.Subject == "" {
		return nil, nil
	}
	d, err := r.Store.Find(ctx, req.Target.Subject, req.Target.DeviceID)
	if errors.Is(err, identity.ErrNoDevice) {
		return nil, nil // one of an engine that is used without this package
	}
	if err != nil {
		return nil, err
	}
	a, err := r.Store.Attachment(ctx, d.ID, clientID)
	if err != nil && !errors.Is(err, identity.ErrNoDevice) {
		return nil, err
	}
	return r.said(ctx, d, a), nil
}

// said is what an app is told of a device: what everybody may know of it, and what the app itself has attached. acknowledged_at is null: when this
// is written, nobody has acknowledged anything, and the event is sent whether a page hears of it in another way or not.
func (r *Registry) said(ctx context.Context, d identity.Device, a identity.Attachment) map[string]any {
	device := describe(d)
	if a.OwnID != "" {
		device["device_id"] = a.OwnID
	}
	metadata := a.Metadata
	if len(metadata) == 0 {
		metadata = json.RawMessage("{}")
	}
	return map[string]any{"device": device, "metadata": metadata, "online": r.online(ctx, d.ID), "acknowledged_at": nil}
}

// describe is what every app of the person may know of a device. A network address is not among it.
func describe(d identity.Device) map[string]any {
	said := map[string]any{"name": d.Name, "user_agent": d.UserAgent}
	if d.ID != "" {
		said["id"] = d.ID
		said["attached_at"], said["seen_at"] = d.CreatedAt, d.SeenAt
	}
	if place := d.Place.String(); place != "" {
		said["place"] = place
	}
	return said
}

// online is a courtesy: not knowing it keeps nobody from being logged out.
func (r *Registry) online(ctx context.Context, deviceID string) bool {
	if r.Presence == nil {
		return false
	}
	online, err := r.Presence.Online(ctx, deviceID)
	if err != nil {
		r.Logger.WarnContext(ctx, "nobody knows whether a device is online", "device", deviceID, "error", err)
	}
	return online && err == nil
}

// sweepBatch is how many inactive devices are read at once.
const sweepBatch = 200

// Sweep detaches the devices that were inactive for too long, each in a transaction of its own, and returns how many. One that cannot be detached
// does not keep the others waiting; its error is returned at the end.
func (r *Registry) Sweep(ctx context.Context) (int, error) {
	if r.Rules.Inactivity <= 0 {
		return 0, nil
	}
	detached := 0
	var errs []error
	for after := ""; ; {
		since := r.Now().UTC().Add(-r.Rules.Inactivity)
		idle, err := r.Store.Inactive(ctx, since, after, sweepBatch)
		if err != nil {
			return detached, errors.Join(append(errs, err)...)
		}
		for _, d := range idle {
			after = d.ID
			switch done, err := r.detachInactive(ctx, d, since); {
			case err != nil:
				errs = append(errs, fmt.Errorf("device: detaching %s: %w", d.ID, err))
			case done:
				detached++
			}
		}
		if len(idle) < sweepBatch || ctx.Err() != nil {
			return detached, errors.Join(errs...)
		}
	}
}

// detachInactive looks again at a device that it holds: it may have become active since it was found.
func (r *Registry) detachInactive(ctx context.Context, d identity.Device, since time.Time) (done bool, err error) {
	err = r.Tx.Tx(ctx, func(ctx context.Context) error {
		if err := r.Store.Hold(ctx, d.Subject); err != nil {
			return err
		}
		d, err := r.Store.Find(ctx, d.Subject, d.ID)
		if err != nil {
			return err
		}
		if !d.DetachedAt.IsZero() || d.Excluded || !d.SeenAt.Before(since) {
			return nil
		}
		_, err = r.detach(ctx, d, logout.Request{Actor: logout.Actor{Kind: "system"}})
		done = err == nil
		return err
	})
	if errors.Is(err, identity.ErrNoDevice) {
		return false, nil // another node was faster
	}
	return done, err
}
