package provider

import (
	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/logout/logoutstore"
	"github.com/exeunt-id/exeunt/provider/audit"
	"github.com/exeunt-id/exeunt/provider/device"
	"github.com/exeunt-id/exeunt/provider/identity"
	"github.com/exeunt-id/exeunt/provider/metrics"
	"github.com/exeunt-id/exeunt/provider/signing"
	"github.com/exeunt-id/exeunt/provider/store"
)

// Operator does what an operator asks for, beside running providers on the same database or without one. It serves nothing and starts
// nothing: relying parties that are to be told of a logout are told by a running provider, within about a second, or by the next that
// starts.
type Operator struct {
	cfg       Config
	store     *store.Store
	sessions  *logoutstore.Store
	streams   *store.Streams
	keyring   *signing.Keyring
	passwords *identity.Passwords
	engine    *logout.Engine
	devices   *device.Registry
	trail     *audit.Trail
	actor     logout.Actor
}

// As returns the operator with the name of who asks, which stands in the audit trail wherever a method is not told it.
func (o *Operator) As(actor logout.Actor) *Operator {
	copied := *o
	copied.actor = actor
	return &copied
}

// NewOperator returns the operator of a provider with the same Config. Errors name its field.
func NewOperator(cfg Config) (*Operator, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	return wire(cfg, logout.NoEarlyStart, nil, nil)
}

// wire makes what provider and operator have in common. cfg is complete; m, if it is not nil, measures; ended, if it is not nil, is called
// after the commit of each logout.
func wire(cfg Config, workers int, m *metrics.Metrics, ended func(*logout.Plan)) (*Operator, error) {
	o := &Operator{
		cfg: cfg, store: store.New(cfg.DB, cfg.Now), sessions: logoutstore.New(cfg.DB), passwords: identity.NewPasswords(cfg.Password),
	}
	o.trail, o.actor = audit.NewTrail(o.store.Audit, cfg.Now), logout.Actor{Kind: "admin"}
	var err error
	if o.store.Clients.Vault, err = signing.NewVault(cfg.Secrets); err != nil {
		return nil, err
	}
	o.keyring = signing.NewKeyring(signing.Options{
		Keys: o.store.Keys, NextKeys: o.store.Keys, Rotation: cfg.Rotation, Secrets: cfg.Secrets, Algorithms: cfg.Algorithms,
		Now: cfg.Now, Logger: cfg.Logger,
	})
	inEnd, sign, observe := o.store.InEnd, logout.Signer(o.keyring), logout.Observer(nil)
	if m != nil {
		inEnd, sign, observe = countedEnds(inEnd, cfg.DB.AfterCommit, m), timedSigner{sign, m}, m
	}
	if ended != nil {
		inEnd = afterEnds(inEnd, cfg.DB.AfterCommit, ended)
	}
	box, err := signing.NewSecretbox(cfg.Secrets)
	if err != nil {
		return nil, err
	}
	o.streams = store.NewStreams(o.store, box)
	follow := logout.Tracer(nil)
	if cfg.Trace != nil {
		follow = cfg.Trace
	}
	o.devices = &device.Registry{
		Rules: cfg.Devices, Store: o.store.Devices, Sessions: o.sessions, Users: o.store.Users, Tx: cfg.DB, Audit: o.trail, Places: cfg.Places,
		Presence: o.store.Presence, Now: cfg.Now, Logger: cfg.Logger,
	}
	o.engine, err = logout.New(logout.Config{
		Issuer: cfg.Issuer, Store: o.sessions, Clients: o.store, Signer: sign, Outgoing: cfg.Outgoing, Surviving: o.store.Surviving, InEnd: inEnd,
		ClientsOf: o.store.ClientsOf, Detached: o.devices.Describe, Streams: o.streams, Observe: observe, Trace: follow,
		AttemptTimeout: cfg.Logout.AttemptTimeout, RetryFor: cfg.Logout.RetryFor, Workers: workers, Now: cfg.Now, Logger: cfg.Logger,
	})
	if err != nil {
		return nil, err
	}
	o.devices.Engine = o.engine
	return o, nil
}
