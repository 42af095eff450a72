package rp

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// open checks that raw is a JWS that the provider made, in one of the given
// types ("" stands for a missing typ), and returns its claims, of which nothing
// has been checked. Logout tokens and ID tokens begin the same way.
//
// The error is a *TokenError, or a *TemporaryError if the provider's keys could
// not be fetched.
func (v *LogoutTokenVerifier) open(ctx context.Context, raw string, types ...string) (claimSet, error) {
	// 1. Size: before anything is decoded.
	if len(raw) > maxTokenBytes {
		return nil, refuse(CheckSize, "the token has %d bytes, more than %d", len(raw), maxTokenBytes)
	}

	// 2. Form and algorithm: the compact serialization, which has exactly one
	// signature, made with an allowed alg, never none (RFC 7515, 7.1).
	jws, err := jose.ParseSignedCompact(raw, v.algorithms)
	if unexpected := (*jose.ErrUnexpectedSignatureAlgorithm)(nil); errors.As(err, &unexpected) {
		return nil, refuse(CheckAlg, "alg is '%s', expected one of %v", shown(string(unexpected.Got)), v.algorithms)
	}
	if err != nil {
		return nil, refuse(CheckForm, "the token is not a JWS in compact serialization with one signature")
	}
	header := jws.Signatures[0].Protected

	// 3. typ: explicit typing if the provider does it (RFC 8725, 3.11; RFC 7515,
	// 4.1.9 on case and the omitted "application/").
	if typ, ok := typeOf(header); !ok || !slices.Contains(types, typ) {
		return nil, refuse(CheckTyp, "typ is '%s', expected %s or none", shown(fmt.Sprint(header.ExtraHeaders[jose.HeaderType])), types[0])
	}

	// 4. crit: a header that must be understood, and no such is defined here (RFC 7515, 4.1.11).
	if _, present := header.ExtraHeaders["crit"]; present {
		return nil, refuse(CheckCrit, "crit names header parameters that these tokens do not use")
	}

	// 5. Key: by kid from the provider's published set, refetched once when the kid is unknown.
	keys, err := v.keys.find(ctx, header.KeyID, jose.SignatureAlgorithm(header.Algorithm))
	if err != nil {
		return nil, err
	}
	if len(keys) == 0 {
		return nil, refuse(CheckKey, "no single key of the provider fits kid '%s' and alg %s", shown(header.KeyID), header.Algorithm)
	}

	// 6. Signature (OpenID Connect Core 1.0, 3.1.3.7 step 6).
	payload, err := verifyAny(jws, keys)
	if err != nil {
		return nil, refuse(CheckSignature, "the signature does not verify with the key '%s'", shown(header.KeyID))
	}
	claims, err := parseClaims(payload)
	if err != nil {
		return nil, refuse(CheckClaims, "the payload is not one JSON object with distinct members")
	}
	return claims, nil
}

// typeOf returns the typ header, in lower case and without "application/"; ""
// if there is none. ok is false if it is no string, or an empty one.
func typeOf(header jose.Header) (typ string, ok bool) {
	value, present := header.ExtraHeaders[jose.HeaderType]
	if !present {
		return "", true
	}
	typ, _ = value.(string)
	return strings.TrimPrefix(strings.ToLower(typ), "application/"), typ != ""
}

// verifyAny returns the payload if one of keys made the signature. There are
// several only if a provider publishes one kid twice.
func verifyAny(jws *jose.JSONWebSignature, keys []jose.JSONWebKey) (payload []byte, err error) {
	for _, key := range keys {
		if payload, err = jws.Verify(key.Key); err == nil {
			return payload, nil
		}
	}
	return nil, err
}
