package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"
)

// registrable are the keys of a client that it may register for itself: those of the specifications. Every other one is ours; most loosen
// something, for which the operator answers.
var registrable = []string{
	"client_name", "client_uri", "logo_uri", "policy_uri", "tos_uri", "contacts", "software_id", "software_version",
	"application_type", "token_endpoint_auth_method", "token_endpoint_auth_signing_alg", "jwks", "jwks_uri", "grant_types", "response_types", "scope",
	"redirect_uris", "post_logout_redirect_uris", "initiate_login_uri", "id_token_signed_response_alg", "subject_type", "default_max_age",
	"require_auth_time", "default_acr_values", "backchannel_logout_uri", "backchannel_logout_session_required", "frontchannel_logout_uri",
	"frontchannel_logout_session_required",
}

// leftOut are members that are known here and still mean nothing in a registration. A request object is refused wherever it comes, so no
// promise about them is broken; the others the provider issues itself.
var leftOut = []string{
	"request_uris", "request_object_signing_alg", "request_object_encryption_alg", "request_object_encryption_enc",
	"client_id", "client_secret", "client_id_issued_at", "client_secret_expires_at", "registration_access_token", "registration_client_uri",
}

// ParseRegistration reads the metadata that a client registers for itself (RFC 7591, 2; OpenID Connect Dynamic Client Registration 1.0, 2),
// fills in the defaults, and checks it by the rules for the clients of c and some more:
//
//   - It is a JSON object. Members that are not known are left out (RFC 7591, 2).
//   - Our own keys, such as skip_consent, are the operator's, and so are client_credentials and scopes beyond those of OpenID Connect: the client's scopes are what
//     other services trust.
//
// The client gets the given client_id; it has no ClientSecret, and may have one that is kept elsewhere. The error is an *Error with all
// problems, whose paths are the names of the metadata.
func (c *Config) ParseRegistration(id string, data []byte) (Client, error) {
	r := newReport()
	var client Client
	members, keys := registrationMembers(data, r), names(fieldsOf(reflect.TypeFor[Client]()))
	for _, name := range slices.Sorted(maps.Keys(members)) {
		_, refused := refusedMembers[name]
		switch {
		case slices.Contains(registrable, name):
			continue
		case slices.Contains(leftOut, name):
		case refused: // the reader says why
			continue
		case slices.Contains(keys, name) && !saysNothing(members[name]):
			r.add(name, "is for the operator to set; leave it out")
		}
		delete(members, name)
	}
	document, err := json.Marshal(members)
	if err != nil { // each member has been read as JSON
		return client, fmt.Errorf("configuration: registration: %w", err)
	}
	// The reader of the file is stricter than JSON in what a string may hold.
	if root := readDocument(document, newReport()); root != nil {
		d := &decoder{r: r, values: maxValues}
		d.value(root, reflect.ValueOf(&client).Elem(), "", 0)
	} else {
		r.add("", "the metadata has a control character or half a surrogate pair; write text that can be read")
	}
	if err := registrationError(r); err != nil {
		return client, err
	}
	client.ClientID = id
	client.complete()
	rules := c.rules(&client, r, "")
	rules.secretKept, rules.registered = true, true
	rules.check(c.SigningAlgorithms)
	rules.checkRegistered()
	return client, registrationError(r)
}

// registrationError is the report's, without lines: they are those of a text that nobody has seen.
func registrationError(r *report) error {
	for i := range r.problems {
		r.problems[i].Line = 0
	}
	return r.err("")
}

// checkRegistered holds what only a client of the operator may have.
func (c clientRules) checkRegistered() {
	if i := slices.Index(c.GrantTypes, GrantClientCredentials); i >= 0 {
		c.add(fmt.Sprintf("grant_types[%d]", i), "%s is for clients that the operator creates; leave it out", quote(GrantClientCredentials))
	}
	open := append(strings.Fields(defaultClient().Scope), scopeDevicesRead, scopeDevicesDetach)
	for _, scope := range strings.Fields(c.Scope) {
		if !slices.Contains(open, scope) {
			c.add("scope", "%s is for clients that the operator creates; use %s", quote(scope), strings.Join(open, " "))
		}
	}
}

// registrationMembers reads the members of a JSON object, each of which may be there once. Nothing of a malformed one is shown.
func registrationMembers(data []byte, r *report) map[string]json.RawMessage {
	members := map[string]json.RawMessage{}
	malformed := func() map[string]json.RawMessage {
		r.add("", "the metadata is not a JSON object (RFC 8259, 4)")
		return nil
	}
	if len(data) > maxFileSize || !utf8.Valid(data) || !json.Valid(data) {
		return malformed()
	}
	d := json.NewDecoder(bytes.NewReader(data))
	if start, err := d.Token(); err != nil || start != json.Delim('{') {
		return malformed()
	}
	for d.More() {
		key, err := d.Token()
		name, _ := key.(string)
		var value json.RawMessage
		if err != nil || d.Decode(&value) != nil {
			return malformed()
		}
		if _, twice := members[name]; twice {
			r.add(join("", showName(name)), "is given twice; keep one")
		}
		members[name] = value
	}
	if _, err := d.Token(); err != nil {
		return malformed()
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return malformed()
	}
	return members
}

// saysNothing reports whether a value is null, "", false, 0, [] or {}.
func saysNothing(value json.RawMessage) bool {
	var compact bytes.Buffer
	if json.Compact(&compact, value) != nil {
		return false
	}
	switch compact.String() {
	case "null", `""`, "false", "0", "[]", "{}":
		return true
	}
	return false
}

// checkRegistration: whoever knows a token registers clients, so it must be one that can be sent (RFC 6750, 2.1) and not be guessed.
func (c *Config) checkRegistration(r *report) {
	for i, token := range c.Registration.InitialAccessTokens {
		path := fmt.Sprintf("registration.initial_access_tokens[%d]", i)
		text := token.Reveal()
		switch {
		case strings.TrimRight(text, "=") == "" || strings.Trim(strings.TrimRight(text, "="), tokenCharacters) != "":
			r.add(path, "is not a bearer token (RFC 6750, 2.1); make one with: openssl rand -hex 32")
		case len(text) < minSecretLength && c.production():
			r.add(path, "is short: only random tokens of %d characters and more resist guessing; make one with: openssl rand -hex 32", minSecretLength)
		}
	}
}

const tokenCharacters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/"
