package config_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/exeunt-id/exeunt/config"
)

const secret32 = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="

// complete has every key of the documentation, with the values that a production provider may have.
const complete = `
issuer: https://id.example.com
listen: ":8080"
admin_listen: "127.0.0.1:8081"
tls: {cert_file: "", key_file: ""}
trusted_proxies: []
database: postgres://exeunt:hunter2@db.example.com/exeunt?sslmode=verify-full
secrets: [` + secret32 + `]
signing_algorithms: [RS256, ES256]
tokens: {code: 30s, access: 5m, id: 5m, refresh: 24h}
keys: {rotate_every: 0, keep_retired: 8760h}
sessions: {idle: 0s, absolute: 24h}
login: {max_failures: 5, window: 5m, max_failures_per_address: 50}
passwords: {memory: 64MiB, iterations: 3, parallelism: 2}
logout: {wait: 0, fanout: participating, attempt_timeout: 5s, retry_for: 24h, workers: 8}
outgoing: {allow_private_networks: false, ca_file: "/etc/ca.pem", proxy: "http://proxy.example.com:3128"}
registration: {initial_access_tokens: []}
smtp: {address: "", from: "", username: "", password: ""}
retention: 720h
log: {level: debug, format: text}
users:
  - {username: alice, password: "s3cret", email: alice@example.com, admin: true, claims: {name: Alice Doe, email_verified: true, updated_at: 1700000000, birthdate: 1990-01-31, address: {locality: Oslo}}}
  - {username: bob, password_hash: "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$RdescudvJCsgt3ub+b5dWRWJTmaaJObGRdescudvJCs"}
clients:
  - client_id: shop
    client_secret: "0123456789abcdef0123456789abcdef"
    client_name: Shop
    application_type: web
    token_endpoint_auth_method: client_secret_basic
    grant_types: [authorization_code, refresh_token]
    response_types: [code]
    scope: openid profile email address phone offline_access
    redirect_uris: [https://shop.example.com/callback]
    post_logout_redirect_uris: [https://shop.example.com/]
    backchannel_logout_uri: https://shop.example.com/backchannel-logout
    backchannel_logout_session_required: true
    frontchannel_logout_uri: ""
    frontchannel_logout_session_required: false
    id_token_signed_response_alg: ES256
    jwks_uri: ""
    jwks: {}
    contacts: [ops@shop.example.com]
    default_max_age: 0
    subject_type: public
    request_uris: []
    access_token_format: opaque
    skip_consent: true
    allow_private_network: false
    allowed_origins: []
    redirect_logout: immediate
    hint_logout: false
  - client_id: phone
    application_type: native
    token_endpoint_auth_method: none
    redirect_uris: ["com.example.phone:/callback", "http://127.0.0.1/callback", "http://[::1]/callback", "http://localhost:7777/cb"]
`

func TestParseComplete(t *testing.T) {
	c, warnings, err := config.Parse([]byte(complete), []string{"PATH=/bin", "EXEUNT_LOGOUT_WAIT=2s", "EXEUNT_SIGNING_ALGORITHMS=RS256, ES256,EdDSA", "EXEUNT_OUTGOING_PROXY="})
	if err != nil || len(warnings) > 0 {
		t.Fatalf("err = %v, warnings = %v", err, warnings)
	}
	maxAge := 0
	want := config.Default()
	want.Issuer = "https://id.example.com"
	want.Database = "postgres://exeunt:hunter2@db.example.com/exeunt?sslmode=verify-full"
	want.Secrets = []config.Secret{secret32}
	want.SigningAlgorithms = []string{"RS256", "ES256", "EdDSA"} // environment before file
	want.Tokens = config.Tokens{Code: 30 * time.Second, Access: 5 * time.Minute, ID: 5 * time.Minute, Refresh: 24 * time.Hour}
	want.Keys.RotateEvery = 0
	want.Sessions = config.Sessions{Absolute: 24 * time.Hour}
	want.Login = config.Login{MaxFailures: 5, Window: 5 * time.Minute, MaxFailuresPerAddress: 50}
	want.Passwords = config.Passwords{Memory: 64 * config.MiB, Iterations: 3, Parallelism: 2}
	want.Logout = config.Logout{Wait: 2 * time.Second, Fanout: "participating", AttemptTimeout: 5 * time.Second, RetryFor: 24 * time.Hour, Workers: 8}
	want.Outgoing.CAFile = "/etc/ca.pem" // the proxy of the file is unset by the environment
	want.Retention = 720 * time.Hour
	want.Log = config.Log{Level: "debug", Format: "text"}
	want.TrustedProxies, want.Registration.InitialAccessTokens = []string{}, []config.Secret{}
	want.Users = []config.User{
		{Username: "alice", Password: "s3cret", Email: "alice@example.com", Admin: true, Claims: map[string]any{
			"name": "Alice Doe", "email_verified": true, "updated_at": int64(1700000000), "birthdate": "1990-01-31", "address": map[string]any{"locality": "Oslo"},
		}},
		{Username: "bob", PasswordHash: "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$RdescudvJCsgt3ub+b5dWRWJTmaaJObGRdescudvJCs"},
	}
	const scope = "openid profile email address phone offline_access"
	want.Clients = []config.Client{
		{
			ClientID: "shop", ClientSecret: "0123456789abcdef0123456789abcdef", ClientName: "Shop", ApplicationType: "web",
			TokenEndpointAuthMethod: "client_secret_basic", GrantTypes: []string{"authorization_code", "refresh_token"},
			ResponseTypes: []string{"code"}, Scope: scope,
			RedirectURIs: []string{"https://shop.example.com/callback"}, PostLogoutRedirectURIs: []string{"https://shop.example.com/"},
			BackchannelLogoutURI: "https://shop.example.com/backchannel-logout", BackchannelLogoutSessionRequired: true,
			IDTokenSignedResponseAlg: "ES256", JWKS: map[string]any{}, Contacts: []string{"ops@shop.example.com"}, DefaultMaxAge: &maxAge,
			SubjectType: "public", AccessTokenFormat: "opaque", SkipConsent: true, AllowedOrigins: []string{}, RedirectLogout: "immediate", OnTokenReuse: "revoke",
		},
		{
			ClientID: "phone", ApplicationType: "native", TokenEndpointAuthMethod: "none",
			GrantTypes: []string{"authorization_code"}, ResponseTypes: []string{"code"}, Scope: scope,
			RedirectURIs:             []string{"com.example.phone:/callback", "http://127.0.0.1/callback", "http://[::1]/callback", "http://localhost:7777/cb"},
			IDTokenSignedResponseAlg: "RS256", SubjectType: "public", AccessTokenFormat: "opaque", RedirectLogout: "immediate", OnTokenReuse: "revoke",
		},
	}
	for i := range reflect.TypeOf(*c).NumField() {
		got, want := reflect.ValueOf(*c).Field(i).Interface(), reflect.ValueOf(*want).Field(i).Interface()
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s\n got %+v\nwant %+v", reflect.TypeOf(*c).Field(i).Name, got, want)
		}
	}
}

func TestLoadWithoutFile(t *testing.T) {
	c, warnings, err := config.Load("", nil)
	if err != nil || len(warnings) > 0 || !reflect.DeepEqual(c, config.Default()) {
		t.Fatalf("c = %+v, warnings = %v, err = %v", c, warnings, err)
	}
	if !c.Development() || len(c.SecretKeys()) != 1 || c.SecretKeys()[0] != config.DevelopmentSecret() {
		t.Error("the defaults are not those of development")
	}
}

func TestLoadFile(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}

	json := write("exeunt.json", "\ufeff{\n\t\"issuer\": \"http:\\/\\/localhost:9000\",\n\t\"users\": [{\"username\": \"\\ud83d\\ude00\\\\ud83d\", \"password\": \"x\", \"claims\": {\"name\": \"\\u00e9\"}}]\n}")
	c, _, err := config.Load(json, nil)
	if err != nil || c.Issuer != "http://localhost:9000" || c.Users[0].Username != "\U0001F600\\ud83d" || c.Users[0].Claims["name"] != "é" {
		t.Errorf("JSON: c = %+v, err = %v", c, err)
	}

	bad := write("bad.yaml", "listen: x\n")
	var invalid *config.Error
	if _, _, err := config.Load(bad, nil); !errors.As(err, &invalid) || invalid.File != bad || !strings.HasPrefix(err.Error(), bad+": 1 problem\n  line 1, listen: ") {
		t.Errorf("bad file: %v", err)
	}
	if _, _, err := config.Load(filepath.Join(dir, "none.yaml"), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
	if _, _, err := config.Load(dir, nil); err == nil {
		t.Error("a folder was read")
	}
	large := write("large.yaml", strings.Repeat("# nothing\n", 200_000))
	if _, _, err := config.Load(large, nil); err == nil || !strings.Contains(err.Error(), "larger than 1MiB") {
		t.Errorf("large file: %v", err)
	}
	for _, empty := range []string{"", "# nothing\n", "---\n", "null\n", "{}"} {
		if c, _, err := config.Load(write("empty.yaml", empty), nil); err != nil || !reflect.DeepEqual(c, config.Default()) {
			t.Errorf("%q: %+v, %v", empty, c, err)
		}
	}
}

// TestHostileYAML feeds files that are built to exhaust a reader: each is refused, quickly.
func TestHostileYAML(t *testing.T) {
	// "billion laughs": nine lists, each of ten times the one before
	bomb := "a: &a [1,1,1,1,1,1,1,1,1,1]"
	for c := 'b'; c < 'j'; c++ {
		bomb += fmt.Sprintf(", %c: &%c [%s]", c, c, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*%c ,", c-1), 10), ","))
	}
	bomb = "users: [{username: u, password: p, claims: {" + bomb + "}}]"
	for name, data := range map[string]string{
		"aliases":         bomb,
		"alias of itself": "users: [{username: u, password: p, claims: &c {name: *c}}]",
		"unknown alias":   "users: [{username: u, password: *hunter2}]",
		"deep lists":      strings.Repeat("[", 500_000),
		"deep claims":     "users: [{username: u, password: p, claims: " + strings.Repeat("{a: ", 50) + "1" + strings.Repeat("}", 50) + "}]",
		"second document": "issuer: http://localhost\n---\nissuer: http://localhost\n",
		"binary":          "\x00\xff\xfe",
		"a list":          "[1, 2]",
		"a word":          "hunter2",
		"merge key":       "tokens: &t {code: 1m}\nkeys: {<<: *t}\n",
		"tag":             "issuer: !!binary aHR0cA==\n",
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			_, _, err := config.Parse([]byte(data), nil)
			var invalid *config.Error
			if !errors.As(err, &invalid) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("err = %v", err)
			}
			if took := time.Since(start); took > 5*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}

// TestEnvironmentReachesEveryKey sets each key's variable to nonsense: the key must complain, or take it.
func TestEnvironmentReachesEveryKey(t *testing.T) {
	seen := map[string]bool{}
	for _, key := range config.Reference() {
		if key.Env == "" {
			if !strings.HasPrefix(key.Path, "users") && !strings.HasPrefix(key.Path, "clients") && key.Path != "devices.groups" {
				t.Errorf("%s has no variable", key.Path)
			}
			continue
		}
		if seen[key.Env] {
			t.Errorf("%s belongs to two keys", key.Env)
		}
		seen[key.Env] = true
		_, _, err := config.Parse(nil, []string{key.Env + "=\u00a0?"})
		var invalid *config.Error
		if errors.As(err, &invalid) {
			if !slices.ContainsFunc(invalid.Problems, func(p config.Problem) bool { return p.Env == key.Env && strings.HasPrefix(p.Path, key.Path) }) {
				t.Errorf("%s: %v", key.Env, err)
			}
		} else if key.Path != "outgoing.ca_file" && key.Path != "devices.places" {
			t.Errorf("%s had no effect", key.Env)
		}
	}
}
