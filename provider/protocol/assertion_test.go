package protocol

import (
	"strings"
	"testing"
	"time"

	"github.com/exeunt-id/exeunt/provider/identity"
)

func assertionClaimsOf(changes map[string]any) map[string]any {
	claims := map[string]any{
		"iss": "shop", "sub": "shop", "aud": testIssuer, "exp": testNow.Unix() + 60, "iat": testNow.Unix(), "jti": "j1",
	}
	for name, value := range changes {
		if claims[name] = value; value == nil {
			delete(claims, name)
		}
	}
	return claims
}

// What two parsers could read differently is refused.
func TestAssertionIsUnambiguous(t *testing.T) {
	keys := newFakeKeys(t)
	accepted := []string{testIssuer}
	if _, err := readAssertion(keys.sign(t, "JWT", assertionClaimsOf(nil)), accepted, testNow); err != nil {
		t.Fatal(err)
	}
	for name, claims := range map[string]map[string]any{
		"names in capitals": assertionClaimsOf(map[string]any{"iss": nil, "ISS": "shop"}),
		"nested audience":   assertionClaimsOf(map[string]any{"aud": []any{[]string{testIssuer}}}),
		"null audience":     assertionClaimsOf(map[string]any{"aud": []any{nil}}),
	} {
		if got, err := readAssertion(keys.sign(t, "JWT", claims), accepted, testNow); err == nil {
			t.Errorf("%s: %+v", name, got)
		}
	}
	twice := `{"iss":"shop","iss":"wiki","sub":"wiki","aud":"` + testIssuer + `","exp":1772366460,"jti":"j1"}`
	if got, err := readAssertion(keys.signRaw(t, twice), accepted, testNow); err == nil || !strings.Contains(err.Error(), "twice") {
		t.Errorf("iss is there twice: %+v, %v", got, err)
	}
}

// Whatever is sent, a client is named only by what names itself, its time is near, and only the signed bytes verify.
func FuzzAssertion(f *testing.F) {
	keys := newFakeKeys(f)
	good := keys.sign(f, "JWT", assertionClaimsOf(nil))
	parts := strings.Split(good, ".")
	f.Add(good)
	f.Add(parts[0] + "." + parts[1] + ".")
	f.Add(keys.sign(f, "at+jwt", assertionClaimsOf(map[string]any{"exp": 1e300})))
	f.Add(keys.sign(f, "", assertionClaimsOf(map[string]any{"aud": []string{testIssuer, testIssuer + "/token"}, "exp": float64(testNow.Unix()) + 0.5})))
	f.Add(keys.signRaw(f, `{"iss":"a","iss":"b"}`))
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	set, err := keys.public.MarshalJSON()
	if err != nil {
		f.Fatal(err)
	}
	registered, err := readClientKeys([]byte(`{"keys":[` + string(set) + `]}`))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, token string) {
		a := ClientAuth{Settings: Settings{Issuer: testIssuer, Now: func() time.Time { return testNow }}}
		got, err := a.credentials("", parameters{
			"client_assertion": token, "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
		})
		if err != nil {
			return
		}
		read := got.assertion
		if got.method != identity.AuthPrivateKeyJWT || got.id == "" || got.id != read.clientID || read.jti == "" {
			t.Errorf("%q: %+v", token, got)
		}
		if ahead := read.expires.Sub(testNow); ahead < 0 || ahead > assertionLife+2*assertionSkew+time.Second {
			t.Errorf("%q: remembered for %s", token, ahead)
		}
		if read.verify(registered) == nil && !signedByUs(keys, token) {
			t.Errorf("verified %q", token)
		}
	})
}

// signedByUs reports whether the token's first two parts are those of a seed: nobody else has the key.
func signedByUs(keys *fakeKeys, token string) bool {
	for _, seed := range keys.signed {
		if strings.HasPrefix(token, seed[:strings.LastIndex(seed, ".")+1]) {
			return true
		}
	}
	return false
}

func FuzzClientKeys(f *testing.F) {
	keys := newFakeKeys(f)
	set, err := keys.public.MarshalJSON()
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(`{"keys":[` + string(set) + `]}`))
	f.Add([]byte(`{"keys":[{"kty":"oct","k":"AAAA"},null,1]}`))
	f.Fuzz(func(t *testing.T, document []byte) {
		keys, err := readClientKeys(document)
		if err == nil && len(keys) == 0 || len(keys) > maxClientKeys {
			t.Errorf("%d keys, %v", len(keys), err)
		}
		for _, key := range keys {
			if !key.IsPublic() {
				t.Errorf("a key that is not public: %T", key.Key)
			}
		}
	})
}
