package identity

import (
	"context"
	"errors"
	"slices"
	"time"
)

// Authorization is one authorization request and, once it was granted, the authorization code that answers it: one row for both,
// so that a silent sign-on writes once.
type Authorization struct {
	ID          string
	ClientID    string
	BrowserHash []byte // SHA-256 of the cookie of the browser that asked: only it may go on
	Request     AuthorizationRequest
	CreatedAt   time.Time
	ExpiresAt   time.Time // of the request while no code exists, then of the code

	// Set when it is granted.
	SessionID string
	Subject   string
	AuthTime  time.Time // of the session at that moment
	CodeHash  []byte    // SHA-256 of the code

	// Set by what happened on the way.
	LoggedInAt  time.Time // the person proved who they are within this request (prompt=login, max_age)
	ConsentedAt time.Time // the person agreed within this request (prompt=consent)

	// Set when the code is exchanged.
	ConsumedAt time.Time
	GrantID    string
}

// AuthorizationRequest holds the parameters of OpenID Connect Core 3.1.2.1 after validation. It is stored as JSON.
type AuthorizationRequest struct {
	RedirectURI         string   `json:"redirect_uri"`
	ResponseType        string   `json:"response_type"`
	ResponseMode        string   `json:"response_mode,omitempty"`
	Scopes              []string `json:"scope"`
	State               string   `json:"state,omitempty"`
	Nonce               string   `json:"nonce,omitempty"`
	Prompt              []string `json:"prompt,omitempty"`
	MaxAge              *int     `json:"max_age,omitempty"` // seconds
	LoginHint           string   `json:"login_hint,omitempty"`
	UILocales           []string `json:"ui_locales,omitempty"`
	ACRValues           []string `json:"acr_values,omitempty"`
	HintSubject         string   `json:"hint_subject,omitempty"` // the verified id_token_hint's subject
	CodeChallenge       string   `json:"code_challenge,omitempty"`
	CodeChallengeMethod string   `json:"code_challenge_method,omitempty"`

	Claims      ClaimsRequest `json:"claims,omitzero"`
	ClaimScopes []string      `json:"claim_scopes,omitempty"` // whose claims Claims asks for beyond Scopes
}

// Consented returns the scopes that the person must agree to: those asked for, and those that claims asked for one by one belong to.
func (r AuthorizationRequest) Consented() []string {
	return append(slices.Clone(r.Scopes), r.ClaimScopes...)
}

// ErrNoAuthorization says that the authorization request or code is unknown, has expired or has been used.
var ErrNoAuthorization = errors.New("identity: no such authorization")

// Authorizations keeps authorization requests and codes. Methods join the transaction in ctx.
type Authorizations interface {
	// Create records a request, granted already when its CodeHash is set.
	Create(ctx context.Context, a Authorization) error

	// Find returns a request that is waiting for the person; ErrNoAuthorization when it is unknown, expired or granted.
	Find(ctx context.Context, id string, at time.Time) (Authorization, error)

	// Progress records LoggedInAt and ConsentedAt (zero: unchanged) of a waiting request.
	Progress(ctx context.Context, id string, loggedInAt, consentedAt time.Time) error

	// Grant turns a waiting request into a code, once: ErrNoAuthorization when it is no longer waiting. It writes SessionID,
	// Subject, AuthTime, CodeHash and ExpiresAt of a.
	Grant(ctx context.Context, a Authorization) error

	// Refuse ends a waiting request without a code, once.
	Refuse(ctx context.Context, id string) error

	// FindCode returns the authorization of a code, used or not; ErrNoAuthorization for an unknown one.
	FindCode(ctx context.Context, codeHash []byte) (Authorization, error)

	// Consume marks the code as exchanged for the grant. Of any number of concurrent calls for one code exactly one succeeds; the
	// others, and calls after the code's expiry, get ErrNoAuthorization.
	Consume(ctx context.Context, codeHash []byte, grantID string, at time.Time) error
}
