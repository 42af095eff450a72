package identity

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// ClaimsRequest is the claims parameter of an authorization request (OpenID Connect Core 1.0, 5.5): by their names, the claims that were
// asked for at the userinfo endpoint and in the ID token. The zero value asks for nothing.
type ClaimsRequest struct {
	Userinfo map[string]ClaimRequest `json:"userinfo,omitempty"`
	IDToken  map[string]ClaimRequest `json:"id_token,omitempty"`
}

// ClaimRequest is how one claim was asked for (Core 5.5.1).
type ClaimRequest struct {
	Essential bool              `json:"essential,omitempty"`
	Values    []json.RawMessage `json:"values,omitempty"` // compact JSON; the claim is wanted with one of them, in order of preference; empty: with any
}

// ErrClaims is the parent of every refusal of ParseClaims.
var ErrClaims = errors.New("identity: the claims parameter is malformed")

// ParseClaims reads a claims parameter. Members that mean nothing here are ignored, as Core 5.5 asks; ErrClaims says what cannot be read.
func ParseClaims(text string) (ClaimsRequest, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &members); err != nil || members == nil {
		return ClaimsRequest{}, fmt.Errorf("%w: it is not a JSON object", ErrClaims)
	}
	var c ClaimsRequest
	for name, into := range map[string]*map[string]ClaimRequest{"userinfo": &c.Userinfo, "id_token": &c.IDToken} {
		raw, ok := members[name]
		if !ok {
			continue
		}
		var claims map[string]json.RawMessage
		if err := json.Unmarshal(raw, &claims); err != nil || claims == nil {
			return ClaimsRequest{}, fmt.Errorf("%w: %s is not an object", ErrClaims, name)
		}
		parsed := make(map[string]ClaimRequest, len(claims))
		for claim, asked := range claims {
			request, err := parseClaim(asked)
			if err != nil {
				return ClaimsRequest{}, fmt.Errorf("%w: %s, %q: %w", ErrClaims, name, claim, err)
			}
			parsed[claim] = request
		}
		*into = parsed
	}
	return c, nil
}

// parseClaim reads null or an object.
func parseClaim(raw json.RawMessage) (ClaimRequest, error) {
	if string(raw) == "null" {
		return ClaimRequest{}, nil
	}
	var asked struct {
		Essential *bool             `json:"essential"`
		Value     json.RawMessage   `json:"value"`
		Values    []json.RawMessage `json:"values"`
	}
	if err := json.Unmarshal(raw, &asked); err != nil {
		return ClaimRequest{}, errors.New("neither null nor an object with essential, value and values")
	}
	c := ClaimRequest{Essential: asked.Essential != nil && *asked.Essential}
	if asked.Value != nil && string(asked.Value) != "null" {
		asked.Values = append(asked.Values, asked.Value)
	}
	for _, value := range asked.Values {
		value, err := compact(value)
		if err != nil {
			return ClaimRequest{}, err
		}
		c.Values = append(c.Values, value)
	}
	return c, nil
}

// Wants reports whether a value satisfies the request: it is one of the values asked for, or any would do.
func (c ClaimRequest) Wants(value any) bool {
	if len(c.Values) == 0 {
		return true
	}
	raw, err := json.Marshal(value)
	if err != nil {
		return false
	}
	have, err := compact(raw)
	return err == nil && slices.ContainsFunc(c.Values, func(v json.RawMessage) bool { return bytes.Equal(v, have) })
}

// compact writes JSON in one way, so that equal values have equal bytes.
func compact(raw json.RawMessage) (json.RawMessage, error) {
	var value any
	if err := json.Unmarshal(raw, &value); err != nil {
		return nil, err
	}
	return json.Marshal(value)
}

// Empty reports whether nothing was asked for.
func (c ClaimsRequest) Empty() bool { return len(c.Userinfo) == 0 && len(c.IDToken) == 0 }

// AllowsSubject reports whether the answer may be about this person: sub, asked for with a value, names the only ones (Core 3.1.2.2
// and 5.5.1).
func (c ClaimsRequest) AllowsSubject(subject string) bool {
	return c.Userinfo["sub"].Wants(subject) && c.IDToken["sub"].Wants(subject)
}
