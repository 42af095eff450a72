package protocol

import (
	"slices"

	"github.com/zitadel/oidc/v3/pkg/oidc"

	"github.com/exeunt-id/exeunt/provider/identity"
)

// scopeClaims says which claims a scope asks for (OpenID Connect Core 1.0, 5.4).
var scopeClaims = map[string][]string{
	oidc.ScopeProfile: {
		"name", "family_name", "given_name", "middle_name", "nickname", "preferred_username", "profile", "picture", "website", "gender",
		"birthdate", "zoneinfo", "locale", "updated_at",
	},
	oidc.ScopeEmail:   {"email", "email_verified"},
	oidc.ScopeAddress: {"address"},
	oidc.ScopePhone:   {"phone_number", "phone_number_verified"},
}

// supportedClaims lists every claim that the provider may give, for the metadata.
func supportedClaims() []string {
	claims := []string{"sub", "iss", "aud", "exp", "iat", "auth_time", "nonce", "acr", "azp", "at_hash", "sid"}
	for _, scope := range supportedScopes {
		claims = append(claims, scopeClaims[scope]...)
	}
	return claims
}

// claimsFor returns what the scopes allow to say about a person. Claims without a value are left out, never empty or null
// (Core 5.3.2).
func claimsFor(user identity.User, scopes []string) map[string]any {
	claims := map[string]any{"sub": user.ID}
	for scope, names := range scopeClaims {
		if !slices.Contains(scopes, scope) {
			continue
		}
		for _, name := range names {
			if value := filled(claim(user, name)); value != nil {
				claims[name] = value
			}
		}
	}
	return claims
}

// claim returns the value of one claim. The account itself knows some; what the operator configured goes first, except for the e-mail
// address, which is a field of its own. Without an address or a number there is nothing that could be verified.
func claim(user identity.User, name string) any {
	value := user.Claims[name]
	switch {
	case name == "email" && user.Email != "":
		return user.Email
	case name == "email_verified" && filled(claim(user, "email")) == nil, name == "phone_number_verified" && filled(claim(user, "phone_number")) == nil:
		return nil
	case name == "preferred_username" && filled(value) == nil:
		return user.Username
	case name == "updated_at" && filled(value) == nil && !user.UpdatedAt.IsZero():
		return user.UpdatedAt.Unix()
	}
	return value
}

// filled returns the value without its empty parts; nil when nothing is left.
func filled(value any) any {
	switch v := value.(type) {
	case string:
		if v == "" {
			return nil
		}
	case map[string]any:
		members := make(map[string]any, len(v))
		for name, member := range v {
			if member = filled(member); member != nil {
				members[name] = member
			}
		}
		if len(members) == 0 {
			return nil
		}
		return members
	}
	return value
}
