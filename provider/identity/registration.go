package identity

import (
	"crypto/sha256"
	"crypto/subtle"
	"strings"
)

// Registration returns what a client may know and register of itself: the metadata of the specifications, without ours, which the operator
// sets.
func (c Client) Registration() Client {
	c.WebhookURI, c.WebhookSecrets, c.WebhookEvents, c.UserToken = "", nil, nil, false
	c.AccessTokenFormat, c.RedirectLogout, c.OnTokenReuse, c.Idle = "", "", "", ""
	c.AllowedOrigins = nil
	c.SkipConsent, c.AllowPrivateNetwork, c.HintLogout, c.DeviceLimit = false, false, false, 0
	return c
}

// ClientRecord is a client with where it came from.
type ClientRecord struct {
	Client
	Configured            bool   // the configuration file is its source: changes are made there
	RegistrationTokenHash []byte // SHA-256 of the token of a client that registered itself (RFC 7592, 3); empty for every other
}

// Registered reports whether the client registered itself (RFC 7591).
func (r ClientRecord) Registered() bool { return len(r.RegistrationTokenHash) > 0 }

// RegistrationTokenMatches compares a presented registration access token with the stored hash in constant time. No token matches a client
// that did not register itself.
func (r ClientRecord) RegistrationTokenMatches(token string) bool {
	sum := sha256.Sum256([]byte(token))
	return subtle.ConstantTimeCompare(sum[:], r.RegistrationTokenHash) == 1
}

// MetadataError says why a client cannot be registered as it asks.
type MetadataError struct{ Problems []MetadataProblem }

// MetadataProblem is what is wrong with one member of a client's metadata.
type MetadataProblem struct {
	Member  string // such as redirect_uris[1]; empty when it is about the whole
	Message string // the value, unless it may be a secret, and what to do
}

// Error returns all problems in one line.
func (e *MetadataError) Error() string {
	texts := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		if texts[i] = p.Message; p.Member != "" {
			texts[i] = p.Member + ": " + p.Message
		}
	}
	return strings.Join(texts, ". ")
}
