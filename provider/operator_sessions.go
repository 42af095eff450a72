package provider

import (
	"context"
	"errors"
	"time"

	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider/audit"
	"github.com/exeunt-id/exeunt/provider/identity"
)

// noTime is "never".
var noTime time.Time

// LiveSession is a session with what people know it by.
type LiveSession struct {
	logout.Session
	Username string                 // empty when the user is gone
	Apps     []logout.Participation // that take part now, in the order in which they joined
}

// Sessions returns at most limit live sessions of a target, newest first; the empty target is all of them.
func (o *Operator) Sessions(ctx context.Context, t logout.Target, limit int) ([]LiveSession, error) {
	sessions, err := o.sessions.Live(ctx, t, o.cfg.Now().UTC(), limit)
	if err != nil {
		return nil, err
	}
	live := make([]LiveSession, len(sessions))
	for i, s := range sessions {
		live[i].Session = s
		if live[i].Apps, err = o.sessions.Participations(ctx, s.ID); err != nil {
			return nil, err
		}
		user, err := o.store.Users.User(ctx, s.Subject)
		if err != nil && !errors.Is(err, identity.ErrNoUser) {
			return nil, err
		}
		live[i].Username = user.Username
	}
	return live, nil
}

// End ends sessions, all of them in one transaction: see EndMany.
func (o *Operator) End(ctx context.Context, req logout.Request) (*logout.Outcome, error) {
	return o.engine.End(ctx, req)
}

// EndMany ends sessions at once if they are few, and has them ended by a job of the running provider, or of the next that starts, if they
// are more than logout.MassAbove or a rate is asked for: at most so many per second, 0 for no bound. Of the two results one is set.
func (o *Operator) EndMany(ctx context.Context, req logout.Request, rate int) (*logout.Outcome, *logout.Mass, error) {
	few, err := o.few(ctx, req)
	if err != nil {
		return nil, nil, err
	}
	if rate == 0 && few {
		out, err := o.engine.End(ctx, req)
		return out, nil, err
	}
	var m logout.Mass
	err = o.cfg.DB.Tx(ctx, func(ctx context.Context) (err error) {
		if m, err = o.engine.EndMany(ctx, req, rate); err != nil {
			return err
		}
		return o.trail.Record(ctx, audit.Mass(audit.KindMassStarted, req.Actor, m))
	})
	return nil, &m, err
}

// few reports whether one transaction can end what the request is about: live sessions, and those of which an offline grant survives.
func (o *Operator) few(ctx context.Context, req logout.Request) (bool, error) {
	n, err := o.sessions.CountLive(ctx, req.Target, o.cfg.Now().UTC(), logout.MassAbove+1)
	if err != nil || n > logout.MassAbove {
		return false, err
	}
	req.Target.Part.Limit = logout.MassAbove + 1
	surviving, err := o.store.Surviving(ctx, req)
	return n+len(surviving) <= logout.MassAbove, err
}

// Mass returns a mass logout; logout.ErrNoMass if there is none.
func (o *Operator) Mass(ctx context.Context, id string) (logout.Mass, error) {
	return o.engine.Mass(ctx, id)
}

// Masses returns the newest mass logouts.
func (o *Operator) Masses(ctx context.Context, limit int) ([]logout.Mass, error) {
	return o.engine.Masses(ctx, limit)
}

// CancelMass stops a mass logout; what has ended stays so.
func (o *Operator) CancelMass(ctx context.Context, id string) (logout.Mass, error) {
	var m logout.Mass
	err := o.cfg.DB.Tx(ctx, func(ctx context.Context) (err error) {
		if m, err = o.engine.CancelMass(ctx, id); err != nil {
			return err
		}
		return o.trail.Record(ctx, audit.Mass(audit.KindMassCancelled, o.actor, m))
	})
	return m, err
}
