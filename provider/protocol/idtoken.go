package protocol

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/pkg/oidc"

	"github.com/exeunt-id/exeunt/provider/identity"
)

// Signer signs with the active key of an algorithm and returns a compact JWS.
type Signer interface {
	Sign(ctx context.Context, alg, typ string, payload []byte) (string, error)
}

// idToken makes the ID token of a grant (OpenID Connect Core 1.0, 2 and 3.1.3.6). auth_time and sid are always in it, unless the
// session has ended meanwhile, which only an offline grant survives; then sid is "". Claims about the person come from the
// userinfo endpoint (Core 5.4); only those in asked, which the claims parameter wanted here, are in it. The client's id stands in azp and aud; zitadel's additional client_id claim is left out.
func (s Settings) idToken(ctx context.Context, signer Signer, client identity.Client, g identity.Grant, sid, accessToken string, asked map[string]any, at time.Time) (string, error) {
	alg := signingAlg(client)
	hash, err := oidc.ClaimHash(accessToken, jose.SignatureAlgorithm(alg))
	if err != nil {
		return "", fmt.Errorf("protocol: at_hash for client %q: %w", client.ID, err)
	}
	payload, err := json.Marshal(&oidc.IDTokenClaims{
		TokenClaims: oidc.TokenClaims{
			Issuer:                              s.Issuer,
			Subject:                             g.Subject,
			Audience:                            oidc.Audience{client.ID},
			AuthorizedParty:                     client.ID,
			IssuedAt:                            oidc.FromTime(at),
			Expiration:                          oidc.FromTime(at.Add(s.Lifetimes.ID)),
			AuthTime:                            oidc.FromTime(g.AuthTime),
			Nonce:                               g.Nonce,
			AuthenticationContextClassReference: ACR,
		},
		AccessTokenHash: hash,
		SessionID:       sid,
		Claims:          asked,
	})
	if err != nil {
		return "", fmt.Errorf("protocol: ID token for client %q: %w", client.ID, err)
	}
	return signer.Sign(ctx, alg, "JWT", payload)
}

// signingAlg is what a client's tokens are signed with.
func signingAlg(client identity.Client) string {
	if client.IDTokenSigningAlg == "" {
		return string(jose.RS256) // Dynamic Client Registration 1.0, 2
	}
	return client.IDTokenSigningAlg
}
