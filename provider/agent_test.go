package provider_test

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// answer is an HTTP answer, its body read.
type answer struct {
	*testing.T
	status int
	header http.Header
	body   string
	url    *url.URL // that was asked last
}

// location is where the answer redirects to.
func (a answer) location() *url.URL {
	a.Helper()
	u, err := url.Parse(a.header.Get("Location"))
	if err != nil || a.header.Get("Location") == "" {
		a.Fatalf("no redirect: status %d\n%s", a.status, a.body)
	}
	return u
}

func (a answer) json() map[string]any {
	a.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(a.body), &m); err != nil {
		a.Fatalf("status %d: not JSON: %v\n%s", a.status, err, a.body)
	}
	return m
}

func (a answer) want(status int) answer {
	a.Helper()
	if a.status != status {
		a.Fatalf("%s: status %d, want %d\n%s%s", a.url, a.status, status, a.header.Get("Location"), a.body)
	}
	return a
}

// wantError checks a JSON error.
func (a answer) wantError(status int, code string) answer {
	a.Helper()
	if a.want(status).json()["error"] != code {
		a.Fatalf("error %v, want %s", a.json(), code)
	}
	return a
}

// wantPage checks that a person sees a page that contains text.
func (a answer) wantPage(status int, text string) answer {
	a.Helper()
	a.want(status)
	if !strings.HasPrefix(a.header.Get("Content-Type"), "text/html") || !strings.Contains(a.body, text) {
		a.Fatalf("no page with %q:\n%s", text, a.body)
	}
	return a
}

// wantRedirect checks that the browser leaves for exactly this address.
func (a answer) wantRedirect(to string) answer {
	a.Helper()
	if a.want(http.StatusSeeOther); a.location().String() != to {
		a.Fatalf("redirected to %s, want %s", a.location(), to)
	}
	return a
}

// agent is something that makes requests: a browser with cookies, or a program without.
type agent struct {
	*world
	client  *http.Client
	headers map[string]string
}

// navigating is what a browser sends with a page load.
var navigating = map[string]string{
	"User-Agent": "Mozilla/5.0", "Accept": "text/html", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Sec-Fetch-Site": "none",
}

// browser follows redirects within the provider and stops where they leave it.
func (w *world) browser() *agent {
	jar, _ := cookiejar.New(nil)
	host := strings.TrimPrefix(w.url, "http://")
	return &agent{world: w, headers: navigating, client: &http.Client{Jar: jar, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if r.URL.Host != host {
			return http.ErrUseLastResponse
		}
		for name, value := range navigating {
			r.Header.Set(name, value)
		}
		return nil
	}}}
}

// program has no cookies and follows nothing.
func (w *world) program() *agent {
	return &agent{world: w, client: &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// with returns the same agent, sending further headers; pairs of name and value, where an empty value takes the header away.
func (a *agent) with(pairs ...string) *agent {
	copied := *a
	copied.headers = map[string]string{}
	for name, value := range a.headers {
		copied.headers[name] = value
	}
	for i := 0; i < len(pairs); i += 2 {
		copied.headers[pairs[i]] = pairs[i+1]
	}
	return &copied
}

func (a *agent) do(method, path string, form url.Values) answer {
	a.Helper()
	var body io.Reader
	if method == http.MethodPost {
		body = strings.NewReader(form.Encode())
	} else if len(form) > 0 {
		path += "?" + form.Encode()
	}
	if strings.HasPrefix(path, "/") {
		path = a.url + path
	}
	r, err := http.NewRequestWithContext(a.Context(), method, path, body)
	if err != nil {
		a.Fatal(err)
	}
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for name, value := range a.headers {
		if value != "" {
			r.Header.Set(name, value)
		}
	}
	return a.answer(r)
}

// answer sends a request as it is.
func (a *agent) answer(r *http.Request) answer {
	a.Helper()
	response, err := a.client.Do(r)
	if err != nil {
		a.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	read, err := io.ReadAll(response.Body)
	if err != nil {
		a.Fatal(err)
	}
	return answer{T: a.T, status: response.StatusCode, header: response.Header, body: string(read), url: response.Request.URL}
}

func (a *agent) get(path string, query url.Values) answer {
	a.Helper()
	return a.do(http.MethodGet, path, query)
}

func (a *agent) post(path string, form url.Values) answer {
	a.Helper()
	return a.do(http.MethodPost, path, form)
}

var (
	formPattern  = regexp.MustCompile(`(?s)<form[^>]*?(?:action="([^"]*)")?[^>]*>.*?</form>`)
	inputPattern = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`)
	actionAttr   = regexp.MustCompile(`<form[^>]* action="([^"]*)"`)
)

// submit fills in the form of a page and sends it as the page's own button would.
func (a *agent) submit(page answer, more url.Values) answer {
	a.Helper()
	form := formPattern.FindString(page.body)
	action := actionAttr.FindStringSubmatch(form)
	if form == "" || action == nil {
		a.Fatalf("no form on the page (status %d):\n%s", page.status, page.body)
	}
	values := url.Values{}
	for _, m := range inputPattern.FindAllStringSubmatch(form, -1) {
		values.Add(m[1], strings.NewReplacer("&#43;", "+", "&amp;", "&", "&#34;", `"`).Replace(m[2]))
	}
	for name, v := range more {
		values[name] = v
	}
	to := page.url.ResolveReference(&url.URL{Path: action[1]})
	return a.with("Sec-Fetch-Site", "same-origin", "Origin", "null").post(to.String(), values)
}

// logIn fills in the login page.
func (a *agent) logIn(page answer, username string) answer {
	a.Helper()
	passwords := map[string]string{"alice": "wonderland", "bob": "builder", "carol": "wonderland"}
	return a.submit(page.wantPage(http.StatusOK, `name="password"`), url.Values{"username": {username}, "password": {passwords[username]}})
}

// request is an authorization request of a client; pairs of parameters change it, an empty value takes one away.
func request(client string, pairs ...string) url.Values {
	v := url.Values{
		"client_id": {client}, "redirect_uri": {"https://" + client + ".example.com/callback"}, "response_type": {"code"}, "scope": {"openid profile"},
		"state": {"s~'()* \"ü%2F&=+"}, "nonce": {"n-" + client}, "code_challenge": {challenge()}, "code_challenge_method": {"S256"},
	}
	for i := 0; i < len(pairs); i += 2 {
		if v.Del(pairs[i]); pairs[i+1] != "" {
			v.Set(pairs[i], pairs[i+1])
		}
	}
	return v
}

// code takes the code out of an authorization response.
func (a answer) code() string {
	a.Helper()
	code := a.want(http.StatusSeeOther).location().Query().Get("code")
	if code == "" {
		a.Fatalf("no code in %s", a.location())
	}
	return code
}

// signOn runs a whole code flow of a client in a session that lives.
func (a *agent) signOn(client string, pairs ...string) tokens {
	a.Helper()
	return a.exchange(client, a.get("/authorize", request(client, pairs...)).code())
}

// firstSignOn logs in on the way.
func (a *agent) firstSignOn(client, username string, pairs ...string) tokens {
	a.Helper()
	return a.exchange(client, a.logIn(a.get("/authorize", request(client, pairs...)), username).code())
}

// tokens is a token response.
type tokens struct{ access, refresh, id, scope string }

func (a answer) tokens() tokens {
	a.Helper()
	m := a.want(http.StatusOK).json()
	text := func(name string) string { s, _ := m[name].(string); return s }
	return tokens{text("access_token"), text("refresh_token"), text("id_token"), text("scope")}
}

// as authenticates a client by its registered method.
func (w *world) as(client string, form url.Values) answer {
	return w.asAt("/token", client, form)
}

func (w *world) asAt(path, client string, form url.Values) answer {
	w.Helper()
	p := w.program()
	switch client {
	case "app":
		form.Set("client_id", client)
	case "mail":
		form.Set("client_id", client)
		form.Set("client_secret", secret)
	default:
		p = p.with("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(client)+":"+url.QueryEscape(secret))))
	}
	return p.post(path, form)
}

func codeForm(client, code string) url.Values {
	return url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {"https://" + client + ".example.com/callback"}, "code_verifier": {verifier},
	}
}

func (w *world) exchange(client, code string) tokens {
	w.Helper()
	return w.as(client, codeForm(client, code)).tokens()
}

func (w *world) refresh(client, token string, pairs ...string) answer {
	w.Helper()
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	return w.as(client, form)
}

// active introspects a token.
func (w *world) active(client, token string) bool {
	w.Helper()
	return w.asAt("/introspect", client, url.Values{"token": {token}}).want(http.StatusOK).json()["active"] == true
}
