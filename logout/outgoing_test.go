package logout

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"testing"
)

func TestGlobal(t *testing.T) {
	for addr, want := range map[string]bool{
		"93.184.216.34":        true,
		"2606:2800:220:1::1":   true,
		"0.0.0.0":              false,
		"10.1.2.3":             false,
		"100.64.0.1":           false,
		"127.0.0.1":            false,
		"169.254.169.254":      false, // the metadata service of clouds
		"172.16.0.1":           false,
		"172.32.0.1":           true,
		"192.168.1.1":          false,
		"198.18.0.1":           false,
		"224.0.0.1":            false,
		"255.255.255.255":      false,
		"::":                   false,
		"::1":                  false,
		"fe80::1":              false,
		"fe80::1%eth0":         false,
		"fc00::1":              false,
		"ff02::1":              false,
		"::ffff:127.0.0.1":     false,
		"::ffff:93.184.216.34": true,
		"64:ff9b::7f00:1":      false, // NAT64 of 127.0.0.1
		"64:ff9b::5db8:d822":   true,
		"64:ff9b:1::1":         false,
		"2002:7f00:1::1":       false, // 6to4 of 127.0.0.1
		"2002:5db8:d822::1":    true,
		"2001::1":              false, // Teredo
		"2001:db8::1":          false,
		"::127.0.0.1":          false,
	} {
		if got := Global(netip.MustParseAddr(addr)); got != want {
			t.Errorf("Global(%s) = %t, want %t", addr, got, want)
		}
	}
}

func TestUnplaced(t *testing.T) {
	inside, outside := &net.TCPAddr{IP: net.IPv4(10, 1, 2, 3), Port: 443}, &net.TCPAddr{IP: net.IPv4(93, 184, 216, 34), Port: 443}
	for want, err := range map[string]error{
		"dial: connection refused":                   &net.OpError{Op: "dial", Net: "tcp", Addr: inside, Err: syscall.ECONNREFUSED},
		"dial 93.184.216.34:443: connection refused": &net.OpError{Op: "dial", Net: "tcp", Addr: outside, Err: syscall.ECONNREFUSED},
		"read: connection reset by peer":             &net.OpError{Op: "read", Net: "tcp", Source: inside, Addr: outside, Err: syscall.ECONNRESET},
		"proxyconnect: dial: connection refused":     &net.OpError{Op: "proxyconnect", Net: "tcp", Err: &net.OpError{Op: "dial", Net: "tcp", Addr: inside, Err: syscall.ECONNREFUSED}},
		"lookup shop.example: no such host":          &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "shop.example", Server: "10.0.0.2:53"}},
	} {
		got := plainError(&url.Error{Op: "Post", URL: "https://shop.example/?secret", Err: err})
		var noAnswer *NoAnswerError
		if got.Error() != want || !errors.As(got, &noAnswer) {
			t.Errorf("%v: %q, want %q", err, got, want)
		}
	}
}

func TestOutgoing(t *testing.T) {
	server := httptest.NewServer(http.RedirectHandler("http://elsewhere.invalid/", http.StatusFound))
	defer server.Close()
	get := func(cfg OutgoingConfig, private bool) (*http.Response, error) {
		out, err := NewOutgoing(cfg)
		if err != nil {
			t.Fatal(err)
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := out.Client(private).Do(req)
		if err == nil {
			_ = res.Body.Close()
		}
		return res, err
	}
	_, err := get(OutgoingConfig{}, false)
	if !errors.Is(err, ErrForbiddenAddress) {
		t.Errorf("loopback without permission: %v, want ErrForbiddenAddress", err)
	}
	if err = plainError(err); !errors.Is(err, ErrForbiddenAddress) || strings.Contains(err.Error(), "127.0.0.1") {
		t.Errorf("its receipt says %q; where a name leads inside is nobody's business", err)
	}
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	for name, try := range map[string]struct {
		cfg     OutgoingConfig
		private bool
	}{"by client": {private: true}, "for all": {cfg: OutgoingConfig{AllowPrivateNetworks: true}}} {
		res, err := get(try.cfg, try.private)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if res.StatusCode != http.StatusFound {
			t.Errorf("%s: %s; the redirect was followed", name, res.Status)
		}
	}
	own := strings.TrimPrefix(server.URL, "http://")
	for _, listener := range []string{own, own[strings.LastIndexByte(own, ':'):], "localhost" + own[strings.LastIndexByte(own, ':'):]} {
		if _, err := get(OutgoingConfig{OwnListeners: []string{listener}}, true); !errors.Is(err, ErrForbiddenAddress) {
			t.Errorf("our own listener %s: %v, want ErrForbiddenAddress", listener, err)
		}
	}
	for addr, want := range map[string]bool{"[::]:8080": true, "0.0.0.0:8080": true, "[::1]:8080": true, "[::ffff:127.0.0.1]:8080": true, "127.0.0.1:8081": false, "93.184.216.34:8080": false} {
		if got := (guard{own: []netip.AddrPort{netip.MustParseAddrPort("0.0.0.0:8080")}}).isOwn(netip.MustParseAddrPort(addr)); got != want {
			t.Errorf("isOwn(%s) = %t, want %t", addr, got, want)
		}
	}
	for _, bad := range []OutgoingConfig{{CAFile: "/nothing/here.pem"}, {OwnListeners: []string{"8080"}}} {
		if _, err := NewOutgoing(bad); err == nil {
			t.Errorf("NewOutgoing(%+v) accepts it", bad)
		}
	}
}
