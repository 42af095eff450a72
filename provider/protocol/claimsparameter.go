package protocol

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/zitadel/oidc/v3/pkg/oidc"

	"github.com/exeunt-id/exeunt/provider/identity"
)

// claimsParameter reads the claims parameter (OpenID Connect Core 1.0, 5.5) and keeps what can matter: sub, and the standard claims of
// scopes that the client may ask for. Others are ignored like claims that the person does not have. It also returns the scopes that the
// kept claims belong to and that the request does not name itself: the person is asked about them all the same.
func (t target) claimsParameter(text string, scopes []string) (identity.ClaimsRequest, []string, *oidc.Error) {
	var none identity.ClaimsRequest
	if text == "" {
		return none, nil, nil
	}
	asked, err := identity.ParseClaims(text)
	if err != nil {
		return none, nil, invalidRequest("The parameter claims is malformed; see OpenID Connect Core 1.0, 5.5.").WithParent(err)
	}
	if acr := asked.IDToken["acr"]; acr.Essential && !acr.Wants(ACR) {
		// Core 5.5.1.1: an essential acr that cannot be reached is a failed authentication. To be asked for a password would not help.
		return none, nil, &oidc.Error{
			ErrorType: codeUnmetRequirements, Description: "None of the acr values that the request insists on can be reached here.",
		}
	}
	beyond := map[string]bool{}
	for _, member := range []map[string]identity.ClaimRequest{asked.Userinfo, asked.IDToken} {
		maps.DeleteFunc(member, func(name string, _ identity.ClaimRequest) bool {
			if name == "sub" {
				return false
			}
			scope := scopeOfClaim(name)
			if scope == "" || !t.Client.MayAsk(scope) {
				return true
			}
			beyond[scope] = beyond[scope] || !slices.Contains(scopes, scope)
			return false
		})
	}
	var more []string
	for _, scope := range supportedScopes {
		if beyond[scope] {
			more = append(more, scope)
		}
	}
	return asked, more, nil
}

// scopeOfClaim returns the scope that a standard claim belongs to, with or without a language tag (Core 5.2); "" for any other claim.
func scopeOfClaim(name string) string {
	base, _, _ := strings.Cut(name, "#")
	for scope, names := range scopeClaims {
		if slices.Contains(names, base) {
			return scope
		}
	}
	return ""
}

// addAsked adds the claims that were asked for by name, as far as the person has them with a value that was asked for.
func addAsked(claims map[string]any, user identity.User, asked map[string]identity.ClaimRequest) {
	for name, request := range asked {
		if scopeOfClaim(name) == "" {
			continue // sub, which is always there
		}
		if value := filled(claim(user, name)); value != nil && request.Wants(value) {
			claims[name] = value
		}
	}
}

// askedInIDToken returns the claims about the person that a grant's ID token carries, because the claims parameter asked for them there.
// Without such a request nobody is looked up.
func askedInIDToken(ctx context.Context, users userReader, g identity.Grant) (map[string]any, error) {
	if len(g.Claims.IDToken) == 0 {
		return nil, nil
	}
	user, err := users.User(ctx, g.Subject)
	if errors.Is(err, identity.ErrNoUser) {
		return nil, nil // deleted meanwhile: there is nothing to say
	}
	if err != nil {
		return nil, err
	}
	claims := map[string]any{}
	addAsked(claims, user, g.Claims.IDToken)
	return claims, nil
}
