package provider

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/exeunt-id/exeunt/provider/browser"
	"github.com/exeunt-id/exeunt/provider/protocol"
)

// routes lists every route below the issuer, with its methods. Other methods get 405 with Allow. HEAD is listed where a GET changes nothing;
// the logout endpoints are not among those.
func (p *Provider) routes(e *endpoints) *echo.Echo {
	r := p.router(p.protect)
	r.Use(p.publish)
	const get, post, head = http.MethodGet, http.MethodPost, http.MethodHead

	// For applications; pages of any origin may read these.
	open(r, protocol.PathDiscovery, e.discovery.Get, get, head)
	open(r, protocol.PathKeys, e.keys.Get, get, head)
	open(r, protocol.PathToken, e.token.Post, post)
	open(r, protocol.PathUserinfo, e.userinfo.Handle, get, post)
	open(r, protocol.PathRevoke, e.revoke.Post, post)

	// For applications to embed.
	r.Match([]string{get, head}, protocol.PathCheckSession, e.check.Get)

	// For applications' pages, each client's for its own origins.
	e.pages.routes(r)
	r.POST(protocol.PathDevices, e.devices.Attach)
	r.GET(protocol.PathDevices, e.devices.List)
	r.OPTIONS(protocol.PathDevices, e.devices.Preflight(get+", "+post))
	r.DELETE(protocol.PathDevices+"/:id", e.devices.Detach)
	r.OPTIONS(protocol.PathDevices+"/:id", e.devices.Preflight(http.MethodDelete))

	// For applications' servers and for apps.
	r.POST(protocol.PathIntrospect, e.introspect.Post)
	r.POST(protocol.PathAPILogout, e.apiLogout.Post)
	r.POST(protocol.PathUserToken, e.userToken.Post)
	r.GET(protocol.PathEvents, e.events.Get)
	r.POST(protocol.PathEvents, e.events.Post)
	r.POST(protocol.PathEventsAck, e.events.Acknowledge)
	r.Match([]string{get, post}, protocol.PathDeliveries, e.deliveries.List)
	r.GET(protocol.PathDeliveries+"/:id", e.deliveries.Show)
	r.POST(protocol.PathRedeliver, e.deliveries.Redeliver)
	r.POST(protocol.PathGlobalRevocation, e.revocation.Post)
	signalRoutes(r, e.signals)
	if e.register != nil {
		r.POST(protocol.PathRegister, e.register.Post)
		const one = protocol.PathRegister + "/:client_id"
		r.GET(one, e.register.Get)
		r.PUT(one, e.register.Put)
		r.DELETE(one, e.register.Delete)
	}
	e.healthChecks(r)

	// For people.
	r.Match([]string{get, post}, protocol.PathAuthorize, e.authorize.Handle)
	r.GET(protocol.PathResume, e.resume.Get)
	r.POST(protocol.PathDeny, e.resume.Deny)
	r.Match([]string{get, post}, protocol.PathEndSession, e.endSession.Handle)
	r.POST(protocol.PathEndSessionConfirm, e.endSession.Confirm)
	r.Match([]string{get, post}, protocol.PathLogout, e.logout.Handle)
	r.POST(protocol.PathLogoutConfirm, e.logout.Confirm)
	r.GET("/login", e.login.Get)
	r.POST("/login", e.login.Post)
	r.GET("/authorize/devices", e.appDevices.Get)
	r.POST("/authorize/devices", e.appDevices.Post)
	r.GET("/login/devices", e.choice.Get)
	r.POST("/login/devices", e.choice.Post)
	r.GET("/consent", e.consent.Get)
	r.POST("/consent", e.consent.Post)
	r.GET("/continue", e.goOn.Get)
	r.POST("/continue", e.goOn.Post)
	r.GET("/account", e.account.Get)
	r.GET("/account/end", e.account.EndForm)
	r.POST("/account/end", e.account.End)
	r.GET("/account/done", e.account.Done)
	r.GET("/account/password", e.account.PasswordForm)
	r.POST("/account/password", e.account.Password)
	r.GET("/logged_out", e.loggedOut.Get)
	r.GET("/logged_out/receipts", e.loggedOut.ReceiptsJSON)
	r.Match([]string{get, head}, "/", e.home.Get)
	r.Match([]string{get, head}, "/static/*", e.assets.Get)
	return r
}

// signalRoutes are for the receivers of shared signals.
func signalRoutes(r *echo.Echo, s *protocol.Signals) {
	r.Match([]string{http.MethodGet, http.MethodHead}, protocol.PathSignals, s.Configuration)
	r.POST(protocol.PathStream, s.Create)
	r.GET(protocol.PathStream, s.Read)
	r.PATCH(protocol.PathStream, s.Update)
	r.PUT(protocol.PathStream, s.Replace)
	r.DELETE(protocol.PathStream, s.Delete)
	r.GET(protocol.PathStreamStatus, s.Status)
	r.POST(protocol.PathStreamStatus, s.SetStatus)
	r.POST(protocol.PathStreamAdd, s.AddSubject)
	r.POST(protocol.PathStreamRemove, s.RemoveSubject)
	r.POST(protocol.PathStreamVerify, s.Verify)
	r.POST(protocol.PathStreamPoll+":stream", s.Poll)
}

// router returns what both listeners have in common. protect sets the headers that every answer carries.
func (p *Provider) router(protect echo.MiddlewareFunc) *echo.Echo {
	r := echo.New()
	r.HideBanner, r.HidePort = true, true
	r.HTTPErrorHandler = p.answerErrors(func(c echo.Context, e *browser.Error) error { return p.pages.Error(c, e) })
	r.IPExtractor = remoteAddress(p.cfg.TrustedProxies)
	r.Use(identify, p.record, protect, p.recoverPanic, limitBody)
	return r
}

// neighbours lists what is served beside the issuer's path, if it has one: whoever asks for the health of this node knows its address, but
// not always that path, and the metadata of shared signals has its own place. Everything else there is not ours.
func (p *Provider) neighbours(e *endpoints) *echo.Echo {
	r := p.router(p.protect)
	r.Use(p.publish) // its pages lead home
	e.healthChecks(r)
	if p.base != "" {
		// The metadata of a transmitter with a path is beside it (Shared Signals Framework 1.0, 7.2).
		r.Match([]string{http.MethodGet, http.MethodHead}, protocol.PathSignals+string(p.base), e.signals.Configuration)
	}
	return r
}

func (e *endpoints) healthChecks(r *echo.Echo) {
	methods := []string{http.MethodGet, http.MethodHead}
	r.Match(methods, pathHealthz, e.health.live)
	r.Match(methods, pathReadyz, e.health.ready)
}

// forApplications lists the paths whose errors are JSON. Everything else is seen by people, and its errors are pages.
var forApplications = map[string]bool{
	protocol.PathDiscovery: true, protocol.PathKeys: true, protocol.PathToken: true, protocol.PathUserinfo: true, protocol.PathRevoke: true,
	protocol.PathIntrospect: true, protocol.PathAPILogout: true, protocol.PathGlobalRevocation: true, protocol.PathRegister: true,
	protocol.PathSignals: true, pathHealthz: true, pathReadyz: true,
}

// open registers a route that pages of every origin may call by script, without credentials: what they send, they must have been given.
func open(r *echo.Echo, path string, handler echo.HandlerFunc, methods ...string) {
	r.Match(methods, path, handler, anyOrigin)
	r.OPTIONS(path, preflight(methods))
}
