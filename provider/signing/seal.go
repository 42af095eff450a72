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
// The kid and the algorithm are authenticated with it: a sealed key that was copied into another row does not open.
const (
	sealVersion     = 1
	fingerprintSize = 8
)

// ErrSealed is the parent of every failure to open a sealed private key.
var ErrSealed = errors.New("signing: a private key cannot be decrypted")

// sealer seals with one secret.
type sealer struct {
	fingerprint [fingerprintSize]byte
	aead        cipher.AEAD
}

// newSealer derives key and fingerprint from a secret, each for this use alone, because the same secret protects other things too.
func newSealer(secret [32]byte) (*sealer, error) {
	key, err := hkdf.Key(sha256.New, secret[:], nil, "exeunt signing key encryption v1", 32)
	if err != nil {
		return nil, fmt.Errorf("signing: %w", err)
	}
	mark, err := hkdf.Key(sha256.New, secret[:], nil, "exeunt signing key fingerprint v1", fingerprintSize)
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

// seal encrypts a private key.
func (s *sealer) seal(kid, alg string, plain []byte) []byte {
	sealed := append([]byte{sealVersion}, s.fingerprint[:]...)
	return s.aead.Seal(sealed, nil, plain, binding(kid, alg))
}

// open decrypts a private key with whichever of the sealers made it.
func open(sealers []*sealer, kid, alg string, sealed []byte) ([]byte, error) {
	if len(sealed) < 1+fingerprintSize {
		return nil, fmt.Errorf("%w: key %q is %d bytes long in the database, too short to be one", ErrSealed, kid, len(sealed))
	}
	if sealed[0] != sealVersion {
		return nil, fmt.Errorf("%w: key %q has format %d, which this program does not know; run the newer exeunt", ErrSealed, kid, sealed[0])
	}
	fingerprint := [fingerprintSize]byte(sealed[1:])
	for _, s := range sealers {
		if s.fingerprint != fingerprint {
			continue
		}
		plain, err := s.aead.Open(nil, nil, sealed[1+fingerprintSize:], binding(kid, alg))
		if err != nil {
			return nil, fmt.Errorf("%w: key %q was altered in the database; restore table signing_keys from a backup", ErrSealed, kid)
		}
		return plain, nil
	}
	return nil, fmt.Errorf("%w: key %q was encrypted under a secret (fingerprint %s) that is not configured; put that secret back into `secrets`, after the newer ones",
		ErrSealed, kid, hex.EncodeToString(fingerprint[:]))
}

func binding(kid, alg string) []byte {
	return fmt.Appendf(nil, "%s\x00%s", kid, alg)
}
