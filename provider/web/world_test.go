package web_test

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider/audit"
	"github.com/exeunt-id/exeunt/provider/browser"
	"github.com/exeunt-id/exeunt/provider/device"
	"github.com/exeunt-id/exeunt/provider/identity"
	"github.com/exeunt-id/exeunt/provider/signout"
	"github.com/exeunt-id/exeunt/provider/web"
	"github.com/exeunt-id/exeunt/static"
	"github.com/exeunt-id/exeunt/templates"
)

var errStore = errors.New("the store is out of order: secret detail")

// world is everything that the pages need of the rest of the provider, in memory. A transaction that fails leaves no trace.
type world struct {
	now            time.Time
	authorizations map[string]identity.Authorization
	clients        map[string]identity.Client
	users          map[string]identity.User // by id; the password is the hash, read as plain text
	sessions       map[string]logout.Session
	consents       []identity.Consent
	receipts       map[string][]logout.Receipt
	ends           []logout.Request
	choices        map[string]identity.DeviceChoice
	full           *device.Refusal // there is no room for one more device
	refused        []*device.Refusal
	entries        []audit.Entry

	loginErr  error // instead of checking the password
	gone      bool  // the person was disabled between password and session
	commitErr error // the transaction fails when it should commit
	storeErr  error // everything read fails
}

func newWorld() *world {
	return &world{
		now:            time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC),
		authorizations: map[string]identity.Authorization{},
		clients: map[string]identity.Client{
			"shop":    {ID: "shop", Name: "Shop", URI: "https://shop.example.com/", PolicyURI: "javascript:alert(1)"},
			"payroll": {ID: "payroll", Name: "Payroll"}, "wiki": {ID: "wiki"},
			"evil": {ID: "evil", Name: `<script>alert("client")</script>`, URI: "javascript:alert(1)"},
		},
		users: map[string]identity.User{
			"u-alice": {ID: "u-alice", Username: "alice", PasswordHash: "wonderland"},
			"u-bob":   {ID: "u-bob", Username: "bob", PasswordHash: "builder"},
		},
		sessions: map[string]logout.Session{},
		receipts: map[string][]logout.Receipt{},
		choices:  map[string]identity.DeviceChoice{},
	}
}

func (w *world) Now() time.Time { return w.now }

type inTx struct{}

func (w *world) Tx(ctx context.Context, fn func(ctx context.Context) error) error {
	sessions, authorizations, consents, ends, entries := maps.Clone(w.sessions), maps.Clone(w.authorizations), w.consents, w.ends, w.entries
	choices := maps.Clone(w.choices)
	err := fn(context.WithValue(ctx, inTx{}, true))
	if err == nil {
		err = w.commitErr
	}
	if err != nil {
		w.sessions, w.authorizations, w.consents, w.ends, w.entries = sessions, authorizations, consents, ends, entries
		w.choices = choices
	}
	return err
}

// write refuses to change anything outside a transaction.
func write(ctx context.Context) error {
	if ctx.Value(inTx{}) == nil {
		return errors.New("written outside the transaction")
	}
	return nil
}

type authorizations struct{ *world }

func (a authorizations) Find(_ context.Context, id string, at time.Time) (identity.Authorization, error) {
	found, ok := a.authorizations[id]
	if a.storeErr != nil {
		return found, a.storeErr
	}
	if !ok || !at.Before(found.ExpiresAt) || found.CodeHash != nil {
		return identity.Authorization{}, identity.ErrNoAuthorization
	}
	return found, nil
}

func (a authorizations) Progress(ctx context.Context, id string, loggedInAt, consentedAt time.Time) error {
	if err := write(ctx); err != nil {
		return err
	}
	found, err := a.Find(ctx, id, a.now)
	if err != nil {
		return err
	}
	if !loggedInAt.IsZero() {
		found.LoggedInAt = loggedInAt
	}
	if !consentedAt.IsZero() {
		found.ConsentedAt = consentedAt
	}
	a.authorizations[id] = found
	return nil
}

type trail struct{ *world }

func (t trail) Record(_ context.Context, e audit.Entry) error {
	t.entries = append(slices.Clone(t.entries), e)
	return nil
}

// Lock finds that the person was disabled when gone says so.
func (w *world) Lock(ctx context.Context, _ identity.User) error {
	if w.gone {
		return identity.ErrLoginFailed
	}
	return write(ctx)
}

func (w *world) Agree(ctx context.Context, c identity.Consent) error {
	w.consents = append(slices.Clone(w.consents), c)
	return write(ctx)
}

func (w *world) Client(_ context.Context, id string) (identity.Client, error) {
	if c, ok := w.clients[id]; ok {
		return c, nil
	}
	return identity.Client{}, identity.ErrNoClient
}

func (w *world) User(_ context.Context, id string) (identity.User, error) {
	if u, ok := w.users[id]; ok {
		return u, nil
	}
	return identity.User{}, identity.ErrNoUser
}

func (w *world) Login(_ context.Context, username, password, address string) (identity.User, error) {
	if w.loginErr != nil {
		return identity.User{}, w.loginErr
	}
	for _, u := range w.users {
		if u.Username == username && u.PasswordHash == password && address != "" {
			return u, nil
		}
	}
	return identity.User{}, &identity.LoginError{Reason: identity.LoginUnknownUser}
}

func (w *world) Start(ctx context.Context, s logout.Session) error {
	w.sessions[s.ID] = s
	return write(ctx)
}

func (w *world) FindBySecret(_ context.Context, hash []byte) (logout.Session, error) {
	if w.storeErr != nil {
		return logout.Session{}, w.storeErr
	}
	for _, s := range w.sessions {
		if bytes.Equal(s.SecretHash, hash) {
			return s, nil
		}
	}
	return logout.Session{}, logout.ErrNoSession
}

func (w *world) Renew(ctx context.Context, id string, secretHash []byte, authTime, at, idleUntil time.Time) error {
	s, ok := w.sessions[id]
	if !ok || !s.Live(at) {
		return logout.ErrNoSession
	}
	s.SecretHash, s.AuthTime, s.SeenAt, s.IdleUntil = secretHash, authTime, at, idleUntil
	w.sessions[id] = s
	return write(ctx)
}

func (w *world) End(ctx context.Context, req logout.Request) (*logout.Outcome, error) {
	if err := req.Validate(); err != nil {
		return nil, err
	}
	s := w.sessions[req.Target.SessionID]
	s.EndedAt = w.now
	w.sessions[s.ID] = s
	w.ends = append(slices.Clone(w.ends), req)
	return &logout.Outcome{LogoutID: "l-1"}, write(ctx)
}

func (w *world) Receipts(_ context.Context, id string) ([]logout.Receipt, error) {
	return w.receipts[id], w.storeErr
}

func (w *world) SetDevice(ctx context.Context, id, deviceID string) error {
	s := w.sessions[id]
	s.DeviceID = deviceID
	w.sessions[id] = s
	return write(ctx)
}

// live returns the sessions that have not ended.
func (w *world) live() []logout.Session {
	var live []logout.Session
	for _, s := range w.sessions {
		if s.Live(w.now) {
			live = append(live, s)
		}
	}
	return live
}

// site is the pages at work, and one browser that looks at them and follows no redirect.
type site struct {
	*testing.T
	*world
	server  *httptest.Server
	cookies browser.Cookies
	client  *http.Client
}

func newSite(t *testing.T) *site {
	t.Helper()
	w := newWorld()
	assets, err := browser.NewAssets(static.FS)
	if err != nil {
		t.Fatal(err)
	}
	pages, err := browser.NewRenderer(templates.FS, assets, "Exeunt")
	if err != nil {
		t.Fatal(err)
	}
	e := echo.New()
	e.HTTPErrorHandler = func(err error, c echo.Context) {
		var page *browser.Error
		if !errors.As(err, &page) {
			page = &browser.Error{Title: "Something went wrong", Err: err}
		}
		if err := pages.Error(c, page); err != nil {
			t.Error(err)
		}
	}
	s := &site{T: t, world: w, server: httptest.NewServer(e)}
	t.Cleanup(s.server.Close)
	s.cookies = browser.NewCookies(s.server.URL)
	current := signout.Current{Sessions: w, Cookies: s.cookies, Now: w.Now}
	login := &web.Login{
		Authorizations: authorizations{w}, Clients: w, Users: w, Authenticator: w, Sessions: w, Devices: devices{w}, Choices: choices{w}, Current: current, Ender: w, Tx: w, Audit: trail{w},
		Cookies: s.cookies, Pages: pages, Lifetimes: signout.Lifetimes{Idle: time.Hour}, Now: w.Now,
	}
	consent := &web.Consent{
		Authorizations: authorizations{w}, Clients: w, Users: w, Agreements: w, Current: current, Tx: w, Cookies: s.cookies, Pages: pages, Now: w.Now,
	}
	loggedOut := &web.LoggedOut{Receipts: w, Clients: w, Cookies: s.cookies, Pages: pages, Now: w.Now}
	e.GET("/login", login.Get)
	e.POST("/login", login.Post)
	choice := &web.DeviceChoice{Login: login}
	e.GET("/login/devices", choice.Get)
	e.POST("/login/devices", choice.Post)
	e.GET("/consent", consent.Get)
	e.POST("/consent", consent.Post)
	e.GET("/logged_out", loggedOut.Get)
	e.GET("/logged_out/receipts", loggedOut.ReceiptsJSON)
	e.GET("/", (&web.Home{Current: current, Users: w, Pages: pages}).Get)
	e.GET("/static/*", (&web.Assets{Files: assets}).Get)
	s.newBrowser()
	return s
}

// newBrowser forgets all cookies.
func (s *site) newBrowser() {
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.Fatal(err)
	}
	s.client = &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

type answer struct {
	status             int
	location, body     string
	header             http.Header
	setSession, policy string
}

func (s *site) do(method, path string, form url.Values) answer {
	s.Helper()
	r, err := http.NewRequestWithContext(s.Context(), method, s.server.URL+path, strings.NewReader(form.Encode()))
	if err != nil {
		s.Fatal(err)
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	res, err := s.client.Do(r)
	if err != nil {
		s.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	var body bytes.Buffer
	if _, err := body.ReadFrom(res.Body); err != nil {
		s.Fatal(err)
	}
	a := answer{
		status: res.StatusCode, location: res.Header.Get("Location"), body: body.String(), header: res.Header,
		policy: res.Header.Get("Content-Security-Policy"),
	}
	for _, c := range res.Cookies() {
		if c.Name == "exeunt_session" {
			a.setSession = c.Value
		}
	}
	return a
}

func (s *site) get(path string) answer { s.Helper(); return s.do(http.MethodGet, path, nil) }

// post sends a form with this browser's token, as the page would.
func (s *site) post(path string, form url.Values) answer {
	s.Helper()
	if form.Get("csrf") == "" {
		form.Set("csrf", s.token())
	}
	return s.do(http.MethodPost, path, form)
}

var tokenField = regexp.MustCompile(`name="csrf" value="([^"]+)"`)

func (s *site) token() string {
	s.Helper()
	m := tokenField.FindStringSubmatch(s.get("/login").body)
	if m == nil {
		s.Fatal("the login form has no token")
	}
	return m[1]
}

// waiting stores an authorization request of this browser.
func (s *site) waiting(id string, request identity.AuthorizationRequest) string {
	s.Helper()
	s.token() // makes sure that there is a cookie
	base, err := url.Parse(s.server.URL)
	if err != nil {
		s.Fatal(err)
	}
	var value string
	for _, c := range s.client.Jar.Cookies(base) {
		if c.Name == "exeunt_browser" {
			value = c.Value
		}
	}
	request.RedirectURI = "https://shop.example.com/callback"
	s.authorizations[id] = identity.Authorization{
		ID: id, ClientID: "shop", BrowserHash: browser.Hash(value), Request: request, CreatedAt: s.now, ExpiresAt: s.now.Add(time.Hour),
	}
	return id
}

func (s *site) logIn(username, password string) answer {
	s.Helper()
	a := s.post("/login", url.Values{"username": {username}, "password": {password}})
	if a.status != http.StatusSeeOther {
		s.Fatalf("login of %s: %d %s", username, a.status, a.body)
	}
	return a
}

func (s *site) contains(a answer, texts ...string) {
	s.Helper()
	for _, text := range texts {
		if !strings.Contains(a.body, text) {
			s.Errorf("the page lacks %q:\n%s", text, a.body)
		}
	}
}
