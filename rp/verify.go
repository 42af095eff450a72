package rp

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// BackchannelEvent is the member of a logout token's events claim that says
// "this is a logout" (OpenID Connect Back-Channel Logout 1.0, section 2.4).
const BackchannelEvent = "http://schemas.openid.net/event/backchannel-logout"

// maxTokenBytes is far above any real logout token (under 2 KiB) and far below
// what would cost something to parse.
const maxTokenBytes = 16 << 10

// LogoutToken is what a verified logout token says.
type LogoutToken struct {
	// Issuer is the provider that signed the token, as configured.
	Issuer string
	// Subject is the user at this relying party. Empty if the token names only a session.
	Subject string
	// SID is the session at this relying party: the sid of its ID tokens. Empty
	// if the token means every session of Subject.
	SID string
	// JTI is unique for each token of the issuer.
	JTI string
	// Audience holds the client ids that the token is meant for; ours is among them.
	Audience []string
	// IssuedAt and ExpiresAt are in UTC, precise to the second.
	IssuedAt, ExpiresAt time.Time
}

// VerifierConfig says whose logout tokens are accepted, for whom.
type VerifierConfig struct {
	// Issuer is the provider, exactly as its ID tokens name it. Required.
	Issuer string
	// ClientID is this relying party at the provider. Required.
	ClientID string
	// Algorithms are the signature algorithms that are accepted: the client's
	// id_token_signed_response_alg. Only asymmetric ones are possible.
	// Defaults to RS256 alone.
	Algorithms []string
	// JWKSURI is where the provider publishes its keys. Defaults to the jwks_uri
	// of the provider's discovery document, read when the first token arrives.
	JWKSURI string
	// HTTPClient fetches discovery and keys. Defaults to one that gives up after
	// ten seconds and follows no redirects.
	HTTPClient *http.Client
	// Now is the clock. Defaults to time.Now.
	Now func() time.Time
	// Skew is by how much the provider's clock may differ from ours. Defaults to one minute.
	Skew time.Duration
	// MaxAge is the age from which a token is refused even if it has not
	// expired; it bounds how long replays must be remembered. Defaults to ten minutes.
	MaxAge time.Duration
	// RefetchInterval is the least time between two fetches of the keys for
	// tokens that name an unknown key. Defaults to ten seconds.
	RefetchInterval time.Duration
}

// LogoutTokenVerifier checks logout tokens of one provider for one client. It
// is safe for concurrent use.
type LogoutTokenVerifier struct {
	issuer, clientID string
	algorithms       []jose.SignatureAlgorithm
	keys             *keySet
	now              func() time.Time
	skew, maxAge     time.Duration
}

// asymmetric lists what may sign a logout token. "none" is forbidden by
// Back-Channel Logout 1.0, section 2.6; HS* would let everybody who knows the
// client secret log its users out.
var asymmetric = []jose.SignatureAlgorithm{
	jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512,
	jose.ES256, jose.ES384, jose.ES512, jose.EdDSA,
}

// NewLogoutTokenVerifier returns a verifier for the tokens that cfg describes.
// It talks to nobody: discovery and keys are fetched when the first token
// arrives, so that provider and relying party may start in any order.
//
// The error names the field of cfg that is missing or wrong.
func NewLogoutTokenVerifier(cfg VerifierConfig) (*LogoutTokenVerifier, error) {
	if err := checkURL("VerifierConfig.Issuer", cfg.Issuer); err != nil {
		return nil, err
	}
	if cfg.ClientID == "" {
		return nil, errors.New("rp: VerifierConfig.ClientID is empty: set the client id that the provider gave this application")
	}
	if cfg.JWKSURI != "" {
		if err := checkURL("VerifierConfig.JWKSURI", cfg.JWKSURI); err != nil {
			return nil, err
		}
	}
	if cfg.Skew < 0 || cfg.MaxAge < 0 || cfg.RefetchInterval < 0 {
		return nil, errors.New("rp: VerifierConfig.Skew, MaxAge and RefetchInterval must not be negative")
	}
	v := &LogoutTokenVerifier{
		issuer:   cfg.Issuer,
		clientID: cfg.ClientID,
		now:      cfg.Now,
		skew:     orDefault(cfg.Skew, time.Minute),
		maxAge:   orDefault(cfg.MaxAge, 10*time.Minute),
	}
	if len(cfg.Algorithms) == 0 {
		v.algorithms = []jose.SignatureAlgorithm{jose.RS256}
	}
	for _, name := range cfg.Algorithms {
		alg := jose.SignatureAlgorithm(name)
		if !slices.Contains(asymmetric, alg) {
			return nil, fmt.Errorf("rp: VerifierConfig.Algorithms contains %q: use some of %v", name, asymmetric)
		}
		v.algorithms = append(v.algorithms, alg)
	}
	if v.now == nil {
		v.now = time.Now
	}
	v.keys = newKeySet(cfg.Issuer, cfg.JWKSURI, clientOr(cfg.HTTPClient), v.now, orDefault(cfg.RefetchInterval, 10*time.Second))
	return v, nil
}

// Verify checks raw as a logout token (Back-Channel Logout 1.0, sections 2.4
// and 2.6) and returns what it says. Whether the token is a replay is not known
// here: [BackchannelLogout] asks its [ReplayStore].
//
// The error is a [*TokenError], which says which check refused the token, or a
// [*TemporaryError] if the provider's keys could not be fetched, in which case
// nothing is known about the token.
func (v *LogoutTokenVerifier) Verify(ctx context.Context, raw string) (*LogoutToken, error) {
	// 1-6. Size, form, algorithm, typ, crit, key and signature: see open. typ is
	// logout+jwt if the provider types its tokens; older ones send none (2.4; 2.6 steps 2 and 3).
	claims, err := v.open(ctx, raw, "logout+jwt", "")
	if err != nil {
		return nil, err
	}
	token := &LogoutToken{}

	// 7. iss: the provider itself (2.6 step 4).
	if iss, ok := claims.text("iss"); !ok || iss != v.issuer {
		return nil, refuse(CheckIss, "iss is not %s", shown(v.issuer))
	}
	token.Issuer = v.issuer

	// 8. aud: contains this client (2.6 step 4).
	token.Audience = claims.texts("aud")
	if !slices.Contains(token.Audience, v.clientID) {
		return nil, refuse(CheckAud, "aud does not contain %s", shown(v.clientID))
	}

	// 9. iat: not from the future, and not too old (2.6 step 4).
	now, ok := v.now().UTC(), false
	if token.IssuedAt, ok = claims.time("iat"); !ok {
		return nil, refuse(CheckIat, "iat is missing or not a number of seconds")
	}
	if token.IssuedAt.After(now.Add(v.skew)) {
		return nil, refuse(CheckIat, "iat is in the future: compare the clocks of provider and application")
	}
	if now.After(token.IssuedAt.Add(v.maxAge + v.skew)) {
		return nil, refuse(CheckIat, "the token was issued more than %s ago", v.maxAge)
	}

	// 10. exp: required, and not passed (2.4; 2.6 step 4).
	if token.ExpiresAt, ok = claims.time("exp"); !ok {
		return nil, refuse(CheckExp, "exp is missing or not a number of seconds")
	}
	if !now.Before(token.ExpiresAt.Add(v.skew)) {
		return nil, refuse(CheckExp, "the token has expired")
	}

	// 11. jti: present, since replays are recognised by it (2.4).
	if token.JTI, ok = claims.text("jti"); !ok || token.JTI == "" {
		return nil, refuse(CheckJti, "jti is missing or not a string")
	}

	// 12. events: an object with the logout event, whose value is an object (2.6 step 6).
	if !claims.hasEvent(BackchannelEvent) {
		return nil, refuse(CheckEvents, "events has no member %s with a JSON object", BackchannelEvent)
	}

	// 13. sub, sid: at least one (2.6 step 5), and strings.
	if token.Subject, ok = claims.text("sub"); claims.has("sub") && (!ok || token.Subject == "") {
		return nil, refuse(CheckSubject, "sub is empty or not a string")
	}
	if token.SID, ok = claims.text("sid"); claims.has("sid") && (!ok || token.SID == "") {
		return nil, refuse(CheckSubject, "sid is empty or not a string")
	}
	if token.Subject == "" && token.SID == "" {
		return nil, refuse(CheckSubject, "the token has neither sub nor sid")
	}

	// 14. nonce: absent, so that no ID token can pass for a logout token (2.6 step 7).
	if claims.has("nonce") {
		return nil, refuse(CheckNonce, "the token has a nonce, as only ID tokens do")
	}
	return token, nil // claims that are not named above are ignored (2.4)
}

// acceptedUntil returns the time from which Verify refuses token whatever
// happens, and its jti need not be remembered any longer.
func (v *LogoutTokenVerifier) acceptedUntil(token *LogoutToken) time.Time {
	until := token.IssuedAt.Add(v.maxAge)
	if token.ExpiresAt.Before(until) {
		until = token.ExpiresAt
	}
	return until.Add(v.skew)
}

// checkURL returns an error that names field unless value is an absolute http or https URL.
func checkURL(field, value string) error {
	u, err := url.Parse(value)
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" || u.Fragment != "" {
		return fmt.Errorf("rp: %s is %q: set an absolute https URL without a fragment", field, value)
	}
	return nil
}

func orDefault(value, fallback time.Duration) time.Duration {
	if value == 0 {
		return fallback
	}
	return value
}
