package provider

import (
	"net/http"
	"net/netip"

	"github.com/labstack/echo/v4"

	"github.com/exeunt-id/exeunt/provider/realtime"
)

// untraced lists the routes that are not followed: probes and scrapes come every few seconds and say nothing, and a page stays connected for
// hours.
var untraced = map[string]bool{
	pathHealthz: true, pathReadyz: true, pathMetrics: true,
	realtime.PathWebSocket: true, realtime.PathSSE: true,
}

// follow begins the span of a request, which ends with the call of what it returns, if there are traces.
func (p *Provider) follow(c echo.Context) (done func()) {
	route := c.Path()
	if p.cfg.Trace == nil || untraced[route] {
		return func() {}
	}
	r, end := p.cfg.Trace.Request(c.Request(), route, p.fromProxy(c.Request()))
	c.SetRequest(r)
	return func() { end(c.Response().Status) }
}

// fromProxy reports whether a proxy of the operator's sent the request itself, on whoever's behalf.
func (p *Provider) fromProxy(r *http.Request) bool {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return false
	}
	for _, network := range p.cfg.TrustedProxies {
		if network.Contains(peer.Addr().Unmap()) {
			return true
		}
	}
	return false
}
