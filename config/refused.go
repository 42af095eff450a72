package config

import (
	"reflect"
	"strings"
)

// refusedMembers are members of client registration (OpenID Connect Dynamic Client Registration 1.0, 2 and 3.2; RFC 7591, 2 and 3.2.1; the
// OAuth Dynamic Client Registration Metadata registry) that the provider would have to ignore. A client that asks for an encrypted ID token
// must not get a plain one, so they are refused.
var refusedMembers = map[string]string{
	"sector_identifier_uri":           "pairwise subjects are not supported",
	"request_uris":                    "request objects are not supported",
	"request_object_signing_alg":      "request objects are not supported",
	"request_object_encryption_alg":   "request objects are not supported",
	"request_object_encryption_enc":   "request objects are not supported",
	"id_token_encrypted_response_alg": "ID tokens are signed, not encrypted",
	"id_token_encrypted_response_enc": "ID tokens are signed, not encrypted",
	"userinfo_signed_response_alg":    "userinfo answers are plain JSON over TLS",
	"userinfo_encrypted_response_alg": "userinfo answers are plain JSON over TLS",
	"userinfo_encrypted_response_enc": "userinfo answers are plain JSON over TLS",

	"authorization_signed_response_alg":          "authorization responses are not signed",
	"introspection_signed_response_alg":          "introspection answers are plain JSON over TLS",
	"require_signed_request_object":              "request objects are not supported",
	"require_pushed_authorization_requests":      "pushed authorization requests are not supported",
	"dpop_bound_access_tokens":                   "access tokens are not bound to keys",
	"tls_client_certificate_bound_access_tokens": "access tokens are not bound to certificates",

	"software_statement":        "software statements are not read",
	"client_id_issued_at":       "the provider records this itself",
	"client_secret_expires_at":  "secrets do not expire; replace client_secret instead",
	"registration_access_token": "clients of the file are managed in the file",
	"registration_client_uri":   "clients of the file are managed in the file",
}

// refusedMember returns why the provider does not accept the registration member key, if it is one.
func refusedMember(t reflect.Type, key string) (reason string, refused bool) {
	if t != reflect.TypeFor[Client]() {
		return "", false
	}
	// client_name#ja: RFC 7591, 2.2
	if name, language, ok := strings.Cut(key, "#"); ok && language != "" {
		for _, f := range fieldsOf(t) {
			if f.name == name {
				return "members per language are not supported", true
			}
		}
	}
	reason, refused = refusedMembers[key]
	return reason, refused
}
