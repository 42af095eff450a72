package protocol

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/pkg/oidc"
)

// PublicKey finds the public half of a signing key that was ours at some time, retired ones included.
type PublicKey interface {
	PublicKey(ctx context.Context, kid string) (*jose.JSONWebKey, error)
}

// Hints verifies ID token hints.
type Hints struct {
	Issuer string
	Keys   PublicKey
}

// Hint is what an ID token of ours says about where it came from. It identifies, it does not authorise.
type Hint struct {
	ClientID  string
	Subject   string
	SID       string // empty in a token that was refreshed after its session had ended
	ExpiresAt time.Time
}

// hintAlgorithms are those that we ever sign with; "none" and the HMACs, which a client could make by itself, are not among them.
var hintAlgorithms = []jose.SignatureAlgorithm{jose.RS256, jose.ES256, jose.EdDSA}

// errHint is the parent of every refusal.
var errHint = errors.New("protocol: not an ID token of ours")

// Verify checks that a token is an ID token that we issued, whenever that was (RP-Initiated Logout 1.0, 2 and 4):
//
//  1. A compact JWS with one of our algorithms; typ absent or "JWT", which our logout tokens are not.
//  2. Signed by a key of ours, also a retired one, with that key's own algorithm.
//  3. Of our issuer, with exp, iat and auth_time, without what only other JWTs of ours have (events, scope, client_id).
//  4. For one client: azp, or else the single aud.
//
// Whether it has expired is left to the caller, who knows what for.
func (h Hints) Verify(ctx context.Context, token string) (Hint, error) {
	jws, err := jose.ParseSignedCompact(token, hintAlgorithms)
	if err != nil {
		return Hint{}, fmt.Errorf("%w: %w", errHint, err)
	}
	header := jws.Signatures[0].Protected
	if typ, ok := header.ExtraHeaders[jose.HeaderType]; ok {
		if s, _ := typ.(string); !strings.EqualFold(s, "JWT") {
			return Hint{}, fmt.Errorf("%w: typ is %q", errHint, typ)
		}
	}
	key, err := h.Keys.PublicKey(ctx, header.KeyID)
	if err != nil {
		return Hint{}, fmt.Errorf("%w: kid %q: %w", errHint, header.KeyID, err)
	}
	if key.Algorithm != header.Algorithm {
		return Hint{}, fmt.Errorf("%w: alg is %q, the key's is %q", errHint, header.Algorithm, key.Algorithm)
	}
	payload, err := jws.Verify(key)
	if err != nil {
		return Hint{}, fmt.Errorf("%w: %w", errHint, err)
	}
	return h.claims(payload)
}

// claims checks the payload of a verified token.
func (h Hints) claims(payload []byte) (Hint, error) {
	var members map[string]json.RawMessage
	var claims oidc.IDTokenClaims
	if err := errors.Join(json.Unmarshal(payload, &members), json.Unmarshal(payload, &claims)); err != nil {
		return Hint{}, fmt.Errorf("%w: %w", errHint, err)
	}
	for _, name := range []string{"events", "scope", "client_id"} {
		if _, ok := members[name]; ok {
			return Hint{}, fmt.Errorf("%w: it has the claim %s", errHint, name)
		}
	}
	hint := Hint{ClientID: claims.AuthorizedParty, Subject: claims.Subject, SID: claims.SessionID, ExpiresAt: claims.Expiration.AsTime()}
	if hint.ClientID == "" && len(claims.Audience) == 1 {
		hint.ClientID = claims.Audience[0]
	}
	switch {
	case claims.Issuer != h.Issuer:
		return Hint{}, fmt.Errorf("%w: iss is %q", errHint, claims.Issuer)
	case claims.Expiration == 0, claims.IssuedAt == 0, claims.AuthTime == 0, claims.Subject == "":
		return Hint{}, fmt.Errorf("%w: exp, iat, auth_time or sub is missing", errHint)
	case hint.ClientID == "":
		return Hint{}, fmt.Errorf("%w: it names no single client", errHint)
	}
	return hint, nil
}
