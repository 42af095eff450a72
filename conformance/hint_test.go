package conformance

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/url"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/logout"
)

// signed signs with the provider's own key.
func (w *world) signed(alg, typ string, claims map[string]any) string {
	w.Helper()
	payload, err := json.Marshal(claims)
	if err != nil {
		w.Fatal(err)
	}
	token, err := w.keyring.Sign(w.Context(), alg, typ, payload)
	if err != nil {
		w.Fatal(err)
	}
	return token
}

// forger signs with a key of its own.
type forger struct {
	*testing.T
	key any
	alg jose.SignatureAlgorithm
	kid string
}

// sign makes a token with further protected headers; a value of nil takes one away.
func (f forger) sign(header, claims map[string]any) string {
	f.Helper()
	options := &jose.SignerOptions{ExtraHeaders: map[jose.HeaderKey]any{}}
	for name, value := range header {
		options.ExtraHeaders[jose.HeaderKey(name)] = value
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: f.alg, Key: jose.JSONWebKey{Key: f.key, KeyID: f.kid}}, options)
	if err != nil {
		f.Fatal(err)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		f.Fatal(err)
	}
	jws, err := signer.Sign(payload)
	if err != nil {
		f.Fatal(err)
	}
	token, err := jws.CompactSerialize()
	if err != nil {
		f.Fatal(err)
	}
	return token
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// retiredKey adds a key to the provider's that signed once and is retired now.
func (w *world) retiredKey() forger {
	w.Helper()
	f := forger{T: w.T, key: newKey(w.T), alg: jose.ES256, kid: "retired-" + logout.NewID()}
	private, _ := f.key.(*ecdsa.PrivateKey)
	public, err := json.Marshal(jose.JSONWebKey{Key: private.Public(), KeyID: f.kid, Algorithm: string(f.alg), Use: "sig"})
	if err != nil {
		w.Fatal(err)
	}
	now := database.Micros(w.clock.Now())
	if err := w.db.Writer(w.Context()).Exec(
		"INSERT INTO signing_keys (id, algorithm, sealed, public, created_at, activated_at, retired_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
		f.kid, string(f.alg), []byte("nothing opens a retired key"), string(public), now, now, now).Error; err != nil {
		w.Fatal(err)
	}
	return f
}

// Everything that is no ID token of ours is a page with a stable title: no redirect, and nothing ends.
func TestRPInitiatedLogout_4_BadHint(t *testing.T) {
	w := open(t)
	alice := w.browser()
	shop := alice.firstSignOn("shop", "alice", "scope", "openid offline_access")
	genuine := readJWT(shop.id)
	part := func(m map[string]any) string {
		raw, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(raw)
	}
	changed := func(pairs ...any) map[string]any {
		m := maps.Clone(genuine.claims)
		for i := 0; i < len(pairs); i += 2 {
			if name, _ := pairs[i].(string); pairs[i+1] == nil {
				delete(m, name)
			} else {
				m[name] = pairs[i+1]
			}
		}
		return m
	}
	hmacKey := func(key []byte) forger { return forger{T: t, key: key, alg: jose.HS256} }
	hashed := sha256.Sum256([]byte(secret))
	stranger := forger{T: t, key: newKey(t), alg: jose.ES256, kid: "x"}
	impostor := stranger
	impostor.kid, _ = genuine.header["kid"].(string)
	jwks := w.program().get("/keys", nil).body
	tests := map[string]string{
		"no JWT":                         "x",
		"empty parts":                    "..",
		"alg none":                       part(map[string]any{"alg": "none"}) + "." + genuine.parts[1] + ".",
		"alg None":                       part(map[string]any{"alg": "None"}) + "." + genuine.parts[1] + ".",
		"alg none, signature kept":       part(map[string]any{"alg": "none", "kid": genuine.header["kid"]}) + "." + genuine.parts[1] + "." + genuine.parts[2],
		"no alg":                         part(map[string]any{"typ": "JWT"}) + "." + genuine.parts[1] + "." + genuine.parts[2],
		"HS256 with the client secret":   hmacKey([]byte(secret)).sign(nil, genuine.claims),
		"HS256 with the hashed secret":   hmacKey(hashed[:]).sign(nil, genuine.claims),
		"HS256 with the public keys":     hmacKey([]byte(jwks)).sign(map[string]any{"kid": genuine.header["kid"]}, genuine.claims),
		"signed by a stranger":           stranger.sign(nil, genuine.claims),
		"a stranger with our kid":        impostor.sign(map[string]any{"typ": "JWT"}, genuine.claims),
		"a key in the header":            forger{T: t, key: newKey(t), alg: jose.ES256}.sign(map[string]any{"jwk": map[string]any{"kty": "oct"}}, genuine.claims),
		"crit":                           stranger.sign(map[string]any{"crit": []string{"exp"}}, genuine.claims),
		"no kid":                         part(map[string]any{"alg": "RS256"}) + "." + genuine.parts[1] + "." + genuine.parts[2],
		"changed claims":                 genuine.parts[0] + "." + part(changed("sid", "x")) + "." + genuine.parts[2],
		"changed signature":              genuine.parts[0] + "." + genuine.parts[1] + "." + strings.Repeat("A", len(genuine.parts[2])),
		"no signature":                   genuine.parts[0] + "." + genuine.parts[1] + ".",
		"four parts":                     shop.id + ".x",
		"JSON serialization":             `{"payload":"` + genuine.parts[1] + `","protected":"` + genuine.parts[0] + `","signature":"` + genuine.parts[2] + `"}`,
		"logout token type, ES256":       w.signed("ES256", "logout+jwt", genuine.claims),
		"logout token type":              w.signed("RS256", "logout+jwt", genuine.claims),
		"access token type":              w.signed("RS256", "at+jwt", genuine.claims),
		"security event type":            w.signed("RS256", "secevent+jwt", genuine.claims),
		"with events":                    w.signed("RS256", "JWT", changed("events", map[string]any{})),
		"with scope":                     w.signed("RS256", "JWT", changed("scope", "openid")),
		"with client_id":                 w.signed("RS256", "JWT", changed("client_id", "shop")),
		"another issuer":                 w.signed("RS256", "JWT", changed("iss", "https://evil.example.com")),
		"issuer with a slash":            w.signed("RS256", "JWT", changed("iss", w.issuer+"/")),
		"no iss":                         w.signed("RS256", "JWT", changed("iss", nil)),
		"no exp":                         w.signed("RS256", "JWT", changed("exp", nil)),
		"no iat":                         w.signed("RS256", "JWT", changed("iat", nil)),
		"no auth_time":                   w.signed("RS256", "JWT", changed("auth_time", nil)),
		"no sub":                         w.signed("RS256", "JWT", changed("sub", nil)),
		"no sid":                         w.signed("RS256", "JWT", changed("sid", nil)),
		"two audiences, nobody azp":      w.signed("RS256", "JWT", changed("azp", nil, "aud", []string{"shop", "wiki"})),
		"no audience":                    w.signed("RS256", "JWT", changed("azp", nil, "aud", nil)),
		"azp nobody":                     w.signed("RS256", "JWT", changed("azp", "nobody", "aud", "nobody")),
		"claims of the wrong types":      w.signed("RS256", "JWT", changed("exp", "soon")),
		"the access token":               shop.access,
		"the refresh token":              shop.refresh,
		"a NUL":                          "a\x00b.c.d",
		"not UTF-8":                      "\xff\xfe.\xff.\xff",
		"very long":                      strings.Repeat("a", 30000),
		"nested":                         part(genuine.header) + "." + part(map[string]any{"x": shop.id}) + "." + genuine.parts[2],
		"whitespace around a good token": " " + shop.id + " x",
	}
	for name, hint := range tests {
		t.Run(name, func(t *testing.T) {
			alice := alice.in(t)
			for _, query := range []url.Values{
				values("id_token_hint", hint, "post_logout_redirect_uri", bye("shop"), "state", "x"),
				values("id_token_hint", hint, "client_id", "shop", "post_logout_redirect_uri", bye("shop")),
				values("id_token_hint", hint),
			} {
				a := alice.with("Sec-Fetch-Site", "same-origin").post("/end_session", query).wantPage(400, signOutRefused)
				if a.header.Get("Location") != "" {
					t.Errorf("redirects to %s", a.header.Get("Location"))
				}
			}
			if !alice.alive() {
				t.Error("the session ended")
			}
		})
	}
	t.Run("the logout token of the session", func(t *testing.T) {
		w := open(t)
		alice := w.browser()
		shop := alice.firstSignOn("shop", "alice")
		alice.get("/logout", values("client_id", "shop"))
		got := w.receiver.to("shop", sidOf(shop.id))
		if len(got) != 1 {
			t.Fatalf("%d logout tokens", len(got))
		}
		alice.get("/end_session", values("id_token_hint", strings.Join(got[0].token.parts, "."), "post_logout_redirect_uri", bye("shop"))).
			wantPage(400, "This sign-out request is not valid")
	})
	t.Run("as authorization hint", func(t *testing.T) {
		for name, hint := range tests {
			// Core 3.1.2.1 asks no sid of a hint, and its client need not be the one that asks.
			if name == "no sid" || name == "azp nobody" || len(hint) > 8000 {
				continue
			}
			if r := alice.in(t).get("/authorize", request("shop", "id_token_hint", hint, "prompt", "none")).response(); r.Get("error") != "invalid_request" {
				t.Errorf("%s: %v", name, r)
			}
		}
	})
}

// client_id must match the hint, and post_logout_redirect_uri a registered one, exactly.
func TestRPInitiatedLogout_3_RedirectExactness(t *testing.T) {
	w := open(t)
	alice := w.browser()
	shop := alice.firstSignOn("shop", "alice")
	with := func(uri string) url.Values {
		return values("id_token_hint", shop.id, "post_logout_redirect_uri", uri, "state", "x")
	}
	tests := map[string]url.Values{
		"another client_id":           values("id_token_hint", shop.id, "client_id", "wiki", "post_logout_redirect_uri", bye("shop")),
		"unknown client_id and hint":  values("id_token_hint", shop.id, "client_id", "nobody"),
		"unknown client_id":           values("client_id", "nobody"),
		"redirect, no client":         values("post_logout_redirect_uri", bye("shop")),
		"redirect and state only":     values("post_logout_redirect_uri", bye("shop"), "state", "x"),
		"added query":                 with(bye("shop") + "?foo=bar"),
		"empty query":                 with(bye("shop") + "?"),
		"fragment":                    with(bye("shop") + "#x"),
		"empty fragment":              with(bye("shop") + "#"),
		"trailing slash":              with(bye("shop") + "/"),
		"dot segments":                with("https://shop.example.com/x/../bye"),
		"another case":                with("https://SHOP.example.com/bye"),
		"default port":                with("https://shop.example.com:443/bye"),
		"encoded letter":              with("https://shop.example.com/%62ye"),
		"http":                        with("http://shop.example.com/bye"),
		"user info":                   with("https://x@shop.example.com/bye"),
		"another's":                   with(bye("wiki")),
		"redirect, not after logout":  with(callback("shop")),
		"prefix":                      with("https://shop.example.com/"),
		"evil":                        with("https://evil.example.com/bye"),
		"scheme-relative":             with("//evil.example.com"),
		"backslash":                   with(`https:\\evil.example.com`),
		"javascript":                  with("javascript:alert(1)"),
		"line feed":                   with(bye("shop") + "\nLocation: https://evil.example.com"),
		"space":                       with(" " + bye("shop")),
		"NUL":                         with(bye("shop") + "\x00"),
		"repeated hint":               twice(with(bye("shop")), "id_token_hint"),
		"repeated redirect":           twice(with(bye("shop")), "post_logout_redirect_uri"),
		"repeated state":              twice(with(bye("shop")), "state"),
		"client of another hint only": values("client_id", "wiki", "post_logout_redirect_uri", bye("shop")),
	}
	for name, query := range tests {
		t.Run(name, func(t *testing.T) {
			alice := alice.in(t)
			if a := alice.get("/end_session", query).wantPage(400, signOutRefused); strings.Contains(a.body, "evil.example.com") {
				t.Error("the page shows the foreign address")
			}
			if !alice.alive() {
				t.Error("the session ended")
			}
		})
	}
}

// signOutRefused is the stable title of the page for a logout request that ends nothing.
const signOutRefused = `id="error-title">This sign-out request is not valid</h1>`
