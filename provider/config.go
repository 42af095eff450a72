package provider

import (
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"time"

	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider/identity"
	"github.com/exeunt-id/exeunt/provider/mail"
	"github.com/exeunt-id/exeunt/provider/protocol"
	"github.com/exeunt-id/exeunt/provider/signing"
	"github.com/exeunt-id/exeunt/provider/signout"
	"github.com/exeunt-id/exeunt/provider/store"
	"github.com/exeunt-id/exeunt/provider/trace"
)

// User is a person of the configuration.
type User = store.ConfiguredUser

// Config makes a Provider. Durations of 0 mean what their comments say; use the program's configuration for its defaults.
type Config struct {
	Issuer     string           // public URL: scheme, host, optional port, optional path of unreserved characters
	DB         *database.DB     // open and migrated; the provider does not close it
	Secrets    [][32]byte       // newest first: the first encrypts, all of them decrypt
	Algorithms []string         // of signatures: RS256, ES256, EdDSA
	Rotation   signing.Rotation // of signing keys; zero: they are kept as they are
	Outgoing   *logout.Outgoing // for calls to relying parties

	Tokens   protocol.Lifetimes      // none of them 0
	Sessions signout.Lifetimes       // 0 turns a bound off
	Login    identity.Limits         // 0 turns a limit off
	Password identity.PasswordParams // 0: the default
	Logout   Logout

	Devices identity.DeviceRules // zero: any number of devices, and nothing about them is remarkable
	Places  identity.Places      // where network addresses are; nil: nobody knows

	Retention      time.Duration // how long ended sessions, logouts and deliveries are kept; 0: for ever
	AuditRetention time.Duration // the same of the audit trail; at least a day
	TrustedProxies []netip.Prefix

	// Mail sends mails about clients that cannot be told, to their contacts and to MailOperator, which may be empty. nil: nobody is written to.
	Mail         mail.Sender
	MailOperator string
	Registration Registration // zero: no client registers itself

	Users   []User            // created or updated by Start
	Clients []identity.Client // created or updated by Start

	// GlobalRevocation says which clients may end everything of a person: by client_id, the domains of those people's e-mail addresses, in
	// lower case, or "*". It is no metadata of a client, so that no registration can ask for it.
	GlobalRevocation map[string][]string

	Trace   *trace.Tracer    // follows requests and logouts; nil: nobody does. The provider does not shut it down.
	Version string           // of the program, for metrics
	Now     func() time.Time // Defaults to time.Now.
	Logger  *slog.Logger     // Defaults to slog.Default.
}

// Registration is dynamic client registration.
type Registration struct {
	InitialAccessTokens [][]byte               // SHA-256 of each; without any, nobody registers clients
	Check               protocol.MetadataCheck // what may be registered
}

// Logout says how relying parties are told.
type Logout struct {
	Wait           time.Duration // how long a person waits at most for them to confirm; 0: not at all
	AttemptTimeout time.Duration // of one delivery attempt; 0: 10 s
	RetryFor       time.Duration // how long a delivery is retried; 0: not at all
	Workers        int           // logouts, and retries, that this node works on at once; 0: 64
}

// plainPath admits paths that everybody writes in the same way. One slash at the end is honoured: it belongs to the issuer's name, and to no
// endpoint's (Discovery 1.0, 4.1).
var plainPath = regexp.MustCompile(`^(/[a-zA-Z0-9._~-]*[a-zA-Z0-9_~-][a-zA-Z0-9._~-]*)*/?$`)

// complete sets defaults and refuses what contradicts itself. Errors name the field.
func (c *Config) complete() error {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Logout.AttemptTimeout <= 0 {
		c.Logout.AttemptTimeout = 10 * time.Second
	}
	if c.Logout.RetryFor == 0 {
		c.Logout.RetryFor = -1 // the engine's word for it
	}
	if c.Logout.Workers <= 0 {
		c.Logout.Workers = 64
	}
	issuer, err := url.Parse(c.Issuer)
	switch {
	case err != nil, issuer.Host == "", issuer.Scheme != "http" && issuer.Scheme != "https":
		return fmt.Errorf("provider: Config.Issuer: %q is not an http or https URL", c.Issuer)
	case issuer.RawQuery != "", issuer.Fragment != "", issuer.User != nil:
		return fmt.Errorf("provider: Config.Issuer: %q has more than scheme, host, port and path", c.Issuer)
	case !plainPath.MatchString(issuer.EscapedPath()):
		return fmt.Errorf("provider: Config.Issuer: %q has a path of other than plain segments: letters, digits, - . _ and ~", c.Issuer)
	case c.DB == nil:
		return errors.New("provider: Config.DB is missing")
	case len(c.Secrets) == 0:
		return errors.New("provider: Config.Secrets is empty; one secret of 32 bytes is needed")
	case c.Outgoing == nil:
		return errors.New("provider: Config.Outgoing is missing")
	case !slices.Contains(c.Algorithms, "RS256"):
		return errors.New("provider: Config.Algorithms lacks RS256, which every OpenID Provider must support (OpenID Connect Core 1.0, 15.1)")
	case len(c.Registration.InitialAccessTokens) > 0 && c.Registration.Check == nil:
		return errors.New("provider: Config.Registration.Check is missing; initial access tokens are nothing without it")
	case c.Tokens.Code <= 0, c.Tokens.Access <= 0, c.Tokens.ID <= 0, c.Tokens.Refresh <= 0:
		return errors.New("provider: Config.Tokens: every lifetime must be longer than 0")
	case c.AuditRetention != 0 && c.AuditRetention < 24*time.Hour:
		return errors.New("provider: Config.AuditRetention: the trail is kept for at least a day; 0 keeps it for ever")
	}
	return nil
}

// derive makes a key for one purpose out of a secret.
func derive(secret [32]byte, purpose string) ([32]byte, error) {
	key, err := hkdf.Key(sha256.New, secret[:], nil, purpose, 32)
	if err != nil {
		return [32]byte{}, fmt.Errorf("provider: deriving a key: %w", err)
	}
	return [32]byte(key), nil
}
