package signing

import "encoding/json"

// Vault encrypts the secrets that the provider shares with somebody else, and so must know again: those that sign a client's webhooks. They
// are sealed like private keys, under the newest of the configured secrets, and any of the older ones opens them.
type Vault struct{ sealers []*sealer }

// webhookUse is what the sealers of webhook secrets are derived by.
const webhookUse = "webhook secret"

// NewVault derives its keys from the configured secrets, newest first.
func NewVault(secrets [][32]byte) (*Vault, error) {
	sealers, err := newSealers(secrets, webhookUse)
	if err != nil {
		return nil, err
	}
	return &Vault{sealers: sealers}, nil
}

// Seal encrypts a client's secrets.
func (v *Vault) Seal(clientID string, secrets []string) ([]byte, error) {
	plain, err := json.Marshal(secrets)
	if err != nil {
		return nil, err
	}
	return v.sealers[0].seal([]byte(clientID), plain), nil
}

// Open decrypts what Seal made. newest reports whether it is sealed under the newest secret. Its errors are ErrSealed.
func (v *Vault) Open(clientID string, value []byte) (secrets []string, newest bool, err error) {
	plain, by, err := open(v.sealers, sealed{"the list of webhook secrets of client", clientID, "clients"}, []byte(clientID), value)
	if err != nil {
		return nil, false, err
	}
	return secrets, by == 0, json.Unmarshal(plain, &secrets)
}
