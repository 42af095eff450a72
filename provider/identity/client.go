package identity

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"
)

// ErrNoClient says that no client has that client_id.
var ErrNoClient = errors.New("identity: no such client")

// ErrIDTaken says that another client has that client_id.
var ErrIDTaken = errors.New("identity: the client_id is taken")

// Client is a relying party. The JSON names are those of OpenID Connect Dynamic Client Registration 1.0, RFC 7591 and the logout
// specifications; the ones at the end are ours.
type Client struct {
	ID         string   `json:"client_id"`
	SecretHash []byte   `json:"-"` // SHA-256 of the client secret; empty for a client without one
	Name       string   `json:"client_name,omitempty"`
	URI        string   `json:"client_uri,omitempty"`
	LogoURI    string   `json:"logo_uri,omitempty"`
	PolicyURI  string   `json:"policy_uri,omitempty"`
	TosURI     string   `json:"tos_uri,omitempty"`
	Contacts   []string `json:"contacts,omitempty"`

	ApplicationType         string   `json:"application_type"` // web or native
	TokenEndpointAuthMethod string   `json:"token_endpoint_auth_method"`
	GrantTypes              []string `json:"grant_types"`
	ResponseTypes           []string `json:"response_types"`
	Scope                   string   `json:"scope"` // space separated: what it may ask for
	RedirectURIs            []string `json:"redirect_uris"`
	PostLogoutRedirectURIs  []string `json:"post_logout_redirect_uris,omitempty"`
	IDTokenSigningAlg       string   `json:"id_token_signed_response_alg"`
	DefaultMaxAge           *int     `json:"default_max_age,omitempty"` // seconds
	RequireAuthTime         bool     `json:"require_auth_time,omitempty"`

	// Kept as information.
	DefaultACRValues []string `json:"default_acr_values,omitempty"`
	InitiateLoginURI string   `json:"initiate_login_uri,omitempty"`
	SoftwareID       string   `json:"software_id,omitempty"`
	SoftwareVersion  string   `json:"software_version,omitempty"`

	// The client's public keys, for private_key_jwt: one of the two.
	JWKS                        json.RawMessage `json:"jwks,omitempty"`
	JWKSURI                     string          `json:"jwks_uri,omitempty"`
	TokenEndpointAuthSigningAlg string          `json:"token_endpoint_auth_signing_alg,omitempty"` // empty: any that the provider accepts

	BackchannelLogoutURI              string `json:"backchannel_logout_uri,omitempty"`
	BackchannelLogoutSessionRequired  bool   `json:"backchannel_logout_session_required,omitempty"`
	FrontchannelLogoutURI             string `json:"frontchannel_logout_uri,omitempty"` // its origin is that of one of RedirectURIs
	FrontchannelLogoutSessionRequired bool   `json:"frontchannel_logout_session_required,omitempty"`

	WebhookURI     string   `json:"webhook_uri,omitempty"`
	WebhookSecrets []Secret `json:"-"`                        // newest first; kept encrypted
	WebhookEvents  []string `json:"webhook_events,omitempty"` // empty: all that concern it
	UserToken      bool     `json:"user_token,omitempty"`     // it gets one-time user tokens instead of subjects

	AccessTokenFormat   string   `json:"access_token_format,omitempty"` // opaque (default) or jwt
	SkipConsent         bool     `json:"skip_consent,omitempty"`
	AllowPrivateNetwork bool     `json:"allow_private_network,omitempty"` // its endpoints may be on private or loopback addresses
	AllowedOrigins      []string `json:"allowed_origins,omitempty"`       // of its pages that may use the SDK; empty: see Origins
	RedirectLogout      string   `json:"redirect_logout,omitempty"`       // immediate (default) or confirm
	HintLogout          bool     `json:"hint_logout,omitempty"`           // server-side end_session by hint alone
	Idle                string   `json:"idle,omitempty"`                  // none: sessions that it takes part in have no idle lifetime
	OnTokenReuse        string   `json:"on_token_reuse,omitempty"`        // revoke (default) or end_session
	DeviceLimit         int      `json:"device_limit,omitempty"`          // on how many devices one person may use it; 0: any number

	CreatedAt time.Time `json:"-"`
	UpdatedAt time.Time `json:"-"`
}

// The client authentication methods of OpenID Connect Core 9 that the provider accepts.
const (
	AuthBasic         = "client_secret_basic"
	AuthPost          = "client_secret_post"
	AuthPrivateKeyJWT = "private_key_jwt"
	AuthNone          = "none"
)

// The grant types that the provider knows.
const (
	GrantAuthorizationCode = "authorization_code"
	GrantRefreshToken      = "refresh_token"
	GrantClientCredentials = "client_credentials"
)

// IdleNone is the value of Client.Idle, and ReuseEndsSession one of Client.OnTokenReuse.
const (
	IdleNone         = "none"
	ReuseEndsSession = "end_session"
)

// ScopeAdmin is the scope of the admin API. A client has it by the operator's will alone, never by registering itself.
const ScopeAdmin = "exeunt.admin"

// The scopes of what an app may do with its user's devices. Attaching what it knows to the one that the user is on needs none.
const (
	ScopeDevicesRead   = "devices.read"
	ScopeDevicesDetach = "devices.detach"
)

// AccessTokenJWT is the access token format of RFC 9068.
const AccessTokenJWT = "jwt"

// Public reports whether the client cannot keep a secret (RFC 6749, 2.1).
func (c Client) Public() bool { return c.TokenEndpointAuthMethod == AuthNone }

// Allows reports whether the client registered the grant type.
func (c Client) Allows(grantType string) bool { return slices.Contains(c.GrantTypes, grantType) }

// MayAsk reports whether the client may ask for the scope.
func (c Client) MayAsk(scope string) bool { return slices.Contains(strings.Fields(c.Scope), scope) }

// RedirectRegistered reports whether uri is one of the client's redirect URIs: exact string comparison (RFC 9700, 2.1), except
// that the port of a native client's loopback URI is free (RFC 8252, 7.3).
func (c Client) RedirectRegistered(uri string) bool {
	if slices.Contains(c.RedirectURIs, uri) {
		return true
	}
	return c.ApplicationType == "native" && slices.ContainsFunc(c.RedirectURIs, func(reg string) bool { return sameLoopback(reg, uri) })
}

// PostLogoutRegistered reports whether uri is one of the client's post-logout redirect URIs, by exact comparison.
func (c Client) PostLogoutRegistered(uri string) bool {
	return slices.Contains(c.PostLogoutRedirectURIs, uri)
}

// SecretMatches compares a presented secret with the stored hash in constant time. Secrets are random and long, so one round of
// SHA-256 is enough; it runs at every token call.
func (c Client) SecretMatches(secret string) bool {
	sum := sha256.Sum256([]byte(secret))
	return len(c.SecretHash) == len(sum) && subtle.ConstantTimeCompare(sum[:], c.SecretHash) == 1
}

// Clients finds relying parties. A node that did not make a change hears of it at once, or, while it cannot
// hear the others, answers by what it knew for up to 30 seconds.
type Clients interface {
	// Client returns a client; ErrNoClient when there is none.
	Client(ctx context.Context, id string) (Client, error)
}
