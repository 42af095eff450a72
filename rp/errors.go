package rp

import (
	"cmp"
	"fmt"
	"strings"
)

// Check names one check on a logout token or an ID token.
type Check string

// The checks, in the order in which they are made.
const (
	CheckRequest   Check = "request"   // (at the endpoint) a form with one logout_token
	CheckSize      Check = "size"      // not longer than 16 KiB
	CheckAlg       Check = "alg"       // among the configured algorithms
	CheckForm      Check = "form"      // a compact JWS with one signature
	CheckTyp       Check = "typ"       // absent or that of the token expected
	CheckCrit      Check = "crit"      // no critical header parameters
	CheckKey       Check = "kid"       // a key of the provider
	CheckSignature Check = "signature" // made with that key
	CheckClaims    Check = "claims"    // a JSON object
	CheckIss       Check = "iss"       // the provider
	CheckAud       Check = "aud"       // contains the client
	CheckIat       Check = "iat"       // neither in the future nor too old
	CheckExp       Check = "exp"       // present and not passed
	CheckJti       Check = "jti"       // present, and (at the endpoint) not received before
	CheckEvents    Check = "events"    // contains the logout event
	CheckSubject   Check = "sub_sid"   // sub or sid present
	CheckNonce     Check = "nonce"     // absent; in an ID token, that of the request
)

// The checks that only ID tokens undergo.
const (
	CheckAzp      Check = "azp"       // the client, where there are several audiences
	CheckAuthTime Check = "auth_time" // recent enough, where max_age was asked for
	CheckAtHash   Check = "at_hash"   // absent or that of the access token
)

// TokenError says that a logout token, or an ID token, is refused for good:
// sending the same token again cannot succeed. The endpoint answers it with 400.
type TokenError struct {
	// Check is the check that the token did not pass.
	Check Check
	// Reason says what is wrong, for the people who run the provider. It
	// contains no secret and only characters that RFC 6749, section 5.2, allows
	// in an error_description.
	Reason string

	kind string // what was refused; a logout token, unless it says otherwise
}

// Error returns the check and the reason.
func (e *TokenError) Error() string {
	return "rp: " + cmp.Or(e.kind, "logout token") + " refused by check " + string(e.Check) + ": " + e.Reason
}

// TemporaryError says that a token could not be judged now, although nothing is
// known to be wrong with it. The endpoint answers it with 503.
type TemporaryError struct {
	// Reason says what could not be done.
	Reason string
	// Err is the cause, if there is one.
	Err error
}

// Error returns the reason and the cause.
func (e *TemporaryError) Error() string {
	if e.Err == nil {
		return "rp: " + e.Reason
	}
	return "rp: " + e.Reason + ": " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *TemporaryError) Unwrap() error { return e.Err }

func refuse(check Check, format string, args ...any) *TokenError {
	return &TokenError{Check: check, Reason: fmt.Sprintf(format, args...)}
}

// shown makes a value of the token or of the configuration fit for an
// error_description: its allowed characters (RFC 6749, 5.2), at most 80 of them.
func shown(value string) string {
	if len(value) > 80 {
		value = value[:80] + "..."
	}
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r > 0x7e || r == '"' || r == '\\' {
			return '?'
		}
		return r
	}, value)
}
