package provider

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"github.com/labstack/echo/v4"

	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/logout/logoutstore"
	"github.com/exeunt-id/exeunt/provider/audit"
	"github.com/exeunt-id/exeunt/provider/browser"
	"github.com/exeunt-id/exeunt/provider/console"
	"github.com/exeunt-id/exeunt/provider/identity"
	"github.com/exeunt-id/exeunt/provider/metrics"
	"github.com/exeunt-id/exeunt/provider/protocol"
	"github.com/exeunt-id/exeunt/provider/realtime"
	"github.com/exeunt-id/exeunt/provider/signing"
	"github.com/exeunt-id/exeunt/provider/signout"
	"github.com/exeunt-id/exeunt/provider/store"
	"github.com/exeunt-id/exeunt/provider/web"
	"github.com/exeunt-id/exeunt/static"
	"github.com/exeunt-id/exeunt/templates"
)

// product is the name on the pages.
const product = "Exeunt"

// Provider is an OpenID Provider. Make it with New, Start it, serve it, Stop it.
type Provider struct {
	cfg       Config
	operator  *Operator // what applications and operators do alike
	store     *store.Store
	sessions  *logoutstore.Store
	streams   *store.Streams
	keyring   *signing.Keyring
	passwords *identity.Passwords
	engine    *logout.Engine
	trail     *audit.Trail
	alerts    alerts
	metrics   *metrics.Metrics
	hub       *realtime.Hub
	pages     *browser.Renderer
	base      browser.Base
	echo      *echo.Echo // what is below the base
	outside   *echo.Echo // what is not
	admin     *echo.Echo
	work      work
	closing   chan struct{}
	close     func() // closes closing, once
}

// How many requests may wait on this node for events at once, and how many of one client. Each asks the database once a second.
const (
	maxWaiting      = 256
	maxWaitingOfOne = 16
)

// New wires a provider. It writes nothing and starts nothing. Errors name the field of Config.
func New(_ context.Context, cfg Config) (*Provider, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	p := &Provider{cfg: cfg, base: browser.NewBase(cfg.Issuer), closing: make(chan struct{})}
	p.metrics = p.newMetrics()
	o, err := wire(cfg, cfg.Logout.Workers, p.metrics, func(plan *logout.Plan) { p.hub.Ended(plan.Endings()) })
	if err != nil {
		return nil, err
	}
	p.operator, p.store, p.sessions, p.streams, p.keyring, p.passwords, p.engine, p.trail = o, o.store, o.sessions, o.streams, o.keyring, o.passwords, o.engine, o.trail
	p.close = sync.OnceFunc(func() { close(p.closing) })
	p.alerts = newAlerts(cfg, p.store)
	e, err := p.endpoints()
	if err != nil {
		return nil, err
	}
	p.echo, p.outside, p.admin = p.routes(e), p.neighbours(e), p.adminRoutes(e)
	return p, nil
}

// Engine returns the logout engine, for what has no HTTP endpoint.
func (p *Provider) Engine() *logout.Engine { return p.engine }

// Drain answers requests that wait for something to happen, and asks connected pages to come back later. Call it when the server stops accepting (http.Server.RegisterOnShutdown), so that
// it need not wait for them.
func (p *Provider) Drain() {
	p.close()
	p.engine.Drain()
	p.hub.Drain()
}

// ServeHTTP implements http.Handler.
func (p *Provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if inside, ok := p.base.Strip(r); ok {
		p.echo.ServeHTTP(w, inside)
		return
	}
	p.outside.ServeHTTP(w, r)
}

// endpoints holds one handler per endpoint.
type endpoints struct {
	discovery  *protocol.Discovery
	keys       *protocol.Keys
	authorize  *protocol.Authorize
	resume     *protocol.Resume
	token      *protocol.Token
	userinfo   *protocol.Userinfo
	introspect *protocol.Introspect
	revoke     *protocol.Revoke
	endSession *protocol.EndSession
	check      *protocol.CheckSession
	logout     *protocol.RedirectLogout
	apiLogout  *protocol.APILogout
	devices    *protocol.Devices
	deliveries *protocol.Deliveries
	adminAPI   *protocol.AdminAPI
	revocation *protocol.GlobalRevocation
	signals    *protocol.Signals
	register   *protocol.Registration // nil: no client registers itself
	userToken  *protocol.UserToken
	events     *protocol.Events
	pages      pageEndpoints
	login      *web.Login
	choice     *web.DeviceChoice
	appDevices *web.AppDevices
	consent    *web.Consent
	goOn       *web.Continue
	account    *web.Account
	home       *web.Home
	loggedOut  *web.LoggedOut
	assets     *web.Assets
	health     *health
	console    *console.Console
}

func (p *Provider) endpoints() (*endpoints, error) {
	cookies := browser.NewCookies(p.cfg.Issuer)
	var err error
	if cookies.Key, err = derive(p.cfg.Secrets[0], "exeunt receipt cookie 1"); err != nil {
		return nil, err
	}
	assets, err := browser.NewAssets(static.FS)
	if err != nil {
		return nil, err
	}
	if p.pages, err = browser.NewRenderer(templates.FS, assets, product, p.base); err != nil {
		return nil, err
	}
	p.hub = p.newHub(cookies)
	e := &endpoints{assets: &web.Assets{Files: assets}, health: &health{db: p.cfg.DB}}
	if err := p.protocol(e, cookies); err != nil {
		return nil, err
	}
	authenticator := identity.NewAuthenticator(p.store.Users, p.store.Failures, p.passwords, p.cfg.Login, p.cfg.Now)
	authenticator.Logger = p.cfg.Logger
	p.web(e, cookies, authenticator)
	return e, p.console(e, assets, authenticator)
}

// protocol wires the endpoints of applications.
func (p *Provider) protocol(e *endpoints, cookies browser.Cookies) error {
	settings := protocol.Settings{
		// Discovery 1.0, 3: the issuer is a URL to which paths are appended, as it stands in tokens.
		Issuer: p.cfg.Issuer, Lifetimes: p.cfg.Tokens, Algorithms: p.cfg.Algorithms, Languages: p.pages.Languages(), Now: p.cfg.Now, Logger: p.cfg.Logger,
		GlobalRevocation: len(p.cfg.GlobalRevocation) > 0,
		Registration:     len(p.cfg.Registration.InitialAccessTokens) > 0, Audit: p.trail,
	}
	keeper, err := protocol.NewKeeper(p.cfg.Secrets, p.cfg.Now)
	if err != nil {
		return err
	}
	if e.discovery, err = protocol.NewDiscovery(settings); err != nil {
		return fmt.Errorf("provider: %w", err)
	}
	current := p.current(cookies)
	activity := signout.Activity{Sessions: p.sessions, Lifetimes: p.cfg.Sessions}
	clientAuth := protocol.ClientAuth{
		Settings: settings, Clients: p.store.Clients, Keys: protocol.NewClientKeys(p.cfg.Outgoing, p.cfg.Now, p.cfg.Logger),
		Assertions: p.store.Assertions,
	}
	hints := protocol.Hints{Issuer: p.cfg.Issuer, Keys: p.keyring}
	respond := protocol.Responder{Issuer: p.cfg.Issuer, Cookies: cookies, Pages: p.pages}
	grants := countedGrants{p.store.Grants, p.metrics, p.cfg.DB.AfterCommit}
	signer := timedSigner{p.keyring, p.metrics}
	reuse := &protocol.Reuse{Tx: p.cfg.DB, Grants: p.store.Grants, Sessions: p.sessions, Engine: p.engine, Audit: p.trail, Logger: p.cfg.Logger}
	flow := &protocol.Flow{
		Settings: settings, Tx: p.cfg.DB, Consents: p.store.Consents, Left: p.store.Departures, Devices: p.operator.devices, Activity: activity, Current: current, Respond: respond,
	}
	signOut := protocol.SignOut{
		Settings: settings, Current: current, Sessions: p.sessions, Clients: p.store.Clients, Users: p.store.Users, Cookies: cookies, Pages: p.pages,
		Keeper: keeper, Leaver: p.leaver(cookies),
	}
	script, err := static.FS.ReadFile("check_session.js")
	if err != nil {
		return fmt.Errorf("provider: %w", err)
	}
	if e.check, err = protocol.NewCheckSession(script, cookies.StateName()); err != nil {
		return fmt.Errorf("provider: %w", err)
	}
	e.keys = &protocol.Keys{Keyring: p.keyring}
	e.authorize = &protocol.Authorize{
		Settings: settings, Flow: flow, Clients: p.store.Clients, Authorizations: p.store.Authorizations, Hints: hints, Cookies: cookies,
		Respond: respond, Keeper: keeper,
	}
	e.resume = &protocol.Resume{
		Flow: flow, Clients: p.store.Clients, Authorizations: p.store.Authorizations, Cookies: cookies, Respond: respond,
	}
	e.token = &protocol.Token{
		Settings: settings, ClientAuth: clientAuth,
		Exchange: &protocol.Exchange{
			Settings: settings, Tx: p.cfg.DB, Authorizations: p.store.Authorizations, Grants: grants, Sessions: p.sessions,
			Devices: p.operator.devices, Users: p.store.Users, Signer: signer, Reuse: reuse,
		},
		Refresh: &protocol.Refresh{
			Settings: settings, Tx: p.cfg.DB, Grants: grants, Activity: activity, Users: p.store.Users, Signer: signer, Reuse: reuse,
		},
		ClientCredentials: &protocol.ClientCredentials{Settings: settings, Grants: grants, Signer: signer},
	}
	e.userinfo = &protocol.Userinfo{Settings: settings, Grants: p.store.Grants, Users: p.store.Users, Activity: activity}
	e.introspect = &protocol.Introspect{Settings: settings, ClientAuth: clientAuth, Grants: p.store.Grants}
	recorded := recordedEngine{p.engine, p.trail}
	e.adminAPI = &protocol.AdminAPI{
		Settings: settings, Grants: p.store.Grants, Users: p.store.Users, Clients: directory{p.store.Clients}, Sessions: p.sessions, Ledger: p.sessions,
		Journal: p.sessions, Engine: recorded, Trail: p.store.Audit, Devices: p.operator,
	}
	revoker := &protocol.Revoker{Tx: p.cfg.DB, Grants: p.store.Grants, Announcer: p.engine, Audit: p.trail}
	e.revoke = &protocol.Revoke{Settings: settings, ClientAuth: clientAuth, Grants: p.store.Grants, Revoker: revoker}
	e.apiLogout = &protocol.APILogout{Settings: settings, ClientAuth: clientAuth, Grants: p.store.Grants, Revoker: revoker}
	e.userToken = &protocol.UserToken{Settings: settings, ClientAuth: clientAuth, Tokens: p.engine}
	e.events = &protocol.Events{
		Settings: settings, ClientAuth: clientAuth, Grants: p.store.Grants, Inbox: p.engine, Closing: p.closing, Waiting: protocol.NewWaiting(maxWaiting, maxWaitingOfOne),
	}
	e.devices = &protocol.Devices{
		Settings: settings, Grants: p.store.Grants, Clients: p.store.Clients, Origins: p.store.Clients, Sessions: p.sessions, Store: p.store.Devices,
		Registry: p.operator.devices,
	}
	e.deliveries = &protocol.Deliveries{Settings: settings, Events: e.events, Ledger: p.sessions, Engine: recorded}
	e.revocation = &protocol.GlobalRevocation{
		Settings: settings, ClientAuth: clientAuth, Domains: p.cfg.GlobalRevocation, Users: p.store.Users, Requests: p.store.Failures,
		Engine: p.engine, Tx: p.cfg.DB,
	}
	if settings.Registration {
		e.register = &protocol.Registration{
			Settings: settings, InitialAccessTokens: p.cfg.Registration.InitialAccessTokens, Check: p.cfg.Registration.Check, Clients: p.store.Clients,
			Deleter: p.operator, Tx: p.cfg.DB,
		}
	}
	e.signals, err = protocol.NewSignals(protocol.Signals{
		Settings: settings, Tx: p.cfg.DB, Grants: p.store.Grants, Clients: p.store.Clients, Streams: p.streams, Engine: p.engine,
	})
	if err != nil {
		return fmt.Errorf("provider: %w", err)
	}
	e.pages = p.pageEndpoints(protocol.Page{Settings: settings, Clients: p.store.Clients, Origins: p.store.Clients, Hints: hints, Sessions: p.sessions}, signOut.Leaver)
	e.endSession = &protocol.EndSession{SignOut: signOut, Hints: hints, ClientAuth: clientAuth}
	e.logout = &protocol.RedirectLogout{SignOut: signOut, Grants: p.store.Grants, Tx: p.cfg.DB, Revoker: revoker}
	return nil
}

// web wires the pages of people.
func (p *Provider) web(e *endpoints, cookies browser.Cookies, authenticator *identity.Authenticator) {
	current := p.current(cookies)
	e.login = &web.Login{
		Authorizations: p.store.Authorizations, Clients: p.store.Clients, Users: p.store.Users, Authenticator: countedLogins{authenticator, p.metrics}, Sessions: p.sessions,
		Devices: p.operator.devices, Choices: p.store.Devices, Current: current, Ender: p.engine, Tx: p.cfg.DB, Audit: p.trail, Cookies: cookies, Pages: p.pages,
		Renewed: p.hub.Renewed, Lifetimes: p.cfg.Sessions, Now: p.cfg.Now,
	}
	e.appDevices = &web.AppDevices{
		Authorizations: p.store.Authorizations, Clients: p.store.Clients, Current: current, Devices: p.operator.devices, Cookies: cookies, Pages: p.pages,
		Now: p.cfg.Now,
	}
	e.choice = &web.DeviceChoice{Login: e.login}
	e.consent = &web.Consent{
		Authorizations: p.store.Authorizations, Clients: p.store.Clients, Users: p.store.Users, Agreements: p.store.Consents, Current: current,
		Tx: p.cfg.DB, Cookies: cookies, Pages: p.pages, Now: p.cfg.Now,
	}
	e.home = &web.Home{Current: current, Users: p.store.Users, Pages: p.pages}
	e.loggedOut = &web.LoggedOut{Receipts: p.engine, Clients: p.store.Clients, Cookies: cookies, Pages: p.pages, Now: p.cfg.Now}
	e.goOn = &web.Continue{Consent: e.consent, Departures: p.store.Departures}
	e.account = &web.Account{
		Current: current, Users: p.store.Users, Clients: p.store.Clients, Sessions: p.sessions, Grants: p.store.Grants, Devices: p.store.Devices,
		Detacher: p.operator.devices, Journal: p.sessions, Changer: p.operator,
		Authenticator: authenticator, LoggedOut: e.loggedOut, Leaver: p.leaver(cookies), Audit: p.trail, Cookies: cookies, Pages: p.pages, Now: p.cfg.Now,
	}
}

func (p *Provider) leaver(cookies browser.Cookies) *signout.Leaver {
	return &signout.Leaver{Engine: p.engine, Tx: p.cfg.DB, Cookies: cookies, Pages: p.pages, Wait: p.cfg.Logout.Wait}
}

func (p *Provider) current(cookies browser.Cookies) signout.Current {
	return signout.Current{Sessions: p.sessions, Cookies: cookies, Now: p.cfg.Now}
}

// secure reports whether people reach the provider by https.
func (p *Provider) secure() bool { return strings.HasPrefix(p.cfg.Issuer, "https://") }
