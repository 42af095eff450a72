package doctor

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/go-jose/go-jose/v4"
)

// event is the member of a logout token's events claim (Back-Channel Logout 1.0, 2.4).
const event = "http://schemas.openid.net/event/backchannel-logout"

// Signer signs as the provider does.
type Signer interface {
	// Sign returns payload as a compact JWS under the provider's key for alg, with
	// the headers alg, kid and, unless it is empty, typ.
	Sign(ctx context.Context, alg, typ string, payload []byte) (string, error)
}

type object = map[string]any

// bench makes the tokens of one examination.
type bench struct {
	cfg Config
	kid string // of the provider's key; of nobody's, if there is no Signer
}

// strangers are keys that no provider has.
var strangers = sync.OnceValue(newKeys)

// newKeys makes one key for each of two algorithms. The RSA one takes a moment.
func newKeys() map[string]crypto.Signer {
	rsaKey, err1 := rsa.GenerateKey(rand.Reader, 2048)
	ecKey, err2 := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err := errors.Join(err1, err2); err != nil {
		panic(err) // no random numbers
	}
	return map[string]crypto.Signer{"RS256": rsaKey, "ES256": ecKey}
}

// claims are those of a good logout token for a session that does not exist, or
// for the one that Config names.
func (b *bench) claims() object {
	now := b.cfg.Now()
	return object{
		"iss": b.cfg.Issuer, "aud": b.cfg.ClientID, "iat": now.Unix(), "exp": now.Unix() + 120, "jti": rand.Text(),
		"sub": b.cfg.Subject, "sid": b.cfg.SID, "events": object{event: object{}},
	}
}

// sign signs as the provider or, without its keys, as a stranger who uses the same headers.
func (b *bench) sign(ctx context.Context, alg, typ string, claims object) (string, error) {
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	if b.cfg.Signer != nil {
		return b.cfg.Signer.Sign(ctx, alg, typ, payload)
	}
	return b.strange(alg, typ, b.kid, payload)
}

// strange signs with a key that the provider does not have.
func (b *bench) strange(alg, typ, kid string, payload []byte) (string, error) {
	if _, known := strangers()[alg]; !known {
		alg = "ES256"
	}
	options := (&jose.SignerOptions{}).WithHeader("kid", kid)
	if typ != "" {
		options = options.WithType(jose.ContentType(typ))
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(alg), Key: strangers()[alg]}, options)
	if err != nil {
		return "", err
	}
	jws, err := signer.Sign(payload)
	if err != nil {
		return "", err
	}
	return jws.CompactSerialize()
}

// raw puts a JWS together from a header and claims that no library would sign.
func raw(header, claims object, signature func(input []byte) []byte) (string, error) {
	head, err1 := json.Marshal(header)
	body, err2 := json.Marshal(claims)
	if err := errors.Join(err1, err2); err != nil {
		return "", err
	}
	input := base64.RawURLEncoding.EncodeToString(head) + "." + base64.RawURLEncoding.EncodeToString(body)
	return input + "." + base64.RawURLEncoding.EncodeToString(signature([]byte(input))), nil
}

// confused signs with HS256, by the public key as if it were a secret (RFC 8725, 2.1).
func (b *bench) confused(claims object) (string, error) {
	secret := []byte("secret")
	if b.cfg.PublicKey != nil {
		der, err := x509.MarshalPKIXPublicKey(b.cfg.PublicKey)
		if err != nil {
			return "", err
		}
		secret = pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	}
	return raw(object{"alg": "HS256", "kid": b.kid, "typ": "logout+jwt"}, claims, func(input []byte) []byte {
		mac := hmac.New(sha256.New, secret)
		mac.Write(input)
		return mac.Sum(nil)
	})
}

// tampered changes the session of a signed token and keeps the signature.
func (b *bench) tampered(ctx context.Context) (string, error) {
	good, err := b.sign(ctx, b.cfg.Algorithm, "logout+jwt", b.claims())
	if err != nil {
		return "", err
	}
	changed := b.claims()
	changed["sid"] = rand.Text()
	payload, err := json.Marshal(changed)
	if err != nil {
		return "", err
	}
	parts := strings.Split(good, ".")
	return parts[0] + "." + base64.RawURLEncoding.EncodeToString(payload) + "." + parts[2], nil
}

// keyID reads the kid of a token that the provider signed.
func keyID(token string) (string, error) {
	encoded, _, _ := strings.Cut(token, ".")
	head, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil {
		return "", fmt.Errorf("doctor: the signer made no JWS: %w", err)
	}
	var header struct {
		KeyID string `json:"kid"`
	}
	if err := json.Unmarshal(head, &header); err != nil {
		return "", fmt.Errorf("doctor: the signer made no JWS: %w", err)
	}
	return header.KeyID, nil
}
