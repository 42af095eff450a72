package config

import "time"

// Config is the whole configuration. The yaml tags are the keys, the doc tags the text that [Reference] returns. Start from [Default]: a
// zero duration is not "the default", it turns the thing off.
type Config struct {
	Issuer            string        `yaml:"issuer" doc:"The provider's public URL: scheme, host, optional port and optional path, without a trailing slash. https, or http on a loopback host for development."`
	Listen            string        `yaml:"listen" doc:"Address and port to serve on."`
	AdminListen       string        `yaml:"admin_listen" doc:"Address and port of metrics, admin API and console; empty for none."`
	TLS               TLS           `yaml:"tls"`
	TrustedProxies    []string      `yaml:"trusted_proxies" doc:"Addresses or networks of the reverse proxies whose X-Forwarded-For is believed."`
	Database          SecretURL     `yaml:"database" doc:"sqlite:path for the embedded database, or a postgres:// URL."`
	Secrets           []Secret      `yaml:"secrets" doc:"Keys that encrypt private signing keys at rest: base64 of 32 bytes each, newest first. Required unless the issuer is loopback."`
	SigningAlgorithms []string      `yaml:"signing_algorithms" doc:"Algorithms to keep signing keys for: RS256 (required by OpenID Connect Core 15.1), ES256, EdDSA."`
	Tokens            Tokens        `yaml:"tokens"`
	Keys              Keys          `yaml:"keys"`
	Sessions          Sessions      `yaml:"sessions"`
	Login             Login         `yaml:"login"`
	Devices           Devices       `yaml:"devices"`
	Passwords         Passwords     `yaml:"passwords"`
	Logout            Logout        `yaml:"logout"`
	Outgoing          Outgoing      `yaml:"outgoing"`
	Registration      Registration  `yaml:"registration"`
	SMTP              SMTP          `yaml:"smtp"`
	Retention         time.Duration `yaml:"retention" doc:"How long ended sessions, logouts and deliveries are kept; 0 keeps them for ever."`
	AuditRetention    time.Duration `yaml:"audit_retention" doc:"How long the audit trail is kept at least, 24h or more; 0 keeps it for ever."`
	Traces            Traces        `yaml:"traces"`
	Log               Log           `yaml:"log"`
	Users             []User        `yaml:"users" doc:"People who can log in, created or updated at start. File only."`
	Clients           []Client      `yaml:"clients" doc:"Relying parties, created or updated at start. File only."`
}

// TLS is the server's own certificate.
type TLS struct {
	CertFile string `yaml:"cert_file" doc:"PEM file of the certificate chain."`
	KeyFile  string `yaml:"key_file" doc:"PEM file of the certificate's private key."`
}

// Tokens holds the lifetimes of what the provider issues.
type Tokens struct {
	Code    time.Duration `yaml:"code" doc:"Lifetime of an authorization code, at most 10m (RFC 6749, 4.1.2)."`
	Access  time.Duration `yaml:"access" doc:"Lifetime of an access token."`
	ID      time.Duration `yaml:"id" doc:"Lifetime of an ID token."`
	Refresh time.Duration `yaml:"refresh" doc:"Lifetime of a refresh token that is not used."`
}

// Keys is the rotation of signing keys.
type Keys struct {
	RotateEvery time.Duration `yaml:"rotate_every" doc:"How long a signing key signs; 0 never rotates."`
	KeepRetired time.Duration `yaml:"keep_retired" doc:"How long a retired key still verifies, for expired ID token hints; 0 keeps it for ever."`
}

// Sessions holds the lifetimes of a session at the provider.
type Sessions struct {
	Idle     time.Duration `yaml:"idle" doc:"A session without activity ends after this; 0 turns it off."`
	Absolute time.Duration `yaml:"absolute" doc:"A session ends after this in any case; 0 turns it off."`
}

// Login is the throttling of failed logins.
type Login struct {
	MaxFailures           int           `yaml:"max_failures" doc:"Failed logins of one account within the window before it must wait; 0 turns it off."`
	Window                time.Duration `yaml:"window" doc:"The window in which failures are counted; 0 turns throttling off."`
	MaxFailuresPerAddress int           `yaml:"max_failures_per_address" doc:"Failed logins from one network address within the window; 0 turns it off."`
}

// Passwords holds the cost of argon2id (RFC 9106) for new password hashes.
type Passwords struct {
	Memory      Size `yaml:"memory" doc:"Memory of one argon2id hash, in whole KiB."`
	Iterations  int  `yaml:"iterations" doc:"Passes of argon2id over the memory."`
	Parallelism int  `yaml:"parallelism" doc:"Lanes of argon2id."`
}

// The values of Logout.Fanout.
const (
	FanoutParticipating = "participating" // the clients that took part in the session
	FanoutAll           = "all"           // in addition, clients where the user was before
)

// Logout is how relying parties are told.
type Logout struct {
	Wait           time.Duration `yaml:"wait" doc:"How long a logout waits for relying parties to confirm before the user goes on; 0 turns it off."`
	Fanout         string        `yaml:"fanout" doc:"Who is told: participating, the clients that took part in the session."`
	AttemptTimeout time.Duration `yaml:"attempt_timeout" doc:"Limit of one delivery attempt."`
	RetryFor       time.Duration `yaml:"retry_for" doc:"How long a delivery is retried before it is given up; 0 turns retries off."`
	Workers        int           `yaml:"workers" doc:"First delivery attempts that run at the same time on one node."`
}

// Outgoing is how the provider reaches relying parties.
type Outgoing struct {
	AllowPrivateNetworks bool      `yaml:"allow_private_networks" doc:"Lets requests to relying parties reach private and loopback addresses, for all clients."`
	CAFile               string    `yaml:"ca_file" doc:"PEM file of certificate authorities that are trusted in addition to the system's."`
	Proxy                SecretURL `yaml:"proxy" doc:"http, https or socks5 URL of a proxy for requests to relying parties. HTTP_PROXY is not read."`
}

// Registration is dynamic client registration.
type Registration struct {
	InitialAccessTokens []Secret `yaml:"initial_access_tokens" doc:"Bearer tokens that let their holder register clients at /register (RFC 7591), each random and at least 32 characters long. Without any, nobody can."`
}

// The values of SMTP.TLS.
const (
	SMTPStartTLS = "starttls"
	SMTPImplicit = "implicit"
	SMTPNone     = "none"
)

// SMTP is the server that sends the provider's e-mail.
type SMTP struct {
	Address  string `yaml:"address" doc:"Host and port of the mail server. With it, the contacts of a client are written to when it cannot be told of logouts."`
	From     string `yaml:"from" doc:"Sender address, such as exeunt@id.example.com or Exeunt <exeunt@id.example.com>."`
	Username string `yaml:"username" doc:"Username at the mail server."`
	Password Secret `yaml:"password" doc:"Password at the mail server."`
	TLS      string `yaml:"tls" doc:"starttls, implicit (usually port 465), or none: in clear, and not with a password unless the server is on this machine."`
	Operator string `yaml:"operator" doc:"Address that is written to about all clients, beside their own contacts."`
}

// Traces is where traces of requests and logouts go.
type Traces struct {
	Endpoint  string  `yaml:"endpoint" doc:"URL of an OpenTelemetry collector that takes OTLP over HTTP, such as http://127.0.0.1:4318; without a path, /v1/traces is meant. Empty: there are no traces."`
	Sample    float64 `yaml:"sample" doc:"The part of traces that is kept, from 0 to 1. What a proxy among trusted_proxies says about its own comes first."`
	Propagate bool    `yaml:"propagate" doc:"Lets messages to relying parties carry the header traceparent, which names the trace and nothing else."`
}

// Log is what is written to standard error.
type Log struct {
	Level  string `yaml:"level" doc:"debug, info, warn or error."`
	Format string `yaml:"format" doc:"json or text."`
}
