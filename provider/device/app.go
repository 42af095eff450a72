package device

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/exeunt-id/exeunt/provider/identity"
)

// AppAttachment is what an app attaches to the device that a session of its user is on.
type AppAttachment struct {
	ClientID  string
	Subject   string
	SessionID string
	OwnID     string          // what the app calls the device; empty: as before, or nothing
	Metadata  json.RawMessage // a JSON object; empty: as before, or nothing
	LogoutURL string          // validated; empty: as before, or none
}

// AttachApp attaches it, in one transaction, and returns the device with what the app has attached to it now:
//
//  1. Hold the person's devices, and the session: logout.ErrNoSession if it does not live any more.
//  2. A session that began without a device gets one, by the rules of a login; *Refusal when they have no room for it.
//  3. If the app knows the device by its own name, nobody is signed in on that any more, and nobody else on the one that looked new, the two are one:
//     the browser has lost its cookie. Otherwise the name moves; a limit must not be passed by giving two devices one name.
//  4. Store what the app attaches.
func (r *Registry) AttachApp(ctx context.Context, a AppAttachment) (d identity.Device, stored identity.Attachment, err error) {
	err = r.Tx.Tx(ctx, func(ctx context.Context) error {
		if err := r.Store.Hold(ctx, a.Subject); err != nil {
			return err
		}
		if d, err = r.deviceOf(ctx, a); err != nil {
			return err
		}
		if d, err = r.named(ctx, d, a); err != nil {
			return err
		}
		stored, err = r.Store.Attachment(ctx, d.ID, a.ClientID)
		if err != nil && !errors.Is(err, identity.ErrNoDevice) {
			return err
		}
		stored.DeviceID, stored.ClientID, stored.Subject, stored.AttachedAt = d.ID, a.ClientID, a.Subject, r.Now().UTC()
		if a.OwnID != "" {
			stored.OwnID = a.OwnID
		}
		if len(a.Metadata) > 0 {
			stored.Metadata = a.Metadata
		} else if len(stored.Metadata) == 0 {
			stored.Metadata = json.RawMessage("{}")
		}
		if a.LogoutURL != "" {
			stored.LogoutURL = a.LogoutURL
		}
		return r.Store.PutAttachment(ctx, stored)
	})
	return d, stored, err
}

// deviceOf is steps 1 and 2 of AttachApp.
func (r *Registry) deviceOf(ctx context.Context, a AppAttachment) (identity.Device, error) {
	session, err := r.Sessions.Find(ctx, a.SessionID)
	if err == nil && session.DeviceID == "" { // other sessions may have to end: see makeRoom
		err = r.Store.HoldSessions(ctx, a.Subject)
	}
	if err != nil {
		return identity.Device{}, err
	}
	if session, err = r.Sessions.Lock(ctx, session.ID, r.Now().UTC()); err != nil {
		return identity.Device{}, err
	}
	d, err := r.Store.Find(ctx, a.Subject, session.DeviceID)
	if !errors.Is(err, identity.ErrNoDevice) {
		return d, err
	}
	user, err := r.Users.User(ctx, a.Subject)
	if err != nil {
		return identity.Device{}, err
	}
	d, err = r.Attach(ctx, Arrival{User: user, UserAgent: session.UserAgent, Address: session.Address, ClientID: a.ClientID})
	if err != nil {
		return identity.Device{}, err
	}
	return d, r.Sessions.SetDevice(ctx, session.ID, d.ID)
}

// named is step 3 of AttachApp.
func (r *Registry) named(ctx context.Context, d identity.Device, a AppAttachment) (identity.Device, error) {
	other, err := r.Store.Named(ctx, a.Subject, a.ClientID, a.OwnID)
	if errors.Is(err, identity.ErrNoDevice) || err == nil && other.DeviceID == d.ID {
		return d, nil
	}
	if err != nil {
		return d, err
	}
	if before, err := r.Store.Find(ctx, a.Subject, other.DeviceID); err != nil || before.SignedIn {
		return d, err
	}
	if err := r.Sessions.SetDevice(ctx, a.SessionID, other.DeviceID); err != nil {
		return d, err
	}
	left, err := r.Store.Find(ctx, a.Subject, d.ID)
	if err != nil {
		return d, err
	}
	if left.SignedIn {
		return d, r.Sessions.SetDevice(ctx, a.SessionID, d.ID)
	}
	if err := r.Store.Merge(ctx, d.ID, other.DeviceID); err != nil {
		return d, err
	}
	return r.Store.Find(ctx, a.Subject, other.DeviceID)
}
