package protocol

import (
	"encoding/json"
	"errors"
	"net/http"
	"testing"

	"github.com/zitadel/oidc/v3/pkg/oidc"
)

// Whatever a page sends: it is refused as the caller's mistake, or means what it says.
func FuzzPage(f *testing.F) {
	f.Add(`{"client_id":"shop","id_token":"x.y.z"}`)
	f.Add(`{"client_id":null,"id_token":[]}`)
	f.Add(`[]`)
	f.Add(`{"client_id":"a","client_id":"b"}`)
	f.Fuzz(func(t *testing.T, body string) {
		client, token, err := parsePage([]byte(body))
		if err != nil {
			var refusal *oidc.Error
			if !errors.As(err, &refusal) || Status(refusal) != http.StatusBadRequest || client+token != "" {
				t.Fatalf("%q, %q: %v", client, token, err)
			}
			return
		}
		if client == "" || !json.Valid([]byte(body)) {
			t.Errorf("accepted %q", body)
		}
	})
}
