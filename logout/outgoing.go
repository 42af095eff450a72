package logout

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strconv"
	"syscall"
	"time"
)

// OutgoingConfig makes Outgoing.
type OutgoingConfig struct {
	AllowPrivateNetworks bool     // every client's endpoints may be on private and loopback addresses
	CAFile               string   // PEM file of additional certificate authorities
	Proxy                *url.URL // forward proxy; it, and not the guard, then decides which addresses can be reached
	OwnListeners         []string // host:port where this provider itself listens: never called
}

// Outgoing holds the HTTP clients for every call to an address that somebody else chose: back-channel endpoints and the like. They follow
// no redirect, take no proxy from the environment, and connect to global unicast addresses only. The check is made on the address that is
// connected, after name resolution, so that a name cannot point inside.
type Outgoing struct {
	public, private *http.Client
}

// ErrForbiddenAddress says that the guard refused to connect.
var ErrForbiddenAddress = errors.New("address not allowed")

// NewOutgoing makes the clients. Errors name what cannot be read.
func NewOutgoing(cfg OutgoingConfig) (*Outgoing, error) {
	tlsConfig := &tls.Config{MinVersion: tls.VersionTLS12}
	pool, err := RootCAs(cfg.CAFile)
	if err != nil {
		return nil, err
	}
	tlsConfig.RootCAs = pool
	own, err := parseListeners(cfg.OwnListeners)
	if err != nil {
		return nil, err
	}
	// Two transports, not one: a connection that was opened for a client that may reach private addresses must never be reused for
	// one that may not.
	private := newOutgoingClient(guard{private: true, own: own}, tlsConfig, cfg.Proxy)
	if cfg.AllowPrivateNetworks {
		return &Outgoing{public: private, private: private}, nil
	}
	return &Outgoing{public: newOutgoingClient(guard{own: own}, tlsConfig, cfg.Proxy), private: private}, nil
}

// RootCAs returns the system's certificate authorities and those of a PEM file; nil, which means the system's, without a file. Errors name
// what cannot be read.
func RootCAs(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("outgoing.ca_file: %w", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("outgoing.ca_file: %s holds no certificate in PEM form", file)
	}
	return pool, nil
}

// Client returns the HTTP client; allowPrivate says whether the receiver may be on a private or loopback address.
func (o *Outgoing) Client(allowPrivate bool) *http.Client {
	if allowPrivate {
		return o.private
	}
	return o.public
}

func newOutgoingClient(g guard, tlsConfig *tls.Config, proxy *url.URL) *http.Client {
	dialer := &net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second, ControlContext: g.control}
	transport := &http.Transport{
		DialContext:            dialer.DialContext,
		TLSClientConfig:        tlsConfig,
		TLSHandshakeTimeout:    5 * time.Second,
		MaxIdleConns:           maxInFlight,
		MaxIdleConnsPerHost:    maxInFlight, // many applications may be behind one host; each keeps to its own ten
		IdleConnTimeout:        90 * time.Second,
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 5 * time.Second}, // notices dead connections
		ForceAttemptHTTP2:      true,
		MaxResponseHeaderBytes: 64 << 10,
	}
	if proxy != nil {
		transport.Proxy = http.ProxyURL(proxy)
		transport.DialContext = (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}).DialContext
	}
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// guard decides about the address of a connection that is about to be made.
type guard struct {
	private bool
	own     []netip.AddrPort
}

func (g guard) control(_ context.Context, network, address string, _ syscall.RawConn) error {
	if network != "tcp4" && network != "tcp6" {
		return fmt.Errorf("%w: network %s", ErrForbiddenAddress, network)
	}
	target, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%w: %s", ErrForbiddenAddress, address)
	}
	if g.isOwn(target) {
		return fmt.Errorf("%w: it is this provider itself", ErrForbiddenAddress)
	}
	if !g.private && !Global(target.Addr()) {
		return fmt.Errorf("%w: it is not a public one; allow it with the client's allow_private_network, or for all with outgoing.allow_private_networks", ErrForbiddenAddress)
	}
	return nil
}

func (g guard) isOwn(target netip.AddrPort) bool {
	for _, own := range g.own {
		if own.Port() != target.Port() {
			continue
		}
		if addr := target.Addr().Unmap(); own.Addr() == addr || addr.IsUnspecified() || own.Addr().IsUnspecified() && isLocal(addr) {
			return true
		}
	}
	return false
}

// isLocal reports whether the address belongs to this machine.
func isLocal(addr netip.Addr) bool {
	if addr.IsLoopback() {
		return true
	}
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr() == addr {
			return true
		}
	}
	return false
}

func parseListeners(listeners []string) ([]netip.AddrPort, error) {
	var own []netip.AddrPort
	for _, l := range listeners {
		host, portText, err := net.SplitHostPort(l)
		if err != nil {
			return nil, fmt.Errorf("listen address %q: %w", l, err)
		}
		port, err := strconv.ParseUint(portText, 10, 16)
		if err != nil {
			return nil, fmt.Errorf("listen address %q: the port is not a number", l)
		}
		addr := netip.IPv4Unspecified()
		if host != "" {
			if addr, err = netip.ParseAddr(host); err != nil {
				addr = netip.IPv4Unspecified() // a name: every local address counts
			}
		}
		own = append(own, netip.AddrPortFrom(addr.Unmap(), uint16(port)))
	}
	return own, nil
}

// special lists what is global unicast by its bits but not a place on the public internet (IANA special-purpose registries).
var special = prefixes(
	"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24",
	"192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
	"2001::/23", "2001:db8::/32", "3fff::/20",
)

var (
	globalIPv6 = netip.MustParsePrefix("2000::/3")
	nat64      = netip.MustParsePrefix("64:ff9b::/96")
	sixToFour  = netip.MustParsePrefix("2002::/16")
)

func prefixes(texts ...string) []netip.Prefix {
	all := make([]netip.Prefix, len(texts))
	for i, t := range texts {
		all[i] = netip.MustParsePrefix(t)
	}
	return all
}

// Global reports whether an address is a public unicast one. An IPv4 address inside an IPv6 one (mapped, NAT64, 6to4) is judged as itself.
func Global(addr netip.Addr) bool {
	if addr.Zone() != "" {
		return false
	}
	addr = addr.Unmap()
	b := addr.As16()
	switch {
	case nat64.Contains(addr):
		addr = netip.AddrFrom4([4]byte(b[12:16]))
	case sixToFour.Contains(addr):
		addr = netip.AddrFrom4([4]byte(b[2:6]))
	case addr.Is6() && !globalIPv6.Contains(addr):
		return false
	}
	for _, p := range special {
		if p.Contains(addr) {
			return false
		}
	}
	return addr.IsGlobalUnicast()
}
