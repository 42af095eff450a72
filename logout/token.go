package logout

import (
	"context"
	"encoding/json"
	"time"
)

// Signer signs with the provider's keys.
type Signer interface {
	// Sign returns payload as a compact JWS with the given alg and typ headers and the kid of the active key of that algorithm.
	Sign(ctx context.Context, alg, typ string, payload []byte) (string, error)
}

// logoutTokenType is the header that keeps a logout token from being taken for any other JWT (Back-Channel Logout 1.0, 2.4).
const logoutTokenType = "logout+jwt"

// logoutTokenLife is how long a logout token may be used. It is minted for each attempt, so it may be short (2.4: at most two minutes).
const logoutTokenLife = 2 * time.Minute

// logoutToken is the set of claims of Back-Channel Logout 1.0, 2.4, and nothing else. There is no nonce, which the specification
// prohibits, so that it cannot be replayed as an ID token.
type logoutToken struct {
	Issuer   string       `json:"iss"`
	Subject  string       `json:"sub,omitempty"`
	Audience string       `json:"aud"`
	IssuedAt int64        `json:"iat"`
	Expires  int64        `json:"exp"`
	ID       string       `json:"jti"`
	Events   logoutEvents `json:"events"`
	SID      string       `json:"sid,omitempty"`
}

// logoutEvents has exactly one member whose value is exactly {}.
type logoutEvents struct {
	Backchannel struct{} `json:"http://schemas.openid.net/event/backchannel-logout"`
}

// mintLogoutToken signs a fresh logout token for one attempt.
func mintLogoutToken(ctx context.Context, signer Signer, issuer, alg string, d Delivery, at time.Time) (string, error) {
	payload, err := json.Marshal(logoutToken{
		Issuer: issuer, Subject: d.Subject, Audience: d.ClientID, IssuedAt: at.Unix(), Expires: at.Add(logoutTokenLife).Unix(), ID: NewID(), SID: d.SID,
	})
	if err != nil {
		return "", err
	}
	return signer.Sign(ctx, alg, logoutTokenType, payload)
}
