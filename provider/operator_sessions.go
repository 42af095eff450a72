package provider

import (
	"context"
	"errors"
	"time"

	"github.com/exeunt-id/exeunt/logout"
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

// End ends sessions.
func (o *Operator) End(ctx context.Context, req logout.Request) (*logout.Outcome, error) {
	return o.engine.End(ctx, req)
}
