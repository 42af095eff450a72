package provider

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/exeunt-id/exeunt/provider/browser"
	"github.com/exeunt-id/exeunt/provider/console"
	"github.com/exeunt-id/exeunt/provider/identity"
	"github.com/exeunt-id/exeunt/provider/protocol"
	"github.com/exeunt-id/exeunt/provider/signout"
	"github.com/exeunt-id/exeunt/provider/store"
	"github.com/exeunt-id/exeunt/templates"
)

// Admin returns what operators and their machines reach: never put it on a public address.
func (p *Provider) Admin() http.Handler { return p.admin }

// adminRoutes lists every route of the admin listener. They have no base: the issuer is not reached there.
func (p *Provider) adminRoutes(e *endpoints) *echo.Echo {
	r := p.router(p.protectAdmin)
	r.Use(p.guardHost)
	r.HTTPErrorHandler = p.answerErrors(e.console.ShowError)

	// For machines.
	e.healthChecks(r)
	r.GET(pathMetrics, echo.WrapHandler(p.metrics.Handler()))

	// For programs with the scope exeunt.admin.
	const api = protocol.PrefixAdminAPI
	program := e.adminAPI.Gate
	r.GET(api+"/deliveries", e.adminAPI.Deliveries, program)
	r.GET(api+"/deliveries/:id", e.adminAPI.Delivery, program)
	r.POST(api+"/deliveries/:id/redeliver", e.adminAPI.RedeliverOne, program)
	r.POST(api+"/deliveries/redeliver", e.adminAPI.Redeliver, program)
	r.GET(api+"/clients", e.adminAPI.ClientsHealth, program)
	r.GET(api+"/clients/:id", e.adminAPI.ClientHealth, program)
	r.GET(api+"/logouts", e.adminAPI.Logouts, program)
	r.GET(api+"/logouts/:id", e.adminAPI.Logout, program)
	r.GET(api+"/sessions", e.adminAPI.LiveSessions, program)
	r.POST(api+"/sessions/:id/end", e.adminAPI.EndSession, program)
	r.POST(api+"/sessions/end", e.adminAPI.EndSessions, program)
	r.GET(api+"/devices", e.adminAPI.UserDevices, program)
	r.POST(api+"/devices/:id/detach", e.adminAPI.DetachDevice, program)
	r.POST(api+"/devices/:id/exclude", e.adminAPI.ExcludeDevice, program)
	r.POST(api+"/devices/:id/include", e.adminAPI.IncludeDevice, program)
	r.GET(api+"/audit", e.adminAPI.AuditTrail, program)

	// For administrators: the console.
	desk, gate := e.console, e.console.Gate
	r.Match([]string{http.MethodGet, http.MethodHead}, "/static/*", e.assets.Get)
	r.GET("/admin/login", desk.LoginForm)
	r.POST("/admin/login", desk.Login)
	r.POST("/admin/logout", desk.Logout, gate)
	r.GET("/", desk.Home)
	r.GET("/admin", desk.Home, gate)
	r.GET("/admin/deliveries", desk.Deliveries, gate)
	r.GET("/admin/deliveries/:id", desk.Delivery, gate)
	r.POST("/admin/deliveries/:id/redeliver", desk.RedeliverOne, gate)
	r.GET("/admin/redeliver", desk.RedeliverForm, gate)
	r.POST("/admin/redeliver", desk.Redeliver, gate)
	r.GET("/admin/clients", desk.ClientList, gate)
	r.GET("/admin/clients/:id", desk.Client, gate)
	r.GET("/admin/logouts", desk.Logouts, gate)
	r.GET("/admin/logouts/:id", desk.LogoutDetail, gate)
	r.GET("/admin/sessions", desk.SessionList, gate)
	r.GET("/admin/sessions/end", desk.EndForm, gate)
	r.POST("/admin/sessions/end", desk.End, gate)
	return r
}

// console wires the pages of administrators. They throttle logins together with the provider's own.
func (p *Provider) console(e *endpoints, assets *browser.Assets, authenticator *identity.Authenticator) error {
	pages, err := browser.NewRenderer(templates.Console(), assets, product)
	if err != nil {
		return err
	}
	e.console = &console.Console{
		Issuer: p.cfg.Issuer, Users: p.store.Users, Names: p.store.Users, Authenticator: countedLogins{authenticator, p.metrics}, Sessions: p.sessions,
		Activity: signout.Activity{
			Sessions: p.sessions, Lifetimes: signout.Lifetimes{Idle: console.IdleLifetime, Absolute: console.AbsoluteLifetime},
		},
		Live: p.sessions, Ledger: p.sessions, Journal: p.sessions, Engine: recordedEngine{p.engine, p.trail}, Clients: directory{p.store.Clients}, Tx: p.cfg.DB, Audit: p.trail,
		Cookies: browser.AdminCookies{TLS: p.cameByTLS}, Pages: pages, Now: p.cfg.Now, Logger: p.cfg.Logger,
	}
	return nil
}

// directory is the clients as the console sees them.
type directory struct{ *store.Clients }

// ClientsAfter implements console.Clients.
func (d directory) ClientsAfter(ctx context.Context, after string, limit int) ([]identity.Client, error) {
	records, err := d.List(ctx, after, limit)
	if err != nil {
		return nil, err
	}
	clients := make([]identity.Client, len(records))
	for i, r := range records {
		clients[i] = r.Client
	}
	return clients, nil
}

// cameByTLS reports whether the browser sent a request by TLS: to us, or to a proxy that is trusted to say so.
func (p *Provider) cameByTLS(r *http.Request) bool {
	if r.TLS != nil {
		return true
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return false
	}
	peer, err := netip.ParseAddr(host)
	if err != nil {
		return false
	}
	for _, trusted := range p.cfg.TrustedProxies {
		if trusted.Contains(peer.Unmap().WithZone("")) {
			return strings.EqualFold(r.Header.Get(echo.HeaderXForwardedProto), "https")
		}
	}
	return false
}

// protectAdmin is protect for the admin listener. It has no issuer to go by.
func (p *Provider) protectAdmin(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		h := c.Response().Header()
		h.Set(echo.HeaderXContentTypeOptions, "nosniff")
		h.Set(echo.HeaderReferrerPolicy, "no-referrer")
		if p.cameByTLS(c.Request()) {
			h.Set(echo.HeaderStrictTransportSecurity, "max-age=31536000")
		}
		return next(c)
	}
}

// guardHost refuses, on a connection to a loopback address, every name that is not one of this machine. Otherwise a page of anybody could
// let its own name point here, and would be same-origin with the console (DNS rebinding).
func (p *Provider) guardHost(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
		if local == nil || !loopbackHost(local.String()) || loopbackHost(r.Host) {
			return next(c)
		}
		return &browser.Error{
			Status: http.StatusMisdirectedRequest, Title: "This is another address", Message: "The admin listener is on this machine alone and answers to its own names only.",
			Hint: "Open it as localhost. A proxy in front of it must send a Host of localhost.",
		}
	}
}

// loopbackHost reports whether a host, perhaps with a port, names this machine: 127.0.0.0/8, ::1, localhost and *.localhost (RFC 6761, 6.3).
func loopbackHost(hostport string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	host = strings.TrimSuffix(strings.ToLower(strings.Trim(host, "[]")), ".")
	if addr, err := netip.ParseAddr(host); err == nil {
		return addr.Unmap().IsLoopback()
	}
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}
