package device

import (
	"context"
	"slices"

	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider/identity"
)

// An app may have a limit of its own: on how many devices one person may use it. A device that is one too many is detached from that app alone. The
// person stays signed in there to all others, and when they go back to the app on it, the limit is looked at again.

// AppFull returns what keeps a session from one more app; nil when nothing does. Excluded devices and the session's own do not count. The policy
// is that of the person's own limit.
func (r *Registry) AppFull(ctx context.Context, session logout.Session, client identity.Client) (*Refusal, error) {
	if client.DeviceLimit <= 0 {
		return nil, nil
	}
	using, err := r.Store.Using(ctx, session.Subject, client.ID)
	if err != nil {
		return nil, err
	}
	user, err := r.Users.User(ctx, session.Subject)
	if err != nil {
		return nil, err
	}
	limit := identity.DeviceLimit{Devices: client.DeviceLimit, Policy: r.Rules.LimitOf(user).Policy}
	over := limit.Exceeding(using, session.DeviceID)
	if len(over) == 0 {
		return nil, nil
	}
	if own, err := r.Store.Find(ctx, session.Subject, session.DeviceID); err == nil && own.Excluded {
		return nil, nil
	}
	arrival := Arrival{User: user, SessionDevice: session.DeviceID, UserAgent: session.UserAgent, Address: session.Address, ClientID: client.ID}
	return &Refusal{Limit: limit, Devices: over, Signals: []identity.DeviceSignal{identity.SignalTooManyDevices}, arrival: arrival}, nil
}

// Asks reports whether a session must go to the page of devices before it gets an app: the limit is reached, and its policy needs the person.
func (r *Registry) Asks(ctx context.Context, session logout.Session, client identity.Client) (bool, error) {
	refusal, err := r.AppFull(ctx, session, client)
	return refusal != nil && (refusal.Limit.Policy == identity.DeviceAsk || refusal.Limit.Policy == identity.DeviceRefuse), err
}

// AdmitApp lets an app take part in a session, in the transaction that issues its tokens, before that takes the session: of two devices that want
// the last place one gets it. *Refusal when there is none, and then the transaction must not commit.
func (r *Registry) AdmitApp(ctx context.Context, session logout.Session, client identity.Client) error {
	if client.DeviceLimit <= 0 {
		return nil
	}
	if err := r.Store.Hold(ctx, session.Subject); err != nil {
		return err
	}
	refusal, err := r.AppFull(ctx, session, client)
	if err != nil || refusal == nil {
		return err
	}
	switch refusal.Limit.Policy {
	case identity.DeviceNotify:
	case identity.DeviceDetachOldest:
		if err := r.leaveApp(ctx, client.ID, refusal.Devices[:refusal.Surplus()], refusal.arrival.actor()); err != nil {
			return err
		}
	default:
		return refusal
	}
	own, err := r.Store.Find(ctx, session.Subject, session.DeviceID)
	if err != nil {
		own = identity.Device{ID: session.DeviceID}
	}
	return r.report(ctx, refusal.arrival, own, refusal.Signals, false)
}

// MakeRoom detaches devices that the person chose from an app, so that a session of theirs gets it. *Refusal when they chose too few of those
// that count, and then nothing is detached.
func (r *Registry) MakeRoom(ctx context.Context, session logout.Session, client identity.Client, chosen []string, actor logout.Actor) error {
	return r.Tx.Tx(ctx, func(ctx context.Context) error {
		if err := r.Store.Hold(ctx, session.Subject); err != nil {
			return err
		}
		refusal, err := r.AppFull(ctx, session, client)
		if err != nil || refusal == nil {
			return err
		}
		leave := slices.DeleteFunc(slices.Clone(refusal.Devices), func(d identity.Device) bool { return !slices.Contains(chosen, d.ID) })
		if refusal.Limit.Policy != identity.DeviceAsk || len(leave) < refusal.Surplus() {
			return refusal
		}
		return r.leaveApp(ctx, client.ID, leave, actor)
	})
}

// leaveApp lets an app leave the sessions on devices, which live on for other apps.
func (r *Registry) leaveApp(ctx context.Context, clientID string, leave []identity.Device, actor logout.Actor) error {
	if len(leave) == 0 {
		return nil
	}
	if err := r.Store.HoldSessions(ctx, leave[0].Subject); err != nil {
		return err
	}
	for _, d := range leave {
		_, err := r.Engine.End(ctx, logout.Request{
			Cause: logout.CauseDeviceDetached, Actor: actor, InitiatorClientID: clientID,
			Target: logout.Target{Subject: d.Subject, DeviceID: d.ID, ClientID: clientID, OnlyParticipation: true},
		})
		if err != nil {
			return err
		}
	}
	return nil
}
