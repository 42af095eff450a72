package config

import "slices"

// Client is a relying party of the configuration file. The keys are the names of OpenID Connect Dynamic Client Registration 1.0,
// RFC 7591 and the logout specifications; the ones at the end are ours. A field that is left empty has its default after
// [Config.Validate].
type Client struct {
	ClientID                string   `yaml:"client_id" doc:"Identifier of the client."`
	ClientSecret            Secret   `yaml:"client_secret" doc:"Secret of a confidential client, random and at least 32 characters long."`
	ClientName              string   `yaml:"client_name" doc:"Name that people see."`
	ApplicationType         string   `yaml:"application_type" doc:"web or native."`
	TokenEndpointAuthMethod string   `yaml:"token_endpoint_auth_method" doc:"client_secret_basic, client_secret_post, private_key_jwt, or none for a public client."`
	GrantTypes              []string `yaml:"grant_types" doc:"authorization_code, refresh_token, client_credentials."`
	ResponseTypes           []string `yaml:"response_types" doc:"code."`
	Scope                   string   `yaml:"scope" doc:"Scopes that the client may ask for, separated by spaces. With client_credentials it gets those that are not about a person; ssf.manage makes it a receiver of shared signals."`

	RedirectURIs           []string `yaml:"redirect_uris" doc:"Where the browser may be sent after login; compared exactly."`
	PostLogoutRedirectURIs []string `yaml:"post_logout_redirect_uris" doc:"Where the browser may be sent after logout; compared exactly."`

	BackchannelLogoutURI              string `yaml:"backchannel_logout_uri" doc:"Where logout tokens are sent (Back-Channel Logout 1.0, 2.2)."`
	BackchannelLogoutSessionRequired  bool   `yaml:"backchannel_logout_session_required" doc:"The client needs the sid claim in logout tokens."`
	FrontchannelLogoutURI             string `yaml:"frontchannel_logout_uri" doc:"Page that is loaded in an iframe at logout (Front-Channel Logout 1.0, 2)."`
	FrontchannelLogoutSessionRequired bool   `yaml:"frontchannel_logout_session_required" doc:"The client needs iss and sid in that page's URL."`

	IDTokenSignedResponseAlg    string         `yaml:"id_token_signed_response_alg" doc:"Algorithm of ID tokens and logout tokens; one of signing_algorithms."`
	TokenEndpointAuthSigningAlg string         `yaml:"token_endpoint_auth_signing_alg" doc:"The only algorithm of the client's assertions for private_key_jwt: RS256, ES256 or EdDSA. Without it any of them."`
	JWKSURI                     string         `yaml:"jwks_uri" doc:"URL of the client's public keys, for private_key_jwt."`
	JWKS                        map[string]any `yaml:"jwks" doc:"The client's public keys themselves, a JWK Set (RFC 7517, 5); instead of jwks_uri."`

	SubjectType      string   `yaml:"subject_type" doc:"public: every client sees the same sub."`
	DefaultMaxAge    *int     `yaml:"default_max_age" doc:"max_age in seconds for requests without one."`
	RequireAuthTime  bool     `yaml:"require_auth_time" doc:"auth_time in ID tokens; it is always there."`
	DefaultACRValues []string `yaml:"default_acr_values" doc:"acr values for requests without any; kept as information."`
	InitiateLoginURI string   `yaml:"initiate_login_uri" doc:"https URL that starts a login at the client; kept as information."`

	ClientURI       string   `yaml:"client_uri" doc:"Home page of the client; kept as information."`
	LogoURI         string   `yaml:"logo_uri" doc:"Logo of the client; kept as information."`
	PolicyURI       string   `yaml:"policy_uri" doc:"Privacy policy of the client; kept as information."`
	TosURI          string   `yaml:"tos_uri" doc:"Terms of service of the client; kept as information."`
	Contacts        []string `yaml:"contacts" doc:"Ways to reach the people responsible. With smtp.address, the e-mail addresses among them, five at most, are written to when the client cannot be told of logouts."`
	SoftwareID      string   `yaml:"software_id" doc:"Identifier of the client's software; kept as information."`
	SoftwareVersion string   `yaml:"software_version" doc:"Version of the client's software; kept as information."`

	WebhookURI     string   `yaml:"webhook_uri" doc:"Where signed events are sent (Standard Webhooks)."`
	WebhookSecrets []Secret `yaml:"webhook_secrets" doc:"One secret that signs them, or two while one replaces the other, the newest first: whsec_ and the base64 of 24 to 64 bytes."`
	WebhookEvents  []string `yaml:"webhook_events" doc:"The types of events that the client wants. Without it all that concern it, except token.revoked, user.created and device.signal. Without webhook_uri it pulls them."`
	UserToken      bool     `yaml:"user_token" doc:"Events carry a one-time user token instead of the subject."`

	AccessTokenFormat   string   `yaml:"access_token_format" doc:"opaque, or jwt: access tokens that resource servers can verify by themselves (RFC 9068), until they expire."`
	SkipConsent         bool     `yaml:"skip_consent" doc:"People are not asked for consent."`
	AllowPrivateNetwork bool     `yaml:"allow_private_network" doc:"The client's logout endpoint, webhook, stream endpoint and jwks_uri may be on a private or loopback address."`
	AllowedOrigins      []string `yaml:"allowed_origins" doc:"Origins of the pages that may use the SDK, such as https://app.example.com. Without it those of redirect_uris, https only unless the issuer is a loopback address."`
	RedirectLogout      string   `yaml:"redirect_logout" doc:"/logout ends the session at once (immediate) or asks the person first (confirm)."`
	HintLogout          bool     `yaml:"hint_logout" doc:"The client's server may end a session at the end_session endpoint by ID token hint alone, without a browser."`
	Idle                string   `yaml:"idle" doc:"none: sessions that the client takes part in do not end by sessions.idle, for native apps that are seldom opened. Empty: they do."`
	OnTokenReuse        string   `yaml:"on_token_reuse" doc:"When a code or refresh token of the client is used twice: revoke, its tokens die and it leaves the session; or end_session, the whole session ends."`
	DeviceLimit         int      `yaml:"device_limit" doc:"On how many devices one person may use this client at once, whatever else they use there; 0 is any number. devices.policy says what happens to one more."`

	GlobalTokenRevocationDomains []string `yaml:"global_token_revocation_domains" doc:"The client, by private_key_jwt, may end everything of people with an e-mail address in these domains, at /global-token-revocation; * is everybody. File only."`
}

// The values of Client.ApplicationType (OpenID Connect Dynamic Client Registration 1.0, 2).
const (
	ApplicationWeb    = "web"
	ApplicationNative = "native"
)

// The values of Client.TokenEndpointAuthMethod (OpenID Connect Core 1.0, 9).
const (
	AuthBasic         = "client_secret_basic"
	AuthPost          = "client_secret_post"
	AuthPrivateKeyJWT = "private_key_jwt"
	AuthNone          = "none"
)

// The values of Client.GrantTypes.
const (
	GrantAuthorizationCode = "authorization_code"
	GrantRefreshToken      = "refresh_token"
	GrantClientCredentials = "client_credentials"
)

// The values of Client.RedirectLogout.
const (
	RedirectLogoutImmediate = "immediate"
	RedirectLogoutConfirm   = "confirm"
)

// IdleNone is the one value of Client.Idle.
const IdleNone = "none"

// The values of Client.OnTokenReuse.
const (
	OnTokenReuseRevoke     = "revoke"
	OnTokenReuseEndSession = "end_session"
)

// The values of Client.AccessTokenFormat.
const (
	AccessTokenOpaque = "opaque"
	AccessTokenJWT    = "jwt" // RFC 9068
)

// complete sets the defaults of OpenID Connect Dynamic Client Registration 1.0, 2, and ours, where the client says nothing.
func (c *Client) complete() {
	d := defaultClient()
	text := func(field *string, value string) {
		if *field == "" {
			*field = value
		}
	}
	list := func(field *[]string, value []string) {
		if len(*field) == 0 {
			*field = slices.Clone(value)
		}
	}
	text(&c.ApplicationType, d.ApplicationType)
	text(&c.TokenEndpointAuthMethod, d.TokenEndpointAuthMethod)
	list(&c.GrantTypes, d.GrantTypes)
	list(&c.ResponseTypes, d.ResponseTypes)
	text(&c.Scope, d.Scope)
	text(&c.IDTokenSignedResponseAlg, d.IDTokenSignedResponseAlg)
	text(&c.SubjectType, d.SubjectType)
	text(&c.AccessTokenFormat, d.AccessTokenFormat)
	text(&c.RedirectLogout, d.RedirectLogout)
	text(&c.OnTokenReuse, d.OnTokenReuse)
}
