package rp_test

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/exeunt-id/exeunt/rp"
)

const clientSecret = "a secret: with+/% in it"

// openProvider makes a whole OpenID Provider of provider, one that a test can
// bend. Everybody who comes is logged in as subject.
type openProvider struct {
	*provider
	subject string

	mu            sync.Mutex
	bendDiscovery func(object)
	bendAnswer    func(url.Values) // of the authorization endpoint
	bendToken     func(*draft)     // the ID token
	bendTokens    func(object)     // the token response
	bendUserinfo  func(object)
	requests      []url.Values // to the authorization endpoint
	exchanges     []url.Values // to the token endpoint
	ends          []url.Values // to the end_session endpoint
	codes         map[string]url.Values
	introspection object
	introspected  atomic.Int64
	slowToken     chan struct{} // the token endpoint waits for it, after it has said on slowToken that it is reached
}

func newOpenProvider(t *testing.T) *openProvider {
	p := newProvider(t)
	p.op = &openProvider{provider: p, subject: "alice", codes: map[string]url.Values{}}
	return p.op
}

func (o *openProvider) describe(document object) {
	for name, path := range map[string]string{
		"authorization_endpoint": "/authorize", "token_endpoint": "/token", "userinfo_endpoint": "/userinfo", "end_session_endpoint": "/end?kept=1",
		"introspection_endpoint": "/introspect", "check_session_iframe": "/check",
	} {
		document[name] = o.URL + path
	}
	document["authorization_response_iss_parameter_supported"] = true
	if bend := o.bends().bendDiscovery; bend != nil {
		bend(document)
	}
}

// bends returns what the test has set so far.
func (o *openProvider) bends() (copied struct {
	bendDiscovery func(object)
	bendAnswer    func(url.Values)
	bendToken     func(*draft)
	bendTokens    func(object)
	bendUserinfo  func(object)
	introspection object
	subject       string
},
) {
	o.mu.Lock()
	defer o.mu.Unlock()
	copied.bendDiscovery, copied.bendAnswer, copied.bendToken, copied.bendTokens, copied.bendUserinfo = o.bendDiscovery, o.bendAnswer, o.bendToken, o.bendTokens, o.bendUserinfo
	copied.introspection, copied.subject = o.introspection, o.subject
	return copied
}

// bend changes what the provider does from now on.
func (o *openProvider) bend(change func(*openProvider)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	change(o)
}

func (o *openProvider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/authorize":
		o.authorize(w, r)
	case "/token":
		o.token(w, r)
	case "/userinfo":
		if r.Header.Get("Authorization") != "Bearer access" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		info := object{"sub": o.bends().subject, "name": "Alice Doe", "iat": 7}
		if bend := o.bends().bendUserinfo; bend != nil {
			bend(info)
		}
		writeJSON(w, info)
	case "/introspect":
		o.introspected.Add(1)
		id, secret, _ := r.BasicAuth()
		if unescape(id) != clientID || unescape(secret) != clientSecret || r.PostFormValue("token") == "" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		writeJSON(w, o.bends().introspection)
	case "/end":
		o.bend(func(o *openProvider) { o.ends = append(o.ends, r.URL.Query()) })
		http.Redirect(w, r, r.URL.Query().Get("post_logout_redirect_uri")+"?"+url.Values{"state": {r.URL.Query().Get("state")}}.Encode(), http.StatusSeeOther)
	default:
		http.NotFound(w, r)
	}
}

func unescape(s string) string {
	u, err := url.QueryUnescape(s)
	if err != nil {
		return ""
	}
	return u
}

func (o *openProvider) authorize(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	code := rand.Text()
	o.bend(func(o *openProvider) { o.requests, o.codes[code] = append(o.requests, query), query })
	answer := url.Values{"state": {query.Get("state")}, "code": {code}, "iss": {o.URL}, "session_state": {"state.salt"}}
	if bend := o.bends().bendAnswer; bend != nil {
		bend(answer)
	}
	http.Redirect(w, r, query.Get("redirect_uri")+"?"+answer.Encode(), http.StatusSeeOther)
}

func (o *openProvider) token(w http.ResponseWriter, r *http.Request) {
	if o.slowToken != nil {
		o.slowToken <- struct{}{}
		<-o.slowToken
	}
	id, secret, basic := r.BasicAuth()
	if err := r.ParseForm(); err != nil || !basic || unescape(id) != clientID || unescape(secret) != clientSecret {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	o.mu.Lock()
	request, ok := o.codes[r.PostForm.Get("code")]
	delete(o.codes, r.PostForm.Get("code"))
	o.exchanges = append(o.exchanges, r.PostForm)
	o.mu.Unlock()
	sum := sha256.Sum256([]byte(r.PostForm.Get("code_verifier")))
	if !ok || base64.RawURLEncoding.EncodeToString(sum[:]) != request.Get("code_challenge") || r.PostForm.Get("redirect_uri") != request.Get("redirect_uri") {
		w.WriteHeader(http.StatusBadRequest)
		writeJSON(w, object{"error": "invalid_grant"})
		return
	}
	d := o.draft()
	d.header = object{"alg": "RS256", "kid": "RS256"}
	d.claims = object{
		"iss": o.URL, "aud": clientID, "sub": o.bends().subject, "sid": "s-1", "iat": o.now().Unix(), "exp": o.now().Unix() + 300,
		"auth_time": o.now().Unix(), "nonce": request.Get("nonce"),
	}
	if bend := o.bends().bendToken; bend != nil {
		bend(d)
	}
	answer := object{"access_token": "access", "token_type": "Bearer", "expires_in": 600, "id_token": d.sign()}
	if bend := o.bends().bendTokens; bend != nil {
		bend(answer)
	}
	writeJSON(w, answer)
}

// application is a relying party built with the kit, on a listener of its own.
type application struct {
	*httptest.Server
	kit *rp.Kit
}

// newApplication starts an application of o: "/" is for everybody, "/page" is protected.
func newApplication(t *testing.T, o *openProvider, change func(*rp.Config)) *application {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	cfg := rp.Config{
		Issuer: o.URL, ClientID: clientID, ClientSecret: clientSecret, BaseURL: "http://" + server.Listener.Addr().String(), Now: o.now, Logger: quiet(),
	}
	if change != nil {
		change(&cfg)
	}
	kit, err := rp.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/auth/", kit)
	show := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := "nobody"
		if user := rp.UserFrom(r.Context()); user != nil {
			name = user.Subject + " " + user.Claim("name") + " " + user.SID
		}
		_, _ = io.WriteString(w, name)
	})
	mux.Handle("/{$}", kit.Identify(show))
	mux.Handle("/page", kit.Middleware(show))
	mux.Handle("/api", kit.Bearer(rp.BearerConfig{}).Middleware(show))
	mux.Handle("/api/write", kit.Bearer(rp.BearerConfig{Scopes: []string{"write"}, Audience: "api"}).Middleware(show))
	server.Config.Handler = mux
	server.Start()
	t.Cleanup(func() {
		kit.Close()
		server.Close()
	})
	return &application{Server: server, kit: kit}
}

// browser keeps cookies and follows redirects.
type browser struct {
	t      *testing.T
	client *http.Client
	last   []string // addresses of the last request's redirects
}

func newBrowser(t *testing.T) *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	b := &browser{t: t}
	b.client = &http.Client{Jar: jar, CheckRedirect: func(r *http.Request, via []*http.Request) error {
		if len(via) > 10 {
			t.Error("ten redirects")
			return http.ErrUseLastResponse
		}
		b.last = append(b.last, r.URL.String())
		return nil
	}}
	return b
}

type page struct {
	status int
	header http.Header
	body   string
	at     *url.URL
}

func (b *browser) do(method, address string, header http.Header) page {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), method, address, http.NoBody)
	if err != nil {
		b.t.Fatal(err)
	}
	r.Header = header.Clone()
	if r.Header == nil {
		r.Header = http.Header{}
	}
	if r.Header.Get("Accept") == "" {
		r.Header.Set("Accept", "text/html")
	}
	b.last = nil
	res, err := b.client.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	if err := errors.Join(err, res.Body.Close()); err != nil {
		b.t.Fatal(err)
	}
	return page{res.StatusCode, res.Header, string(body), res.Request.URL}
}

func (b *browser) get(address string) page { b.t.Helper(); return b.do(http.MethodGet, address, nil) }

func (b *browser) want(address string, status int, part string) page {
	b.t.Helper()
	got := b.get(address)
	got.want(b.t, status, part)
	return got
}

func (p page) want(t *testing.T, status int, part string) {
	t.Helper()
	if p.status != status || !strings.Contains(p.body, part) {
		t.Fatalf("%s: %d %q; want %d with %q", p.at, p.status, p.body, status, part)
	}
}

// logoutToken sends the application a logout token.
func (o *openProvider) logoutToken(t *testing.T, app *application, change func(object)) int {
	t.Helper()
	d := o.draft()
	d.header = object{"alg": "RS256", "kid": "RS256", "typ": "logout+jwt"}
	if change != nil {
		change(d.claims)
	}
	res, err := http.PostForm(app.URL+"/auth/backchannel-logout", url.Values{"logout_token": {d.sign()}}) //nolint:noctx // a test
	if err != nil {
		t.Fatal(err)
	}
	if err := res.Body.Close(); err != nil {
		t.Fatal(err)
	}
	if got := res.Header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control %q", got)
	}
	return res.StatusCode
}
