package config

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
)

// secretKeySize is the length of a key in bytes.
const secretKeySize = 32

// DevelopmentSecret returns the key that protects a development database. Everybody knows it: it makes a provider on loopback start without
// any preparation, and is refused with any other issuer.
func DevelopmentSecret() [32]byte {
	return sha256.Sum256([]byte("exeunt development key, known to everybody"))
}

// SecretKeys returns the keys that encrypt what is stored, newest first: those of Secrets, or the development key if there is none and
// the issuer is loopback. The configuration must be valid.
func (c *Config) SecretKeys() [][32]byte {
	var keys [][32]byte
	for _, s := range c.Secrets {
		if key, err := parseSecretKey(s); err == nil {
			keys = append(keys, key)
		}
	}
	if len(keys) == 0 && c.Development() {
		keys = append(keys, DevelopmentSecret())
	}
	return keys
}

// parseSecretKey reads a key in any of the usual forms of base64. Its errors do not show it.
func parseSecretKey(s Secret) (key [32]byte, err error) {
	text := strings.TrimRight(strings.TrimSpace(s.Reveal()), "=")
	text = strings.NewReplacer("-", "+", "_", "/").Replace(text)
	raw, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil {
		return key, fmt.Errorf("is not base64; %s", makeSecret)
	}
	if len(raw) != secretKeySize {
		return key, fmt.Errorf("holds %d bytes instead of %d; %s", len(raw), secretKeySize, makeSecret)
	}
	return [32]byte(raw), nil
}

const makeSecret = "make one with: openssl rand -base64 32"

func (c *Config) checkSecrets(r *report) {
	if len(c.Secrets) == 0 && c.production() {
		r.add("secrets", "is missing, it encrypts the signing keys; %s", makeSecret)
	}
	for i, s := range c.Secrets {
		path := fmt.Sprintf("secrets[%d]", i)
		key, err := parseSecretKey(s)
		switch {
		case err != nil:
			r.add(path, "%v", err)
		case key == DevelopmentSecret() && c.production():
			r.add(path, "is the development key, which everybody knows; %s", makeSecret)
		}
	}
}
