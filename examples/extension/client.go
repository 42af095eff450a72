package main

import (
	"context"

	"github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/op"

	"github.com/exeunt-id/exeunt/logout"
)

// Client is an application as the team's configuration has it.
type Client struct {
	ID, Secret                           string
	RedirectURIs, PostLogoutRedirectURIs []string
	BackchannelLogoutURI                 string
}

// client is what zitadel/oidc must know of an application.
type client struct {
	op.Client
	of Client
}

func newClient(c Client) *client {
	return &client{Client: storage.WebClient(c.ID, c.Secret, c.RedirectURIs...), of: c}
}

func (c *client) PostLogoutRedirectURIs() []string { return c.of.PostLogoutRedirectURIs }
func (c *client) LoginURL(id string) string        { return "/login?id=" + id }

// clients is what the engine must know of all of them: it answers from memory,
// because it is asked inside the transaction that ends sessions.
type clients map[string]*client

// LogoutClient implements logout.Clients.
func (c clients) LogoutClient(_ context.Context, id string) (logout.Client, error) {
	found, ok := c[id]
	if !ok {
		return logout.Client{}, logout.ErrNoClient
	}
	return logout.Client{
		ID: id, Name: id, BackchannelLogoutURI: found.of.BackchannelLogoutURI, SigningAlg: string(jose.RS256),
		AllowPrivateNetwork: true, // the example's applications are on this machine
	}, nil
}

// signer implements logout.Signer with the key that signs the ID tokens.
type signer struct{ storage op.Storage }

func (s signer) Sign(ctx context.Context, alg, typ string, payload []byte) (string, error) {
	key, err := s.storage.SigningKey(ctx)
	if err != nil {
		return "", err
	}
	// Not op.SignerFromKey: it writes typ JWT, and a logout token has its own (Back-Channel Logout 1.0, 2.4).
	made, err := jose.NewSigner(
		jose.SigningKey{Algorithm: jose.SignatureAlgorithm(alg), Key: jose.JSONWebKey{Key: key.Key(), KeyID: key.ID()}},
		(&jose.SignerOptions{}).WithType(jose.ContentType(typ)),
	)
	if err != nil {
		return "", err
	}
	jws, err := made.Sign(payload)
	if err != nil {
		return "", err
	}
	return jws.CompactSerialize()
}
