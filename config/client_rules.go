package config

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

func (c *Config) checkClients(r *report) {
	first := map[string]int{}
	for i := range c.Clients {
		client, path := &c.Clients[i], fmt.Sprintf("clients[%d]", i)
		if at, twice := first[client.ClientID]; twice && client.ClientID != "" {
			r.add(path+".client_id", "%s is the client_id of clients[%d] too; give each client its own", quote(client.ClientID), at)
		} else {
			first[client.ClientID] = i
		}
		c.rules(client, r, path+".").check(c.SigningAlgorithms)
	}
}

func (c *Config) rules(client *Client, r *report, path string) clientRules {
	return clientRules{Client: client, r: r, path: path, httpAllowed: !c.production()}
}

// clientRules checks one client.
type clientRules struct {
	*Client
	r           *report
	path        string // with the final dot
	httpAllowed bool   // for all its URIs
	secretKept  bool   // it has a secret that only its hash is known of
	registered  bool   // it registers itself
}

// check checks everything. algorithms are the provider's.
func (c clientRules) check(algorithms []string) {
	c.checkIdentity()
	c.checkKeys()
	c.checkGrants()
	c.checkURIs()
	c.checkWebhook()
	c.checkAlgorithm(algorithms)
	c.checkOther()
}

func (c clientRules) add(key, format string, args ...any) { c.r.add(c.path+key, format, args...) }

func (c clientRules) oneOf(key, value string, allowed ...string) {
	oneOf(c.r, c.path+key, value, allowed...)
}

func (c clientRules) checkIdentity() {
	switch {
	case c.ClientID == "":
		c.add("client_id", "is missing; give the client an identifier")
	case !isVSCHAR(c.ClientID) || len(c.ClientID) > 255:
		c.add("client_id", "%s is not an identifier; write at most 255 printable ASCII characters (RFC 6749, A.1)", quote(c.ClientID))
	}
	c.oneOf("application_type", c.ApplicationType, ApplicationWeb, ApplicationNative)
	c.oneOf("token_endpoint_auth_method", c.TokenEndpointAuthMethod, AuthBasic, AuthPost, AuthPrivateKeyJWT, AuthNone)
	needsSecret := c.TokenEndpointAuthMethod == AuthBasic || c.TokenEndpointAuthMethod == AuthPost
	withoutSecret := c.TokenEndpointAuthMethod == AuthNone || c.TokenEndpointAuthMethod == AuthPrivateKeyJWT
	switch {
	case needsSecret && c.ClientSecret == "" && !c.secretKept:
		c.add("client_secret", "is missing, %s needs it; make one with: openssl rand -hex 32 (or set token_endpoint_auth_method: none for a public client)", c.TokenEndpointAuthMethod)
	case withoutSecret && c.ClientSecret != "":
		c.add("client_secret", "contradicts token_endpoint_auth_method: %s; remove one of the two keys", c.TokenEndpointAuthMethod)
	case !isVSCHAR(c.ClientSecret.Reveal()):
		c.add("client_secret", "has a character that is not printable ASCII (RFC 6749, A.2); make another with: openssl rand -hex 32")
	}
}

func (c clientRules) checkGrants() {
	for i, grant := range c.GrantTypes {
		c.oneOf(fmt.Sprintf("grant_types[%d]", i), grant, GrantAuthorizationCode, GrantRefreshToken, GrantClientCredentials)
	}
	for i, response := range c.ResponseTypes {
		c.oneOf(fmt.Sprintf("response_types[%d]", i), response, "code")
	}
	code := slices.Contains(c.GrantTypes, GrantAuthorizationCode)
	if slices.Contains(c.GrantTypes, GrantRefreshToken) && !code {
		c.add("grant_types", "has refresh_token without authorization_code, which alone gives a refresh token; add it")
	}
	if slices.Contains(c.GrantTypes, GrantClientCredentials) && c.TokenEndpointAuthMethod == AuthNone {
		c.add("grant_types", "has client_credentials, which a public client cannot use (RFC 6749, 4.4); remove it, or choose another token_endpoint_auth_method")
	}
	if code && len(c.RedirectURIs) == 0 {
		c.add("redirect_uris", "is missing; list where the browser may be sent after login")
	}
	for _, scope := range strings.Fields(c.Scope) {
		// RFC 6749, 3.3
		if !isVSCHAR(scope) || strings.ContainsAny(scope, `"\`) {
			c.add("scope", "%s is not a scope; write printable ASCII without quotes and backslashes, separated by spaces", quote(scope))
		}
	}
	c.checkStreamScopes()
}

// The scopes of receivers of shared signals (CAEP Interoperability Profile 1.0, 2.7.3).
const (
	scopeStreamPrefix = "ssf."
	scopeStreamRead   = "ssf.read"
	scopeStreamManage = "ssf.manage"
)

// The scopes of what an app may do with its user's devices. The user is asked for them as for any other.
const (
	scopeDevicesRead   = "devices.read"
	scopeDevicesDetach = "devices.detach"
)

// checkStreamScopes: the prefix is reserved, and only a token of the client's own opens the API.
func (c clientRules) checkStreamScopes() {
	for _, scope := range strings.Fields(c.Scope) {
		switch {
		case !strings.HasPrefix(scope, scopeStreamPrefix):
		case scope != scopeStreamRead && scope != scopeStreamManage:
			c.add("scope", "%s is not a scope of shared signals; write %s, or %s to read only", quote(scope), scopeStreamManage, scopeStreamRead)
		case !slices.Contains(c.GrantTypes, GrantClientCredentials):
			c.add("grant_types", "lacks client_credentials, without which nothing can come of the scope %s; add it, or remove the scope", scope)
		}
	}
}

func (c clientRules) checkURIs() {
	redirects := func(key string, uris []string) {
		for i, uri := range uris {
			if err := redirectURI(uri, c.httpAllowed, c.ApplicationType == ApplicationNative); err != nil {
				c.add(fmt.Sprintf("%s[%d]", key, i), "%v", err)
			}
		}
	}
	redirects("redirect_uris", c.RedirectURIs)
	redirects("post_logout_redirect_uris", c.PostLogoutRedirectURIs)

	web := func(key, uri string) {
		if uri == "" {
			return
		}
		if _, err := webURI(uri, c.httpAllowed); err != nil {
			c.add(key, "%v", err)
		}
	}
	web("backchannel_logout_uri", c.BackchannelLogoutURI) // Back-Channel Logout 1.0, 2.2
	web("jwks_uri", c.JWKSURI)
	c.checkFrontchannel()
	web("initiate_login_uri", c.InitiateLoginURI)
	web("client_uri", c.ClientURI)
	web("logo_uri", c.LogoURI)
	web("policy_uri", c.PolicyURI)
	web("tos_uri", c.TosURI)
	for i, origin := range c.AllowedOrigins {
		if err := checkOrigin(origin, c.httpAllowed); err != nil {
			c.add(fmt.Sprintf("allowed_origins[%d]", i), "%v", err)
		}
	}
}

// checkFrontchannel: Front-Channel Logout 1.0, 2.
func (c clientRules) checkFrontchannel() {
	const key = "frontchannel_logout_uri"
	if c.FrontchannelLogoutURI == "" {
		return
	}
	u, err := webURI(c.FrontchannelLogoutURI, c.httpAllowed)
	switch {
	case err != nil:
		c.add(key, "%v", err)
	case strings.Contains(u.Host, "["):
		c.add(key, "%s is at an IPv6 address, which a Content-Security-Policy cannot name; use a host name", quote(c.FrontchannelLogoutURI))
	case !slices.ContainsFunc(c.RedirectURIs, func(uri string) bool { return sameOrigin(uri, u) }):
		c.add(key, "%s is at %s, where the client has no redirect_uri; use the scheme, host and port of one of redirect_uris", quote(c.FrontchannelLogoutURI), webOrigin(u))
	}
}

func (c clientRules) checkAlgorithm(available []string) {
	alg := c.IDTokenSignedResponseAlg
	if !slices.Contains(available, alg) && !c.r.isBroken("signing_algorithms") {
		c.add("id_token_signed_response_alg", "%s is not among signing_algorithms; use %s", quote(alg), strings.Join(available, ", "))
	}
}

func (c clientRules) checkOther() {
	// OpenID Connect Core 1.0, 8
	c.oneOf("subject_type", c.SubjectType, "public")
	c.oneOf("access_token_format", c.AccessTokenFormat, AccessTokenOpaque, AccessTokenJWT)
	c.oneOf("redirect_logout", c.RedirectLogout, RedirectLogoutImmediate, RedirectLogoutConfirm)
	if c.Idle != "" {
		c.oneOf("idle", c.Idle, IdleNone)
	}
	c.oneOf("on_token_reuse", c.OnTokenReuse, OnTokenReuseRevoke, OnTokenReuseEndSession)
	c.checkRevocation()
	if n := c.DeviceLimit; n < 0 || n > maxDevices {
		c.add("device_limit", "%d is out of range; write a number from 0 to %d (0 is any number)", n, maxDevices)
	}
	if age := c.DefaultMaxAge; age != nil && *age < 0 {
		c.add("default_max_age", "%d is negative; write seconds from 0, or remove the key", *age)
	}
	for i, contact := range c.Contacts {
		key := fmt.Sprintf("contacts[%d]", i)
		if strings.TrimSpace(contact) == "" {
			c.add(key, "is empty; write an address or remove it")
		}
		c.line(key, contact)
	}
	c.line("client_name", c.ClientName)
	c.line("software_id", c.SoftwareID)
	c.line("software_version", c.SoftwareVersion)
	for i, acr := range c.DefaultACRValues {
		c.line(fmt.Sprintf("default_acr_values[%d]", i), acr)
	}
}

// domain is one of an e-mail address, in lower case.
var domain = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$`)

// checkRevocation: whoever may log everybody out must prove to be it, by nothing that passes through other hands.
func (c clientRules) checkRevocation() {
	const key = "global_token_revocation_domains"
	if len(c.GlobalTokenRevocationDomains) > 0 && c.TokenEndpointAuthMethod != AuthPrivateKeyJWT {
		c.add(key, "needs token_endpoint_auth_method: private_key_jwt; set that too")
	}
	for i, name := range c.GlobalTokenRevocationDomains {
		if name != "*" && !domain.MatchString(name) {
			c.add(fmt.Sprintf("%s[%d]", key, i), "%s is not a domain; write it like example.com, in lower case, or * for everybody", quote(name))
		}
	}
}

// line checks text that is shown to people, who must read it as it stands.
func (c clientRules) line(key, text string) {
	if i := strings.IndexFunc(text, disguises); i >= 0 {
		c.add(key, "%s has %U, which is not seen but changes what is; remove it", quote(text), []rune(text[i:])[0])
	}
}

// disguises reports control characters, and those that turn the direction of what follows (Unicode Standard Annex 9, 2).
func disguises(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) }

// Warnings returns what is allowed but probably not meant. The configuration must be valid.
func (c *Config) Warnings() []Warning {
	var warnings []Warning
	for i, client := range c.Clients {
		path := fmt.Sprintf("clients[%d].", i)
		private := func(key, uri, consequence string) {
			if u, err := url.Parse(uri); err == nil && !c.reaches(client, u.Hostname()) {
				warnings = append(warnings, Warning{path + key, fmt.Sprintf(
					"%s is a private or loopback address, %s; set allow_private_network: true for this client if it is meant", quote(uri), consequence)})
			}
		}
		private("backchannel_logout_uri", client.BackchannelLogoutURI, "where no logout token is sent")
		private("webhook_uri", client.WebhookURI, "where no event is sent")
		private("jwks_uri", client.JWKSURI, "from where no keys are fetched")
		if n := len(client.ClientSecret); n > 0 && n < minSecretLength && c.production() {
			warnings = append(warnings, Warning{path + "client_secret", fmt.Sprintf(
				"is short: only random secrets of %d characters and more resist guessing; make one with: openssl rand -hex 32", minSecretLength)})
		}
	}
	return warnings
}

// minSecretLength of a client secret, in characters: hexadecimal that is 128 bits.
const minSecretLength = 32

// reaches reports whether the guard of outgoing requests lets a request to host pass, as far as the name tells.
func (c *Config) reaches(client Client, host string) bool {
	allowed := client.AllowPrivateNetwork || c.Outgoing.AllowPrivateNetworks || c.Development() && isLoopback(host)
	return host == "" || allowed || !isPrivate(host)
}

// isVSCHAR reports whether s is printable ASCII (RFC 6749, A).
func isVSCHAR(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' })
}
