package browser

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
)

// secretBytes is the length of every secret before encoding: 256 bits cannot be guessed.
const secretBytes = 32

// NewSecret returns 256 random bits in base64url without padding (43 characters), fit for a cookie, a code or a token.
func NewSecret() string {
	b := make([]byte, secretBytes)
	_, _ = rand.Read(b) // never fails; the program stops if the system has no randomness
	return base64.RawURLEncoding.EncodeToString(b)
}

// Hash returns the SHA-256 of a secret: what is stored, so that whoever reads the database cannot use it.
func Hash(secret string) []byte {
	sum := sha256.Sum256([]byte(secret))
	return sum[:]
}

// wellFormed reports whether s looks like an answer of NewSecret. Anything else in a cookie was not set by us.
func wellFormed(s string) bool {
	if len(s) != base64.RawURLEncoding.EncodedLen(secretBytes) {
		return false
	}
	_, err := base64.RawURLEncoding.DecodeString(s)
	return err == nil
}
