package rp

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"
)

// idToken is what a verified ID token says.
type idToken struct {
	Login
	raw    string
	claims claimSet
}

// idTokenExpected is what the ID token of one login must fit.
type idTokenExpected struct {
	nonce       string        // that of the request
	accessToken string        // that came along
	maxAge      time.Duration // that was asked for; 0 for none
}

// verifyIDToken checks raw as the ID token of a login by the code flow (OpenID
// Connect Core 1.0, 3.1.3.7 and 3.1.3.8). The errors are those of
// [LogoutTokenVerifier.Verify].
func (v *LogoutTokenVerifier) verifyIDToken(ctx context.Context, raw string, expected idTokenExpected) (*idToken, error) {
	token, err := v.checkIDToken(ctx, raw, expected)
	if refused := (*TokenError)(nil); errors.As(err, &refused) {
		refused.kind = "ID token"
	}
	return token, err
}

func (v *LogoutTokenVerifier) checkIDToken(ctx context.Context, raw string, expected idTokenExpected) (*idToken, error) {
	// 1. Made by the provider. A typ is seldom there; if it is, it must not be
	// that of another kind of token (RFC 8725, 3.11).
	claims, err := v.open(ctx, raw, "jwt", "")
	if err != nil {
		return nil, err
	}
	token := &idToken{Login: Login{Issuer: v.issuer}, raw: raw, claims: claims}

	// 2. iss (3.1.3.7 step 2).
	if iss, ok := claims.text("iss"); !ok || iss != v.issuer {
		return nil, refuse(CheckIss, "iss is not %s", shown(v.issuer))
	}

	// 3. aud and azp: for this client, and not issued to another (steps 3 to 5).
	audience := claims.texts("aud")
	if !slices.Contains(audience, v.clientID) {
		return nil, refuse(CheckAud, "aud does not contain %s", shown(v.clientID))
	}
	if azp, ok := claims.text("azp"); claims.has("azp") && (!ok || azp != v.clientID) {
		return nil, refuse(CheckAzp, "azp is not %s", shown(v.clientID))
	} else if !claims.has("azp") && len(audience) > 1 {
		return nil, refuse(CheckAzp, "aud has %d members and azp is missing", len(audience))
	}

	// 4. exp and iat (steps 9 and 10).
	now := v.now().UTC()
	expiresAt, ok := claims.time("exp")
	if !ok || !now.Before(expiresAt.Add(v.skew)) {
		return nil, refuse(CheckExp, "exp is missing or has passed")
	}
	if token.IssuedAt, ok = claims.time("iat"); !ok || token.IssuedAt.After(now.Add(v.skew)) {
		return nil, refuse(CheckIat, "iat is missing or in the future: compare the clocks of provider and application")
	}

	// 5. nonce: the token answers this browser's request (step 11).
	if nonce, _ := claims.text("nonce"); subtle.ConstantTimeCompare([]byte(nonce), []byte(expected.nonce)) != 1 {
		return nil, refuse(CheckNonce, "nonce is not that of the request")
	}

	// 6. auth_time, if max_age was asked for (step 13).
	if authTime, ok := claims.time("auth_time"); expected.maxAge > 0 && (!ok || now.After(authTime.Add(expected.maxAge+v.skew))) {
		return nil, refuse(CheckAuthTime, "auth_time is missing or longer ago than the max_age of %s", expected.maxAge)
	}

	// 7. at_hash, if it is there (3.1.3.8).
	if claims.has("at_hash") && !atHashFits(raw, claims, expected.accessToken) {
		return nil, refuse(CheckAtHash, "at_hash is not that of the access token")
	}

	// 8. sub, sid; and no events, so that no logout token can pass for an ID
	// token at a provider that types neither (Back-Channel Logout 1.0, 4).
	if token.Subject, ok = claims.text("sub"); !ok || token.Subject == "" {
		return nil, refuse(CheckSubject, "sub is missing, empty or not a string")
	}
	if token.SID, ok = claims.text("sid"); claims.has("sid") && (!ok || token.SID == "") {
		return nil, refuse(CheckSubject, "sid is empty or not a string")
	}
	if claims.has("events") {
		return nil, refuse(CheckEvents, "the token has events, as only logout tokens do")
	}
	return token, nil
}

// atHashFits compares at_hash with the left half of the hash of the access
// token, by the hash of the signature's algorithm (OpenID Connect Core 1.0, 3.1.3.6).
func atHashFits(raw string, claims claimSet, accessToken string) bool {
	hash, ok := claims.text("at_hash")
	return ok && subtle.ConstantTimeCompare([]byte(hash), []byte(atHash(algorithmOf(raw), accessToken))) == 1
}

func atHash(alg, accessToken string) string {
	var sum []byte
	switch {
	case strings.HasSuffix(alg, "384"):
		s := sha512.Sum384([]byte(accessToken))
		sum = s[:]
	case strings.HasSuffix(alg, "512"), alg == "EdDSA": // Ed25519 hashes with SHA-512
		s := sha512.Sum512([]byte(accessToken))
		sum = s[:]
	default:
		s := sha256.Sum256([]byte(accessToken))
		sum = s[:]
	}
	return base64.RawURLEncoding.EncodeToString(sum[:len(sum)/2])
}

// algorithmOf returns the alg of a JWS that has been verified.
func algorithmOf(raw string) string {
	encoded, _, _ := strings.Cut(raw, ".")
	var header struct {
		Algorithm string `json:"alg"`
	}
	decoded, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil || json.Unmarshal(decoded, &header) != nil {
		return ""
	}
	return header.Algorithm
}
