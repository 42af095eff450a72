package signing

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"sync"

	"github.com/go-jose/go-jose/v4"

	"github.com/exeunt-id/exeunt/provider/identity"
)

// rsaBits is the size of RS256 keys (RFC 7518, 3.3: at least 2048).
const rsaBits = 2048

// generate makes a key pair for an algorithm. Its id is the RFC 7638 thumbprint.
func generate(alg string) (crypto.Signer, jose.JSONWebKey, error) {
	var private crypto.Signer
	var err error
	switch jose.SignatureAlgorithm(alg) {
	case jose.RS256:
		private, err = rsa.GenerateKey(rand.Reader, rsaBits)
	case jose.ES256:
		private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case jose.EdDSA:
		_, private, err = ed25519.GenerateKey(rand.Reader)
	default:
		err = fmt.Errorf("algorithm %q is unknown; signing_algorithms may hold RS256, ES256 and EdDSA", alg)
	}
	if err != nil {
		return nil, jose.JSONWebKey{}, fmt.Errorf("signing: making a key: %w", err)
	}
	public := jose.JSONWebKey{Key: private.Public(), Algorithm: alg, Use: "sig"}
	thumbprint, err := public.Thumbprint(crypto.SHA256)
	if err != nil {
		return nil, jose.JSONWebKey{}, fmt.Errorf("signing: making a key: %w", err)
	}
	public.KeyID = base64.RawURLEncoding.EncodeToString(thumbprint)
	return private, public, nil
}

// key is a published key, held parsed.
type key struct {
	stored  identity.SigningKey
	public  jose.JSONWebKey
	private crypto.Signer // nil unless the key is active
	signers sync.Map      // typ -> jose.Signer
}

// active reports whether the key signs.
func active(k identity.SigningKey) bool { return k.State() == identity.KeyActive }

// parse reads a stored key. The private half of one that does not sign stays closed: an old secret may be long gone when only the
// signatures of its time are still to be verified.
func parse(k identity.SigningKey, sealers []*sealer) (*key, error) {
	parsed := &key{stored: k}
	if err := json.Unmarshal(k.Public, &parsed.public); err != nil {
		return nil, fmt.Errorf("signing: the public half of key %q: %w", k.ID, err)
	}
	// What is published comes from here and nowhere else.
	if !parsed.public.IsPublic() || !parsed.public.Valid() || parsed.public.KeyID != k.ID || parsed.public.Algorithm != k.Algorithm {
		return nil, fmt.Errorf("signing: the public half of key %q does not belong to it", k.ID)
	}
	parsed.public.Use = "sig"
	if !active(k) {
		return parsed, nil
	}
	der, _, err := open(sealers, sealed{"key", k.ID, "signing_keys"}, keyBinding(k.ID, k.Algorithm), k.Sealed)
	if err != nil {
		return nil, err
	}
	private, err := x509.ParsePKCS8PrivateKey(der) // precomputes RSA values
	if err != nil {
		return nil, fmt.Errorf("signing: the private half of key %q: %w", k.ID, err)
	}
	signer, ok := private.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("signing: the private half of key %q is a %T, which cannot sign", k.ID, private)
	}
	if public, ok := signer.Public().(interface{ Equal(crypto.PublicKey) bool }); !ok || !public.Equal(parsed.public.Key) {
		return nil, fmt.Errorf("signing: the halves of key %q do not belong together", k.ID)
	}
	parsed.private = signer
	return parsed, nil
}

// signer returns the key's signer for a typ header; an empty typ leaves the header out. Signers are safe for concurrent use.
func (k *key) signer(typ string) (jose.Signer, error) {
	if s, ok := k.signers.Load(typ); ok {
		return s.(jose.Signer), nil
	}
	opts := &jose.SignerOptions{}
	if typ != "" {
		opts.WithType(jose.ContentType(typ))
	}
	s, err := jose.NewSigner(jose.SigningKey{
		Algorithm: jose.SignatureAlgorithm(k.stored.Algorithm),
		Key:       jose.JSONWebKey{Key: k.private, KeyID: k.stored.ID},
	}, opts)
	if err != nil {
		return nil, fmt.Errorf("signing: key %q: %w", k.stored.ID, err)
	}
	kept, _ := k.signers.LoadOrStore(typ, s)
	return kept.(jose.Signer), nil
}
