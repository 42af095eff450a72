package conformance

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/exeunt-id/exeunt/database/databasetest"
	"github.com/exeunt-id/exeunt/provider"
)

// issuerPath is the path of every issuer in these tests, such as /tenants/one; "" unless TestDiscovery_4_IssuerWithPath says otherwise.
var issuerPath = os.Getenv(issuerPathVariable)

const issuerPathVariable = "EXEUNT_TEST_ISSUER_PATH"

// origin of the issuer.
func (p *place) origin() string { return strings.TrimSuffix(p.issuer, p.base) }

// cookieName is what the provider calls a cookie: the prefix makes browsers keep it to where it belongs, the end keeps paths apart.
func (p *place) cookieName(name string) string {
	switch https := strings.HasPrefix(p.issuer, "https:"); {
	case https && p.base == "":
		name = "__Host-" + name
	case https:
		name = "__Secure-" + name
	}
	return name + strings.ReplaceAll(p.base, "/", ".")
}

// fence looks at every answer of the provider: what leads back to its host leads below the issuer's path, in redirects, in links, forms
// and frames, and in whatever else names an address. What does not is a failure of the test at hand, through the journal.
type fence struct {
	place *place
	next  http.RoundTripper
}

func (f *fence) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := f.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(response.Body)
	_ = response.Body.Close()
	if err != nil {
		return nil, err
	}
	response.Body = io.NopCloser(bytes.NewReader(body))
	for _, leak := range f.leaks(r.URL, response, string(body)) {
		f.place.log.mu.Lock()
		f.place.log.errors = append(f.place.log.errors, fmt.Sprintf("%s %s leads out of the issuer's path: %s", r.Method, r.URL, leak))
		f.place.log.mu.Unlock()
	}
	return response, nil
}

// CloseIdleConnections lets http.Client reach the transport behind.
func (f *fence) CloseIdleConnections() { (&http.Client{Transport: f.next}).CloseIdleConnections() }

var refreshURL = regexp.MustCompile(`(?i)url=(.*)`)

func (f *fence) leaks(asked *url.URL, response *http.Response, body string) (leaks []string) {
	check := func(where, reference string) {
		u, err := asked.Parse(reference)
		if err == nil && u.Scheme+"://"+u.Host == f.place.origin() && u.Path != f.place.base && !strings.HasPrefix(u.Path, f.place.base+"/") {
			leaks = append(leaks, where+" "+reference)
		}
	}
	if to := response.Header.Get("Location"); to != "" {
		check("Location", to)
	}
	for _, c := range response.Cookies() {
		if want := f.place.base; c.Path != want && (want != "" || c.Path != "/") {
			leaks = append(leaks, "cookie "+c.Raw)
		}
	}
	if !strings.HasPrefix(response.Header.Get("Content-Type"), "text/html") {
		// Metadata and other answers to applications: every address with our host.
		for rest := body; ; {
			_, after, found := strings.Cut(rest, f.place.origin())
			if !found {
				return leaks
			}
			if !strings.HasPrefix(after, f.place.base) {
				leaks = append(leaks, fmt.Sprintf("body %.80q", after))
			}
			rest = after
		}
	}
	root, err := html.Parse(strings.NewReader(body))
	if err != nil {
		return append(leaks, err.Error())
	}
	for n := range root.Descendants() {
		for _, attr := range n.Attr {
			switch attr.Key {
			case "href", "src", "action", "formaction":
				check(n.Data+" "+attr.Key, attr.Val)
			case "content":
				if m := refreshURL.FindStringSubmatch(attr.Val); m != nil {
					check("refresh", m[1])
				}
			}
		}
	}
	return leaks
}

// An issuer with a path changes nothing but addresses: everything that this package examines holds there too, and nothing that the provider
// says leads out of the path. The tests run again, in a process of their own because they share one provider. What throws garbage at parsers,
// waits for clocks or asks the engine would find nothing new, nor would a second database.
func TestDiscovery_4_IssuerWithPath(t *testing.T) {
	if issuerPath != "" {
		t.Fatal("it runs itself")
	}
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	suite := exec.CommandContext(ctx, binary, "-test.run=^Test", "-test.timeout=10m", //nolint:gosec // this very program
		"-test.skip=^(TestDiscovery_4_|TestDocumentation|TestRobust_|TestRelyingParty_OpenIDClient|TestBackChannelLogout_2_5_|TestGlobalRevocation_4|TestSession_(Causes|Idle|Password)|TestCore_3_1_2_4_ConsentR)|^Test/^postgres$")
	suite.Env = append(os.Environ(), issuerPathVariable+"=/tenants/one")
	if output, err := suite.CombinedOutput(); err != nil {
		t.Errorf("with an issuer with a path: %v\n%s", err, output)
	}
}

// The page that embeds the applications' pages goes on, by script, link and refresh, to a page of ours that exists.
func TestFrontChannelLogout_3_GoesOn(t *testing.T) {
	w := openOn(t, databasetest.Open(t, databasetest.SQLiteURL(t)), "http", func(cfg *provider.Config) {
		cfg.Clients[0].FrontchannelLogoutURI = "https://shop.example.com/frontchannel"
	})
	alice := w.browser()
	alice.firstSignOn("shop", "alice")
	page := alice.get("/logout", values("client_id", "shop")).wantPage(200, `<iframe src="https://shop.example.com/frontchannel?`)
	for _, place := range []string{`href="%s"`, `;url=%s"`} {
		if want := fmt.Sprintf(place, w.base+"/logged_out?client_id=shop"); !strings.Contains(page.body, want) {
			t.Errorf("the page lacks %s: %s", want, page)
		}
	}
	alice.get("/logged_out", values("client_id", "shop")).wantPage(200, "The shop")
}

// Beside the path nothing is ours but the health of the node; a path that only begins alike is somebody else's.
func TestDiscovery_4_BesideThePath(t *testing.T) {
	w := openOn(t, databasetest.Open(t, databasetest.SQLiteURL(t)), "http", func(cfg *provider.Config) { cfg.Issuer += "/tenants/one" })
	w.issuer, w.base = w.issuer+"/tenants/one", "/tenants/one"
	for path, status := range map[string]int{
		"/tenants/one": 200, "/tenants/one/": 200, "/tenants/one/login": 200, "/tenants/one/healthz": 200, "/tenants/one/.well-known/openid-configuration": 200,
		"/healthz": 200, "/readyz": 200, "/.well-known/ssf-configuration/tenants/one": 200, "/tenants/one/.well-known/ssf-configuration": 200,
		"/": 404, "/login": 404, "/token": 404, "/tenants": 404, "/tenants/": 404, "/tenants/one2/login": 404, "/TENANTS/one/login": 404, "/tenants/one//login": 404,
		"/tenants%2Fone/login": 404, "/tenants/%6Fne/login": 404, "//tenants/one/login": 404, "/tenants/two/../one/login": 404,
		"/.well-known/ssf-configuration": 404, "/.well-known/openid-configuration": 404, "/tenants/one/tenants/one/login": 404, "/.well-known/openid-configuration/tenants/one": 404,
	} {
		a := w.browser().get(w.origin()+path, nil).want(status)
		if status == 404 && !strings.Contains(a.body, "There is no such page") {
			t.Errorf("%s: %s", path, a)
		}
	}
	w.program().with("Accept", "application/json").get(w.origin()+"/nowhere", nil).wantError(404, "invalid_request")
	w.program().send(http.MethodPost, w.origin()+"/healthz", "", "").want(405)
}

// Three providers on one host, one of them below another: each keeps its own sessions, and none is sent the others' secrets if a path can
// help it. So on https, where cookies have prefixes, and on http.
func TestDiscovery_4_NeighboursOnOneHost(t *testing.T) {
	for _, scheme := range []string{"https", "http"} {
		t.Run(scheme, func(t *testing.T) {
			paths := []string{"/id/two", "/id", ""} // the longest first, as a proxy matches them
			var worlds []*world
			received := map[string][]string{} // names of cookies, by path of the provider that was sent them
			host := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				for i, path := range paths {
					if r.URL.Path == path || strings.HasPrefix(r.URL.Path, path+"/") {
						for _, c := range r.Cookies() {
							received[path] = append(received[path], c.Name)
						}
						worlds[i].provider.ServeHTTP(rw, r)
						return
					}
				}
			}))
			origin := "http://" + host.Listener.Addr().String()
			if host.Start(); scheme == "https" {
				origin = "https://example.com"
			}
			t.Cleanup(host.Close)
			for _, path := range paths {
				w := openOn(t, databasetest.Open(t, databasetest.SQLiteURL(t)), "http", func(cfg *provider.Config) { cfg.Issuer = origin + path })
				w.issuer, w.base = origin+path, path
				worlds = append(worlds, w)
			}
			jar, err := cookiejar.New(nil)
			if err != nil {
				t.Fatal(err)
			}
			transport := &http.Transport{}
			t.Cleanup(transport.CloseIdleConnections)
			var browsers []*agent
			for _, w := range worlds {
				w.transport = &fence{place: w.place, next: toHost{host.Listener.Addr().String(), transport}}
				alice := w.browser()
				alice.client.Jar = jar
				browsers = append(browsers, alice)
			}
			for i, alice := range browsers {
				alice.firstSignOn("shop", "alice")
				if got := alice.cookie("exeunt_session"); got == "" {
					t.Errorf("no session at %q", paths[i])
				}
			}
			for i, alice := range browsers { // each leaves by itself
				alice.get("/logout", values("client_id", "shop")).wantPage(200, "You are logged out")
				for j, other := range browsers {
					if other.alive() != (j > i) {
						t.Errorf("after the logout at %q the session at %q is alive: %v", paths[i], paths[j], j <= i)
					}
				}
			}
			for _, name := range append(received[""], received["/id"]...) {
				if strings.HasSuffix(name, ".two") {
					t.Errorf("a provider above was sent the cookie %s", name)
				}
			}
			if len(received[""]) == 0 || strings.Contains(strings.Join(received[""], " "), ".id") {
				t.Errorf("the provider at the root was sent %v", received[""])
			}
		})
	}
}

// toHost sends everything to one address, as plain HTTP: what a proxy that terminates TLS does.
type toHost struct {
	address string
	next    http.RoundTripper
}

func (h toHost) RoundTrip(r *http.Request) (*http.Response, error) {
	asked := r.Clone(r.Context())
	asked.Host = r.URL.Host
	asked.URL.Scheme, asked.URL.Host = "http", h.address
	response, err := h.next.RoundTrip(asked)
	if response != nil {
		response.Request = r
	}
	return response, err
}
