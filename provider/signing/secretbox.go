package signing

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
)

// ErrUnreadable says that a value was sealed under a secret that is not configured any more, or was altered.
var ErrUnreadable = errors.New("signing: the value cannot be decrypted with any of the configured secrets")

// Secretbox encrypts secrets that the provider must be able to say again, such as what a receiver wants to hear in an Authorization header.
// Safe for concurrent use.
type Secretbox struct{ aeads []cipher.AEAD }

// NewSecretbox derives its keys from the configured secrets, each for this purpose alone: the first seals, all of them open.
func NewSecretbox(secrets [][32]byte, purpose string) (*Secretbox, error) {
	if len(secrets) == 0 {
		return nil, errors.New("signing: a secretbox needs a secret")
	}
	b := &Secretbox{}
	for _, secret := range secrets {
		key, err := hkdf.Key(sha256.New, secret[:], nil, "exeunt secretbox v1 "+purpose, 32)
		if err != nil {
			return nil, fmt.Errorf("signing: %w", err)
		}
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, fmt.Errorf("signing: %w", err)
		}
		aead, err := cipher.NewGCMWithRandomNonce(block)
		if err != nil {
			return nil, fmt.Errorf("signing: %w", err)
		}
		b.aeads = append(b.aeads, aead)
	}
	return b, nil
}

// Seal encrypts a text for one place, such as a row: copied elsewhere it does not open.
func (b *Secretbox) Seal(text, place string) []byte {
	return b.aeads[0].Seal(nil, nil, []byte(text), []byte(place))
}

// Open decrypts what Seal made for the place; ErrUnreadable.
func (b *Secretbox) Open(sealed []byte, place string) (string, error) {
	for _, aead := range b.aeads {
		if plain, err := aead.Open(nil, nil, sealed, []byte(place)); err == nil {
			return string(plain), nil
		}
	}
	return "", ErrUnreadable
}
