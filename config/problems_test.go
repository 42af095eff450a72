package config_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/exeunt-id/exeunt/config"
)

// A production configuration with one client and one user; the marks are replaced.
const production = `issuer: https://id.example.com
secrets: [` + secret32 + `]
users: [{username: alice, password: hunter2, USER}]
clients:
- {client_id: shop, client_secret: hunter2-hunter2-hunter2-hunter2-hunter2, CLIENT}
TOP
`

const (
	userMark   = ", USER"
	clientMark = ", CLIENT"
	topMark    = "TOP\n"
	redirects  = "redirect_uris: [https://shop.example.com/cb]"
)

func withTop(s string) string    { return mark(s+"\n", "", redirects) }
func withUser(s string) string   { return mark("", s, redirects) }
func withClient(s string) string { return mark("", "", s) }

func mark(top, user, client string) string {
	if user != "" {
		user = ", " + user
	}
	return strings.NewReplacer(topMark, top, userMark, user, clientMark, ", "+client).Replace(production)
}

// shop is a client entry with valid redirect URIs and something more.
func shop(s string) string { return withClient(redirects + ", " + s) }

// keyed is the entry of a client with private_key_jwt and something more.
func keyed(s string) string {
	return dev("clients: [{client_id: app, redirect_uris: [https://app.example.com/cb], token_endpoint_auth_method: private_key_jwt, " + s + "}]")
}

// The key pair of RFC 8037, A.
const (
	publicJWK  = "{kty: OKP, crv: Ed25519, kid: a, x: 11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo}"
	privateJWK = "{kty: OKP, crv: Ed25519, x: 11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo, d: nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A}"
)

func dev(s string) string { return "issuer: http://localhost:8080\n" + s }

func TestProblems(t *testing.T) {
	tests := []struct {
		name, yaml string
		env        []string
		want       []string // each "path: part of the message"; all of them and no more
	}{
		{name: "fine", yaml: withTop("")},
		{name: "devices", yaml: withTop("devices: {limit: 3, groups: {staff: {limit: 5, policy: refuse}, 'the rest': {limit: 0}}, velocity: 2, refuse_on: [high_velocity]}")},
		{name: "a user's devices", yaml: mark("devices: {groups: {staff: {limit: 5}}}\n", "group: staff, device_limit: 0", redirects)},
		{
			name: "devices out of range",
			yaml: withTop("devices: {limit: -1, policy: maybe, inactivity: -1h, velocity_window: 0s, travel_speed: 1000, refuse_on: [impossible_travel, too_many_devices]}"),
			want: []string{
				"devices.limit: -1 is out of range", "devices.policy: \"maybe\" is not known", "devices.inactivity: -1h0m0s is negative", "devices.velocity_window: 0s is too short",
				"devices.refuse_on[0]: is never raised without devices.places", "devices.refuse_on[1]: \"too_many_devices\" is not known",
			},
		},
		{
			name: "groups", yaml: withTop("devices: {groups: {a: 5, b: {policy: ask}, c: {limit: -1, policy: 1, other: 2}, d: {limit: 1, policy: maybe}}}"),
			want: []string{
				"devices.groups.a: is not a mapping", "devices.groups.b.limit: is missing", "devices.groups.c.limit: is out of range",
				"devices.groups.c.policy: is not known", "devices.groups.c.other: unknown key", "devices.groups.d.policy: \"maybe\" is not known",
			},
		},
		{
			name: "a user of no group", yaml: withUser("group: staff, device_limit: -2"),
			want: []string{"users[0].group: \"staff\" is not among devices.groups", "users[0].device_limit: -2 is out of range"},
		},
		// form
		{name: "unknown key", yaml: withTop("isuer: x"), want: []string{"isuer: did you mean issuer?"}},
		{name: "unknown far", yaml: withTop("whatever: x"), want: []string{"whatever: remove it"}},
		{name: "unknown nested", yaml: withTop("logout: {wiat: 1s, fan.out: x}"), want: []string{"logout.wiat: mean wait?", `logout."fan...": unknown`}},
		{name: "space forgotten", yaml: dev("users: [{username: a, password:hunter2}]"), want: []string{`users[0]."password...": write a space after the colon`, "users[0].password: is missing"}},
		{name: "unknown member", yaml: shop("back_channel_logout_uri: x"), want: []string{"clients[0].back_channel_logout_uri: mean backchannel_logout_uri?"}},
		{name: "twice", yaml: withTop("retention: 1h\nretention: 2h"), want: []string{"retention: first on line 6; keep one"}},
		{name: "twice in claims", yaml: withUser("claims: {name: a, name: b}"), want: []string{"users[0].claims.name: is given twice"}},
		{name: "kinds", yaml: withTop("listen: [a]\nlog: x\nsigning_algorithms: RS256\nusers: 1"), want: []string{
			"listen: is a list; write a single value", "log: is a single value; write a mapping", "signing_algorithms: write a list", "users: is given twice",
		}},
		{name: "scalars", yaml: withTop("logout: {wait: 800, workers: many}\npasswords: {memory: 19, iterations: \"2\"}\noutgoing: {allow_private_networks: yes}"), want: []string{
			`logout.wait: "800" is not a duration; write a number with a unit`, `logout.workers: "many" is not a whole number`, `passwords.memory: "19" is not a size`,
			`passwords.iterations: "2" is text; write it without quotes`, `outgoing.allow_private_networks: "yes" is neither true nor false`,
		}},
		{name: "empty items", yaml: shop("contacts: [null, \"\"]"), want: []string{"clients[0].contacts[0]: is empty", "clients[0].contacts[1]: is empty"}},
		{name: "no cascade", yaml: "clients: [x]\nusers: {}\nsigning_algorithms: {a: 1}", want: []string{"clients[0]: is a single value", "users: is a mapping", "signing_algorithms: is a mapping"}},
		// environment
		{name: "environment", yaml: withTop(""), env: []string{
			"EXEUNT_LOGOUT_WIAT=1s", "EXEUNT_LOGOUT=x", "EXEUNT_USERS=x", "EXEUNT_LOGOUT_WAIT=soon", "EXEUNT_LISTEN", "EXEUNT_SIGNING_ALGORITHMS=ES256,HS256",
		}, want: []string{
			"EXEUNT_LOGOUT_WIAT: did you mean EXEUNT_LOGOUT_WAIT?", "EXEUNT_LOGOUT: such as EXEUNT_LOGOUT_WAIT", "EXEUNT_USERS: from the file only",
			`EXEUNT_LOGOUT_WAIT, logout.wait: "soon" is not a duration`, `EXEUNT_LISTEN, listen: "" is not an address`,
			`EXEUNT_SIGNING_ALGORITHMS, signing_algorithms[1]: "HS256" is not known here; use RS256, ES256, EdDSA`, "EXEUNT_SIGNING_ALGORITHMS, signing_algorithms: lacks RS256",
		}},
		// provider
		{name: "no secrets", yaml: "issuer: https://id.example.com", want: []string{"secrets: is missing"}},
		{name: "secrets", yaml: dev("secrets: [hunter2!, aHVudGVyMg==, '" + secret32 + "', " + strings.TrimRight(secret32, "=") + "]"), want: []string{"secrets[0]: is not base64", "secrets[1]: holds 7 bytes instead of 32"}},
		{name: "development secret", yaml: "issuer: https://id.example.com\nsecrets: [" + developmentSecret() + "]", want: []string{"secrets[0]: is the development key"}},
		{name: "database hides", yaml: dev("database: 'postgres://u:hunter2#x@h/db'"), want: []string{"database: percent-encode"}},
		{name: "database port", yaml: dev("database: 'postgres://u:hunter2'"), want: []string{"database: is not a valid URL"}},
		{name: "database dsn", yaml: dev("database: 'host=x password=hunter2'"), want: []string{"database: has no scheme"}},
		{name: "database scheme", yaml: dev("database: 'mysql://u:hunter2@h/d'"), want: []string{"database: unknown scheme"}},
		{name: "database sqlite", yaml: dev("database: 'sqlite://exeunt.db'"), want: []string{`database: "sqlite://exeunt.db" has // after sqlite:`}},
		{name: "database memory", yaml: dev("database: 'sqlite::memory:'"), want: []string{"database: is not the path of a file"}},
		{name: "proxy", yaml: dev("outgoing: {proxy: 'user:hunter2@host'}"), want: []string{"outgoing.proxy: is not the URL of a proxy"}},
		{name: "numbers", yaml: dev("tokens: {code: 11m, access: 0, refresh: -1h}\ntls: {key_file: key.pem}\nkeys: {rotate_every: 1m, keep_retired: 1m}\nsessions: {idle: -1s}\nlogin: {max_failures: -1}\n" +
			"passwords: {memory: 8KiB, parallelism: 2}\nlogout: {workers: 0, attempt_timeout: 0}\nlisten: '8080'"), want: []string{
			"tokens.code: 11m0s is too long", "tokens.access: 0s is too short", "tokens.refresh: -1h0m0s is too short", "tls.key_file: is given without tls.cert_file", "keys.rotate_every: 1m0s is too short", "keys.keep_retired: is shorter than tokens.id", "sessions.idle: -1s is negative",
			"login.max_failures: -1 is out of range", "passwords.memory: 8KiB is out of range", "logout.workers: 0 is out of range", "logout.attempt_timeout: too short", `listen: "8080" is not an address`,
		}},
		{name: "mail", yaml: dev("smtp: {address: 'mail.example.com:587', from: 'Exeunt <exeunt@id.example.com>', username: exeunt, password: hunter2, operator: ops@example.com}")},
		{name: "mail in clear", yaml: dev("smtp: {address: 'mail.example.com:25', from: exeunt@id.example.com, tls: none}")},
		{name: "mail on this machine", yaml: dev("smtp: {address: '127.0.0.1:25', from: exeunt@id.example.com, username: exeunt, password: hunter2, tls: none}")},
		{name: "mail without a server", yaml: dev("smtp: {from: exeunt@id.example.com, username: x, password: hunter2, operator: ops@example.com}"), want: []string{
			"smtp.from: no effect without smtp.address", "smtp.username: no effect", "smtp.password: no effect", "smtp.operator: no effect",
		}},
		{name: "mail server", yaml: dev("smtp: {address: mail.example.com, from: nobody, password: hunter2, tls: ssl, operator: 'Ops <ops@example.com>'}"), want: []string{
			`smtp.address: "mail.example.com" is not the address`, `smtp.from: "nobody" is not an e-mail address`, "smtp.password: without smtp.username",
			`smtp.tls: "ssl" is not known here; use starttls, implicit, none`, "smtp.operator: is not an e-mail address",
		}},
		{name: "mail without sender", yaml: dev("smtp: {address: 'mail.example.com:25', username: x}"), want: []string{"smtp.from: is missing", "smtp.username: without smtp.password"}},
		{name: "traces", yaml: dev("traces: {endpoint: 'https://collector.example.com/otlp/v1/traces', sample: 0.25, propagate: true}")},
		{name: "traces without a collector", yaml: dev("traces: {sample: 1.5, propagate: true}"), want: []string{"traces.sample: 1.5 is out of range", "traces.propagate: no effect without traces.endpoint"}},
		{name: "traces to a host", yaml: dev("traces: {endpoint: 'collector:4318', sample: NaN}"), want: []string{`traces.endpoint: "collector:4318" is not the URL of a collector`, "traces.sample: NaN is out of range"}},
		{name: "traces with a password", yaml: dev("traces: {endpoint: 'https://me:hunter2@collector.example.com', sample: many}"), want: []string{"traces.endpoint: OTEL_EXPORTER_OTLP_HEADERS", `traces.sample: "many" is not a number`}},
		{name: "password in clear", yaml: dev("smtp: {address: 'mail.example.com:25', from: a@example.com, username: x, password: hunter2, tls: none}"), want: []string{"smtp.tls: in clear"}},
		{name: "audit retention", yaml: dev("audit_retention: 1h"), want: []string{"audit_retention: 1h0m0s is too short"}},
		{name: "words", yaml: dev("log: {level: loud, format: xml}\nlogout: {fanout: some}"), want: []string{`log.level: "loud" is not known here; use debug, info, warn, error`, "log.format: use json, text", "logout.fanout: use participating"}},
		{name: "initial access tokens", yaml: mark("registration: {initial_access_tokens: ['0123456789abcdef0123456789abcdef', hunter2, 'hunter 2 hunter 2 hunter 2 hunter 2', '====']}\n", "", redirects), want: []string{
			"registration.initial_access_tokens[1]: is short", "registration.initial_access_tokens[2]: is not a bearer token", "registration.initial_access_tokens[3]: is not a bearer token",
		}},
		{name: "disguised text", yaml: shop(`client_name: "a\u202eb", contacts: ["a\r\nBcc: x"]`), want: []string{"clients[0].client_name: has U+202E", "clients[0].contacts[0]: has U+000D"}},
		// not in this version
		{name: "proxies", yaml: dev("trusted_proxies: [10.0.0.1, 10.0.0.0/8, 'fd00::/8', proxy.example, 10.0.0.0/33]"), want: []string{
			`trusted_proxies[3]: "proxy.example" is not an address`, `trusted_proxies[4]: "10.0.0.0/33" is not an address`,
		}},
		{name: "later", yaml: dev("tls: {cert_file: a.pem}\nlogout: {fanout: all}\n"), want: []string{
			"tls.cert_file: is given without tls.key_file", "logout.fanout: use participating",
		}},
		{name: "origins", yaml: mark("", "", redirects+`, allowed_origins: ["https://x", "https://x:8443", "https://x/", "https://X", "https://x:443", "*", "null", "app:/x", "https://x?y"]`), want: []string{
			`clients[0].allowed_origins[2]: "https://x/" is not an origin as browsers write it; write https://x`, "clients[0].allowed_origins[3]: write https://x",
			"clients[0].allowed_origins[4]: write https://x", "clients[0].allowed_origins[5]: is not absolute", "clients[0].allowed_origins[6]: is not absolute",
			"clients[0].allowed_origins[7]: has the scheme app", "clients[0].allowed_origins[8]: write https://x",
		}},
		// never
		{name: "refused members", yaml: shop("id_token_encrypted_response_alg: RSA-OAEP, client_name#ja: x, request_uris: [https://x], subject_type: pairwise"), want: []string{
			"clients[0].id_token_encrypted_response_alg: signed, not encrypted; remove the key", "clients[0].client_name#ja: per language", "clients[0].request_uris: request objects", `clients[0].subject_type: "pairwise"`,
		}},
		// clients
		{name: "client without anything", yaml: dev("clients: [{}]"), want: []string{"clients[0].client_id: is missing", "clients[0].client_secret: is missing, client_secret_basic needs it", "clients[0].redirect_uris: is missing"}},
		{name: "duplicate client", yaml: withClient(redirects + "}\n- {client_id: shop, client_secret: x, redirect_uris: [https://x/]"), want: []string{"clients[1].client_id: \"shop\" is the client_id of clients[0] too"}},
		{name: "public client", yaml: shop("token_endpoint_auth_method: none"), want: []string{"clients[0].client_secret: contradicts token_endpoint_auth_method: none"}},
		{name: "service", yaml: dev("clients: [{client_id: job, client_secret: x, grant_types: [client_credentials], scope: jobs.run}]")},
		{name: "receiver", yaml: dev("clients: [{client_id: job, client_secret: x, grant_types: [client_credentials], scope: ssf.manage ssf.read}]")},
		{name: "receiver without a token", yaml: dev("clients: [{client_id: app, client_secret: x, redirect_uris: [http://localhost/], scope: openid ssf.manage}]"), want: []string{"clients[0].grant_types: lacks client_credentials"}},
		{name: "unknown scope of signals", yaml: dev("clients: [{client_id: job, client_secret: x, grant_types: [client_credentials], scope: ssf.manage.create}]"), want: []string{"clients[0].scope: \"ssf.manage.create\" is not a scope of shared signals"}},
		{name: "public service", yaml: dev("clients: [{client_id: job, token_endpoint_auth_method: none, grant_types: [client_credentials]}]"), want: []string{"clients[0].grant_types: has client_credentials, which a public client cannot use"}},
		{name: "private_key_jwt without keys", yaml: keyed("scope: openid"), want: []string{"clients[0].jwks_uri: is missing, private_key_jwt needs it or jwks"}},
		{name: "private_key_jwt with everything", yaml: keyed("client_secret: hunter2, jwks_uri: 'https://app.example.com/keys', jwks: {keys: [" + publicJWK + "]}, token_endpoint_auth_signing_alg: HS256"), want: []string{
			"clients[0].client_secret: contradicts token_endpoint_auth_method: private_key_jwt", "clients[0].jwks: contradicts jwks_uri", `clients[0].token_endpoint_auth_signing_alg: "HS256" is not known here; use RS256, ES256, EdDSA`,
		}},
		{name: "private_key_jwt by URL", yaml: keyed("jwks_uri: 'https://app.example.com/keys', token_endpoint_auth_signing_alg: ES256")},
		{name: "global revocation", yaml: keyed("jwks: {keys: [" + publicJWK + "]}, global_token_revocation_domains: [example.com, xn--bcher-kva.example, '*']")},
		{name: "global revocation by secret", yaml: shop("global_token_revocation_domains: [example.com]"), want: []string{
			"clients[0].global_token_revocation_domains: needs token_endpoint_auth_method: private_key_jwt",
		}},
		{name: "global revocation of anything", yaml: keyed("jwks: {keys: [" + publicJWK + "]}, global_token_revocation_domains: [Example.com, '@example.com', '*.example.com', '']"), want: []string{
			`clients[0].global_token_revocation_domains[0]: "Example.com" is not a domain`,
			"clients[0].global_token_revocation_domains[1]: is not a domain", "clients[0].global_token_revocation_domains[2]: is not a domain", "clients[0].global_token_revocation_domains[3]: is not a domain",
		}},
		{name: "private_key_jwt by key", yaml: keyed("jwks: {keys: [" + publicJWK + "]}")},
		{name: "keys", yaml: keyed("jwks: {keys: [" + publicJWK + ", " + privateJWK + ", {kty: oct, k: aHVudGVyMg}, {kty: EC, crv: P-256, x: hunter2, y: hunter2}, hunter2]}"), want: []string{
			"clients[0].jwks.keys[1]: is not a public key", "clients[0].jwks.keys[2]: is not a public key", "clients[0].jwks.keys[3]: is not a key that can be read", "clients[0].jwks.keys[4]: is not a key that can be read",
		}},
		{name: "useless keys", yaml: keyed("token_endpoint_auth_signing_alg: ES256, jwks: {keys: [" + publicJWK + "]}"), want: []string{"clients[0].jwks: has no key for ES256"}},
		{name: "no set", yaml: keyed("jwks: {kty: OKP, crv: Ed25519}"), want: []string{"clients[0].jwks: is not a JWK Set"}},
		{name: "keys over http", yaml: shop("jwks_uri: 'http://app.example.com/keys', token_endpoint_auth_signing_alg: ES256"), want: []string{
			`clients[0].jwks_uri: "http://app.example.com/keys" uses http`, "clients[0].token_endpoint_auth_signing_alg: has no effect without token_endpoint_auth_method: private_key_jwt",
		}},
		{name: "webhook", yaml: shop("webhook_uri: 'https://shop.example.com/hook', webhook_secrets: [whsec_" + secret32 + "], webhook_events: [user.logged_out, token.revoked], user_token: true")},
		{name: "webhook by pull", yaml: shop("webhook_events: [user.logged_out]")},
		{name: "webhook without a secret", yaml: shop("webhook_uri: 'http://shop.example.com/hook', webhook_events: [user.gone, session.ended, session.ended]"), want: []string{
			`clients[0].webhook_uri: "http://shop.example.com/hook" uses http; use https`, "clients[0].webhook_secrets: is missing, it signs the events",
			`clients[0].webhook_events[0]: "user.gone" is not known here; use user.logged_out, session.ended`, `clients[0].webhook_events[2]: "session.ended" is there twice`,
		}},
		{name: "webhook secrets", yaml: shop("webhook_uri: 'https://shop.example.com/hook', webhook_secrets: [whsec_" + secret32 + ", whsec_a, whsec_b]"), want: []string{
			"clients[0].webhook_secrets: holds 3 secrets; keep the newest two",
		}},
		{name: "webhook secret", yaml: shop("webhook_uri: 'https://shop.example.com/hook', webhook_secrets: [hunter2!, whsec_aHVudGVyMg==]"), want: []string{
			"clients[0].webhook_secrets[0]: does not begin with whsec_",
			"clients[0].webhook_secrets[1]: holds 7 bytes instead of 24 to 64; make one with: echo whsec_$(openssl rand -base64 32)",
		}},
		{name: "webhook secret of other text", yaml: shop("webhook_uri: 'https://shop.example.com/hook', webhook_secrets: [whsec_hunter2!]"), want: []string{"clients[0].webhook_secrets[0]: is not base64 after whsec_"}},
		{name: "webhook secrets for nothing", yaml: withClient(redirects + ", token_endpoint_auth_method: none, user_token: true, webhook_secrets: [whsec_" + secret32 + ", whsec_" + secret32 + "]"), want: []string{
			"clients[0].client_secret: contradicts", "clients[0].webhook_secrets: has no effect without webhook_uri", "clients[0].user_token: needs a client that can prove who it is",
		}},
		{name: "characters", yaml: dev("clients: [{client_id: \"caf\\u00e9\", client_secret: \"hunter2\\n\", redirect_uris: [https://x/], scope: 'openid \"x\"'}]"), want: []string{
			"clients[0].client_id: printable ASCII", "clients[0].client_secret: not printable ASCII", `clients[0].scope: is not a scope`,
		}},
		{name: "client words", yaml: shop("application_type: mobile, token_endpoint_auth_method: client_secret_jwt, grant_types: [refresh_token, password], response_types: [token], id_token_signed_response_alg: none, redirect_logout: ask, default_max_age: -1, access_token_format: xml, idle: 5m, on_token_reuse: shrug"), want: []string{
			"clients[0].application_type: use web, native", "clients[0].token_endpoint_auth_method: use client_secret_basic", `clients[0].grant_types[1]: "password"`, "clients[0].grant_types: without authorization_code",
			"clients[0].response_types[0]: use code", `clients[0].id_token_signed_response_alg: "none" is not among signing_algorithms; use RS256, ES256, EdDSA`, "clients[0].redirect_logout: use immediate, confirm", "clients[0].access_token_format: use opaque, jwt", "clients[0].default_max_age: -1 is negative",
			`clients[0].idle: "5m" is not known here; use none`, "clients[0].on_token_reuse: use revoke, end_session",
		}},
		{name: "algorithm off", yaml: mark("signing_algorithms: [RS256]\n", "", redirects+", id_token_signed_response_alg: ES256"), want: []string{`clients[0].id_token_signed_response_alg: "ES256" is not among signing_algorithms; use RS256`}},
		{name: "http", yaml: withClient("redirect_uris: [http://shop.example.com/cb, http://localhost/cb], post_logout_redirect_uris: [http://shop.example.com/], backchannel_logout_uri: http://shop.example.com/bc, client_uri: http://shop.example.com/"), want: []string{
			"clients[0].redirect_uris[0]: uses http; use https", "clients[0].redirect_uris[1]: loopback addresses of native clients", "clients[0].post_logout_redirect_uris[0]: uses http",
			`clients[0].backchannel_logout_uri: "http://shop.example.com/bc" uses http; use https`, "clients[0].client_uri: uses http",
		}},
		{name: "front channel", yaml: withClient("redirect_uris: [https://shop.example.com/cb, https://shop.example.com:8443/cb], frontchannel_logout_uri: https://shop.example.com:9443/out"), want: []string{
			`clients[0].frontchannel_logout_uri: "https://shop.example.com:9443/out" is at https://shop.example.com:9443, where the client has no redirect_uri`,
		}},
		{name: "front channel fragment", yaml: shop("frontchannel_logout_uri: 'https://shop.example.com/out#x'"), want: []string{"clients[0].frontchannel_logout_uri: fragment"}},
		{name: "front channel address", yaml: dev("clients: [{client_id: a, client_secret: x, redirect_uris: ['http://[::1]:9101/cb'], frontchannel_logout_uri: 'http://[::1]:9101/out'}]"), want: []string{
			"clients[0].frontchannel_logout_uri: Content-Security-Policy",
		}},
		// users
		{name: "duplicate user", yaml: dev("users: [{username: a, password: x}, {username: a, password: y}]"), want: []string{`users[1].username: "a" is the username of users[0] too`}},
		{name: "passwords", yaml: dev("users: [{username: a}, {username: b, password: x, password_hash: y}, {username: c, password_hash: hunter2}, {username: ' d', password: x, email: nobody}, {username: e, password_hash: '$argon2id$v=19$m=8,t=1,p=2$c29tZXNhbHQ$aHVudGVyMmh1bnRlcjI'}]"), want: []string{
			"users[0].password: give password or password_hash", "users[1].password: remove one of them", "users[2].password_hash: argon2id", "users[3].username: is not a username", `users[3].email: "nobody" is not an e-mail address`,
			"users[4].password_hash: out of range",
		}},
		{name: "claims", yaml: withUser("claims: {sub: x, email: x, sid: x, name: 1, email_verified: 'yes', updated_at: x, website: '', address: {planet: Earth, postal_code: 123}, address#de: x, custom: [1, 2.5, {a: null}], huge: 99999999999999999999}"), want: []string{
			"users[0].claims.sub: issues subjects itself", "users[0].claims.email: set the key email", "users[0].claims.sid: sets this claim itself", "users[0].claims.name: write text", "users[0].claims.email_verified: write true or false",
			"users[0].claims.updated_at: write a number", "users[0].claims.website: is empty", "users[0].claims.address.planet: unknown member", "users[0].claims.address.postal_code: in quotes", "users[0].claims.address#de: write a mapping", "users[0].claims.huge: too large",
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := config.Parse([]byte(tt.yaml), tt.env)
			checkProblems(t, err, tt.want)
		})
	}
}

func checkProblems(t *testing.T, err error, want []string) {
	t.Helper()
	var invalid *config.Error
	if err != nil && !errors.As(err, &invalid) {
		t.Fatalf("%T: %v", err, err)
	}
	left := map[string]config.Problem{}
	if invalid != nil {
		for _, p := range invalid.Problems {
			left[p.String()] = p
			if strings.Contains(p.String(), "hunter2") {
				t.Errorf("shows a secret: %s", p)
			}
			if strings.ContainsAny(p.String(), "\n\r") {
				t.Errorf("is more than a line: %q", p)
			}
		}
	}
	for _, w := range want {
		where, part, _ := strings.Cut(w, ": ")
		found := false
		for text, p := range left {
			at := p.Path
			if p.Env != "" {
				at = strings.TrimSuffix(p.Env+", "+p.Path, ", ")
			}
			if at == where && strings.Contains(p.Message, part) {
				delete(left, text)
				found = true
				break
			}
		}
		if !found {
			t.Errorf("missing: %s", w)
		}
	}
	for text := range left {
		t.Errorf("unexpected: %s", text)
	}
}

func TestLines(t *testing.T) {
	_, _, err := config.Parse([]byte("# comment\nissuer: https://id.example.com\nlogout:\n  wait: soon\nclients:\n  - client_id: shop\n    client_secret: x\n    redirect_uris:\n      - https://shop.example.com/cb\n      - ftp://shop\n  - client_id: other\n"), []string{"EXEUNT_RETENTION=x"})
	var invalid *config.Error
	if !errors.As(err, &invalid) {
		t.Fatal(err)
	}
	var got []string
	for _, p := range invalid.Problems {
		where, _, _ := strings.Cut(p.String(), ": ")
		got = append(got, where)
	}
	want := "line 4, logout.wait|line 10, clients[0].redirect_uris[1]|line 11, clients[1].client_secret|line 11, clients[1].redirect_uris|EXEUNT_RETENTION, retention|secrets"
	if strings.Join(got, "|") != want {
		t.Errorf("\n got %s\nwant %s", strings.Join(got, "|"), want)
	}
}
