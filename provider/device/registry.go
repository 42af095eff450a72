package device

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"time"

	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider/audit"
	"github.com/exeunt-id/exeunt/provider/identity"
)

// Store keeps devices. Methods join the transaction in ctx.
type Store interface {
	Hold(ctx context.Context, subject string) error
	HoldSessions(ctx context.Context, subject string) error
	Of(ctx context.Context, subject string) ([]identity.Device, error)
	Using(ctx context.Context, subject, clientID string) ([]identity.Device, error)
	Find(ctx context.Context, subject, id string) (identity.Device, error)
	Recognise(ctx context.Context, subject string, secretHash []byte) (identity.Device, error)
	CreatedSince(ctx context.Context, subject string, since time.Time) (int, error)
	Inactive(ctx context.Context, since time.Time, after string, limit int) ([]identity.Device, error)
	Attach(ctx context.Context, d identity.Device, secretHash []byte) (identity.Device, error)
	Detach(ctx context.Context, subject, id string, at time.Time) error
	Merge(ctx context.Context, from, to string) error

	PutAttachment(ctx context.Context, a identity.Attachment) error
	Attachment(ctx context.Context, deviceID, clientID string) (identity.Attachment, error)
	Attachments(ctx context.Context, deviceID string) ([]identity.Attachment, error)
	AttachmentsBy(ctx context.Context, subject, clientID string) (map[string]identity.Attachment, error)
	Named(ctx context.Context, subject, clientID, ownID string) (identity.Attachment, error)
}

// Sessions knows on which devices people are logged in.
type Sessions interface {
	Find(ctx context.Context, id string) (logout.Session, error)
	Lock(ctx context.Context, id string, at time.Time) (logout.Session, error)
	SetDevice(ctx context.Context, id, deviceID string) error
}

// Users finds people by their id.
type Users interface {
	User(ctx context.Context, id string) (identity.User, error)
}

// Engine ends sessions and tells apps.
type Engine interface {
	End(ctx context.Context, req logout.Request) (*logout.Outcome, error)
	Announce(ctx context.Context, event logout.Event) error
}

// Transactions runs functions in a transaction, the one in ctx if there is one.
type Transactions interface {
	Tx(ctx context.Context, fn func(ctx context.Context) error) error
}

// Presence tells whether a device has a page open that hears of its logout at once.
type Presence interface {
	Online(ctx context.Context, deviceID string) (bool, error)
}

// Registry attaches and detaches devices by the operator's rules.
type Registry struct {
	Rules    identity.DeviceRules
	Store    Store
	Sessions Sessions
	Users    Users
	Engine   Engine
	Tx       Transactions
	Audit    audit.Recorder
	Places   identity.Places // nil: nobody knows where an address is
	Presence Presence        // nil: nobody is ever online
	Now      func() time.Time
	Logger   *slog.Logger
}

// Arrival is a person who has just proved who they are, in a browser.
type Arrival struct {
	User          identity.User
	SecretHash    []byte // of the browser's device cookie
	SessionDevice string // the device of the session that is renewed; empty for a new session
	UserAgent     string
	Address       string // network address
	ClientID      string // the app that waits for the login; empty for none

	// Chosen are the ids of the devices that the person detaches for this one, when they were asked.
	Chosen []string
}

// actor names the person as the one who brings it about that another device is detached.
func (a Arrival) actor() logout.Actor {
	return logout.Actor{Kind: "user", ID: a.User.ID, Address: a.Address, UserAgent: a.UserAgent}
}

// Refusal says that a login cannot have a device, and so no session.
type Refusal struct {
	// Limit was reached, and Devices are those that count, the one that was seen longest ago first. With the policy identity.DeviceAsk the person
	// may choose one of them.
	Limit   identity.DeviceLimit
	Devices []identity.Device

	Signals []identity.DeviceSignal // what the login raised
	arrival Arrival
}

// Surplus is how many devices must be detached to make room.
func (r *Refusal) Surplus() int { return len(r.Devices) - r.Limit.Devices + 1 }

// Error names no person.
func (r *Refusal) Error() string {
	if r.Limit.Devices > 0 {
		return fmt.Sprintf("device: signed in on %d devices, with a limit of %d (%s)", len(r.Devices), r.Limit.Devices, r.Limit.Policy)
	}
	return fmt.Sprintf("device: the login is refused for %v", r.Signals)
}

// Hold lets nobody else change on which devices a person is signed in until the transaction in ctx ends.
func (r *Registry) Hold(ctx context.Context, subject string) error { return r.Store.Hold(ctx, subject) }

// Attach gives a login its device, in the login's transaction, before that takes the session that it may renew:
//
//  1. Hold the person's devices, and recognise the browser.
//  2. Signals that refuse, refuse. That comes first: whoever looks like a stranger must not be shown the person's devices.
//  3. A limit that is exceeded: by its policy go on, detach the oldest or the chosen one, or refuse. The device's own session counts as itself.
//  4. Attach; announce and record what was raised.
//
// Errors: *Refusal, and then the transaction must not commit; see Refused. Those of store and engine.
func (r *Registry) Attach(ctx context.Context, a Arrival) (identity.Device, error) {
	now := r.Now().UTC()
	if err := r.Store.Hold(ctx, a.User.ID); err != nil {
		return identity.Device{}, err
	}
	attached, err := r.Store.Of(ctx, a.User.ID)
	if err != nil {
		return identity.Device{}, err
	}
	arriving, known := identity.Device{ID: logout.NewID(), Subject: a.User.ID, CreatedAt: now}, attached
	switch before, err := r.Store.Recognise(ctx, a.User.ID, a.SecretHash); {
	case err == nil:
		arriving = before
		if !before.DetachedAt.IsZero() {
			known = append(slices.Clone(attached), before)
		}
	case !errors.Is(err, identity.ErrNoDevice):
		return identity.Device{}, err
	}
	arriving.Name, arriving.UserAgent, arriving.Address, arriving.PlacedAt = identity.DeviceName(a.UserAgent), a.UserAgent, a.Address, now
	arriving.Place = r.place(a.Address)
	raised, err := r.signals(ctx, arriving, known, now)
	if err != nil {
		return identity.Device{}, err
	}
	limit, over := r.exceeding(a, arriving, attached)
	if len(over) > 0 {
		raised = append(raised, identity.SignalTooManyDevices)
	}
	if slices.ContainsFunc(raised, func(s identity.DeviceSignal) bool { return slices.Contains(r.Rules.RefuseOn, s) }) {
		return identity.Device{}, &Refusal{Signals: raised, arrival: a}
	}
	if len(over) > 0 {
		if err := r.makeRoom(ctx, a, limit, over, raised); err != nil {
			return identity.Device{}, err
		}
	}
	device, err := r.Store.Attach(ctx, arriving, a.SecretHash)
	if err != nil {
		return identity.Device{}, err
	}
	return device, r.report(ctx, a, device, raised, false)
}

// Full returns what would keep a login out now; nil when there is room for it.
func (r *Registry) Full(ctx context.Context, a Arrival) (*Refusal, error) {
	attached, err := r.Store.Of(ctx, a.User.ID)
	if err != nil {
		return nil, err
	}
	arriving, err := r.Store.Recognise(ctx, a.User.ID, a.SecretHash)
	if err != nil && !errors.Is(err, identity.ErrNoDevice) {
		return nil, err
	}
	limit, over := r.exceeding(a, arriving, attached)
	if len(over) == 0 {
		return nil, nil
	}
	return &Refusal{Limit: limit, Devices: over, arrival: a}, nil
}

// exceeding returns the person's limit, and the devices beside which it has no room for the one that arrives.
func (r *Registry) exceeding(a Arrival, arriving identity.Device, attached []identity.Device) (identity.DeviceLimit, []identity.Device) {
	limit := r.Rules.LimitOf(a.User)
	if arriving.Excluded {
		return limit, nil
	}
	return limit, limit.Exceeding(attached, arriving.ID, a.SessionDevice)
}

// makeRoom is step 3 of Attach.
func (r *Registry) makeRoom(ctx context.Context, a Arrival, limit identity.DeviceLimit, over []identity.Device, raised []identity.DeviceSignal) error {
	refusal := &Refusal{Limit: limit, Devices: over, Signals: raised, arrival: a}
	var leave []identity.Device
	// More than one, if the limit was lowered since they came.
	switch surplus := refusal.Surplus(); limit.Policy {
	case identity.DeviceNotify:
		return nil
	case identity.DeviceDetachOldest:
		leave = over[:surplus]
	case identity.DeviceAsk:
		for _, d := range over {
			if slices.Contains(a.Chosen, d.ID) {
				leave = append(leave, d)
			}
		}
		if len(leave) < surplus {
			return refusal
		}
	default:
		return refusal
	}
	if len(leave) > 0 {
		if err := r.Store.HoldSessions(ctx, a.User.ID); err != nil {
			return err
		}
	}
	for _, d := range leave {
		if _, err := r.detach(ctx, d, logout.Request{Actor: a.actor()}); err != nil {
			return err
		}
	}
	return nil
}

// signals returns what a login raises, without what a limit does.
func (r *Registry) signals(ctx context.Context, arriving identity.Device, known []identity.Device, now time.Time) ([]identity.DeviceSignal, error) {
	recent := 0
	if r.Rules.Velocity > 0 {
		before, err := r.Store.CreatedSince(ctx, arriving.Subject, now.Add(-r.Rules.VelocityWindow))
		if err != nil {
			return nil, err
		}
		recent = before + 1
	}
	return r.Rules.Signals(arriving, known, recent, now), nil
}

// place looks an address up; what is not one is nowhere.
func (r *Registry) place(address string) identity.Place {
	if r.Places == nil {
		return identity.Place{}
	}
	addr, err := netip.ParseAddr(address)
	if err != nil {
		return identity.Place{}
	}
	return r.Places.Place(addr.Unmap())
}

// Refused announces and records what a login raised that got no session, after its transaction was rolled back.
func (r *Registry) Refused(ctx context.Context, refusal *Refusal) error {
	a := refusal.arrival
	device := identity.Device{Name: identity.DeviceName(a.UserAgent), UserAgent: a.UserAgent, Place: r.place(a.Address)}
	return r.Tx.Tx(ctx, func(ctx context.Context) error { return r.report(ctx, a, device, refusal.Signals, true) })
}

// report announces signals to the apps that ask for them by name, and records them.
func (r *Registry) report(ctx context.Context, a Arrival, device identity.Device, raised []identity.DeviceSignal, refused bool) error {
	for _, signal := range raised {
		if err := r.Audit.Record(ctx, audit.DeviceSignal(a.actor(), a.ClientID, device.ID, string(signal), refused)); err != nil {
			return err
		}
		err := r.Engine.Announce(ctx, logout.Event{
			Type: logout.EventDeviceSignal, Subject: a.User.ID,
			Data: map[string]any{"signal": signal, "refused": refused, "device": describe(device)},
		})
		if err != nil {
			return err
		}
	}
	return nil
}
