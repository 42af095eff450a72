package provider_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/database/databasetest"
	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider"
	"github.com/exeunt-id/exeunt/provider/identity"
)

const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// keyPair is a client's, of one algorithm.
type keyPair struct {
	alg     jose.SignatureAlgorithm
	private crypto.Signer
	kid     string
}

// newKeys are made once: RSA takes a while.
var newKeys = sync.OnceValue(func() map[string]keyPair {
	rsaKey, err1 := rsa.GenerateKey(rand.Reader, 2048)
	ecKey, err2 := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	_, edKey, err3 := ed25519.GenerateKey(rand.Reader)
	_, other, err4 := ed25519.GenerateKey(rand.Reader)
	for _, err := range []error{err1, err2, err3, err4} {
		if err != nil {
			panic(err)
		}
	}
	return map[string]keyPair{
		"RS256": {jose.RS256, rsaKey, "rsa"}, "ES256": {jose.ES256, ecKey, "ec"}, "EdDSA": {jose.EdDSA, edKey, "ed"}, "other": {jose.EdDSA, other, "other"},
	}
})

func (k keyPair) public() jose.JSONWebKey {
	return jose.JSONWebKey{Key: k.private.Public(), KeyID: k.kid, Use: "sig"}
}

// keySet is a JWK Set of public keys.
func keySet(t *testing.T, keys ...keyPair) json.RawMessage {
	t.Helper()
	var set jose.JSONWebKeySet
	for _, k := range keys {
		set.Keys = append(set.Keys, k.public())
	}
	document, err := json.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	return document
}

// sign makes a JWS. headers go in pairs of name and value, an empty value takes one away.
func (k keyPair) sign(t *testing.T, claims map[string]any, headers ...string) string {
	t.Helper()
	options := &jose.SignerOptions{ExtraHeaders: map[jose.HeaderKey]any{"kid": k.kid, "typ": "JWT"}}
	for i := 0; i < len(headers); i += 2 {
		if options.ExtraHeaders[jose.HeaderKey(headers[i])] = headers[i+1]; headers[i+1] == "" {
			delete(options.ExtraHeaders, jose.HeaderKey(headers[i]))
		}
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: k.alg, Key: k.private}, options)
	if err != nil {
		t.Fatal(err)
	}
	return serialize(t, signer, claims)
}

func serialize(t *testing.T, signer jose.Signer, claims map[string]any) string {
	t.Helper()
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	jws, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	token, err := jws.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// assertion returns the claims of a good assertion, changed by pairs of name and value; nil takes a claim away.
func (w *world) assertion(client string, pairs ...any) map[string]any {
	now := w.clock.Now().Unix()
	m := map[string]any{"iss": client, "sub": client, "aud": w.url, "exp": now + 60, "iat": now, "jti": logout.NewID()}
	for i := 0; i < len(pairs); i += 2 {
		if m[pairs[i].(string)] = pairs[i+1]; pairs[i+1] == nil {
			delete(m, pairs[i].(string))
		}
	}
	return m
}

// asserted adds an assertion to a form.
func asserted(assertion string, form url.Values) url.Values {
	form = url.Values(http.Header(form).Clone())
	form.Set("client_assertion_type", assertionType)
	form.Set("client_assertion", assertion)
	return form
}

// keyed changes a configuration so that there is a client "keyed" with private_key_jwt.
func keyed(changes ...func(*identity.Client)) func(*provider.Config) {
	return func(cfg *provider.Config) {
		c := cfg.Clients[0]
		c.ID, c.SecretHash, c.TokenEndpointAuthMethod = "keyed", nil, identity.AuthPrivateKeyJWT
		c.RedirectURIs = []string{"https://keyed.example.com/callback"}
		for _, change := range changes {
			change(&c)
		}
		cfg.Clients = append(cfg.Clients, c)
	}
}

func withKeys(t *testing.T, keys ...keyPair) func(*identity.Client) {
	return func(c *identity.Client) { c.JWKS = keySet(t, keys...) }
}

// introspectAs shows whether an assertion is accepted, and changes nothing else.
func (w *world) introspectAs(assertion string) answer {
	w.Helper()
	return w.program().post("/introspect", asserted(assertion, url.Values{"token": {"unknown"}}))
}

// A client signs on, refreshes, introspects, revokes and logs out by assertions of each algorithm.
func TestPrivateKeyJWT(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		keys := newKeys()
		w := newWorld(t, db, keyed(withKeys(t, keys["RS256"], keys["ES256"], keys["EdDSA"])))
		alice := w.browser()
		alice.firstSignOn("shop", "alice")
		for _, alg := range []string{"RS256", "ES256", "EdDSA"} {
			key := keys[alg]
			post := func(path string, form url.Values, pairs ...any) answer {
				return w.program().post(path, asserted(key.sign(t, w.assertion("keyed", pairs...)), form))
			}
			code := alice.get("/authorize", request("keyed")).code()
			got := post("/token", codeForm("keyed", code), "aud", w.url+"/token").tokens()
			got = post("/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {got.refresh}, "client_id": {"keyed"}}, "aud", []string{w.url}).tokens()
			token := url.Values{"token": {got.access}}
			if post("/introspect", token, "aud", []string{w.url, w.url + "/token"}).want(http.StatusOK).json()["active"] != true {
				t.Errorf("%s: not active", alg)
			}
			if post("/api/logout", token, "nbf", w.clock.Now().Unix()).want(http.StatusOK).json()["revoked"] != true {
				t.Errorf("%s: nothing revoked", alg)
			}
			post("/revoke", token, "iat", nil).want(http.StatusOK)
			if post("/introspect", token).want(http.StatusOK).json()["active"] != false {
				t.Errorf("%s: active after the logout", alg)
			}
		}
	})
}

func TestAssertionRefused(t *testing.T) {
	keys := newKeys()
	w := newWorld(t, openDB(t), keyed(withKeys(t, keys["RS256"], keys["EdDSA"])), func(cfg *provider.Config) {
		c := cfg.Clients[len(cfg.Clients)-1]
		c.ID, c.TokenEndpointAuthSigningAlg = "picky", "RS256"
		cfg.Clients = append(cfg.Clients, c)
	})
	key, now := keys["EdDSA"], w.clock.Now().Unix()
	claims := func(pairs ...any) string { return key.sign(t, w.assertion("keyed", pairs...)) }
	form := func(assertion string, pairs ...string) url.Values {
		f := asserted(assertion, url.Values{"token": {"unknown"}})
		for i := 0; i < len(pairs); i += 2 {
			if f.Set(pairs[i], pairs[i+1]); pairs[i+1] == "" {
				f.Del(pairs[i])
			}
		}
		return f
	}
	hmac := func(secret []byte) string {
		signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: secret}, (&jose.SignerOptions{}).WithHeader("kid", "ed"))
		if err != nil {
			t.Fatal(err)
		}
		return serialize(t, signer, w.assertion("keyed"))
	}
	alice := w.browser()
	shop := alice.firstSignOn("shop", "alice")
	good := claims()
	parts := strings.Split(good, ".")
	tests := map[string]struct {
		form   url.Values
		status int // 0: 401
		header string
	}{
		"good":                        {form: form(good), status: 200},
		"good, without kid":           {form: form(key.sign(t, w.assertion("keyed"), "kid", "")), status: 200},
		"good, without typ":           {form: form(key.sign(t, w.assertion("keyed"), "typ", "")), status: 200},
		"good, with the draft's typ":  {form: form(key.sign(t, w.assertion("keyed"), "typ", "client-authentication+jwt")), status: 200},
		"good, with a fraction":       {form: form(claims("exp", float64(now)+60.5)), status: 200},
		"good, clock a little behind": {form: form(claims("exp", now-10, "iat", now-70)), status: 200},
		"good, clock a little ahead":  {form: form(claims("exp", now+610, "iat", now+10)), status: 200},

		"iss is another":            {form: form(claims("iss", "shop"))},
		"sub is another":            {form: form(claims("sub", "shop"))},
		"no iss, no sub":            {form: form(claims("iss", nil, "sub", nil))},
		"no such client":            {form: form(claims("iss", "nobody", "sub", "nobody"))},
		"another client's key":      {form: form(keys["other"].sign(t, w.assertion("keyed"), "kid", "ed"))},
		"unknown kid":               {form: form(key.sign(t, w.assertion("keyed"), "kid", "unknown"))},
		"kid of another key":        {form: form(key.sign(t, w.assertion("keyed"), "kid", "rsa"))},
		"no aud":                    {form: form(claims("aud", nil))},
		"empty aud":                 {form: form(claims("aud", []string{}))},
		"aud is the endpoint":       {form: form(claims("aud", w.url+"/introspect"))},
		"aud with a slash":          {form: form(claims("aud", w.url+"/"))},
		"aud is somebody too":       {form: form(claims("aud", []string{w.url, "https://id.example.com"}))},
		"aud is a number":           {form: form(claims("aud", 1))},
		"no exp":                    {form: form(claims("exp", nil))},
		"expired":                   {form: form(claims("exp", now-31))},
		"exp too far":               {form: form(claims("exp", now+700))},
		"exp for ever":              {form: form(claims("exp", 1e300))},
		"exp is text":               {form: form(claims("exp", "tomorrow"))},
		"nbf ahead":                 {form: form(claims("nbf", now+60))},
		"iat ahead":                 {form: form(claims("iat", now+60))},
		"iat after exp":             {form: form(claims("iat", now+20, "exp", now+10))},
		"no jti":                    {form: form(claims("jti", nil))},
		"jti is a number":           {form: form(claims("jti", 1))},
		"typ of a logout token":     {form: form(key.sign(t, w.assertion("keyed"), "typ", "logout+jwt"))},
		"typ of an access token":    {form: form(key.sign(t, w.assertion("keyed"), "typ", "at+jwt"))},
		"alg none":                  {form: form("eyJhbGciOiJub25lIiwia2lkIjoiZWQifQ." + parts[1] + ".")},
		"HMAC by the public key":    {form: form(hmac(key.public().Key.(ed25519.PublicKey)))},
		"HMAC by another's secret":  {form: form(hmac([]byte(secret)))},
		"no signature":              {form: form(parts[0] + "." + parts[1] + ".")},
		"another payload":           {form: form(parts[0] + "." + strings.Split(claims(), ".")[1] + "." + parts[2])},
		"our ID token":              {form: form(shop.id)},
		"our access token":          {form: form(shop.access)},
		"not the registered alg":    {form: form(key.sign(t, w.assertion("picky")))},
		"the registered alg":        {form: form(keys["RS256"].sign(t, w.assertion("picky"))), status: 200},
		"client_id of another":      {form: form(claims(), "client_id", "shop")},
		"no type":                   {form: form(claims(), "client_assertion_type", "")},
		"another type":              {form: form(claims(), "client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:saml2-bearer")},
		"type in capitals":          {form: form(claims(), "client_assertion_type", strings.ToUpper(assertionType))},
		"type only":                 {form: form("", "client_id", "keyed")},
		"and a secret":              {form: form(claims(), "client_secret", secret), status: 400},
		"and Basic":                 {form: form(claims()), header: "Basic c2hvcDp4", status: 400},
		"and Bearer":                {form: form(claims()), header: "Bearer " + shop.access, status: 400},
		"twice":                     {form: twice(form(claims()), "client_assertion"), status: 400},
		"a client with a secret":    {form: form(key.sign(t, w.assertion("shop")))},
		"a public client":           {form: form(key.sign(t, w.assertion("app")))},
		"secret instead of the key": {form: url.Values{"client_id": {"keyed"}, "client_secret": {secret}, "token": {"unknown"}}},
		"nothing instead":           {form: url.Values{"client_id": {"keyed"}, "token": {"unknown"}}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			a := w.program().with("Authorization", test.header).post("/introspect", test.form)
			switch test.status {
			case http.StatusOK:
				a.want(http.StatusOK)
				w.program().post("/introspect", test.form).wantError(http.StatusUnauthorized, "invalid_client") // replayed
			case 0:
				a.wantError(http.StatusUnauthorized, "invalid_client")
			default:
				a.wantError(test.status, "invalid_request")
			}
		})
	}
	t.Run("nobody learns which clients exist", func(t *testing.T) {
		descriptions := map[any]bool{}
		for _, client := range []string{"keyed", "shop", "app", "nobody"} {
			descriptions[w.introspectAs(keys["other"].sign(t, w.assertion(client))).json()["error_description"]] = true
		}
		if len(descriptions) != 1 {
			t.Errorf("failures can be told apart: %v", descriptions)
		}
	})
	t.Run("in the URL", func(t *testing.T) {
		w.program().post("/introspect?"+form(claims()).Encode(), url.Values{"token": {"x"}}).wantError(http.StatusBadRequest, "invalid_request")
	})
	t.Run("replayed after the clocks' skew", func(t *testing.T) {
		once := form(claims("exp", now+5))
		w.program().post("/introspect", once).want(http.StatusOK)
		w.clock.Advance(34 * time.Second)
		w.program().post("/introspect", once).wantError(http.StatusUnauthorized, "invalid_client")
	})
}

// Of parallel requests with one assertion exactly one is heard. The jti of another client is another.
func TestAssertionReplay(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		key := newKeys()["EdDSA"]
		w := newWorld(t, db, keyed(withKeys(t, key)), keyed(withKeys(t, key), func(c *identity.Client) { c.ID = "twin" }))
		for range 5 {
			jti := logout.NewID()
			assertion := key.sign(t, w.assertion("keyed", "jti", jti))
			var heard atomic.Int32
			var group sync.WaitGroup
			for range 4 {
				group.Go(func() {
					if a := w.introspectAs(assertion); a.status == http.StatusOK {
						heard.Add(1)
					}
				})
			}
			group.Wait()
			if heard.Load() != 1 {
				t.Errorf("%d of 4 were heard", heard.Load())
			}
			w.introspectAs(key.sign(t, w.assertion("twin", "jti", jti))).want(http.StatusOK)
		}
	})
}
