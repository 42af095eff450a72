package config

import (
	"net/netip"
	"net/url"
	"strings"
)

// isLoopback reports whether host, without port and brackets, is 127.0.0.0/8, ::1, localhost or *.localhost (RFC 6761, 6.3).
func isLoopback(host string) bool {
	host = strings.ToLower(host)
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// Development reports whether the issuer is a loopback host. Then http URIs are accepted for any client, relying parties on loopback
// addresses are told, and [DevelopmentSecret] serves if there is no other.
func (c *Config) Development() bool {
	u, err := url.Parse(c.Issuer)
	return err == nil && isLoopback(u.Hostname())
}

// production reports whether the issuer is known not to be loopback; with a malformed one neither this nor Development holds.
func (c *Config) production() bool {
	u, err := url.Parse(c.Issuer)
	return err == nil && u.Hostname() != "" && !isLoopback(u.Hostname())
}

// privateRanges are special-purpose networks (RFC 6890) that netip has no name for.
var privateRanges = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("100.64.0.0/10"),
	netip.MustParsePrefix("198.18.0.0/15"),
}

// isPrivate reports whether host is by its looks an address that is not reachable from everywhere. Nothing is resolved.
func isPrivate(host string) bool {
	if isLoopback(host) {
		return true
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return false
	}
	ip = ip.Unmap().WithZone("")
	for _, p := range privateRanges {
		if p.Contains(ip) {
			return true
		}
	}
	return !ip.IsGlobalUnicast() || ip.IsPrivate()
}
