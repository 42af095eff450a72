package conformance

import (
	"strings"
	"testing"
)

// A native application comes back to its loopback address on whichever port it was given, or to its own scheme (RFC 8252, 7.1 and 7.3). All else
// is compared as it stands, and the code is good at the address alone to which it was sent.
func TestNativeApps_7_RedirectURI(t *testing.T) {
	w := open(t)
	alice := w.browser()
	alice.firstSignOn("shop", "alice")
	for _, uri := range []string{
		"http://127.0.0.1:49152/callback?kept=1", "http://127.0.0.1/callback?kept=1", "http://[::1]:50000/callback", "http://localhost:7777/callback",
		"com.example.phone:/callback", callback("phone"),
	} {
		a := alice.get("/authorize", request("phone", "redirect_uri", uri))
		if got := a.header.Get("Location"); !strings.HasPrefix(got, uri+"?code=") && !strings.HasPrefix(got, uri+"&code=") {
			t.Fatalf("%s: redirected to %q", uri, got)
		}
		w.exchange("phone", a.code(), "redirect_uri", uri).want(200)
	}
	for _, uri := range []string{
		"http://127.0.0.1:49152/callback", "http://127.0.0.1:49152/callback?kept=1&x=2", "http://127.0.0.1:49152/other?kept=1", "https://127.0.0.1:49152/callback?kept=1",
		"http://127.0.0.2:49152/callback?kept=1", "http://localhost:49152/callback", "http://127.0.0.1:49152@evil.example.com/callback?kept=1",
		"http://127.0.0.1.evil.example.com/callback?kept=1", "com.example.phone:/other", "com.example.phone://callback", "com.example.other:/callback",
	} {
		alice.get("/authorize", request("phone", "redirect_uri", uri)).wantPage(400, signInRefused)
	}
	// Another application on the machine, at another port, has no use for the code.
	code := alice.get("/authorize", request("phone", "redirect_uri", "http://[::1]:50000/callback")).code()
	w.exchange("phone", code, "redirect_uri", "http://[::1]:50001/callback").wantError(400, "invalid_grant")
	// The port is free for native applications alone.
	alice.get("/authorize", request("shop", "redirect_uri", "https://shop.example.com:8443/callback")).wantPage(400, signInRefused)
}
