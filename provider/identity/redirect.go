package identity

import (
	"net"
	"net/url"
)

// sameLoopback compares two URIs of a native client's loopback redirect, the port left out: the operating system hands the app
// whichever port is free (RFC 8252, 7.3). Only IP literals: "localhost" may resolve to something else (8.3).
func sameLoopback(registered, given string) bool {
	r, err := url.Parse(registered)
	if err != nil || r.Scheme != "http" || !isLoopbackIP(r.Hostname()) {
		return false
	}
	g, err := url.Parse(given)
	if err != nil || g.User != nil || g.Fragment != "" {
		return false
	}
	return g.Scheme == "http" && g.Hostname() == r.Hostname() && g.EscapedPath() == r.EscapedPath() && g.RawQuery == r.RawQuery
}

func isLoopbackIP(host string) bool {
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
