package identity_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"testing"

	"github.com/exeunt-id/exeunt/provider/identity"
)

// OpenID Connect Core 1.0, 5.5 and 5.5.1.
func TestParseClaims(t *testing.T) {
	raw := func(texts ...string) (values []json.RawMessage) {
		for _, text := range texts {
			values = append(values, json.RawMessage(text))
		}
		return values
	}
	type asked = map[string]identity.ClaimRequest
	tests := map[string]struct {
		text string
		want identity.ClaimsRequest
		bad  bool
	}{
		"the specification's": {
			text: `{"userinfo": {"given_name": {"essential": true}, "nickname": null, "http://example.info/claims/groups": null},
				"id_token": {"auth_time": {"essential": true}, "acr": {"values": ["urn:mace:incommon:iap:silver"]}}}`,
			want: identity.ClaimsRequest{
				Userinfo: asked{"given_name": {Essential: true}, "nickname": {}, "http://example.info/claims/groups": {}},
				IDToken:  asked{"auth_time": {Essential: true}, "acr": {Values: raw(`"urn:mace:incommon:iap:silver"`)}},
			},
		},
		"value":                      {text: `{"id_token":{"sub":{"value":"248289761001"}}}`, want: identity.ClaimsRequest{IDToken: asked{"sub": {Values: raw(`"248289761001"`)}}}},
		"values of any kind":         {text: `{"userinfo":{"address":{"values":[ {"b": 1, "a":2} , 5, null]}}}`, want: identity.ClaimsRequest{Userinfo: asked{"address": {Values: raw(`{"a":2,"b":1}`, "5", "null")}}}},
		"nothing":                    {text: `{}`},
		"members that mean nothing":  {text: `{"access_token": 5, "userinfo": {"name": {"purpose": "fun"}}}`, want: identity.ClaimsRequest{Userinfo: asked{"name": {}}}},
		"no JSON":                    {text: `name`, bad: true},
		"null":                       {text: `null`, bad: true},
		"a list":                     {text: `["name"]`, bad: true},
		"member no object":           {text: `{"userinfo": ["name"]}`, bad: true},
		"member null":                {text: `{"userinfo": null}`, bad: true},
		"claim neither":              {text: `{"userinfo": {"name": true}}`, bad: true},
		"essential no boolean":       {text: `{"userinfo": {"name": {"essential": "yes"}}}`, bad: true},
		"values no list":             {text: `{"userinfo": {"name": {"values": "Alice"}}}`, bad: true},
		"something behind the value": {text: `{} {}`, bad: true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := identity.ParseClaims(test.text)
			if test.bad {
				if !errors.Is(err, identity.ErrClaims) {
					t.Errorf("error %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if len(got.Userinfo)+len(test.want.Userinfo)+len(got.IDToken)+len(test.want.IDToken) > 0 && !reflect.DeepEqual(got, test.want) {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestClaimRequestWants(t *testing.T) {
	c, err := identity.ParseClaims(`{"userinfo":{"locale":{"values":["en","de"]},"updated_at":{"value":1700000000},"address":{"value":{"region":"x","locality":"y"}},"name":null},"id_token":{"sub":{"value":"alice"}}}`)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		claim string
		value any
		want  bool
	}{
		{"locale", "de", true},
		{"locale", "fr", false},
		{"updated_at", int64(1700000000), true},
		{"updated_at", 1.7e9, true},
		{"updated_at", "1700000000", false},
		{"address", map[string]any{"locality": "y", "region": "x"}, true},
		{"name", "anything", true},
	} {
		if got := c.Userinfo[test.claim].Wants(test.value); got != test.want {
			t.Errorf("%s %v: %v", test.claim, test.value, got)
		}
	}
	if !c.AllowsSubject("alice") || c.AllowsSubject("bob") || !(identity.ClaimsRequest{}).AllowsSubject("bob") {
		t.Error("sub with a value names the only person")
	}
}

// What was read is stored and read again without a change, and nothing that a browser sends breaks the parser.
func FuzzParseClaims(f *testing.F) {
	f.Add(`{"userinfo":{"name":null,"sub":{"value":"a","essential":true}},"id_token":{"acr":{"values":["1",{"x":[1.5e300]}]}}}`)
	f.Add(`{"userinfo":{"":{"values":[],"value":null}}}`)
	f.Fuzz(func(t *testing.T, text string) {
		c, err := identity.ParseClaims(text)
		if err != nil {
			return
		}
		stored, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		var again identity.ClaimsRequest
		if err := json.Unmarshal(stored, &again); err != nil {
			t.Fatal(err)
		}
		if restored, err := json.Marshal(again); err != nil || string(restored) != string(stored) {
			t.Errorf("%s became %s (%v)", stored, restored, err)
		}
	})
}
