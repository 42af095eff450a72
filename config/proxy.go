package config

import (
	"fmt"
	"net/netip"
	"strings"
)

// TrustedNetworks returns trusted_proxies as networks; a single address is a network of one. Call it on a validated configuration.
func (c *Config) TrustedNetworks() []netip.Prefix {
	all := make([]netip.Prefix, 0, len(c.TrustedProxies))
	for _, text := range c.TrustedProxies {
		if prefix, err := parseNetwork(text); err == nil {
			all = append(all, prefix)
		}
	}
	return all
}

func (c *Config) checkProxies(r *report) {
	for i, text := range c.TrustedProxies {
		if _, err := parseNetwork(text); err != nil {
			r.add(fmt.Sprintf("trusted_proxies[%d]", i), "%s is not an address or network; write it like 10.0.0.1 or 10.0.0.0/8", quote(text))
		}
	}
}

func parseNetwork(text string) (netip.Prefix, error) {
	if strings.Contains(text, "/") {
		prefix, err := netip.ParsePrefix(text)
		return prefix.Masked(), err
	}
	addr, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Prefix{}, err
	}
	return addr.Unmap().Prefix(addr.Unmap().BitLen())
}
