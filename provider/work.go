package provider

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/logout/logoutstore"
	"github.com/exeunt-id/exeunt/provider/alert"
	"github.com/exeunt-id/exeunt/provider/audit"
	"github.com/exeunt-id/exeunt/provider/browser"
	"github.com/exeunt-id/exeunt/provider/identity"
	"github.com/exeunt-id/exeunt/provider/store"
)

const (
	// sweepEvery is how soon the relying parties of a session hear that its lifetime has passed.
	sweepEvery = 30 * time.Second
	// rescueEvery is how often a node looks for logouts that another one, which died, was to tell the relying parties of.
	rescueEvery = 5 * time.Second
	// rotateEvery is how soon a signing key is made, activated or removed whose time has come.
	rotateEvery = 30 * time.Second
	// cleanEvery is how often what is no longer needed is deleted.
	cleanEvery = 10 * time.Minute
	// keepExpired is how long codes and tokens are kept beyond their expiry, so that one that is used again is still recognised.
	keepExpired = 24 * time.Hour
	// keepMails is how long it is kept who was written to.
	keepMails = 30 * 24 * time.Hour
	// keepClosed is how long a deleted client's stream is kept beyond its deletion: whatever was planned then has been pushed or is dead.
	keepClosed = 30 * 24 * time.Hour
)

// work is what runs in the background between Start and Stop.
type work struct {
	cancel context.CancelFunc
	group  sync.WaitGroup
}

// Start makes the provider ready to serve:
//
//  1. Active signing keys exist.
//  2. Users and clients are as the configuration says; clients that were removed from it are named in a warning, and stay.
//  3. This node works jobs: insurance and retries of deliveries.
//  4. It listens for clients and keys that other nodes change.
//  5. It looks after the first attempts of nodes that died.
//  6. It sweeps: sessions past their lifetime end, what nobody needs any more is deleted.
//  7. It rotates signing keys.
//  8. Pages can connect.
//
// Start once; Stop ends it.
func (p *Provider) Start(ctx context.Context) error {
	if err := p.keyring.Ensure(ctx); err != nil {
		return err
	}
	if err := p.sync(ctx); err != nil {
		return err
	}
	if err := p.cfg.DB.StartQueue(ctx, logoutstore.Work(p.engine, p.cfg.Logout.Workers, p.cfg.Logout.AttemptTimeout)); err != nil {
		return err
	}
	ctx, p.work.cancel = context.WithCancel(context.WithoutCancel(ctx))
	if err := p.store.Listen(ctx, p.keyring.Changed); err != nil {
		return err
	}
	if err := p.startHub(ctx); err != nil {
		return err
	}
	p.work.group.Go(func() { p.every(ctx, rescueEvery, p.rescue) })
	p.work.group.Go(func() { p.every(ctx, sweepEvery, p.sweep) })
	p.work.group.Go(func() { p.every(ctx, rotateEvery, p.keyring.Rotate) })
	p.work.group.Go(func() { p.every(ctx, cleanEvery, p.clean) })
	if p.cfg.Mail != nil {
		p.work.group.Go(func() { p.every(ctx, alert.LookEvery, p.alerts.watcher.Look) })
		p.work.group.Go(func() { p.every(ctx, alert.SendEvery, p.alerts.post.Send) })
	}
	return nil
}

// Stop lets what runs finish until ctx is done. Deliveries that did not finish are made by their jobs, here after the next start or on
// another node.
func (p *Provider) Stop(ctx context.Context) error {
	defer p.hub.Stop() // last: what ends until then is passed on
	if p.work.cancel != nil {
		p.work.cancel()
		defer p.work.group.Wait()
	}
	// Side by side: while one finishes, the other must not begin what would only be cut off.
	queue := make(chan error, 1)
	go func() { queue <- p.cfg.DB.StopQueue(ctx) }()
	return errors.Join(p.engine.Stop(ctx), <-queue)
}

func (p *Provider) sync(ctx context.Context) error {
	if len(p.cfg.Users) > 0 {
		keys := make([][32]byte, len(p.cfg.Secrets))
		for i, secret := range p.cfg.Secrets {
			var err error
			if keys[i], err = derive(secret, "exeunt configured users 1"); err != nil {
				return err
			}
		}
		if err := p.store.SyncUsers(ctx, p.cfg.Users, p.passwords.Hash, p.userSynced, keys...); err != nil {
			return err
		}
	}
	removed, err := p.store.SyncClients(ctx, p.cfg.Clients)
	if err != nil {
		return err
	}
	if len(removed) > 0 {
		p.cfg.Logger.WarnContext(ctx, "clients are no longer in the configuration; they stay until they are deleted", "clients", removed)
	}
	return nil
}

// userSynced does for an entry of the configuration what an operator's command does: whoever has another password is out everywhere, and the
// clients hear of it.
func (p *Provider) userSynced(ctx context.Context, u store.SyncedUser) error {
	if u.Created {
		return p.operator.announceNew(ctx, identity.User{ID: u.ID})
	}
	if u.Updated {
		if err := p.engine.Announce(ctx, logout.Event{Type: logout.EventUserUpdated, Subject: u.ID}); err != nil {
			return err
		}
	}
	if !u.Password {
		return nil
	}
	by := audit.Configuration
	if err := p.engine.Announce(ctx, logout.Event{Type: logout.EventUserPasswordChanged, Subject: u.ID, Data: map[string]any{"by": by.Kind}}); err != nil {
		return err
	}
	_, err := p.engine.End(ctx, logout.Request{Cause: logout.CausePasswordChanged, Actor: by, Target: logout.Target{Subject: u.ID}})
	return err
}

// every runs fn at once and then at each interval until ctx is done.
func (p *Provider) every(ctx context.Context, interval time.Duration, fn func(context.Context) error) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		if err := fn(ctx); err != nil && ctx.Err() == nil {
			p.cfg.Logger.ErrorContext(ctx, "background work failed; it is tried again", "in", interval.String(), "error", err)
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// rescue gives jobs to logouts of which nobody is about to tell the relying parties.
func (p *Provider) rescue(ctx context.Context) error {
	n, err := p.engine.Rescue(ctx)
	if n > 0 {
		p.cfg.Logger.WarnContext(ctx, "first attempts were overdue; jobs make them now", "logouts", n)
	}
	return err
}

// sweep ends sessions that passed a lifetime, and detaches devices that nobody uses.
func (p *Provider) sweep(ctx context.Context) error {
	_, sessions := p.engine.Sweep(ctx)
	_, devices := p.operator.devices.Sweep(ctx)
	return errors.Join(sessions, devices)
}

// clean deletes what nobody needs any more.
func (p *Provider) clean(ctx context.Context) error {
	now := p.cfg.Now().UTC()
	// Assertions that expired are refused as such; a minute bridges the nodes' clocks.
	err := errors.Join(p.store.Sweep(ctx, now.Add(-keepExpired)), p.store.Assertions.Sweep(ctx, now.Add(-time.Minute)),
		p.store.Tickets.Sweep(ctx, now), p.store.Presence.Sweep(ctx, now), p.store.Devices.Thin(ctx), p.sessions.SweepUserTokens(ctx, now.Add(-keepExpired)), p.streams.Sweep(ctx, now.Add(-keepClosed)))
	if p.cfg.Retention > 0 {
		old := now.Add(-p.cfg.Retention)
		err = errors.Join(err, p.sessions.Purge(ctx, old, p.store.Grants.Outliving), p.store.SweepFormerClients(ctx, old), p.store.Devices.Sweep(ctx, old, now.Add(-browser.DeviceLifetime)))
	}
	err = errors.Join(err, p.store.Mails.Sweep(ctx, now.Add(-keepMails)))
	if p.cfg.AuditRetention > 0 {
		err = errors.Join(err, p.store.Audit.Sweep(ctx, now.Add(-p.cfg.AuditRetention)))
	}
	return err
}
