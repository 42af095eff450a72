package demo

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/exeunt-id/exeunt/rp"
)

// sessionLife is how long somebody stays signed in to a demo app, and how long
// the app remembers how a session ended.
const sessionLife = 12 * time.Hour

// Link is a link from one demo app to another.
type Link struct {
	// Name is what the reader sees, URL where it leads.
	Name, URL string
}

// Config describes one demo app.
type Config struct {
	// Name is the title of the app, Tagline the line below it. Name is required.
	Name, Tagline string
	// Accent is the colour of the app as #rrggbb. Defaults to a neutral blue.
	Accent string
	// ClientID and ClientSecret identify the app at the provider, which it talks
	// to with client_secret_basic. Required.
	ClientID, ClientSecret string
	// Issuer is the provider. Required.
	Issuer string
	// BaseURL is where browsers and the provider reach the app, without a
	// trailing slash or path. Required.
	BaseURL string
	// Listen is the address for the listener that the caller hands to Start; the
	// app itself does not read it.
	Listen string
	// SigningAlg is the only algorithm accepted in ID tokens and logout tokens.
	// Defaults to RS256.
	SigningAlg string
	// OtherApps are linked from the page.
	OtherApps []Link
	// HTTPClient talks to the provider. Defaults to one that gives up after ten
	// seconds and follows no redirects.
	HTTPClient *http.Client
	// Now is the clock of sessions and logout tokens. Defaults to time.Now.
	Now func() time.Time
	// Logger defaults to slog.Default().
	Logger *slog.Logger
}

// App is one demo app. It is an http.Handler.
type App struct {
	cfg      Config
	issuer   *url.URL
	provider *provider
	attempts *attempts
	sessions *sessions
	handler  http.Handler
}

var (
	accentForm   = regexp.MustCompile(`^#[0-9a-fA-F]{6}$`)
	clientIDForm = regexp.MustCompile(`^[0-9A-Za-z_.-]+$`) // it becomes part of a cookie's name
)

// New returns the app that cfg describes. It does not talk to the provider,
// which may start later. The error names the field of cfg that is missing or wrong.
func New(cfg Config) (*App, error) {
	if err := complete(&cfg); err != nil {
		return nil, err
	}
	issuer, err := url.Parse(cfg.Issuer)
	if err != nil {
		return nil, fmt.Errorf("demo: Config.Issuer is not a URL: %w", err)
	}
	verifier, err := rp.NewLogoutTokenVerifier(rp.VerifierConfig{
		Issuer: cfg.Issuer, ClientID: cfg.ClientID, Algorithms: []string{cfg.SigningAlg},
		HTTPClient: cfg.HTTPClient, Now: cfg.Now,
	})
	if err != nil {
		return nil, err
	}
	a := &App{
		cfg:      cfg,
		issuer:   issuer,
		provider: &provider{cfg: cfg},
		attempts: newAttempts(cfg.Now),
		sessions: newSessions(cfg.Now),
	}
	backchannel, err := rp.NewBackchannelLogout(rp.BackchannelConfig{Verifier: verifier, End: a.told, Logger: cfg.Logger})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", a.showPage)
	mux.HandleFunc("GET /status", a.showStatus)
	mux.HandleFunc("GET /login", a.login)
	mux.HandleFunc("GET /callback", a.callback)
	mux.HandleFunc("POST /logout", a.logoutAtProvider)
	mux.HandleFunc("POST /logout/redirect", a.logoutByRedirect)
	mux.HandleFunc("POST /logout/api", a.logoutByAPI)
	mux.Handle("/backchannel-logout", backchannel)
	mux.HandleFunc("GET /page.css", a.asset("text/css; charset=utf-8", pageCSS))
	mux.HandleFunc("GET /page.js", a.asset("text/javascript; charset=utf-8", pageJS))
	mux.HandleFunc("GET /icon.svg", a.asset("image/svg+xml", iconSVG))
	a.handler = mux
	return a, nil
}

// complete fills in the defaults of cfg, and says which field is missing or wrong.
func complete(cfg *Config) error {
	for field, value := range map[string]string{
		"Name": cfg.Name, "ClientID": cfg.ClientID, "ClientSecret": cfg.ClientSecret, "Issuer": cfg.Issuer, "BaseURL": cfg.BaseURL,
	} {
		if value == "" {
			return fmt.Errorf("demo: Config.%s is empty", field)
		}
	}
	if !clientIDForm.MatchString(cfg.ClientID) {
		return fmt.Errorf("demo: Config.ClientID is %q: use letters, digits, dot, dash and underscore", cfg.ClientID)
	}
	base, err := url.Parse(cfg.BaseURL)
	if err != nil || base.Host == "" || base.Path != "" || (base.Scheme != "http" && base.Scheme != "https") {
		return fmt.Errorf("demo: Config.BaseURL is %q: use scheme, host and port alone, such as http://localhost:9101", cfg.BaseURL)
	}
	if cfg.Accent == "" {
		cfg.Accent = "#2f5d8a"
	}
	if !accentForm.MatchString(cfg.Accent) {
		return fmt.Errorf("demo: Config.Accent is %q: use #rrggbb", cfg.Accent)
	}
	if cfg.SigningAlg == "" {
		cfg.SigningAlg = "RS256"
	}
	if cfg.HTTPClient == nil {
		cfg.HTTPClient = &http.Client{
			Timeout:       10 * time.Second,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	cfg.Logger = cfg.Logger.With("app", cfg.ClientID)
	return nil
}

// ServeHTTP answers one request to the app.
func (a *App) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	// The browser follows a form's redirects only to origins that form-action
	// lists, and two of the logouts lead to the provider.
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "+
		"base-uri 'none'; frame-ancestors 'none'; form-action 'self' "+strings.Join(a.provider.origins(), " "))
	a.handler.ServeHTTP(w, r)
}

// Start serves the app on listener until ctx is done, then lets running
// requests finish for up to five seconds. It closes listener, and returns nil
// after an orderly end.
func (a *App) Start(ctx context.Context, listener net.Listener) error {
	server := &http.Server{
		Handler:           a,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      60 * time.Second,
		IdleTimeout:       2 * time.Minute,
		ErrorLog:          slog.NewLogLogger(a.cfg.Logger.Handler(), slog.LevelWarn),
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return fmt.Errorf("demo app %s: %w", a.cfg.ClientID, err)
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := server.Shutdown(grace); err != nil {
		return fmt.Errorf("demo app %s did not end in time: %w", a.cfg.ClientID, errors.Join(err, server.Close()))
	}
	return nil
}
