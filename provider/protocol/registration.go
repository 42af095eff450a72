package protocol

import (
	"context"
	"crypto/subtle"
	"errors"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider/browser"
	"github.com/exeunt-id/exeunt/provider/identity"
	"github.com/exeunt-id/exeunt/provider/signout"
)

// Registration answers POST /register (OpenID Connect Dynamic Client Registration 1.0, RFC 7591) and GET, PUT and DELETE
// /register/{client_id} (RFC 7592).
//
// To register:
//
//  1. The bearer token must be one of the initial access tokens (RFC 7591, 3).
//  2. Read the metadata, and check it by the rules for every client and those for clients that nobody has looked at.
//  3. Make the client_id, the secret if the client authenticates by one, and the registration access token; keep hashes of the two.
//
// To read, change or delete a registration:
//
//  1. The bearer token must be the client's registration access token. Whoever is not registered, or is the operator's, has none, and the
//     answer does not tell which (RFC 7592, 2).
//  2. A change replaces all metadata, checked as at the registration: also what the operator has set since, who looked at other metadata.
//     Secret and token stay, for an answer that gets lost must not lock the client out; a client that needs a secret and had none gets one.
//  3. A deleted client leaves all sessions and its tokens are dead, as when the operator deletes it.
type Registration struct {
	Settings
	InitialAccessTokens [][]byte // SHA-256 of each
	Check               MetadataCheck
	Clients             Registry
	Deleter             ClientDeleter
}

// MetadataCheck reads the metadata of a client that registers itself, JSON, and returns the client with defaults filled in and the given
// client_id. *identity.MetadataError says what is wrong with it.
type MetadataCheck func(clientID string, metadata []byte) (identity.Client, error)

// Registry keeps clients.
type Registry interface {
	// Record returns a client as it is stored now; identity.ErrNoClient.
	Record(ctx context.Context, id string) (identity.ClientRecord, error)
	// Register stores a client with the hash of its registration access token; identity.ErrIDTaken.
	Register(ctx context.Context, client identity.Client, registrationToken []byte) error
	// Update replaces metadata and secret of a client that is not the configuration's; identity.ErrNoClient.
	Update(ctx context.Context, client identity.Client) error
}

// ClientDeleter deletes a client, ends its participations and revokes its grants; identity.ErrNoClient.
type ClientDeleter interface {
	DeleteClient(ctx context.Context, id string, actor logout.Actor) (*logout.Outcome, error)
}

// Post registers a client.
func (r *Registration) Post(c echo.Context) error {
	noStore(c)
	token, ok := bearer(c)
	if !ok {
		return r.challenge(c)
	}
	if !r.initial(token) {
		return r.refuseToken(c)
	}
	metadata, err := readMetadata(c)
	if err != nil {
		return err
	}
	client, err := r.Check(logout.NewID(), metadata)
	if err != nil {
		return metadataRefused(err)
	}
	registration := browser.NewSecret()
	var secret string
	if usesSecret(client) {
		secret = browser.NewSecret()
		client.SecretHash = browser.Hash(secret)
	}
	client.CreatedAt = r.Now().UTC()
	ctx := context.WithoutCancel(c.Request().Context())
	if err := r.Clients.Register(ctx, client, browser.Hash(registration)); err != nil {
		return err
	}
	r.Logger.InfoContext(ctx, "client registered itself", "client_id", client.ID, "client_name", client.Name, "address", c.RealIP())
	return c.JSON(http.StatusCreated, r.information(client, secret, registration))
}

// Get answers with the client's metadata (RFC 7592, 2.1), without its secret, of which only the hash is kept.
func (r *Registration) Get(c echo.Context) error {
	noStore(c)
	record, token, err := r.authenticate(c)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, r.information(record.Client, "", token))
}

// Put replaces the client's metadata (RFC 7592, 2.2).
func (r *Registration) Put(c echo.Context) error {
	noStore(c)
	record, token, err := r.authenticate(c)
	if err != nil {
		return err
	}
	metadata, err := readMetadata(c)
	if err != nil {
		return err
	}
	secret, err := checkUpdate(record.Client, metadata)
	if err != nil {
		return err
	}
	client, err := r.Check(record.ID, metadata)
	if err != nil {
		return metadataRefused(err)
	}
	client.CreatedAt = record.CreatedAt
	switch {
	case !usesSecret(client):
		secret = ""
	case len(record.SecretHash) > 0:
		client.SecretHash = record.SecretHash
	default:
		secret = browser.NewSecret()
		client.SecretHash = browser.Hash(secret)
	}
	ctx := context.WithoutCancel(c.Request().Context())
	err = r.Clients.Update(ctx, client)
	if errors.Is(err, identity.ErrNoClient) { // deleted, or taken over by the operator, in this moment
		return r.refuseToken(c)
	}
	if err != nil {
		return err
	}
	r.Logger.InfoContext(ctx, "client changed its registration", "client_id", client.ID, "address", c.RealIP())
	return c.JSON(http.StatusOK, r.information(client, secret, token))
}

// Delete ends the registration (RFC 7592, 2.3).
func (r *Registration) Delete(c echo.Context) error {
	noStore(c)
	record, _, err := r.authenticate(c)
	if err != nil {
		return err
	}
	ctx := context.WithoutCancel(c.Request().Context())
	_, err = r.Deleter.DeleteClient(ctx, record.ID, signout.ClientActor(c, record.ID))
	if errors.Is(err, identity.ErrNoClient) {
		return r.refuseToken(c)
	}
	if err != nil {
		return err
	}
	r.Logger.InfoContext(ctx, "client deleted its registration", "client_id", record.ID, "address", c.RealIP())
	return c.NoContent(http.StatusNoContent)
}

// initial compares with every initial access token, each in constant time.
func (r *Registration) initial(token string) bool {
	hash, found := browser.Hash(token), 0
	for _, one := range r.InitialAccessTokens {
		found |= subtle.ConstantTimeCompare(hash, one)
	}
	return found == 1
}

// authenticate returns the client of the path if the request bears its registration access token, and that token.
func (r *Registration) authenticate(c echo.Context) (identity.ClientRecord, string, error) {
	token, ok := bearer(c)
	if !ok {
		return identity.ClientRecord{}, "", r.challenge(c)
	}
	record, err := r.Clients.Record(c.Request().Context(), c.Param("client_id"))
	if err != nil && !errors.Is(err, identity.ErrNoClient) {
		return identity.ClientRecord{}, "", err
	}
	if !record.RegistrationTokenMatches(token) {
		return identity.ClientRecord{}, "", r.refuseToken(c)
	}
	return record, token, nil
}

// usesSecret reports whether the client authenticates by a secret.
func usesSecret(c identity.Client) bool {
	return c.TokenEndpointAuthMethod == identity.AuthBasic || c.TokenEndpointAuthMethod == identity.AuthPost
}
