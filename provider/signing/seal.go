package signing

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
)

// A sealed value reads
//
//	version (1 byte) | fingerprint of the secret (8 bytes) | nonce (12 bytes) | AES-256-GCM ciphertext and tag
//
// What it belongs to is authenticated with it, such as a key's kid and algorithm: a sealed value that was copied into another row does not
// open.
const (
	sealVersion     = 1
	fingerprintSize = 8
)

// ErrSealed is the parent of every failure to open a sealed value.
var ErrSealed = errors.New("signing: what is stored encrypted cannot be decrypted")

// sealed says what is opened, for people who must find it: such as key "2026", in table signing_keys.
type sealed struct{ thing, id, table string }

func (s sealed) String() string { return fmt.Sprintf("%s %q", s.thing, s.id) }

// keyUse is what private keys derive their sealer by; a Vault has other uses.
const keyUse = "signing key"

// sealer seals with one secret.
type sealer struct {
	fingerprint [fingerprintSize]byte
	aead        cipher.AEAD
}

// newSealer derives key and fingerprint from a secret, each for one use alone, because the same secret protects other things too.
func newSealer(secret [32]byte, use string) (*sealer, error) {
	key, err := hkdf.Key(sha256.New, secret[:], nil, "exeunt "+use+" encryption v1", 32)
	if err != nil {
		return nil, fmt.Errorf("signing: %w", err)
	}
	mark, err := hkdf.Key(sha256.New, secret[:], nil, "exeunt "+use+" fingerprint v1", fingerprintSize)
	if err != nil {
		return nil, fmt.Errorf("signing: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("signing: %w", err)
	}
	// Random nonces of 96 bits are safe for 2^32 values (NIST SP 800-38D, 8.3); there will be some dozens.
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("signing: %w", err)
	}
	return &sealer{fingerprint: [fingerprintSize]byte(mark), aead: aead}, nil
}

// seal encrypts a value for what it belongs to.
func (s *sealer) seal(binding, plain []byte) []byte {
	value := append([]byte{sealVersion}, s.fingerprint[:]...)
	return s.aead.Seal(value, nil, plain, binding)
}

// open decrypts a value with whichever of the sealers made it, and returns which.
func open(sealers []*sealer, what sealed, binding, value []byte) (plain []byte, by int, err error) {
	if len(value) < 1+fingerprintSize {
		return nil, 0, fmt.Errorf("%w: %s is %d bytes long in the database, too short to be one", ErrSealed, what, len(value))
	}
	if value[0] != sealVersion {
		return nil, 0, fmt.Errorf("%w: %s has format %d, which this program does not know; run the newer exeunt", ErrSealed, what, value[0])
	}
	fingerprint := [fingerprintSize]byte(value[1:])
	for i, s := range sealers {
		if s.fingerprint != fingerprint {
			continue
		}
		plain, err := s.aead.Open(nil, nil, value[1+fingerprintSize:], binding)
		if err != nil {
			return nil, 0, fmt.Errorf("%w: %s was altered in the database; restore table %s from a backup", ErrSealed, what, what.table)
		}
		return plain, i, nil
	}
	return nil, 0, fmt.Errorf("%w: %s was encrypted under a secret (fingerprint %s) that is not configured; put that secret back into `secrets`, after the newer ones",
		ErrSealed, what, hex.EncodeToString(fingerprint[:]))
}

// keyBinding is what a sealed private key belongs to.
func keyBinding(kid, alg string) []byte {
	return fmt.Appendf(nil, "%s\x00%s", kid, alg)
}
