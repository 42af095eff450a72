package conformance

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/database/databasetest"
	"github.com/exeunt-id/exeunt/provider"
)

// RFC 7591, 3: whoever has no initial access token registers nothing, and is told how to send one.
func TestRegistration_3_InitialAccessToken(t *testing.T) {
	w := open(t)
	good := w.registration("rp")
	if a := w.program().tell(http.MethodPost, "/register", "", good).wantError(401, "invalid_token"); a.header.Get("WWW-Authenticate") != fmt.Sprintf("Bearer realm=%q", w.issuer) {
		t.Errorf("WWW-Authenticate %q", a.header.Get("WWW-Authenticate"))
	}
	for _, token := range []string{"wrong", initialAccessToken + "x", initialAccessToken[1:], strings.ToUpper(initialAccessToken), secret} {
		a := w.program().tell(http.MethodPost, "/register", token, good).wantError(401, "invalid_token")
		if !strings.Contains(a.header.Get("WWW-Authenticate"), `error="invalid_token"`) || a.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: headers %v", token, a.header)
		}
	}
	body, err := json.Marshal(good)
	if err != nil {
		t.Fatal(err)
	}
	for name, a := range map[string]answer{
		"in the URL": w.program().send(http.MethodPost, "/register?access_token="+initialAccessToken, "application/json", string(body)),
		"as Basic":   w.program().with("Authorization", basic("shop", secret)).send(http.MethodPost, "/register", "application/json", string(body)),
		"in a form":  w.program().post("/register", values("access_token", initialAccessToken)),
	} {
		if a.status != 401 {
			t.Errorf("%s: %s", name, a)
		}
	}
	w.program().tell(http.MethodPost, "/register", "another-one", good).want(201)
	w.program().get("/register", nil).want(405)
}

// Without initial access tokens there is no such endpoint, and none is advertised (OpenID Connect Discovery 1.0, 3).
func TestDynamicRegistration_3_Off(t *testing.T) {
	url := databasetest.SQLiteURL(t)
	on := openOn(t, databasetest.Open(t, url), "http")
	if doc := on.program().get("/.well-known/openid-configuration", nil).json(); doc["registration_endpoint"] != on.issuer+"/register" {
		t.Errorf("registration_endpoint is %v", doc["registration_endpoint"])
	}
	rp := on.join("rp")
	off := openOn(t, databasetest.Open(t, url), "http", func(c *provider.Config) { c.Registration = provider.Registration{} })
	if endpoint, there := off.program().get("/.well-known/openid-configuration", nil).json()["registration_endpoint"]; there {
		t.Errorf("registration_endpoint is %v", endpoint)
	}
	off.program().tell(http.MethodPost, "/register", initialAccessToken, off.registration("rp")).wantError(404, "invalid_request")
	off.program().tell(http.MethodGet, "/register/"+rp.id, rp.token, nil).wantError(404, "invalid_request")
}

// RFC 7591, 3.2.1: everything that was registered comes back, with defaults, and nothing else.
func TestRegistration_3_2_1_Response(t *testing.T) {
	w := open(t)
	public, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	jwks := map[string]any{"keys": []any{map[string]any{"kty": "OKP", "crv": "Ed25519", "kid": "a", "x": base64.RawURLEncoding.EncodeToString(public)}}}
	all := metadata{
		"application_type": "web", "redirect_uris": []any{callback("rp"), callback("rp") + "?a=b"}, "client_name": "Café 🙂", "contacts": []any{"ops@example.com"},
		"logo_uri": "https://rp.example.com/l", "policy_uri": "https://rp.example.com/p", "tos_uri": "https://rp.example.com/t", "client_uri": "https://rp.example.com/",
		"grant_types": []any{"authorization_code", "refresh_token"}, "response_types": []any{"code"}, "scope": "openid email", "default_max_age": 5.0,
		"require_auth_time": true, "default_acr_values": []any{"1"}, "initiate_login_uri": "https://rp.example.com/i", "subject_type": "public",
		"post_logout_redirect_uris": []any{bye("rp")}, "backchannel_logout_uri": "https://rp.example.com/b", "backchannel_logout_session_required": true,
		"frontchannel_logout_uri": "https://rp.example.com/f", "frontchannel_logout_session_required": true, "id_token_signed_response_alg": "ES256",
		"token_endpoint_auth_method": "private_key_jwt", "token_endpoint_auth_signing_alg": "EdDSA", "jwks": jwks, "software_id": "s", "software_version": "1",
	}
	least := metadata{"redirect_uris": []any{callback("rp")}}
	defaults := metadata{
		"application_type": "web", "grant_types": []any{"authorization_code"}, "response_types": []any{"code"}, "token_endpoint_auth_method": "client_secret_basic",
		"id_token_signed_response_alg": "RS256", "subject_type": "public", "scope": "openid profile email address phone offline_access",
	}
	for name, test := range map[string]struct{ send, want metadata }{
		"everything":      {all, all},
		"the least":       {least, least.with("redirect_uris", least["redirect_uris"]).merge(defaults)},
		"unknown members": {least.with("colour", "red", "client_name#de", "x", "client_id", "shop", "client_secret", "chosen", "request_uris", []string{"https://x/"}), least.merge(defaults)},
		"a public client": {least.with("token_endpoint_auth_method", "none"), least.merge(defaults).with("token_endpoint_auth_method", "none")},
		"by post":         {least.with("token_endpoint_auth_method", "client_secret_post"), least.merge(defaults).with("token_endpoint_auth_method", "client_secret_post")},
	} {
		t.Run(name, func(t *testing.T) {
			w := &world{T: t, place: w.place}
			a := w.register(test.send)
			got := metadata(a.want(201).json())
			if a.header.Get("Content-Type") != "application/json" || a.header.Get("Cache-Control") != "no-store" || a.header.Get("Pragma") != "no-cache" {
				t.Errorf("headers %v", a.header)
			}
			p := a.registered(w, "rp")
			confidential := strings.HasPrefix(fmt.Sprint(got["token_endpoint_auth_method"]), "client_secret_")
			if expires, there := got["client_secret_expires_at"]; there != confidential || (p.secret != "") != confidential || confidential && expires != 0.0 {
				t.Errorf("secret %q, expires at %v", p.secret, expires)
			}
			if issued, _ := got["client_id_issued_at"].(float64); issued > float64(w.clock.Now().Unix()) || issued < float64(w.clock.Now().Unix()-60) {
				t.Errorf("client_id_issued_at %v", issued)
			}
			if p.uri != w.issuer+"/register/"+p.id || len(p.id) < 16 || len(p.token) != 43 || confidential && len(p.secret) != 43 {
				t.Errorf("%+v", p)
			}
			rest := got.with("client_id", nil, "client_secret", nil, "client_secret_expires_at", nil, "client_id_issued_at", nil, "registration_access_token", nil, "registration_client_uri", nil)
			if !reflect.DeepEqual(rest, test.want) {
				t.Errorf("registered %v\nwant       %v", rest, test.want)
			}
		})
	}
}

// RFC 7591, 3.2.2: the code, and a description that names member and value in ASCII, never a secret.
func TestRegistration_3_2_2_Errors(t *testing.T) {
	w := openOn(t, databasetest.Open(t, databasetest.SQLiteURL(t)), "https")
	good := w.registration("rp").with("backchannel_logout_uri", nil)
	w.register(good).want(201)
	for name, test := range map[string]struct {
		change []any
		code   string
		names  string // regular expression
	}{
		"no redirect URI":         {[]any{"redirect_uris", nil}, "invalid_redirect_uri", `^redirect_uris: is missing`},
		"a fragment":              {[]any{"redirect_uris", []string{callback("rp"), callback("rp") + "#x"}}, "invalid_redirect_uri", `^redirect_uris\[1\]: "https://rp.example.com/callback#x" has a fragment`},
		"http":                    {[]any{"redirect_uris", []string{"http://rp.example.com/"}}, "invalid_redirect_uri", `http://rp.example.com/" uses http`},
		"a script":                {[]any{"redirect_uris", []string{"javascript:alert(1)"}}, "invalid_redirect_uri", `scheme javascript`},
		"beside another fault":    {[]any{"redirect_uris", []string{"/x"}, "scope", "admin"}, "invalid_redirect_uri", `not absolute.*scope: "admin"`},
		"loopback":                {[]any{"backchannel_logout_uri", "http://127.0.0.1/x"}, "invalid_client_metadata", `backchannel_logout_uri: .* uses http`},
		"post-logout redirect":    {[]any{"post_logout_redirect_uris", []string{"https://x/#"}}, "invalid_client_metadata", `post_logout_redirect_uris\[0\]`},
		"another's frame":         {[]any{"frontchannel_logout_uri", "https://other.example.com/"}, "invalid_client_metadata", `frontchannel_logout_uri: .*other.example.com`},
		"implicit":                {[]any{"response_types", []string{"id_token"}}, "invalid_client_metadata", `response_types\[0\]: "id_token"`},
		"password":                {[]any{"grant_types", []string{"authorization_code", "password"}}, "invalid_client_metadata", `grant_types\[1\]: "password"`},
		"client_credentials":      {[]any{"grant_types", []string{"authorization_code", "client_credentials"}}, "invalid_client_metadata", `client_credentials" is for clients that the operator creates`},
		"a scope of others":       {[]any{"scope", "openid exeunt.admin"}, "invalid_client_metadata", `scope: "exeunt.admin"`},
		"pairwise":                {[]any{"subject_type", "pairwise"}, "invalid_client_metadata", `subject_type: "pairwise"`},
		"sector_identifier_uri":   {[]any{"sector_identifier_uri", "https://rp.example.com/s"}, "invalid_client_metadata", `sector_identifier_uri: pairwise`},
		"an encrypted ID token":   {[]any{"id_token_encrypted_response_alg", "RSA-OAEP"}, "invalid_client_metadata", `id_token_encrypted_response_alg: `},
		"a software statement":    {[]any{"software_statement", "e30.e30.c2VjcmV0"}, "unapproved_software_statement", `software_statement: `},
		"no consent":              {[]any{"skip_consent", true}, "invalid_client_metadata", `skip_consent: is for the operator`},
		"the private network":     {[]any{"allow_private_network", true}, "invalid_client_metadata", `allow_private_network: is for the operator`},
		"logout by hint":          {[]any{"hint_logout", true}, "invalid_client_metadata", `hint_logout: is for the operator`},
		"tokens that live longer": {[]any{"access_token_format", "jwt"}, "invalid_client_metadata", `access_token_format: is for the operator`},
		"an unsigned ID token":    {[]any{"id_token_signed_response_alg", "none"}, "invalid_client_metadata", `id_token_signed_response_alg: "none"`},
		"an unknown method":       {[]any{"token_endpoint_auth_method", "tls_client_auth"}, "invalid_client_metadata", `token_endpoint_auth_method: "tls_client_auth"`},
		"no keys":                 {[]any{"token_endpoint_auth_method", "private_key_jwt"}, "invalid_client_metadata", `jwks_uri: is missing`},
		"a private key":           {[]any{"jwks", map[string]any{"keys": []any{map[string]any{"kty": "oct", "k": "c2VjcmV0"}}}}, "invalid_client_metadata", `jwks.keys\[0\]: is not a public key`},
		"a list for a text":       {[]any{"client_name", []string{"x"}}, "invalid_client_metadata", `client_name: is a list`},
		"a text for a list":       {[]any{"redirect_uris", callback("rp")}, "invalid_redirect_uri", `redirect_uris: .*list`},
		"a disguise":              {[]any{"client_name", "a\u202eé"}, "invalid_client_metadata", `client_name: "a.u202e.*U\+202E`},
		"many faults":             {[]any{"grant_types", strings.Split(strings.Repeat("x ", 3000), " ")}, "invalid_client_metadata", `\.\.\.$`},
	} {
		t.Run(name, func(t *testing.T) {
			w := &world{T: t, place: w.place}
			a := w.register(good.with(test.change...)).wantError(400, test.code)
			description, _ := a.json()["error_description"].(string)
			if !regexp.MustCompile(test.names).MatchString(description) || strings.ContainsFunc(description, func(r rune) bool { return r < ' ' || r > '~' }) || len(description) > 1100 {
				t.Errorf("error_description %q", description)
			}
			if strings.Contains(a.body, "c2VjcmV0") || a.header.Get("Cache-Control") != "no-store" {
				t.Errorf("shows what may be a secret, or is kept: %s", a)
			}
		})
	}
	bearer := w.program().with("Authorization", "Bearer "+initialAccessToken)
	for name, a := range map[string]answer{
		"a form":      bearer.post("/register", values("redirect_uris", callback("rp"))),
		"no type":     bearer.send(http.MethodPost, "/register", "", `{"redirect_uris":["https://rp.example.com/"]}`),
		"plain text":  bearer.send(http.MethodPost, "/register", "text/plain", `{"redirect_uris":["https://rp.example.com/"]}`),
		"no object":   bearer.send(http.MethodPost, "/register", "application/json", `["https://rp.example.com/"]`),
		"no JSON":     bearer.send(http.MethodPost, "/register", "application/json", "redirect_uris: [https://rp.example.com/]"),
		"nothing":     bearer.send(http.MethodPost, "/register", "application/json", ""),
		"said twice":  bearer.send(http.MethodPost, "/register", "application/json", `{"scope":"openid","scope":"email","redirect_uris":["https://rp.example.com/"]}`),
		"two objects": bearer.send(http.MethodPost, "/register", "application/json", `{"redirect_uris":["https://rp.example.com/"]}{}`),
	} {
		t.Run(name, func(*testing.T) { a.wantError(400, "invalid_client_metadata") })
	}
	bearer.send(http.MethodPost, "/register", "application/json; charset=utf-8", `{"redirect_uris":["https://rp.example.com/"]}`).want(201)
	bearer.send(http.MethodPost, "/register", "application/json", `{"client_name":"`+strings.Repeat("x", 70<<10)+`"}`).want(413)
}

// Secrets and tokens are kept as hashes, on both databases.
func TestRegistration_5_AtRest(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		w := openOn(t, db, "http")
		p := w.join("rp")
		var rows []string
		if err := db.Reader(t.Context()).Raw(`SELECT id || ' ' || coalesce(metadata, '') FROM clients`).Scan(&rows).Error; err != nil {
			t.Fatal(err)
		}
		var hashes [][]byte
		if err := db.Reader(t.Context()).Raw(`SELECT secret_hash FROM clients WHERE id = ? UNION ALL SELECT registration_token_hash FROM clients WHERE id = ?`, p.id, p.id).Scan(&hashes).Error; err != nil {
			t.Fatal(err)
		}
		kept := strings.Join(rows, "\n") + fmt.Sprintf("%s", hashes)
		if len(hashes) != 2 || len(hashes[0]) != 32 || len(hashes[1]) != 32 || !strings.Contains(kept, p.id) || strings.Contains(kept, p.secret) || strings.Contains(kept, p.token) {
			t.Errorf("hashes %x, in the database: %s", hashes, kept)
		}
	})
}

// OpenID Connect Dynamic Client Registration 1.0, 3: the request of a client that is about to examine us, by each method of authentication,
// its keys in the request or at its jwks_uri, from where new ones are taken when it replaces them (Core 10.1.1).
func TestDynamicRegistration_3_1_Methods(t *testing.T) {
	w := open(t)
	for _, method := range []string{"client_secret_basic", "client_secret_post", "none", "private_key_jwt", "private_key_jwt by URL"} {
		t.Run(method, func(t *testing.T) {
			w := &world{T: t, place: w.place}
			keys := newClientKeys(t)
			server := httptest.NewServer(keys)
			t.Cleanup(server.Close)
			name, byURL := strings.CutSuffix(method, " by URL")
			m := metadata{
				"client_name": "Conformance", "grant_types": []string{"authorization_code", "refresh_token"}, "response_types": []string{"code"},
				"redirect_uris": []string{callback("rp")}, "contacts": []string{"certification@oidf.org"}, "token_endpoint_auth_method": name,
				"jwks": json.RawMessage(keys.document()),
			}
			if byURL {
				m = m.with("jwks", nil, "jwks_uri", server.URL)
			}
			p := w.register(m).registered(w, "rp")
			authenticate := func(form map[string][]string) answer {
				t.Helper()
				switch name {
				case "client_secret_basic":
					return p.at("/token", form)
				case "client_secret_post":
					form["client_secret"] = []string{p.secret}
				case "private_key_jwt":
					form["client_assertion_type"] = []string{"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}
					form["client_assertion"] = []string{keys.assertion(t, w, p.id)}
				}
				form["client_id"] = []string{p.id}
				return w.program().post("/token", form)
			}
			alice := w.browser()
			page := alice.logIn(alice.get("/authorize", p.ask("scope", "openid offline_access", "prompt", "login consent")), "alice").wantPage(200, "consent-form")
			got := authenticate(codeForm("rp", alice.submit(page, "decision", "allow").code())).tokens()
			if claims := readJWT(got.id).claims; claims["aud"] != p.id && !reflect.DeepEqual(claims["aud"], []any{p.id}) {
				t.Errorf("aud %v", claims["aud"])
			}
			keys.rotate(t)
			if name == "private_key_jwt" && !byURL {
				if a := authenticate(values("grant_type", "refresh_token", "refresh_token", got.refresh)); a.status != 401 {
					t.Errorf("a key that is not registered: %s", a)
				}
				p.manage(http.MethodPut, m.with("client_id", p.id, "jwks", json.RawMessage(keys.document()))).want(200)
			}
			authenticate(values("grant_type", "refresh_token", "refresh_token", got.refresh)).tokens()
			p.manage(http.MethodDelete, nil).want(204)
		})
	}
}
