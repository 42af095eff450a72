package identity

import (
	"crypto/sha256"
	"net"
	"net/url"
	"testing"
	"time"
)

func TestRedirectRegistered(t *testing.T) {
	web := Client{ApplicationType: "web", RedirectURIs: []string{"https://shop.example.com/callback?x=1", "http://127.0.0.1/cb"}}
	native := Client{ApplicationType: "native", RedirectURIs: []string{"http://127.0.0.1/cb?x=1", "http://[::1]:1/cb", "http://localhost/cb", "com.example.app:/cb"}}
	for _, tt := range []struct {
		client Client
		uri    string
		want   bool
	}{
		{web, "https://shop.example.com/callback?x=1", true},
		{web, "https://shop.example.com/callback", false},
		{web, "https://shop.example.com/callback?x=1&y=2", false},
		{web, "https://shop.example.com/callback?x=1#f", false},
		{web, "https://SHOP.example.com/callback?x=1", false},
		{web, "https://shop.example.com:443/callback?x=1", false},
		{web, "http://127.0.0.1:8000/cb", false}, // the port is free for native clients only
		{web, "", false},
		{native, "http://127.0.0.1:49152/cb?x=1", true},
		{native, "http://127.0.0.1/cb?x=1", true},
		{native, "http://[::1]:49152/cb", true},
		{native, "com.example.app:/cb", true},
		{native, "com.example.app:/cb2", false},
		{native, "http://127.0.0.1:49152/cb", false},
		{native, "http://127.0.0.1:49152/cb?x=1#f", false},
		{native, "http://127.0.0.1:49152/%63b?x=1", false},
		{native, "http://user@127.0.0.1:49152/cb?x=1", false},
		{native, "https://127.0.0.1:49152/cb?x=1", false},
		{native, "http://127.0.0.2:49152/cb?x=1", false},
		{native, "http://127.0.0.1.example.com/cb?x=1", false},
		{native, "http://localhost:49152/cb", false},
		{native, "http://127.0.0.1:99999999/cb?x=1\x00", false},
	} {
		if got := tt.client.RedirectRegistered(tt.uri); got != tt.want {
			t.Errorf("%s %q: %t; want %t", tt.client.ApplicationType, tt.uri, got, tt.want)
		}
	}
}

// Whatever comes in: a redirect that passes goes to the registered loopback address and path.
func FuzzSameLoopback(f *testing.F) {
	const registered = "http://127.0.0.1:8000/cb?x=1"
	f.Add("http://127.0.0.1:49152/cb?x=1")
	f.Add("http://127.0.0.1:49152@evil.example/cb?x=1")
	f.Add("http://127.0.0.1\\@evil.example/cb?x=1")
	f.Fuzz(func(t *testing.T, uri string) {
		if !sameLoopback(registered, uri) {
			return
		}
		u, err := url.Parse(uri)
		if err != nil || !net.ParseIP(u.Hostname()).IsLoopback() || u.Path != "/cb" || u.RawQuery != "x=1" || u.User != nil || u.Fragment != "" {
			t.Errorf("%q passes", uri)
		}
	})
}

func TestSecretMatches(t *testing.T) {
	sum := sha256.Sum256([]byte("secret"))
	confidential, public := Client{SecretHash: sum[:]}, Client{}
	for _, tt := range []struct {
		client Client
		secret string
		want   bool
	}{
		{confidential, "secret", true}, {confidential, "Secret", false}, {confidential, "", false}, {public, "", false}, {public, "secret", false},
	} {
		if got := tt.client.SecretMatches(tt.secret); got != tt.want {
			t.Errorf("%q against %x: %t; want %t", tt.secret, tt.client.SecretHash, got, tt.want)
		}
	}
}

func TestTokenStateLive(t *testing.T) {
	now := time.Unix(1000, 0)
	later, before := now.Add(time.Second), now.Add(-time.Second)
	for _, tt := range []struct {
		name           string
		change         func(*TokenState)
		bound, offline bool
	}{
		{"all is well", func(*TokenState) {}, true, true},
		{"expires now", func(s *TokenState) { s.Token.ExpiresAt = now }, false, false},
		{"rotated", func(s *TokenState) { s.Token.RotatedAt = before }, false, false},
		{"grant revoked", func(s *TokenState) { s.Grant.RevokedAt = before }, false, false},
		{"session ended", func(s *TokenState) { s.SessionEndedAt = before }, false, true},
		{"session idle", func(s *TokenState) { s.SessionIdleUntil = now }, false, true},
		{"session expired", func(s *TokenState) { s.SessionExpiresAt = now }, false, true},
		{"no session row", func(s *TokenState) { s.SessionIdleUntil, s.SessionExpiresAt = time.Time{}, time.Time{} }, false, true},
		{"client left", func(s *TokenState) { s.ParticipationEnded = true }, false, true},
	} {
		for _, offline := range []bool{false, true} {
			s := TokenState{Token: Token{ExpiresAt: later}, Grant: Grant{Offline: offline}, SessionIdleUntil: later, SessionExpiresAt: later}
			tt.change(&s)
			want := tt.bound
			if offline {
				want = tt.offline
			}
			if got := s.Live(now); got != want {
				t.Errorf("%s, offline %t: live %t; want %t", tt.name, offline, got, want)
			}
		}
	}
}
