package cli

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/url"
	"strings"

	"github.com/exeunt-id/exeunt/config"
	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider"
	"github.com/exeunt-id/exeunt/provider/identity"
	"github.com/exeunt-id/exeunt/provider/mail"
	"github.com/exeunt-id/exeunt/provider/trace"
)

// providerConfig turns the program's configuration, which is valid, into the provider's. Errors name the key.
func providerConfig(cfg *config.Config, db *database.DB, log *slog.Logger) (provider.Config, error) {
	outgoing, err := newOutgoing(cfg)
	if err != nil {
		return provider.Config{}, err
	}
	p := provider.Config{
		Issuer: cfg.Issuer, DB: db, Secrets: cfg.SecretKeys(), Algorithms: cfg.SigningAlgorithms, Outgoing: outgoing,
		Login: identity.Limits{MaxFailures: cfg.Login.MaxFailures, Window: cfg.Login.Window, MaxFailuresPerAddress: cfg.Login.MaxFailuresPerAddress},
		Password: identity.PasswordParams{
			// Validated: each fits its type.
			MemoryKiB: uint32(cfg.Passwords.Memory / config.KiB), Iterations: uint32(cfg.Passwords.Iterations), Parallelism: uint8(cfg.Passwords.Parallelism),
		},
		Logout: provider.Logout{
			Wait: cfg.Logout.Wait, AttemptTimeout: cfg.Logout.AttemptTimeout, RetryFor: cfg.Logout.RetryFor, Workers: cfg.Logout.Workers,
		},
		Registration: Registration(cfg), Retention: cfg.Retention, AuditRetention: cfg.AuditRetention, TrustedProxies: cfg.TrustedNetworks(),
		Version: versionName(), Logger: log,
	}
	if p.Mail, err = newMail(cfg); err != nil {
		return provider.Config{}, err
	}
	p.MailOperator = cfg.SMTP.Operator
	p.Tokens.Code, p.Tokens.Access, p.Tokens.ID, p.Tokens.Refresh = cfg.Tokens.Code, cfg.Tokens.Access, cfg.Tokens.ID, cfg.Tokens.Refresh
	p.Rotation.Every, p.Rotation.KeepRetired = cfg.Keys.RotateEvery, cfg.Keys.KeepRetired
	p.Sessions.Idle, p.Sessions.Absolute = cfg.Sessions.Idle, cfg.Sessions.Absolute
	if p.Devices, p.Places, err = deviceRules(cfg); err != nil {
		return provider.Config{}, err
	}
	for _, u := range cfg.Users {
		p.Users = append(p.Users, provider.User{
			Username: u.Username, Password: u.Password.Reveal(), PasswordHash: u.PasswordHash.Reveal(), Email: u.Email, Admin: u.Admin, Claims: u.Claims,
			DeviceLimit: u.DeviceLimit, DeviceGroup: u.Group,
		})
	}
	for i, c := range cfg.Clients {
		client, err := newClient(cfg, c)
		if err != nil {
			return provider.Config{}, fmt.Errorf("clients[%d].%w", i, err)
		}
		p.Clients = append(p.Clients, client)
		if domains := c.GlobalTokenRevocationDomains; len(domains) > 0 {
			if p.GlobalRevocation == nil {
				p.GlobalRevocation = map[string][]string{}
			}
			p.GlobalRevocation[c.ClientID] = domains
		}
	}
	return p, nil
}

func newClient(cfg *config.Config, c config.Client) (identity.Client, error) {
	client := identity.Client{
		ID: c.ClientID, Name: c.ClientName, URI: c.ClientURI, LogoURI: c.LogoURI, PolicyURI: c.PolicyURI, TosURI: c.TosURI, Contacts: c.Contacts,
		ApplicationType: c.ApplicationType, TokenEndpointAuthMethod: c.TokenEndpointAuthMethod, GrantTypes: c.GrantTypes, ResponseTypes: c.ResponseTypes,
		Scope: c.Scope, RedirectURIs: c.RedirectURIs, PostLogoutRedirectURIs: c.PostLogoutRedirectURIs, IDTokenSigningAlg: c.IDTokenSignedResponseAlg,
		DefaultMaxAge: c.DefaultMaxAge, RequireAuthTime: c.RequireAuthTime, DefaultACRValues: c.DefaultACRValues, InitiateLoginURI: c.InitiateLoginURI,
		SoftwareID: c.SoftwareID, SoftwareVersion: c.SoftwareVersion,
		JWKSURI: c.JWKSURI, TokenEndpointAuthSigningAlg: c.TokenEndpointAuthSigningAlg,
		BackchannelLogoutURI: c.BackchannelLogoutURI, BackchannelLogoutSessionRequired: c.BackchannelLogoutSessionRequired,
		AccessTokenFormat: c.AccessTokenFormat, SkipConsent: c.SkipConsent, RedirectLogout: c.RedirectLogout, HintLogout: c.HintLogout,
		AllowedOrigins: c.AllowedOrigins, Idle: c.Idle, OnTokenReuse: c.OnTokenReuse, DeviceLimit: c.DeviceLimit,
		FrontchannelLogoutURI: c.FrontchannelLogoutURI, FrontchannelLogoutSessionRequired: c.FrontchannelLogoutSessionRequired,
		// In development an app on the same machine is told without further words.
		AllowPrivateNetwork: c.AllowPrivateNetwork || cfg.Development() && (onLoopback(c.BackchannelLogoutURI) || onLoopback(c.WebhookURI) || onLoopback(c.JWKSURI)),
		WebhookURI:          c.WebhookURI, WebhookEvents: c.WebhookEvents, UserToken: c.UserToken,
	}
	for _, secret := range c.WebhookSecrets {
		client.WebhookSecrets = append(client.WebhookSecrets, identity.Secret(secret.Reveal()))
	}
	if len(c.JWKS) > 0 {
		var err error
		if client.JWKS, err = json.Marshal(c.JWKS); err != nil {
			return identity.Client{}, fmt.Errorf("jwks: %w", err)
		}
	}
	if secret := c.ClientSecret.Reveal(); secret != "" {
		sum := sha256.Sum256([]byte(secret))
		client.SecretHash = sum[:]
	}
	return client, nil
}

// onLoopback reports whether a URI's host is a loopback one, by the rule for issuers.
func onLoopback(uri string) bool { return (&config.Config{Issuer: uri}).Development() }

func newOutgoing(cfg *config.Config) (*logout.Outgoing, error) {
	o := logout.OutgoingConfig{AllowPrivateNetworks: cfg.Outgoing.AllowPrivateNetworks, CAFile: cfg.Outgoing.CAFile, OwnListeners: []string{cfg.Listen}}
	if proxy := cfg.Outgoing.Proxy.Reveal(); proxy != "" {
		u, err := url.Parse(proxy)
		if err != nil {
			return nil, fmt.Errorf("outgoing.proxy is not a URL") // the parser's error would show a password
		}
		o.Proxy = u
	}
	return logout.NewOutgoing(o)
}

// newMail returns nil when there is no mail server.
func newMail(cfg *config.Config) (mail.Sender, error) {
	if cfg.SMTP.Address == "" {
		return nil, nil
	}
	roots, err := logout.RootCAs(cfg.Outgoing.CAFile)
	if err != nil {
		return nil, err
	}
	return mail.New(mail.Config{
		Address: cfg.SMTP.Address, From: cfg.SMTP.From, Username: cfg.SMTP.Username, Password: cfg.SMTP.Password.Reveal(), TLS: cfg.SMTP.TLS, RootCAs: roots,
	})
}

// newTrace returns nil when there are no traces.
func newTrace(cfg *config.Config, log *slog.Logger) (*trace.Tracer, error) {
	if cfg.Traces.Endpoint == "" {
		return nil, nil
	}
	roots, err := logout.RootCAs(cfg.Outgoing.CAFile)
	if err != nil {
		return nil, err
	}
	return trace.New(trace.Config{
		Endpoint: cfg.Traces.Endpoint, RootCAs: roots, Sample: cfg.Traces.Sample, Propagate: cfg.Traces.Propagate, Version: versionName(), Logger: log,
	})
}

// sqlitePath returns the path of an SQLite URL, or nothing.
func sqlitePath(database config.SecretURL) string {
	path, ok := strings.CutPrefix(database.Reveal(), "sqlite:")
	if !ok {
		return ""
	}
	return path
}
