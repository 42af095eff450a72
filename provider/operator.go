package provider

import (
	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/logout/logoutstore"
	"github.com/exeunt-id/exeunt/provider/identity"
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
}

// NewOperator returns the operator of a provider with the same Config. Errors name its field.
func NewOperator(cfg Config) (*Operator, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	return wire(cfg, logout.NoEarlyStart)
}

// wire makes what provider and operator have in common. cfg is complete.
func wire(cfg Config, workers int) (*Operator, error) {
	o := &Operator{
		cfg: cfg, store: store.New(cfg.DB, cfg.Now), sessions: logoutstore.New(cfg.DB), passwords: identity.NewPasswords(cfg.Password),
	}
	var err error
	if o.store.Clients.Vault, err = signing.NewVault(cfg.Secrets); err != nil {
		return nil, err
	}
	o.keyring = signing.NewKeyring(signing.Options{
		Keys: o.store.Keys, NextKeys: o.store.Keys, Rotation: cfg.Rotation, Secrets: cfg.Secrets, Algorithms: cfg.Algorithms,
		Now: cfg.Now, Logger: cfg.Logger,
	})
	box, err := signing.NewSecretbox(cfg.Secrets)
	if err != nil {
		return nil, err
	}
	o.streams = store.NewStreams(o.store, box)
	o.engine, err = logout.New(logout.Config{
		Issuer: cfg.Issuer, Store: o.sessions, Clients: o.store, Signer: o.keyring, Outgoing: cfg.Outgoing, Surviving: o.store.Surviving, InEnd: o.store.InEnd,
		ClientsOf: o.store.ClientsOf, Streams: o.streams,
		AttemptTimeout: cfg.Logout.AttemptTimeout, RetryFor: cfg.Logout.RetryFor, Workers: workers, Now: cfg.Now, Logger: cfg.Logger,
	})
	if err != nil {
		return nil, err
	}
	return o, nil
}
