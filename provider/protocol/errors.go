package protocol

import (
	"net/http"

	"github.com/zitadel/oidc/v3/pkg/oidc"

	"github.com/exeunt-id/exeunt/provider/browser"
)

// Error codes that zitadel/oidc does not name.
const (
	codeInvalidToken            = "invalid_token"              // RFC 6750, 3.1
	codeInsufficientScope       = "insufficient_scope"         // RFC 6750, 3.1
	codeUnsupportedResponseType = "unsupported_response_type"  // RFC 6749, 4.1.2.1
	codeTemporarilyUnavailable  = "temporarily_unavailable"    // RFC 6749, 4.1.2.1
	codeRequestURINotSupported  = "request_uri_not_supported"  // Core 3.1.2.6
	codeRegistrationUnsupported = "registration_not_supported" // Core 3.1.2.6
	codeConsentRequired         = "consent_required"           // Core 3.1.2.6

	// Ours, for what Shared Signals Framework 1.0 gives only a status.
	codeNoStream      = "not_found"
	codeStreamTaken   = "stream_exists"
	codeTooSoon       = "too_many_requests"
	codeNoUserToken   = "unknown_user_token" // ours
	codeUserTokenGone = "used_user_token"    // ours: used or expired
	codeDeviceRefused = "device_refused"     // ours
	codeOriginRefused = "origin_not_allowed" // ours

	codeInsufficientAuthentication = "insufficient_user_authentication" // RFC 9470, 3

	// OpenID Connect Core Error Code unmet_authentication_requirements 1.0, 2
	codeUnmetRequirements = "unmet_authentication_requirements"
)

// Status returns the HTTP status of an error answer to an application (RFC 6749, 5.2; RFC 6750, 3.1).
func Status(e *oidc.Error) int {
	switch e.ErrorType {
	case oidc.InvalidClient, codeInvalidToken, codeInsufficientAuthentication:
		return http.StatusUnauthorized
	case codeInsufficientScope, codeDeviceRefused, codeOriginRefused:
		return http.StatusForbidden
	case codeNoStream:
		return http.StatusNotFound
	case codeStreamTaken:
		return http.StatusConflict
	case codeTooSoon:
		return http.StatusTooManyRequests
	case codeNoUserToken:
		return http.StatusNotFound
	case codeUserTokenGone:
		return http.StatusGone
	case codeTemporarilyUnavailable:
		return http.StatusServiceUnavailable
	case oidc.ServerError:
		return http.StatusInternalServerError
	default:
		return http.StatusBadRequest
	}
}

func invalidRequest(description string, args ...any) *oidc.Error {
	return oidc.ErrInvalidRequest().WithDescription(description, args...)
}

func invalidGrant(description string) *oidc.Error {
	return oidc.ErrInvalidGrant().WithDescription("%s", description)
}

// unavailable says that the store did not answer. An introspection must never turn that into "not active" (RFC 7662, 2.2).
func unavailable(err error) *oidc.Error {
	return (&oidc.Error{
		ErrorType:   codeTemporarilyUnavailable,
		Description: "The provider cannot answer that at the moment. Try again.",
	}).WithParent(err)
}

// signInRefused is the page for an authorization request that must not be answered by a redirect, because nobody knows whether the
// address is the client's (RFC 6749, 4.1.2.1).
func signInRefused(message string, err error) *browser.Error {
	return &browser.Error{
		Status:  http.StatusBadRequest,
		Title:   "This sign-in request is not valid",
		Message: message,
		Hint:    "Go back to the application and try again. If it happens again, tell its makers what this page says.",
		Err:     err,
	}
}

// signOutRefused is the page for a logout request that ends nothing.
func signOutRefused(message string, err error) *browser.Error {
	return &browser.Error{
		Status:  http.StatusBadRequest,
		Title:   "This sign-out request is not valid",
		Message: message,
		Outcome: "Nothing was ended: you are as signed in as before.",
		Hint:    "Go back to the application and try again. If it happens again, tell its makers what this page says.",
		Err:     err,
	}
}

// signOutRepeats is the page for a logout request that has a parameter more than once.
func signOutRepeats(parameter string) *browser.Error {
	e := signOutRefused("It says more than once: {parameter}.", nil)
	e.Args = []any{"parameter", parameter}
	return e
}
