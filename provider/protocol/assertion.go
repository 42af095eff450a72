package protocol

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/json"
	"github.com/zitadel/oidc/v3/pkg/oidc"
)

const (
	// assertionLife is how far ahead an assertion may expire: its jti is remembered for as long.
	assertionLife = 10 * time.Minute
	// assertionSkew is how much a client's clock may differ from ours.
	assertionSkew = 30 * time.Second
)

// assertionAlgorithms are those of client assertions. "none" is none, and the HMACs belong to client_secret_jwt.
var assertionAlgorithms = []jose.SignatureAlgorithm{jose.RS256, jose.ES256, jose.EdDSA}

// assertion is a client assertion that was read but not verified: until its signature is, it only says whose key to try.
type assertion struct {
	jws      *jose.JSONWebSignature
	alg      jose.SignatureAlgorithm
	kid      string // empty: the client has to have few keys
	clientID string
	jti      string
	expires  time.Time // by any clock within the skew
}

// assertionClaims are read by a parser that minds the case of names and refuses a name that is there twice, so that no two parsers
// disagree about what was signed. Times are NumericDate, which may have a fraction (RFC 7519, 2).
type assertionClaims struct {
	Issuer    string    `json:"iss"`
	Subject   string    `json:"sub"`
	Audience  audiences `json:"aud"`
	ID        string    `json:"jti"`
	ExpiresAt *float64  `json:"exp"`
	NotBefore *float64  `json:"nbf"`
	IssuedAt  *float64  `json:"iat"`
}

// audiences is a string or an array of them (RFC 7519, 4.1.3).
type audiences []string

// UnmarshalJSON implements json.Unmarshaler.
func (a *audiences) UnmarshalJSON(data []byte) error {
	var one string
	if err := json.Unmarshal(data, &one); err == nil {
		*a = audiences{one}
		return nil
	}
	return json.Unmarshal(data, (*[]string)(a))
}

// readAssertion checks everything of an assertion that can be checked without knowing the client (RFC 7523, 3; OpenID Connect Core 1.0, 9):
//
//  1. A compact JWS with one of our algorithms; typ, if there is one, does not make it another kind of JWT.
//  2. iss and sub are the same: the client_id.
//  3. aud is one of the accepted values, or a list of nothing else. An assertion that is meant for somebody else too could be passed
//     on by them.
//  4. exp is ahead, but not far; nbf and iat have come.
//  5. jti is there.
//
// Errors can be shown to whoever sent it.
func readAssertion(token string, accepted []string, now time.Time) (assertion, error) {
	jws, err := jose.ParseSignedCompact(token, assertionAlgorithms)
	if err != nil {
		return assertion{}, errors.New("it is not a compact JWS signed with RS256, ES256 or EdDSA")
	}
	header := jws.Signatures[0].Protected
	if typ, ok := header.ExtraHeaders[jose.HeaderType]; ok {
		s, _ := typ.(string)
		if !strings.EqualFold(s, "JWT") && !strings.EqualFold(s, "client-authentication+jwt") {
			return assertion{}, errors.New("its typ is neither JWT nor client-authentication+jwt")
		}
	}
	var claims assertionClaims
	if err := json.Unmarshal(jws.UnsafePayloadWithoutVerification(), &claims); err != nil {
		return assertion{}, errors.New("its claims are not a JSON object, or a claim has the wrong type or is there twice")
	}
	if err := claims.check(accepted, now); err != nil {
		return assertion{}, err
	}
	return assertion{
		jws: jws, alg: jose.SignatureAlgorithm(header.Algorithm), kid: header.KeyID, clientID: claims.Issuer, jti: claims.ID,
		expires: time.Unix(int64(*claims.ExpiresAt)+1, 0).Add(assertionSkew).UTC(),
	}, nil
}

func (c assertionClaims) check(accepted []string, now time.Time) error {
	at, skew := float64(now.UnixMicro())/1e6, assertionSkew.Seconds()
	foreign := func(aud string) bool { return !slices.Contains(accepted, aud) }
	switch {
	case c.Issuer == "", c.Issuer != c.Subject:
		return errors.New("its iss and sub are not both the client_id")
	case len(c.Audience) == 0, slices.ContainsFunc(c.Audience, foreign):
		return fmt.Errorf("its aud must be %s and nothing else", strings.Join(accepted, " or "))
	case c.ExpiresAt == nil:
		return errors.New("it has no exp")
	case *c.ExpiresAt <= at-skew:
		return errors.New("it has expired")
	case *c.ExpiresAt > at+assertionLife.Seconds()+skew:
		return fmt.Errorf("its exp is more than %d minutes ahead", int(assertionLife.Minutes()))
	case c.NotBefore != nil && *c.NotBefore > at+skew:
		return errors.New("its nbf is in the future")
	case c.IssuedAt != nil && (*c.IssuedAt > at+skew || *c.IssuedAt > *c.ExpiresAt):
		return errors.New("its iat is in the future, or after its exp")
	case c.ID == "":
		return errors.New("it has no jti")
	}
	return nil
}

// assertionRefused says what is wrong with an assertion before anybody has looked for the client: nobody learns which clients exist.
func assertionRefused(reason error) *oidc.Error {
	return oidc.ErrInvalidClient().WithDescription("The client_assertion is not valid: %s.", reason).
		WithParent(fmt.Errorf("client authentication: client_assertion: %w", reason))
}
