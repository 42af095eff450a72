package provider

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider/audit"
	"github.com/exeunt-id/exeunt/provider/identity"
	"github.com/exeunt-id/exeunt/provider/store"
)

// userPage is how many users are read at once.
const userPage = 500

// Users calls fn for each user, by name, until it returns an error, which is returned.
func (o *Operator) Users(ctx context.Context, fn func(identity.User) error) error {
	after := ""
	for {
		users, err := o.store.Users.List(ctx, after, userPage)
		if err != nil {
			return err
		}
		for _, user := range users {
			if err := fn(user); err != nil {
				return err
			}
			after = user.Username
		}
		if len(users) < userPage {
			return nil
		}
	}
}

// User finds a user by name or, when nobody has that name, by id; identity.ErrNoUser.
func (o *Operator) User(ctx context.Context, nameOrID string) (identity.User, error) {
	return findUser(ctx, o.store.Users, nameOrID)
}

// FindUser is Operator.User for whoever has a migrated database and nothing else.
func FindUser(ctx context.Context, db *database.DB, nameOrID string) (identity.User, error) {
	return findUser(ctx, store.New(db, time.Now).Users, nameOrID)
}

func findUser(ctx context.Context, users identity.Users, nameOrID string) (identity.User, error) {
	user, err := users.UserByName(ctx, nameOrID)
	if errors.Is(err, identity.ErrNoUser) {
		user, err = users.User(ctx, nameOrID)
	}
	if err != nil {
		return identity.User{}, fmt.Errorf("user %q: %w", nameOrID, err)
	}
	return user, nil
}

// CreateUser stores a new user, whose entry has been checked, and returns them. identity.ErrNameTaken.
func (o *Operator) CreateUser(ctx context.Context, u User) (identity.User, error) {
	hash := u.PasswordHash
	if u.Password != "" {
		var err error
		if hash, err = o.passwords.Hash(ctx, u.Password); err != nil {
			return identity.User{}, err
		}
	}
	now := o.cfg.Now().UTC()
	user := identity.User{
		ID: logout.NewID(), Username: u.Username, PasswordHash: hash, Email: u.Email, Claims: u.Claims, Admin: u.Admin, CreatedAt: now, UpdatedAt: now,
	}
	err := o.cfg.DB.Tx(ctx, func(ctx context.Context) error {
		if err := o.store.Users.Create(ctx, user); err != nil {
			return err
		}
		if err := o.trail.Record(ctx, audit.User(audit.KindUserCreated, o.actor, user.ID, user.Username)); err != nil {
			return err
		}
		return o.announceNew(ctx, user)
	})
	return user, err
}

// SetPassword changes a user's password and, in the same transaction, ends their sessions and revokes their offline grants: whoever
// knew the old one is out.
func (o *Operator) SetPassword(ctx context.Context, user identity.User, password string, actor logout.Actor) (*logout.Outcome, error) {
	return o.replacePassword(ctx, user, password, "", actor, o.store.Users.ChangePassword)
}

// ChangePassword is SetPassword for a person who does it in a session of theirs: that one, and the offline grants that came of it, live on. user is
// who proved to be them. identity.ErrLoginFailed when they have been disabled or given another password since: of two who knew the old one, the
// second must not take the account back. identity.ErrPasswordTooLong.
func (o *Operator) ChangePassword(ctx context.Context, user identity.User, password, sessionID string, actor logout.Actor) (*logout.Outcome, error) {
	return o.replacePassword(ctx, user, password, sessionID, actor, func(ctx context.Context, id, hash string) error {
		if err := o.store.Users.Lock(ctx, user); err != nil {
			return err
		}
		return o.store.Users.ChangePassword(ctx, id, hash)
	})
}

func (o *Operator) replacePassword(ctx context.Context, user identity.User, password, sessionID string, actor logout.Actor, replace func(ctx context.Context, id, hash string) error) (*logout.Outcome, error) {
	hash, err := o.passwords.Hash(ctx, password)
	if err != nil {
		return nil, err
	}
	target := logout.Target{Subject: user.ID, ExceptSessionID: sessionID}
	return o.endWith(ctx, audit.KindUserPasswordChanged, user, logout.Request{Cause: logout.CausePasswordChanged, Actor: actor, Target: target}, func(ctx context.Context) error {
		if err := replace(ctx, user.ID, hash); err != nil {
			return err
		}
		return o.engine.Announce(ctx, logout.Event{Type: logout.EventUserPasswordChanged, Subject: user.ID, Data: map[string]any{"by": actor.Kind}})
	})
}

// DisableUser keeps a user from logging in and, in the same transaction, ends their sessions and revokes their offline grants. It may be
// repeated.
func (o *Operator) DisableUser(ctx context.Context, user identity.User, actor logout.Actor) (*logout.Outcome, error) {
	return o.endWith(ctx, audit.KindUserDisabled, user, logout.Request{Cause: logout.CauseUserDisabled, Actor: actor, Target: logout.Target{Subject: user.ID}}, func(ctx context.Context) error {
		changed, err := o.store.Users.SetDisabled(ctx, user.ID, o.cfg.Now().UTC())
		if err != nil || !changed {
			return err
		}
		return o.engine.Announce(ctx, logout.Event{Type: logout.EventUserDisabled, Subject: user.ID})
	})
}

// EnableUser lets a disabled user log in again. It reports false when the user was not disabled.
func (o *Operator) EnableUser(ctx context.Context, user identity.User) (changed bool, err error) {
	err = o.cfg.DB.Tx(ctx, func(ctx context.Context) error {
		if changed, err = o.store.Users.SetDisabled(ctx, user.ID, noTime); err != nil || !changed {
			return err
		}
		if err := o.trail.Record(ctx, audit.User(audit.KindUserEnabled, o.actor, user.ID, user.Username)); err != nil {
			return err
		}
		return o.engine.Announce(ctx, logout.Event{Type: logout.EventUserUpdated, Subject: user.ID, Data: map[string]any{"enabled": true}})
	})
	return changed && err == nil, err
}

// DeleteUser deletes a user and, in the same transaction, ends their sessions and revokes their offline grants. A user of the
// configuration is refused: the next start would bring the name back.
func (o *Operator) DeleteUser(ctx context.Context, user identity.User, actor logout.Actor) (*logout.Outcome, error) {
	if slices.ContainsFunc(o.cfg.Users, func(u User) bool { return u.Username == user.Username }) {
		return nil, fmt.Errorf("user %q is in the configuration file, and would be created again at the next start; remove the entry from `users` first, or disable the user",
			user.Username)
	}
	return o.endWith(ctx, audit.KindUserDeleted, user, logout.Request{Cause: logout.CauseUserDeleted, Actor: actor, Target: logout.Target{Subject: user.ID}}, func(ctx context.Context) error {
		// First: by what they agreed to their clients are found.
		if err := o.engine.Announce(ctx, logout.Event{Type: logout.EventUserDeleted, Subject: user.ID}); err != nil {
			return err
		}
		return o.store.Users.Delete(ctx, user.ID)
	})
}

// announceNew tells the clients that ask for it by name of a new user, whom no client knows yet.
func (o *Operator) announceNew(ctx context.Context, user identity.User) error {
	event := logout.Event{Type: logout.EventUserCreated, Subject: user.ID}
	err := o.Clients(ctx, func(c Client) error {
		if slices.Contains(c.WebhookEvents, event.Type) {
			event.ClientIDs = append(event.ClientIDs, c.ID)
		}
		return nil
	})
	if err != nil || len(event.ClientIDs) == 0 {
		return err
	}
	return o.engine.Announce(ctx, event)
}

// endWith makes a change and ends the user's sessions for it, both or neither. The change comes first: it takes the user's row, for which
// a login that is about to start a session waits (see identity.Users.Lock).
func (o *Operator) endWith(ctx context.Context, kind audit.Kind, user identity.User, req logout.Request, change func(context.Context) error) (*logout.Outcome, error) {
	var out *logout.Outcome
	err := o.cfg.DB.Tx(ctx, func(ctx context.Context) error {
		if err := change(ctx); err != nil {
			return err
		}
		if err := o.trail.Record(ctx, audit.User(kind, req.Actor, user.ID, user.Username)); err != nil {
			return err
		}
		var err error
		out, err = o.End(ctx, req)
		return err
	})
	return out, err
}
