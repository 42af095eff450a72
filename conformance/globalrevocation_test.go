package conformance

import (
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/database/databasetest"
	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider"
	"github.com/exeunt-id/exeunt/provider/identity"
)

const revocationPath = "/global-token-revocation"

// clientKey signs the assertions of a client.
type clientKey struct {
	client  string
	private ed25519.PrivateKey
}

func newClientKey(client string) clientKey {
	seed := make([]byte, ed25519.SeedSize)
	copy(seed, client)
	return clientKey{client, ed25519.NewKeyFromSeed(seed)}
}

// guard may revoke for example.com, other for nobody.
var guardKey, otherKey = newClientKey("guard"), newClientKey("other")

func (k clientKey) registration(t *testing.T) identity.Client {
	t.Helper()
	set, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: k.private.Public(), KeyID: k.client, Use: "sig", Algorithm: "EdDSA"}}})
	if err != nil {
		t.Fatal(err)
	}
	return identity.Client{
		ID: k.client, ApplicationType: "web", TokenEndpointAuthMethod: identity.AuthPrivateKeyJWT, GrantTypes: []string{identity.GrantClientCredentials},
		Scope: "x", JWKS: set, IDTokenSigningAlg: "RS256",
	}
}

// guarded adds them to a provider.
func guarded(cfg *provider.Config) {
	t := &testing.T{} // keys of our own always encode
	cfg.Clients = append(cfg.Clients, guardKey.registration(t), otherKey.registration(t))
	cfg.GlobalRevocation = map[string][]string{"guard": {"example.com", "example.org"}}
}

// assertion makes a client assertion, good unless pairs of claims change it.
func (k clientKey) assertion(w *world, pairs ...any) string {
	w.Helper()
	now := w.clock.Now()
	claims := map[string]any{
		"iss": k.client, "sub": k.client, "aud": w.issuer + revocationPath, "jti": logout.NewID(), "iat": now.Unix(), "exp": now.Unix() + 60,
	}
	for i := 0; i < len(pairs); i += 2 {
		claims[fmt.Sprint(pairs[i])] = pairs[i+1]
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.EdDSA, Key: k.private}, (&jose.SignerOptions{}).WithHeader("kid", k.client))
	if err != nil {
		w.Fatal(err)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		w.Fatal(err)
	}
	jws, err := signer.Sign(payload)
	if err != nil {
		w.Fatal(err)
	}
	token, err := jws.CompactSerialize()
	if err != nil {
		w.Fatal(err)
	}
	return token
}

// revoke sends a request.
func (w *world) revoke(assertion, body string) answer {
	w.Helper()
	return w.program().with("Authorization", "Bearer "+assertion).send(http.MethodPost, revocationPath, "application/json", body)
}

// Who may, for whom, and what is no request.
func TestGlobalRevocation_2_Request(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		w := openOn(t, db, "http", guarded, func(cfg *provider.Config) {
			cfg.Users = append(cfg.Users, provider.User{Username: "twin", Password: "x", Email: "ALICE@example.com"}, provider.User{Username: "dora", Password: "x", Email: "dora@example.net"})
		})
		operator, err := provider.NewOperator(w.config)
		if err != nil {
			t.Fatal(err)
		}
		id := func(name string) string {
			user, err := operator.User(t.Context(), name)
			if err != nil {
				t.Fatal(err)
			}
			return user.ID
		}
		alice := w.browser()
		shop := alice.firstSignOn("shop", "alice")
		email := func(address string) string {
			return fmt.Sprintf(`{"sub_id":{"format":"email","email":%q}}`, address)
		}
		opaque := func(id string) string { return fmt.Sprintf(`{"sub_id":{"format":"opaque","id":%q}}`, id) }
		subject := func(iss, sub string) string {
			return fmt.Sprintf(`{"sub_id":{"format":"iss_sub","iss":%q,"sub":%q}}`, iss, sub)
		}
		good := email("alice@example.com")
		used := guardKey.assertion(w)
		w.revoke(used, opaque("nobody")).want(404)
		refused := map[string]struct {
			assertion, body string
			status          int
		}{
			"no assertion":                {"", good, 401},
			"an access token":             {shop.access, good, 401},
			"an ID token":                 {shop.id, good, 401},
			"used":                        {used, good, 401},
			"expired":                     {guardKey.assertion(w, "exp", w.clock.Now().Unix()-60), good, 401},
			"for somebody else":           {guardKey.assertion(w, "aud", "https://elsewhere.example.com"), good, 401},
			"for the introspection":       {guardKey.assertion(w, "aud", w.issuer+"/introspect"), good, 401},
			"another's key":               {otherKey.assertion(w, "iss", "guard", "sub", "guard"), good, 401},
			"a client with a secret":      {guardKey.assertion(w, "iss", "shop", "sub", "shop"), good, 401},
			"an unknown client":           {guardKey.assertion(w, "iss", "nobody", "sub", "nobody"), good, 401},
			"a client without permission": {otherKey.assertion(w), good, 403},
			"another domain":              {guardKey.assertion(w), email("dora@example.net"), 403},
			"another domain, nobody":      {guardKey.assertion(w), email("nobody@example.net"), 403},
			"a subdomain":                 {guardKey.assertion(w), email("alice@eu.example.com"), 403},
			"no domain":                   {guardKey.assertion(w), email("alice"), 403},
			"nobody with this address":    {guardKey.assertion(w), email("nobody@example.com"), 404},
			"NUL":                         {guardKey.assertion(w), `{"sub_id":{"format":"email","email":"a\u0000@example.com"}}`, 404},
			"nobody with this id":         {guardKey.assertion(w), opaque(logout.NewID()), 404},
			"somebody of another domain":  {guardKey.assertion(w), opaque(id("dora")), 404},
			"somebody without an address": {guardKey.assertion(w), opaque(id("bob")), 404},
			"another issuer":              {guardKey.assertion(w), subject("https://elsewhere.example.com", id("alice")), 404},
			"no body":                     {guardKey.assertion(w), "", 400},
			"no object":                   {guardKey.assertion(w), "[]", 400},
			"no sub_id":                   {guardKey.assertion(w), "{}", 400},
			"null":                        {guardKey.assertion(w), `{"sub_id":null}`, 400},
			"no format":                   {guardKey.assertion(w), `{"sub_id":{"id":"x"}}`, 400},
			"an unknown format":           {guardKey.assertion(w), `{"sub_id":{"format":"phone_number","phone_number":"+12065550100"}}`, 400},
			"a missing member":            {guardKey.assertion(w), `{"sub_id":{"format":"iss_sub","sub":"x"}}`, 400},
			"an empty member":             {guardKey.assertion(w), opaque(""), 400},
			"a member of another format":  {guardKey.assertion(w), `{"sub_id":{"format":"email","email":"alice@example.com","id":"x"}}`, 400},
			"a member twice":              {guardKey.assertion(w), `{"sub_id":{"format":"opaque","id":"x","id":"y"}}`, 400},
			"sub_id twice":                {guardKey.assertion(w), `{"sub_id":{"format":"opaque","id":"x"},"sub_id":{"format":"opaque","id":"y"}}`, 400},
			"a number":                    {guardKey.assertion(w), `{"sub_id":{"format":"opaque","id":7}}`, 400},
			"two objects":                 {guardKey.assertion(w), good + good, 400},
		}
		for name, test := range refused {
			t.Run(name, func(t *testing.T) {
				a := (&world{T: t, place: w.place}).revoke(test.assertion, test.body).want(test.status)
				if a.json()["error"] == "" || a.header.Get("Cache-Control") != "no-store" || strings.HasPrefix(a.header.Get("WWW-Authenticate"), "Bearer") != (test.status == 401) {
					t.Errorf("%v: %s", a.header, a)
				}
			})
		}
		w.program().with("Authorization", "Bearer "+guardKey.assertion(w)).post(revocationPath, values("sub_id", "x")).wantError(400, "invalid_request")
		w.program().with("Authorization", basic("shop", secret)).send("POST", revocationPath, "application/json", good).wantError(401, "invalid_client")
		w.program().get(revocationPath, nil).want(405)
		w.revoke(guardKey.assertion(w), email(strings.Repeat("x", 70<<10))).want(413)
		if !alice.alive() || !w.active("shop", shop.access) || w.told(shop.id) != 0 {
			t.Fatal("a refused request ended something")
		}
		w.clock.Advance(2 * 60 * 1e9) // another window
		// Everybody with the address, whatever its case; the audience may be any of our names.
		twin := w.browser()
		page := twin.get("/authorize", request("wiki"))
		wiki := w.exchange("wiki", twin.submit(page, "username", "twin", "password", "x").code()).tokens()
		if a := w.revoke(guardKey.assertion(w, "aud", w.issuer), email("Alice@Example.COM")).want(204); a.body != "" {
			t.Errorf("a body: %s", a)
		}
		if alice.alive() || twin.alive() || w.active("shop", shop.access) {
			t.Error("a session or a token lives")
		}
		w.eventually("both apps are told", func() bool { return w.told(shop.id) == 1 && w.told(wiki.id) == 1 })
		w.revoke(guardKey.assertion(w, "aud", w.issuer+"/token"), subject(w.issuer, id("alice"))).want(204) // nothing lives any more
	})
}

// So many in a minute.
func TestGlobalRevocation_4_RateLimit(t *testing.T) {
	w := openOn(t, databasetest.Open(t, databasetest.SQLiteURL(t)), "http", guarded)
	const nobody = `{"sub_id":{"format":"opaque","id":"nobody"}}`
	for range 60 {
		w.revoke(guardKey.assertion(w), nobody).want(404)
	}
	a := w.revoke(guardKey.assertion(w), nobody).want(429)
	if seconds, err := strconv.Atoi(a.header.Get("Retry-After")); err != nil || seconds < 1 || seconds > 60 {
		t.Errorf("Retry-After %q", a.header.Get("Retry-After"))
	}
	w.revoke(otherKey.assertion(w), nobody).want(403) // who may not is not counted, and nobody else is slowed down
	w.clock.Advance(61 * 1e9)
	w.revoke(guardKey.assertion(w), nobody).want(404)
}

// Advertised where somebody may use it.
func TestGlobalRevocation_3_Metadata(t *testing.T) {
	w := openOn(t, databasetest.Open(t, databasetest.SQLiteURL(t)), "http", guarded)
	doc := w.program().get("/.well-known/openid-configuration", nil).json()
	if doc["global_token_revocation_endpoint"] != w.issuer+revocationPath || fmt.Sprint(doc["global_token_revocation_endpoint_auth_methods_supported"]) != "[private_key_jwt]" {
		t.Errorf("metadata: %v", doc)
	}
	for name := range open(t).program().get("/.well-known/openid-configuration", nil).json() {
		if strings.HasPrefix(name, "global_") {
			t.Errorf("%s is advertised though nobody may use it", name)
		}
	}
}
