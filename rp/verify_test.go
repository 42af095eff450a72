package rp_test

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/exeunt-id/exeunt/rp"
)

// TestVerifyRefuses goes through Back-Channel Logout 1.0, sections 2.4 and 2.6:
// each token breaks one rule, and that rule's check must be the one to say so.
func TestVerifyRefuses(t *testing.T) {
	p := newProvider(t)
	v := p.verifier(t)
	claim := func(name string, value any) func(*draft) { return func(d *draft) { d.claims[name] = value } }
	header := func(name string, value any) func(*draft) { return func(d *draft) { d.header[name] = value } }
	without := func(names ...string) func(*draft) {
		return func(d *draft) {
			for _, name := range names {
				delete(d.claims, name)
			}
		}
	}
	at := func(d time.Duration) int64 { return start.Add(d).Unix() }

	for _, test := range []struct {
		name   string
		change func(*draft)
		check  rp.Check
	}{
		{"oversized", claim("padding", strings.Repeat("x", 20<<10)), rp.CheckSize},
		{"alg none", func(d *draft) { d.header["alg"] = "none" }, rp.CheckAlg},
		{"alg None", func(d *draft) { d.header["alg"] = "None" }, rp.CheckAlg},
		{"alg HS256 with the client secret", func(d *draft) { d.header["alg"], d.key = "HS256", []byte("client secret") }, rp.CheckAlg},
		{"alg not allowed", header("alg", "PS256"), rp.CheckAlg},
		{"alg missing", func(d *draft) { delete(d.header, "alg") }, rp.CheckAlg},
		{"typ of an ID token", header("typ", "JWT"), rp.CheckTyp},
		{"typ of an access token", header("typ", "at+jwt"), rp.CheckTyp},
		{"typ not a string", header("typ", 7), rp.CheckTyp},
		{"crit", func(d *draft) { d.header["crit"], d.header["b64"] = []string{"b64"}, false }, rp.CheckCrit},
		{"unknown kid", header("kid", "stranger"), rp.CheckKey},
		{"kid of another algorithm", header("kid", "RS256"), rp.CheckKey},
		{"signed by a stranger", func(d *draft) { d.key = testKeys()["stranger"] }, rp.CheckSignature},
		{"not signed", func(d *draft) { d.alg = "none" }, rp.CheckSignature},
		{"iss of another provider", claim("iss", "https://evil.example"), rp.CheckIss},
		{"iss with a slash more", claim("iss", p.URL+"/"), rp.CheckIss},
		{"iss missing", without("iss"), rp.CheckIss},
		{"iss in other case", func(d *draft) { d.claims["ISS"] = d.claims["iss"]; delete(d.claims, "iss") }, rp.CheckIss},
		{"aud of another client", claim("aud", "payroll"), rp.CheckAud},
		{"aud list without us", claim("aud", []string{"payroll", "shop2"}), rp.CheckAud},
		{"aud missing", without("aud"), rp.CheckAud},
		{"aud a number", claim("aud", 7), rp.CheckAud},
		{"iat in the future", claim("iat", at(2*time.Minute)), rp.CheckIat},
		{"iat too old", claim("iat", at(-12*time.Minute)), rp.CheckIat},
		{"iat missing", without("iat"), rp.CheckIat},
		{"iat a string", claim("iat", "now"), rp.CheckIat},
		{"iat beyond time", claim("iat", 1e300), rp.CheckIat},
		{"exp passed", claim("exp", at(-2*time.Minute)), rp.CheckExp},
		{"exp missing", without("exp"), rp.CheckExp},
		{"exp null", claim("exp", nil), rp.CheckExp},
		{"jti missing", without("jti"), rp.CheckJti},
		{"jti empty", claim("jti", ""), rp.CheckJti},
		{"jti a number", claim("jti", 7), rp.CheckJti},
		{"events missing", without("events"), rp.CheckEvents},
		{"events a string", claim("events", rp.BackchannelEvent), rp.CheckEvents},
		{"events a list", claim("events", []string{rp.BackchannelEvent}), rp.CheckEvents},
		{"events of another kind", claim("events", object{"https://schemas.openid.net/secevent/caep/event-type/session-revoked": object{}}), rp.CheckEvents},
		{"event not an object", claim("events", object{rp.BackchannelEvent: true}), rp.CheckEvents},
		{"event null", claim("events", object{rp.BackchannelEvent: nil}), rp.CheckEvents},
		{"neither sub nor sid", without("sub", "sid"), rp.CheckSubject},
		{"sub a number", claim("sub", 7), rp.CheckSubject},
		{"sid empty", claim("sid", ""), rp.CheckSubject},
		{"sid null", claim("sid", nil), rp.CheckSubject},
		{"nonce", claim("nonce", "n-1"), rp.CheckNonce},
		{"nonce null", claim("nonce", nil), rp.CheckNonce},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := p.draft()
			test.change(d)
			wantCheck(t, v, d.sign(), test.check)
		})
	}

	good := p.draft().sign()
	parts := strings.Split(good, ".")
	for _, test := range []struct {
		name, raw string
		check     rp.Check
	}{
		{"empty", "", rp.CheckForm},
		{"two parts", parts[0] + "." + parts[1], rp.CheckForm},
		{"five parts, as an encrypted one", good + "." + parts[1] + "." + parts[2], rp.CheckForm},
		{"JSON serialization, which could have several signatures", `{"protected":"` + parts[0] + `","payload":"` + parts[1] + `","signature":"` + parts[2] + `"}`, rp.CheckForm},
		{"header not JSON", base64.RawURLEncoding.EncodeToString([]byte("alg: ES256")) + "." + parts[1] + "." + parts[2], rp.CheckForm},
		{"payload swapped", parts[0] + "." + strings.Split(p.draft().sign(), ".")[1] + "." + parts[2], rp.CheckSignature},
		{"payload not JSON", p.draft().signPayload([]byte("hello")), rp.CheckClaims},
		{"payload null", p.draft().signPayload([]byte("null")), rp.CheckClaims},
		{"payload a list", p.draft().signPayload([]byte("[]")), rp.CheckClaims},
		{"member twice", p.draft().signPayload([]byte(`{"iss":"` + p.URL + `","iss":"https://evil.example"}`)), rp.CheckClaims},
	} {
		t.Run(test.name, func(t *testing.T) { wantCheck(t, v, test.raw, test.check) })
	}
}

func wantCheck(t *testing.T, v *rp.LogoutTokenVerifier, raw string, check rp.Check) {
	t.Helper()
	token, err := v.Verify(t.Context(), raw)
	var refused *rp.TokenError
	if !errors.As(err, &refused) || token != nil {
		t.Fatalf("got %+v, %v; want a TokenError of check %s", token, err, check)
	}
	if refused.Check != check {
		t.Errorf("refused by %s (%s), want %s", refused.Check, refused.Reason, check)
	}
	if strings.ContainsAny(refused.Reason, "\"\\\r\n") {
		t.Errorf("reason %q has characters that an error_description may not have", refused.Reason)
	}
}

func TestVerifyAccepts(t *testing.T) {
	p := newProvider(t)
	v := p.verifier(t)
	for _, test := range []struct {
		name   string
		change func(*draft)
		want   func(*rp.LogoutToken) bool
	}{
		{"as the specification shows it", func(*draft) {}, func(l *rp.LogoutToken) bool {
			return l.Issuer == p.URL && l.Subject == "alice" && l.SID == "s-1" && l.JTI != "" && l.Audience[0] == clientID &&
				l.IssuedAt.Equal(start) && l.ExpiresAt.Equal(start.Add(2*time.Minute)) && l.IssuedAt.Location() == time.UTC
		}},
		{"typ absent, as older providers send it", func(d *draft) { delete(d.header, "typ") }, nil},
		{"typ in capitals", func(d *draft) { d.header["typ"] = "LOGOUT+JWT" }, nil},
		{"typ with application/", func(d *draft) { d.header["typ"] = "application/logout+jwt" }, nil},
		{"RS256", func(d *draft) { d.header["alg"], d.header["kid"] = "RS256", "RS256" }, nil},
		{"EdDSA", func(d *draft) { d.header["alg"], d.header["kid"] = "EdDSA", "EdDSA" }, nil},
		{"no kid, and one key that fits", func(d *draft) { delete(d.header, "kid") }, nil},
		{"aud a list", func(d *draft) { d.claims["aud"] = []string{"payroll", clientID} }, func(l *rp.LogoutToken) bool { return len(l.Audience) == 2 }},
		{"only sub", func(d *draft) { delete(d.claims, "sid") }, func(l *rp.LogoutToken) bool { return l.SID == "" && l.Subject == "alice" }},
		{"only sid", func(d *draft) { delete(d.claims, "sub") }, func(l *rp.LogoutToken) bool { return l.SID == "s-1" && l.Subject == "" }},
		{"unknown claims", func(d *draft) { d.claims["trace"], d.claims["Nonce"] = object{"id": 7}, "not the claim nonce" }, nil},
		{"further events", func(d *draft) {
			d.claims["events"] = object{rp.BackchannelEvent: object{"reason": "unknown"}, "urn:other": 1}
		}, nil},
		{"fractions of a second", func(d *draft) { d.claims["iat"] = float64(start.Unix()) + 0.7 }, func(l *rp.LogoutToken) bool { return l.IssuedAt.Equal(start) }},
		{"clock a little ahead", func(d *draft) { d.claims["iat"] = start.Add(50 * time.Second).Unix() }, nil},
		{"clock a little behind", func(d *draft) { d.claims["exp"] = start.Add(-50 * time.Second).Unix() }, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := p.draft()
			test.change(d)
			token, err := v.Verify(t.Context(), d.sign())
			if err != nil {
				t.Fatal(err)
			}
			if test.want != nil && !test.want(token) {
				t.Errorf("unexpected contents %+v", token)
			}
		})
	}
}

func TestNewLogoutTokenVerifierNamesTheField(t *testing.T) {
	for field, cfg := range map[string]rp.VerifierConfig{
		"Issuer":     {ClientID: "shop", Issuer: "id.example.com"},
		"ClientID":   {Issuer: "https://id.example.com"},
		"JWKSURI":    {Issuer: "https://id.example.com", ClientID: "shop", JWKSURI: "/keys"},
		"Algorithms": {Issuer: "https://id.example.com", ClientID: "shop", Algorithms: []string{"RS256", "HS256"}},
		"Skew":       {Issuer: "https://id.example.com", ClientID: "shop", Skew: -time.Second},
	} {
		if _, err := rp.NewLogoutTokenVerifier(cfg); err == nil || !strings.Contains(err.Error(), "VerifierConfig."+field) {
			t.Errorf("%s: got error %v", field, err)
		}
	}
}
