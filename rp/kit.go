package rp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/oauth2"
)

// The ways a client authenticates at the provider, as in the client metadata
// token_endpoint_auth_method.
const (
	AuthBasic = "client_secret_basic"
	AuthPost  = "client_secret_post"
	AuthNone  = "none"
)

// Config says who the application is, and at which provider. Four fields are
// enough; the others have defaults.
type Config struct {
	// Issuer is the provider, exactly as its discovery document names it. Required.
	Issuer string
	// ClientID and ClientSecret are what the provider gave this application.
	// ClientID is required; without a secret the client is a public one.
	ClientID, ClientSecret string
	// BaseURL is where browsers reach the application: scheme, host and port.
	// Required. With https the cookies are Secure and have the prefix __Host-.
	BaseURL string

	// Prefix is the path under which the kit's own addresses lie; see [Kit].
	// Defaults to "/auth".
	Prefix string
	// AuthMethod is AuthBasic, AuthPost or AuthNone. Defaults to what the provider
	// accepts: Basic, if it does; none without a secret.
	AuthMethod string
	// Scopes are asked for. Defaults to openid, profile and email.
	Scopes []string
	// AuthParams are further parameters of the authorization request, such as
	// max_age or ui_locales. Those that the kit sets itself are refused.
	AuthParams map[string]string
	// Algorithms are accepted in ID tokens and logout tokens: the client's
	// id_token_signed_response_alg. Defaults to RS256 alone.
	Algorithms []string
	// SessionLife is the longest life of a session of the application, and for how
	// long it is remembered which ones have ended. Defaults to twelve hours.
	SessionLife time.Duration
	// Store is shared by the instances of the application. Defaults to a
	// [MemoryStore], which suffices for one instance.
	Store Store
	// Ended, if set, is told what has ended, so that the application can drop what
	// it keeps itself. It is called before the provider is answered; an error makes
	// the provider try again. It may be called more than once for one ending.
	Ended func(ctx context.Context, ending Ending) error
	// AfterLogout is the local path where the browser arrives after a logout.
	// Defaults to "/". It must not be a protected page, or the browser would be
	// sent to log in again.
	AfterLogout string
	// RedirectLogout is the provider's redirect logout endpoint, such as
	// https://id.example.com/logout, to be used instead of its
	// end_session_endpoint. Defaults to none.
	RedirectLogout string
	// Problem answers a person whose login or logout did not work. Defaults to a
	// plain page with problem.Title and problem.Text.
	Problem func(w http.ResponseWriter, r *http.Request, problem Problem)

	// HTTPClient talks to the provider. Defaults to one that gives up after ten
	// seconds and follows no redirects.
	HTTPClient *http.Client
	// Now is the clock. Defaults to time.Now.
	Now func() time.Time
	// Logger defaults to slog.Default(). No token is ever logged.
	Logger *slog.Logger
}

// Problem is what a person is told who could not be logged in or out.
type Problem struct {
	// Status is the HTTP status of the answer.
	Status int
	// Title and Text are for people; they contain nothing of inner errors.
	Title, Text string
	// Err is the cause, for the log; nil if there is none.
	Err error
}

// Kit makes an application a relying party that logs its people in, and out
// again whenever the provider says so. It is an http.Handler for its own
// addresses, all of them under Config.Prefix:
//
//	/auth/login                 begins a login; ?return_to=/where
//	/auth/callback              the redirect_uri
//	/auth/logout                POST ends the session here and at the provider
//	/auth/logged-out            the post_logout_redirect_uri
//	/auth/backchannel-logout    the backchannel_logout_uri
//	/auth/frontchannel-logout   the frontchannel_logout_uri
//	/auth/live                  tells open tabs that their session has ended
//	/auth/live.js               the script for those tabs
//	/auth/session               watches the provider's session (Session Management 1.0)
//	/auth/session.js            the script of that page
//
// Each of them is also a method, to be mounted elsewhere together with
// Config.Prefix. [Kit.Middleware] stands before every protected page.
type Kit struct {
	cfg         Config
	client      *http.Client
	discovery   *discovery
	verifier    *LogoutTokenVerifier
	sessions    *sessions
	endings     endings
	backchannel *BackchannelLogout
	tabs        *tabs
	sameOrigin  *http.CrossOriginProtection
	handler     http.Handler
}

// New returns the kit that cfg describes. It does not talk to the provider,
// which may start later. The error names the field of cfg that is missing or wrong.
func New(cfg Config) (*Kit, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	client := clientOr(cfg.HTTPClient)
	verifier, err := NewLogoutTokenVerifier(VerifierConfig{
		Issuer: cfg.Issuer, ClientID: cfg.ClientID, Algorithms: cfg.Algorithms, HTTPClient: client, Now: cfg.Now,
	})
	if err != nil {
		return nil, err
	}
	store := withRaise(cfg.Store)
	k := &Kit{
		cfg:        cfg,
		client:     client,
		discovery:  &discovery{issuer: cfg.Issuer, client: client, now: cfg.Now},
		verifier:   verifier,
		sessions:   &sessions{store: store, now: cfg.Now},
		endings:    endings{store: store, lifetime: cfg.SessionLife, now: cfg.Now},
		tabs:       newTabs(),
		sameOrigin: http.NewCrossOriginProtection(),
	}
	if err := k.sameOrigin.AddTrustedOrigin(cfg.BaseURL); err != nil {
		return nil, fmt.Errorf("rp: Config.BaseURL is %q: %w", cfg.BaseURL, err)
	}
	k.backchannel, err = NewBackchannelLogout(BackchannelConfig{
		Verifier: verifier, Replays: NewStoreReplays(store), Logger: cfg.Logger,
		End: func(ctx context.Context, token *LogoutToken) error { return k.end(ctx, endingOf(token)) },
	})
	if err != nil {
		return nil, err
	}
	k.handler = k.routes()
	return k, nil
}

func (k *Kit) routes() http.Handler {
	mux := http.NewServeMux()
	at := func(path string) string { return k.cfg.Prefix + path }
	mux.HandleFunc("GET "+at("/login"), k.Login)
	mux.HandleFunc("GET "+at("/callback"), k.Callback)
	mux.HandleFunc(at("/logout"), k.Logout)
	mux.HandleFunc("GET "+at("/logged-out"), k.LoggedOut)
	mux.HandleFunc(at("/backchannel-logout"), k.BackchannelLogout)
	mux.HandleFunc(at("/frontchannel-logout"), k.FrontchannelLogout)
	mux.HandleFunc("GET "+at("/live"), k.Live)
	mux.HandleFunc("GET "+at("/live.js"), script(liveJS))
	mux.HandleFunc("GET "+at("/session"), k.SessionFrame)
	mux.HandleFunc("GET "+at("/session.js"), script(sessionJS))
	return mux
}

// ServeHTTP answers the kit's own addresses.
func (k *Kit) ServeHTTP(w http.ResponseWriter, r *http.Request) { k.handler.ServeHTTP(w, r) }

// BackchannelLogout is the endpoint to register as backchannel_logout_uri; see
// [BackchannelLogout].
func (k *Kit) BackchannelLogout(w http.ResponseWriter, r *http.Request) {
	k.backchannel.ServeHTTP(w, r)
}

// end is the one way by which the kit learns that a session has ended
// elsewhere, whoever says so: it is remembered, the application is told, and
// open tabs leave.
func (k *Kit) end(ctx context.Context, ending Ending) error {
	if err := k.endings.mark(ctx, ending); err != nil {
		return err
	}
	if k.cfg.Ended != nil {
		if err := k.cfg.Ended(ctx, ending); err != nil {
			return err
		}
	}
	k.tabs.tell(endedKey(ending.Issuer, ending.Subject, ending.SID))
	k.cfg.Logger.InfoContext(ctx, "told that a session has ended", "sid", ending.SID, "sub", ending.Subject)
	return nil
}

// problem answers a person, and tells the log why.
func (k *Kit) problem(w http.ResponseWriter, r *http.Request, problem Problem) {
	level := slog.LevelWarn
	if problem.Status >= http.StatusInternalServerError {
		level = slog.LevelError
	}
	k.cfg.Logger.Log(r.Context(), level, "rp: "+problem.Title, "status", problem.Status, "error", problem.Err)
	w.Header().Set("Cache-Control", "no-store")
	if problem.Status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "5")
	}
	if k.cfg.Problem != nil {
		k.cfg.Problem(w, r, problem)
		return
	}
	http.Error(w, problem.Title+"\n\n"+problem.Text, problem.Status)
}

// unavailable is the problem of a store or a provider that does not answer.
func unavailable(err error) Problem {
	return Problem{
		Status: http.StatusServiceUnavailable, Title: "This is not possible at the moment",
		Text: "Something that is needed for it does not answer. Try again shortly.", Err: err,
	}
}

// url returns the address of one of the kit's paths.
func (k *Kit) url(path string) string { return k.cfg.BaseURL + k.cfg.Prefix + path }

// oauth returns the client at the provider's endpoints.
func (k *Kit) oauth(document *metadata) *oauth2.Config {
	style := oauth2.AuthStyleInParams
	if document.authMethod(k.cfg.AuthMethod, k.cfg.ClientSecret) == AuthBasic {
		style = oauth2.AuthStyleInHeader
	}
	return &oauth2.Config{
		ClientID: k.cfg.ClientID, ClientSecret: k.cfg.ClientSecret, RedirectURL: k.url("/callback"), Scopes: k.cfg.Scopes,
		Endpoint: oauth2.Endpoint{AuthURL: document.AuthorizationEndpoint, TokenURL: document.TokenEndpoint, AuthStyle: style},
	}
}

// authenticated returns a POST of form by this client (RFC 6749, 2.3.1).
func (k *Kit) authenticated(ctx context.Context, document *metadata, address string, form url.Values) (*http.Request, error) {
	basic := document.authMethod(k.cfg.AuthMethod, k.cfg.ClientSecret) == AuthBasic
	if !basic {
		form.Set("client_id", k.cfg.ClientID)
		form.Set("client_secret", k.cfg.ClientSecret)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if basic { // form-encoded first
		req.SetBasicAuth(url.QueryEscape(k.cfg.ClientID), url.QueryEscape(k.cfg.ClientSecret))
	}
	return req, nil
}

// ownParams are the authorization parameters that the kit sets itself.
var ownParams = []string{
	"response_type", "response_mode", "client_id", "redirect_uri", "scope", "state", "nonce", "code_challenge", "code_challenge_method",
	"id_token_hint", "request", "request_uri",
}

// complete fills in the defaults, and says which field is missing or wrong.
func (c *Config) complete() error {
	if err := checkURL("Config.Issuer", c.Issuer); err != nil {
		return err
	}
	if c.ClientID == "" {
		return errors.New("rp: Config.ClientID is empty: set the client id that the provider gave this application")
	}
	if err := checkURL("Config.BaseURL", c.BaseURL); err != nil {
		return err
	}
	base, _ := url.Parse(c.BaseURL) // checked
	if strings.Trim(base.Path, "/") != "" || base.RawQuery != "" || base.User != nil {
		return fmt.Errorf("rp: Config.BaseURL is %q: use scheme, host and port alone", c.BaseURL)
	}
	c.BaseURL = base.Scheme + "://" + base.Host
	c.Prefix = "/" + strings.Trim(orText(c.Prefix, "/auth"), "/")
	if c.Prefix == "/" || strings.ContainsAny(c.Prefix, "{}?# ") {
		return fmt.Errorf("rp: Config.Prefix is %q: use a path such as /auth", c.Prefix)
	}
	switch c.AuthMethod {
	case "", AuthNone:
	case AuthBasic, AuthPost:
		if c.ClientSecret == "" {
			return fmt.Errorf("rp: Config.AuthMethod is %s and Config.ClientSecret is empty: set it, or use none", c.AuthMethod)
		}
	default:
		return fmt.Errorf("rp: Config.AuthMethod is %q: use %s, %s or %s", c.AuthMethod, AuthBasic, AuthPost, AuthNone)
	}
	if len(c.Scopes) == 0 {
		c.Scopes = []string{"openid", "profile", "email"}
	}
	for _, name := range ownParams {
		if _, set := c.AuthParams[name]; set {
			return fmt.Errorf("rp: Config.AuthParams sets %s, which the kit does itself: remove it", name)
		}
	}
	if c.SessionLife < 0 {
		return errors.New("rp: Config.SessionLife is negative")
	}
	c.SessionLife = orDefault(c.SessionLife, 12*time.Hour)
	c.AfterLogout = orText(c.AfterLogout, "/")
	if !isLocal(c.AfterLogout) {
		return fmt.Errorf("rp: Config.AfterLogout is %q: use a path of this application, such as /", c.AfterLogout)
	}
	if c.RedirectLogout != "" {
		if err := checkURL("Config.RedirectLogout", c.RedirectLogout); err != nil {
			return err
		}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Store == nil {
		c.Store = NewMemoryStore(0, c.Now)
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return nil
}

func orText(value, fallback string) string {
	if value == "" {
		return fallback
	}
	return value
}
