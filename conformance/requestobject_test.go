package conformance

import (
	"encoding/base64"
	"testing"
)

// A client that puts its whole request into an object is told that objects are not supported in the way that the object asks for.
func TestCore_6_1_RefusedAsTheObjectAsks(t *testing.T) {
	w := open(t)
	payload := base64.RawURLEncoding.EncodeToString([]byte(`{"response_mode":"form_post","state":"inside&\"<"}`))
	for name, test := range map[string]struct {
		object, outside, state string
		status                 int
	}{
		"all inside":    {"eyJhbGciOiJub25lIn0." + payload + ".", "", `inside&"<`, 200},
		"state outside": {"eyJhbGciOiJub25lIn0." + payload + ".", "outside", "outside", 200},
		"not an object": {payload, "", "", 303},
		"no JSON":       {"a.e30e.", "", "", 303},
	} {
		a := w.browser().get("/authorize", request("shop", "request", test.object, "state", test.outside)).want(test.status)
		if r := a.response(); r.Get("error") != "request_not_supported" || r.Get("state") != test.state {
			t.Errorf("%s: %v", name, r)
		}
	}
}
