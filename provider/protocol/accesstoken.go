package protocol

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/zitadel/oidc/v3/pkg/oidc"

	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider/browser"
	"github.com/exeunt-id/exeunt/provider/identity"
)

// accessTokenType is the typ header of a JWT access token (RFC 9068, 2.1). Nothing that reads another kind of JWT accepts it.
const accessTokenType = "at+jwt"

// accessTokenClaims are those of RFC 9068, 2.2. Nothing else is in there: resource servers see it, so it has no sid and no claims about
// the person.
type accessTokenClaims struct {
	Issuer   string    `json:"iss"`
	Subject  string    `json:"sub"`
	Audience string    `json:"aud"`
	ClientID string    `json:"client_id"`
	ID       string    `json:"jti"`
	IssuedAt oidc.Time `json:"iat"`
	Expires  oidc.Time `json:"exp"`
	Scope    string    `json:"scope,omitempty"`
	AuthTime oidc.Time `json:"auth_time,omitempty"`
	ACR      string    `json:"acr,omitempty"`
}

// format gives the access token the form that the client registered: as it is, a random value, or as a JWT (RFC 9068), which resource
// servers can verify without asking. Either is known here by its hash alone, so that a logout or a revocation kills it here at once; a
// resource server that does not ask notices when it expires.
func (s Settings) format(ctx context.Context, signer Signer, client identity.Client, g identity.Grant, t issued) (issued, error) {
	if client.AccessTokenFormat != identity.AccessTokenJWT {
		return t, nil
	}
	row := &t.rows[0] // issue puts the access token first
	claims := accessTokenClaims{
		Issuer: s.Issuer, Subject: subjectOf(g), Audience: s.accessAudience(client), ClientID: g.ClientID, ID: logout.NewID(),
		IssuedAt: oidc.FromTime(row.IssuedAt), Expires: oidc.FromTime(row.ExpiresAt), Scope: strings.Join(row.Scopes, " "),
	}
	if !g.OfClient() {
		claims.AuthTime, claims.ACR = oidc.FromTime(g.AuthTime), ACR
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		return issued{}, fmt.Errorf("protocol: access token for client %q: %w", client.ID, err)
	}
	if t.access, err = signer.Sign(ctx, signingAlg(client), accessTokenType, payload); err != nil {
		return issued{}, err
	}
	row.Hash = browser.Hash(t.access)
	return t, nil
}

// accessAudience is whom an access token is for. A JWT is for the default resource, which the issuer stands for (RFC 9068, 3); the client's id
// there would make it look like an ID token. An opaque one is for nobody but the client that asks about it.
func (s Settings) accessAudience(client identity.Client) string {
	if client.AccessTokenFormat == identity.AccessTokenJWT {
		return s.Issuer
	}
	return client.ID
}
