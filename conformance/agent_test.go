package conformance

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// answer is an HTTP answer, its body read.
type answer struct {
	t      *testing.T
	status int
	header http.Header
	body   string
	url    *url.URL // that was asked last
}

// location is where the answer redirects to, as the browser understands it.
func (a answer) location() *url.URL {
	a.t.Helper()
	u, err := a.url.Parse(a.header.Get("Location"))
	if err != nil || a.header.Get("Location") == "" {
		a.t.Fatalf("no redirect: %s", a)
	}
	return u
}

func (a answer) json() map[string]any {
	a.t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(a.body), &m); err != nil || !strings.HasPrefix(a.header.Get("Content-Type"), "application/json") {
		a.t.Fatalf("no JSON: %v: %s", err, a)
	}
	return m
}

func (a answer) want(status int) answer {
	a.t.Helper()
	if a.status != status {
		a.t.Fatalf("want status %d: %s", status, a)
	}
	return a
}

// wantError checks an error for applications (RFC 6749, 5.2).
func (a answer) wantError(status int, code string) answer {
	a.t.Helper()
	if a.want(status).json()["error"] != code {
		a.t.Fatalf("want error %s: %s", code, a)
	}
	return a
}

// wantPage checks that a person sees a page that contains text.
func (a answer) wantPage(status int, text string) answer {
	a.t.Helper()
	a.want(status)
	if !strings.HasPrefix(a.header.Get("Content-Type"), "text/html") || !strings.Contains(a.body, text) {
		a.t.Fatalf("no page with %q: %s", text, a)
	}
	return a
}

// wantRedirect checks that the browser leaves for exactly this address.
func (a answer) wantRedirect(to string) answer {
	a.t.Helper()
	if got := a.want(http.StatusSeeOther).header.Get("Location"); got != to {
		a.t.Fatalf("want a redirect to %s: %s", to, a)
	}
	return a
}

// response reads an authorization response, by query or by form post.
func (a answer) response() url.Values {
	a.t.Helper()
	if a.status == http.StatusSeeOther {
		return a.location().Query()
	}
	f := a.want(http.StatusOK).form()
	if !strings.HasPrefix(f.action, "https://") || f.method != "post" {
		a.t.Fatalf("no authorization response: %s", a)
	}
	return f.fields
}

// code takes the code out of an authorization response.
func (a answer) code() string {
	a.t.Helper()
	r := a.response()
	if r.Get("code") == "" {
		a.t.Fatalf("no code: %s", a)
	}
	return r.Get("code")
}

// form is the first form of a page, as a browser sees it.
type form struct {
	action, method string
	fields         url.Values
}

func (a answer) form() form {
	a.t.Helper()
	root, err := html.Parse(strings.NewReader(a.body))
	if err != nil {
		a.t.Fatal(err)
	}
	attribute := func(n *html.Node, name string) string {
		for _, attr := range n.Attr {
			if attr.Key == name {
				return attr.Val
			}
		}
		return ""
	}
	var found *form
	for n := range root.Descendants() {
		switch {
		case n.Type == html.ElementNode && n.Data == "form" && found == nil:
			found = &form{action: attribute(n, "action"), method: attribute(n, "method"), fields: url.Values{}}
		case n.Type == html.ElementNode && n.Data == "input" && found != nil:
			found.fields.Add(attribute(n, "name"), attribute(n, "value"))
		}
	}
	if found == nil {
		a.t.Fatalf("no form on the page: %s", a)
	}
	return *found
}

// agent makes requests: a browser with cookies, or a program without.
type agent struct {
	*world
	client  *http.Client
	headers http.Header
}

// navigating is what a browser sends with a page load.
var navigating = http.Header{
	"User-Agent": {"Mozilla/5.0"}, "Accept": {"text/html"}, "Sec-Fetch-Mode": {"navigate"}, "Sec-Fetch-Dest": {"document"}, "Sec-Fetch-Site": {"none"},
}

// browser follows redirects within the provider and stops where they leave it.
func (w *world) browser() *agent {
	jar, _ := cookiejar.New(nil) // never fails
	_, host, _ := strings.Cut(w.origin(), "://")
	return &agent{world: w, headers: navigating, client: &http.Client{Jar: jar, Transport: w.transport, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if r.URL.Host != host {
			return http.ErrUseLastResponse
		}
		for name, values := range navigating {
			r.Header[name] = values
		}
		return nil
	}}}
}

// program has no cookies and follows nothing.
func (w *world) program() *agent {
	return &agent{world: w, headers: http.Header{}, client: &http.Client{
		Transport: w.transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// crossSite is the browser's request that a page of another site caused: its SameSite=Lax cookies stay at home.
func (w *world) crossSite() *agent {
	return w.program().with(
		"User-Agent", "Mozilla/5.0", "Accept", "text/html", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Sec-Fetch-Site", "cross-site")
}

// in returns the same agent for a subtest.
func (a *agent) in(t *testing.T) *agent {
	copied := *a
	copied.world = &world{T: t, place: a.place}
	return &copied
}

// with returns the same agent, sending further headers; pairs of name and value, where an empty value takes the header away.
func (a *agent) with(pairs ...string) *agent {
	copied := *a
	copied.headers = a.headers.Clone()
	for i := 0; i < len(pairs); i += 2 {
		if copied.headers.Del(pairs[i]); pairs[i+1] != "" {
			copied.headers.Set(pairs[i], pairs[i+1])
		}
	}
	return &copied
}

// once returns the same agent following no redirect at all.
func (a *agent) once() *agent {
	copied := *a
	client := *a.client
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	copied.client = &client
	return &copied
}

// send makes any request.
func (a *agent) send(method, target, contentType, body string) answer {
	a.Helper()
	if strings.HasPrefix(target, "/") {
		target = a.issuer + target
	}
	r, err := http.NewRequestWithContext(a.Context(), method, target, strings.NewReader(body))
	if err != nil {
		a.Fatal(err)
	}
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	for name, values := range a.headers {
		r.Header[name] = values
	}
	response, err := a.client.Do(r)
	if err != nil {
		a.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	read, err := io.ReadAll(response.Body)
	if err != nil {
		a.Fatal(err)
	}
	return answer{t: a.T, status: response.StatusCode, header: response.Header, body: string(read), url: response.Request.URL}
}

const formType = "application/x-www-form-urlencoded"

func (a *agent) get(path string, query url.Values) answer {
	a.Helper()
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	return a.send(http.MethodGet, path, "", "")
}

func (a *agent) post(path string, form url.Values) answer {
	a.Helper()
	return a.send(http.MethodPost, path, formType, form.Encode())
}

// submit fills in the form of a page and sends it as the page's own button would.
func (a *agent) submit(page answer, pairs ...string) answer {
	a.Helper()
	f := page.form()
	for i := 0; i < len(pairs); i += 2 {
		f.fields.Set(pairs[i], pairs[i+1])
	}
	return a.with("Sec-Fetch-Site", "same-origin", "Origin", "null").post(page.url.ResolveReference(&url.URL{Path: f.action}).String(), f.fields)
}

// logIn fills in the login page.
func (a *agent) logIn(page answer, username string) answer {
	a.Helper()
	for _, u := range users() {
		if u.Username == username {
			return a.submit(page.wantPage(http.StatusOK, `name="password"`), "username", username, "password", u.Password)
		}
	}
	a.Fatalf("no user %s", username)
	return answer{}
}

// alive reports whether the browser still has a session.
func (a *agent) alive() bool {
	a.Helper()
	r := a.get("/authorize", request("mail", "prompt", "none")).response()
	if !r.Has("code") && r.Get("error") != "login_required" {
		a.Fatalf("silent sign-on: %v", r)
	}
	return r.Has("code")
}

// String is the answer as a failing test shows it.
func (a answer) String() string {
	body := a.body
	if i := strings.Index(body, "<main"); i > 0 {
		body = body[i:]
	}
	return fmt.Sprintf("%.300s: status %d %s\n%.1500s", a.url, a.status, a.header.Get("Location"), body)
}

func formValue(body, name string) string {
	values, err := url.ParseQuery(body)
	if err != nil {
		return ""
	}
	return values.Get(name)
}
