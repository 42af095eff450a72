package protocol

import (
	"encoding/json"
	"net/url"
	"testing"
	"unicode/utf8"

	"github.com/exeunt-id/exeunt/provider/identity"
)

// Whatever an app attaches can be stored and shown, and leads nowhere but to itself.
func FuzzAttachment(f *testing.F) {
	for _, body := range []string{
		`{"metadata": {"a": 1}, "device_id": "x", "redirect_urls": {"logout_url": "https://shop.example.com/out?x=y#z"}}`, `{}`, `null`, `[]`, ``,
		`{"metadata": null}`, `{"metadata": "{}"}`, `{"metadata": {"a": "\u0000\ud800"}, "METADATA": []}`, `{"device_id": "\u0007"}`,
		`{"redirect_urls": {"logout_url": "https://shop.example.com\\@evil.example.com/"}}`, `{"redirect_urls": {"logout_url": "//shop.example.com"}}`,
		`{"redirect_urls": {"logout_url": "HTTPS://SHOP.example.com:443/"}}`,
	} {
		f.Add([]byte(body))
	}
	client := identity.Client{RedirectURIs: []string{"https://shop.example.com/callback", "com.example.shop:/callback"}}
	f.Fuzz(func(t *testing.T, body []byte) {
		a, err := parseAttachment(body, client)
		if err != nil {
			return
		}
		var metadata map[string]any
		if len(a.Metadata) > 0 && (json.Unmarshal(a.Metadata, &metadata) != nil || metadata == nil) || len(a.Metadata) > maxMetadata {
			t.Errorf("metadata %q", a.Metadata)
		}
		if !utf8.Valid(a.Metadata) || !utf8.ValidString(a.OwnID) || len(a.OwnID) > maxOwnID {
			t.Errorf("cannot be stored: %q, %q", a.Metadata, a.OwnID)
		}
		if uri := a.Redirects.LogoutURL; uri != "" {
			if u, err := url.Parse(uri); err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.Port() != "" && u.Port() != "443" {
				t.Errorf("would lead to %q", uri)
			}
		}
	})
}
