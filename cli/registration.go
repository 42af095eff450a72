package cli

import (
	"crypto/sha256"
	"errors"

	"github.com/exeunt-id/exeunt/config"
	"github.com/exeunt-id/exeunt/provider"
	"github.com/exeunt-id/exeunt/provider/identity"
)

// Registration says who may register clients, and what, by a configuration that is valid. It is part of what `exeunt serve` gives to its
// provider, and for those who run one of their own by the same rules.
func Registration(cfg *config.Config) provider.Registration {
	r := provider.Registration{
		Check: func(clientID string, metadata []byte) (identity.Client, error) {
			return checkRegistration(cfg, clientID, metadata)
		},
	}
	for _, token := range cfg.Registration.InitialAccessTokens {
		hash := sha256.Sum256([]byte(token.Reveal()))
		r.InitialAccessTokens = append(r.InitialAccessTokens, hash[:])
	}
	return r
}

// checkRegistration returns the client that the metadata describes; *identity.MetadataError.
func checkRegistration(cfg *config.Config, clientID string, metadata []byte) (identity.Client, error) {
	c, err := cfg.ParseRegistration(clientID, metadata)
	if err != nil {
		var invalid *config.Error
		if !errors.As(err, &invalid) {
			return identity.Client{}, err
		}
		refused := &identity.MetadataError{}
		for _, p := range invalid.Problems {
			refused.Problems = append(refused.Problems, identity.MetadataProblem{Member: p.Path, Message: p.Message})
		}
		return identity.Client{}, refused
	}
	client, err := newClient(cfg, c)
	// Nobody has looked at what this client names. In development its addresses may be on this machine, all of them: beside one that is, another
	// could be anywhere in the network.
	client.AllowPrivateNetwork = client.AllowPrivateNetwork && unlessElsewhere(c.BackchannelLogoutURI) && unlessElsewhere(c.JWKSURI)
	return client, err
}

// unlessElsewhere reports whether a URI is on this machine, or is none.
func unlessElsewhere(uri string) bool { return uri == "" || onLoopback(uri) }
