package config

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/json"
	"fmt"

	"github.com/go-jose/go-jose/v4"
)

// checkKeys applies OpenID Connect Dynamic Client Registration 1.0, 2, to what the client signs with.
func (c clientRules) checkKeys() {
	byKey, uri, set := c.TokenEndpointAuthMethod == AuthPrivateKeyJWT, c.JWKSURI != "", len(c.JWKS) > 0
	switch {
	case uri && set:
		c.add("jwks", "contradicts jwks_uri; remove one of the two keys")
	case byKey && !uri && !set:
		c.add("jwks_uri", "is missing, private_key_jwt needs it or jwks; write the URL of the client's public keys, or the keys themselves")
	}
	if alg := c.TokenEndpointAuthSigningAlg; alg != "" {
		c.oneOf("token_endpoint_auth_signing_alg", alg, RS256, ES256, EdDSA)
		if !byKey {
			c.add("token_endpoint_auth_signing_alg", "has no effect without token_endpoint_auth_method: private_key_jwt; remove the key or set that")
		}
	}
	if set {
		c.checkKeySet()
	}
}

// checkKeySet reads the keys as they will be read at the token endpoint. Nothing of a key is shown: it may be a private one by mistake.
func (c clientRules) checkKeySet() {
	keys, ok := c.JWKS["keys"].([]any)
	if !ok || len(keys) == 0 {
		c.add("jwks", "is not a JWK Set; write {keys: [...]} with at least one public key (RFC 7517, 5)")
		return
	}
	byKey := c.TokenEndpointAuthMethod == AuthPrivateKeyJWT
	useful, broken := false, false
	for i, member := range keys {
		path := fmt.Sprintf("jwks.keys[%d]", i)
		var key jose.JSONWebKey
		document, err := json.Marshal(member)
		if err == nil {
			err = json.Unmarshal(document, &key)
		}
		useful = useful || err == nil && fits(key, c.TokenEndpointAuthSigningAlg)
		if err != nil && c.registered {
			continue // a type of key that is not known here spoils no other (RFC 7517, 5)
		}
		switch broken = broken || err != nil || !key.IsPublic(); {
		case err != nil:
			c.add(path, "is not a key that can be read; write a public JWK of kty RSA, EC or OKP (RFC 7517, 4)")
		case !key.IsPublic():
			c.add(path, "is not a public key; keep the private one at the client, remove d, p, q, dp, dq, qi and k here, and make a new pair if it was shown to others")
		}
	}
	if byKey && !useful && !broken {
		alg := c.TokenEndpointAuthSigningAlg
		if alg == "" {
			alg = "RS256, ES256 or EdDSA"
		}
		c.add("jwks", "has no key for %s; add an RSA key of 2048 bits or more, an EC key on P-256, or an OKP key on Ed25519", alg)
	}
}

// fits reports whether a key verifies signatures made with alg, or with any algorithm for an empty one (RFC 7518, 3.1).
func fits(key jose.JSONWebKey, alg string) bool {
	is := func(name string) bool {
		return (alg == "" || alg == name) && (key.Algorithm == "" || key.Algorithm == name)
	}
	if key.Use != "" && key.Use != "sig" {
		return false
	}
	switch public := key.Key.(type) {
	case *rsa.PublicKey:
		return is(RS256) && public.N.BitLen() >= 2048
	case *ecdsa.PublicKey:
		return is(ES256) && public.Curve == elliptic.P256()
	case ed25519.PublicKey:
		return is(EdDSA)
	}
	return false
}
