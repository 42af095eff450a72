package identity_test

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/exeunt-id/exeunt/provider/identity"
)

// Whatever a client has, it sees of itself what the specifications name: a field of ours that is new must not show either.
func TestClientRegistration(t *testing.T) {
	standard := strings.Fields(`client_id client_name client_uri logo_uri policy_uri tos_uri contacts software_id software_version application_type
		token_endpoint_auth_method token_endpoint_auth_signing_alg jwks jwks_uri grant_types response_types scope redirect_uris post_logout_redirect_uris
		initiate_login_uri id_token_signed_response_alg default_max_age require_auth_time default_acr_values backchannel_logout_uri
		backchannel_logout_session_required frontchannel_logout_uri frontchannel_logout_session_required`)
	var c identity.Client
	v := reflect.ValueOf(&c).Elem()
	for i := range v.NumField() {
		switch f := v.Field(i); f.Kind() {
		case reflect.String:
			f.SetString("x")
		case reflect.Bool:
			f.SetBool(true)
		case reflect.Int:
			f.SetInt(1)
		case reflect.Slice:
			f.Set(reflect.MakeSlice(f.Type(), 1, 1))
		case reflect.Pointer:
			f.Set(reflect.New(f.Type().Elem()))
		case reflect.Struct: // a time
		default:
			t.Fatalf("%s: a kind that this test does not know", v.Type().Field(i).Name)
		}
	}
	c.JWKS = json.RawMessage(`{}`)
	data, err := json.Marshal(c.Registration())
	if err != nil {
		t.Fatal(err)
	}
	var members map[string]any
	if err := json.Unmarshal(data, &members); err != nil {
		t.Fatal(err)
	}
	for name := range members {
		if !slices.Contains(standard, name) {
			t.Errorf("%s is not for the client to see", name)
		}
	}
	for _, name := range standard {
		if _, there := members[name]; !there {
			t.Errorf("%s is missing", name)
		}
	}
}

func TestRegistrationTokenMatches(t *testing.T) {
	var r identity.ClientRecord
	for _, token := range []string{"", "x"} {
		if r.RegistrationTokenMatches(token) || r.Registered() {
			t.Errorf("%q opens a client that did not register itself", token)
		}
	}
}
