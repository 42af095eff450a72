package signing

// Secretbox encrypts what receivers of shared signals want to hear in an Authorization header. It is sealed like private keys, under the newest
// of the configured secrets, and any of the older ones opens it. Safe for concurrent use.
type Secretbox struct{ sealers []*sealer }

// streamUse is what the sealers of authorization headers are derived by.
const streamUse = "stream authorization"

// NewSecretbox derives its keys from the configured secrets, newest first.
func NewSecretbox(secrets [][32]byte) (*Secretbox, error) {
	sealers, err := newSealers(secrets, streamUse)
	if err != nil {
		return nil, err
	}
	return &Secretbox{sealers: sealers}, nil
}

// Seal encrypts a stream's header. In the row of another stream it does not open.
func (b *Secretbox) Seal(streamID, header string) []byte {
	return b.sealers[0].seal([]byte(streamID), []byte(header))
}

// Open decrypts what Seal made. Its errors are ErrSealed.
func (b *Secretbox) Open(streamID string, value []byte) (string, error) {
	plain, _, err := open(b.sealers, sealed{"the authorization_header of stream", streamID, "ssf_streams"}, []byte(streamID), value)
	return string(plain), err
}
