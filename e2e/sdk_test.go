package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/exeunt-id/exeunt/bench/driver"
)

// sdkPage is an application's page with the SDK. What it heard it keeps for the page that it leaves for.
var sdkPage = template.Must(template.New("").Parse(`<!DOCTYPE html><title>App</title><p id="ready" hidden>ready</p><button id="leave">Log out</button>
<script type="module">
import { init } from {{.SDK}};
const heard = [];
const session = window.session = init({
  issuer: {{.Issuer}}, clientId: {{.Client}}, idToken: () => {{.IDToken}}, accessToken: async () => {{.AccessToken}}, logoutUrl: {{.Goodbye}}, redirectUri: {{.Back}}, transports: {{.Transports}}, pollInterval: 100,
});
function keep(text) { heard.push(text); sessionStorage.setItem("heard", heard.join(" ")); }
sessionStorage.setItem("heard", "");
session.on("logout", (e) => keep("logout:" + e.by + ":" + e.reason + ":" + e.logoutUrl));
session.on("statusChange", (e) => { keep("statusChange:" + e.previous + ":" + e.status); document.getElementById("ready").hidden = false; });
session.on("sessionChange", (e) => keep("sessionChange:" + e.session));
session.on("error", (e) => keep("error:" + e.message));
document.getElementById("leave").onclick = () => session.logout();
</script>`))

// classicPage does without modules, and takes no session of its own.
const classicPage = `<!DOCTYPE html><title>App</title><p id="ready" hidden>ready</p><script src="%s/static/exeunt.classic.js"></script>
<script>if (window.Exeunt && Exeunt.init && Exeunt.ExeuntError) { document.getElementById("ready").hidden = false; }</script>`

// apps are applications whose pages use the SDK. They are told apart by the names of their hosts.
type apps struct {
	frames // the token endpoint
	house  *house
	cable  string // another way to the provider, which can be cut

	mu     sync.Mutex
	tokens map[string]driver.Tokens // by client
}

func (a *apps) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name, _, _ := strings.Cut(r.Host, ".")
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	page := map[string]any{
		"SDK": a.house.issuer + "/static/exeunt.js", "Issuer": a.house.issuer, "Client": name, "Back": a.house.origin(name) + "/back", "IDToken": nil, "AccessToken": nil, "Goodbye": "/goodbye",
		"Transports": []string{"websocket", "sse", "polling"},
	}
	switch r.URL.Path {
	case "/":
		example, err := os.ReadFile("../examples/browser/index.html")
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		_, _ = w.Write(bytes.ReplaceAll(example, []byte("https://id.example.com"), []byte(a.house.issuer)))
	case "/callback":
		tokens, err := a.redeem(r, name)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		a.mu.Lock()
		a.tokens[name] = tokens
		a.mu.Unlock()
		http.Redirect(w, r, "/page", http.StatusSeeOther)
	case "/page":
		a.mu.Lock()
		page["IDToken"], page["AccessToken"] = a.tokens[name].IDToken, a.tokens[name].AccessToken
		a.mu.Unlock()
		if r.URL.Query().Has("cable") {
			page["Issuer"] = a.cable
		}
		if r.URL.Query().Has("nowhere") {
			page["Goodbye"] = nil
		}
		if r.URL.Query().Has("anonymous") {
			page["IDToken"] = nil
		}
		_ = sdkPage.Execute(w, page) // a browser that hung up
	case "/classic":
		_, _ = fmt.Fprintf(w, classicPage, a.house.issuer)
	case "/goodbye", "/back":
		_, _ = fmt.Fprintf(w, `<p id="%s">gone</p>`, r.URL.Path[1:])
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

// redeem exchanges the code of a request.
func (a *apps) redeem(r *http.Request, name string) (tokens driver.Tokens, err error) {
	form := url.Values{"grant_type": {"authorization_code"}, "code": {r.URL.Query().Get("code")}, "redirect_uri": {"https://" + r.Host + "/callback"}}
	req, err := http.NewRequestWithContext(r.Context(), http.MethodPost, a.token, strings.NewReader(form.Encode()))
	if err != nil {
		return tokens, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(name, "a-secret-of-"+name+"-0123456789abcdef")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return tokens, err
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("the token endpoint answers %s: %s", res.Status, body)
	}
	if err == nil {
		err = json.NewDecoder(bytes.NewReader(body)).Decode(&tokens)
	}
	return tokens, err
}

// cable leads to the provider, and can be cut, as a whole or for some paths.
type cable struct {
	net.Listener
	server *httptest.Server
	next   http.Handler

	mu    sync.Mutex
	cut   []string // prefixes of paths
	seen  map[string]int
	conns []net.Conn
}

// Accept implements net.Listener for the server's own, and remembers every connection: also those that become WebSockets.
func (c *cable) Accept() (net.Conn, error) {
	conn, err := c.Listener.Accept()
	if err == nil {
		c.mu.Lock()
		c.conns = append(c.conns, conn)
		c.mu.Unlock()
	}
	return conn, err
}

func (c *cable) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	c.seen[r.URL.Path]++
	cut := false
	for _, prefix := range c.cut {
		cut = cut || strings.HasPrefix(r.URL.Path, prefix)
	}
	c.mu.Unlock()
	if cut {
		panic(http.ErrAbortHandler)
	}
	c.next.ServeHTTP(w, r)
}

// cutOff takes paths away, and every connection that there is.
func (c *cable) cutOff(prefixes ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cut, c.seen = prefixes, map[string]int{}
	for _, conn := range c.conns {
		_ = conn.Close() // most are closed already
	}
	c.conns = nil
}

func (c *cable) asked(path string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.seen[path]
}

func newCable(t *testing.T, target string) *cable {
	t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(u)
	proxy.ErrorLog = log.New(io.Discard, "", 0)
	proxy.FlushInterval = -1
	c := &cable{next: proxy, seen: map[string]int{}}
	c.server = httptest.NewUnstartedServer(c)
	c.server.Config.ErrorLog = proxy.ErrorLog
	c.Listener, c.server.Listener = c.server.Listener, c
	c.server.StartTLS()
	t.Cleanup(c.server.Close)
	return c
}

// heard is what the page that was left has heard.
func heard(t *testing.T, tab context.Context) string {
	t.Helper()
	text, err := chromedp.Run(tab, chromedp.Evaluate[string](`sessionStorage.getItem("heard") || ""`))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// left waits until a tab has left for /goodbye, and wants it to have heard the three events in their order.
func left(t *testing.T, tab context.Context, who, by, reason string) {
	t.Helper()
	do(t, tab, who+" leaves", chromedp.WaitVisible(id("goodbye")))
	want := "statusChange:unknown:live logout:" + by + ":" + reason + ":/goodbye statusChange:live:ended sessionChange:null"
	if got := heard(t, tab); got != want {
		t.Errorf("%s heard %q, want %q", who, got, want)
	}
}

// The SDK in two browsers, one of which lets other sites' frames and scripts use their cookies, and one does not. Logging out on a page of one
// application ends the session, and the open tabs of all others leave: in this browser and in another.
func TestSDK(t *testing.T) {
	open := chromium(t, profile(t, cookiesInFrames)...)
	blocked := chromium(t, profile(t, `"cookie_controls_mode":1,"block_third_party_cookies":true`)...)
	a := &apps{tokens: map[string]driver.Tokens{}}
	h := newHouse(t, "", func(h *house) []map[string]any {
		a.house = h
		back := func(name string) map[string]any {
			return map[string]any{"post_logout_redirect_uris": []string{h.origin(name) + "/back"}, "scope": "openid devices.read devices.detach"}
		}
		return []map[string]any{h.registration("shop", back("shop")), h.registration("wiki", back("wiki")), {
			"client_id": "spa", "token_endpoint_auth_method": "none", "skip_consent": true, "redirect_uris": []string{h.origin("spa") + "/"},
		}}
	}, a.ServeHTTP)
	a.token = h.Issuer + "/token"
	c := newCable(t, h.Issuer)
	a.cable = strings.Replace(c.server.URL, "127.0.0.1", "cable.localhost", 1)

	signIn := func(t *testing.T, window context.Context, name string) {
		t.Helper()
		do(t, window, "signing in", chromedp.Navigate(h.authorize(name)), chromedp.WaitVisible(id("login-form")), chromedp.SendKeys(id("username"), "user-0"),
			chromedp.SendKeys(id("password"), driver.Password), chromedp.Click(id("login")), chromedp.WaitVisible(id("ready")))
	}
	newTab := func(t *testing.T, window context.Context, address string) context.Context {
		t.Helper()
		tab, closeTab := chromedp.NewContext(window)
		t.Cleanup(closeTab)
		if err := chromedp.Do(tab); err != nil { // opens it
			t.Fatal(err)
		}
		do(t, tab, "opening "+address, chromedp.Navigate(address), chromedp.WaitVisible(id("ready")))
		return tab
	}
	page := func(name string) string { return h.origin(name) + "/page" }
	leave := func(t *testing.T, tab context.Context) time.Time {
		t.Helper()
		do(t, tab, "logging out", chromedp.Click(id("leave")))
		return time.Now()
	}
	endByCookie := func(t *testing.T, tab context.Context) (answer map[string]any) {
		t.Helper()
		text, err := chromedp.Run(tab, chromedp.Evaluate[string](fmt.Sprintf(`fetch(%q, {method: "POST", credentials: "include",
			headers: {"Content-Type": "application/json"}, body: '{"client_id":"shop"}'}).then(a => a.text())`, h.issuer+"/api/session/logout"), chromedp.EvalAwaitPromise))
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(text), &answer); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		return answer
	}

	t.Run("side by side", func(t *testing.T) {
		signIn(t, open, "shop")
		wiki := newTab(t, open, h.authorize("wiki"))
		second := newTab(t, open, page("shop"))
		elsewhere := newTab(t, blocked, page("shop")) // the same session on another device
		account, closeAccount := chromedp.NewContext(open)
		defer closeAccount()
		if err := chromedp.Do(account); err != nil { // opens it
			t.Fatal(err)
		}
		do(t, account, "opening the account page", chromedp.Navigate(h.issuer+"/account"), chromedp.WaitVisible(id("sessions")))
		start := leave(t, open)
		left(t, elsewhere, "the other browser", "provider", "sdk")
		took := time.Since(start).Round(time.Millisecond) // a machine that is busy with other tests may take longer than the second that it should
		if t.Logf("the other browser's tab left %s after the click", took); took > 4*time.Second {
			t.Error("by asking, not by being told")
		}
		left(t, wiki, "the other application", "provider", "sdk")
		do(t, account, "the account page leads to the login", chromedp.WaitVisible(id("login-form")))
		do(t, second, "the other tab leaves", chromedp.WaitVisible(id("goodbye")))
		if got := heard(t, second); !strings.Contains(got, "logout:tab:sdk") && !strings.Contains(got, "logout:provider:sdk") {
			t.Errorf("the other tab heard %q", got)
		}
		do(t, open, "the page itself leaves", chromedp.WaitVisible(id("goodbye")))
		if got := heard(t, open); strings.Count(got, "logout:") != 1 {
			t.Errorf("the page heard %q", got)
		}
		do(t, open, "nobody is let in silently", chromedp.Navigate(h.authorize("shop")), chromedp.WaitVisible(id("login-form")))
	})

	t.Run("everywhere, from another browser", func(t *testing.T) {
		signIn(t, open, "shop")
		signIn(t, blocked, "shop") // a session of its own
		do(t, blocked, "asking to log out everywhere", chromedp.Navigate(h.issuer+"/account"), chromedp.WaitVisible(id("end-everywhere")), chromedp.Click(id("end-everywhere")),
			chromedp.WaitVisible(id("end")))
		do(t, blocked, "logging out", chromedp.Click(id("end")))
		start := time.Now()
		left(t, open, "the first browser", "provider", "account")
		t.Logf("the first browser's tab left %s after the click in the other", time.Since(start).Round(time.Millisecond))
	})

	t.Run("third-party cookies allowed", func(t *testing.T) {
		signIn(t, open, "shop")
		do(t, open, "opening a page that is not connected", chromedp.Navigate(page("shop")+"?anonymous"), chromedp.WaitVisible(id("leave")))
		if got := endByCookie(t, open); got["ended"] != true || got["by"] != "cookie" {
			t.Errorf("the cookie does not end the session: %v", got)
		}
		do(t, open, "nobody is let in silently", chromedp.Navigate(h.authorize("shop")), chromedp.WaitVisible(id("login-form")))
	})

	t.Run("third-party cookies blocked", func(t *testing.T) {
		signIn(t, blocked, "shop")
		if got := endByCookie(t, blocked); got["ended"] != false || got["reason"] != "no_session" {
			t.Errorf("a cookie came although they are blocked: %v", got)
		}
		leave(t, blocked)
		do(t, blocked, "the ID token ends the session", chromedp.WaitVisible(id("goodbye")))
		do(t, blocked, "nobody is let in silently", chromedp.Navigate(h.authorize("shop")), chromedp.WaitVisible(id("login-form")))

		signIn(t, blocked, "shop")
		do(t, blocked, "without an ID token the page goes to the provider", chromedp.Navigate(page("shop")+"?anonymous"), chromedp.Click(id("leave")), chromedp.WaitVisible(id("back")))
		do(t, blocked, "nobody is let in silently", chromedp.Navigate(h.authorize("shop")), chromedp.WaitVisible(id("login-form")))
	})

	t.Run("offline and back", func(t *testing.T) {
		signIn(t, open, "shop")
		away := newTab(t, blocked, page("shop")+"?cable")
		if c.asked("/api/realtime/websocket") == 0 {
			t.Error("the page is not connected by WebSocket")
		}
		c.cutOff("/")
		leave(t, open)
		do(t, open, "the page leaves", chromedp.WaitVisible(id("goodbye")))
		if got := heard(t, away); got != "statusChange:unknown:live" {
			t.Errorf("offline it heard %q", got)
		}
		c.cutOff()
		left(t, away, "the page that was offline", "provider", "")
	})

	t.Run("without WebSocket", func(t *testing.T) {
		signIn(t, open, "shop")
		c.cutOff("/api/realtime/websocket")
		stream := newTab(t, blocked, page("shop")+"?cable")
		if c.asked("/api/realtime/websocket") == 0 || c.asked("/api/realtime/sse") == 0 {
			t.Error("the page is not connected by server-sent events")
		}
		leave(t, open)
		left(t, stream, "the page with a stream", "provider", "sdk")
	})

	t.Run("without any connection", func(t *testing.T) {
		signIn(t, open, "shop")
		c.cutOff("/api/realtime/websocket", "/api/realtime/sse")
		polling := newTab(t, blocked, page("shop")+"?cable")
		if c.asked("/api/session/status") == 0 {
			t.Error("the page does not ask")
		}
		leave(t, open)
		left(t, polling, "the page that asks", "provider", "")
	})

	t.Run("detached device", func(t *testing.T) {
		c.cutOff()
		address := strings.Replace(h.authorize("shop"), "scope=openid", "scope=openid+devices.read+devices.detach", 1)
		do(t, open, "signing in", chromedp.Navigate(address), chromedp.WaitVisible(id("login-form")), chromedp.SendKeys(id("username"), "user-0"),
			chromedp.SendKeys(id("password"), driver.Password), chromedp.Click(id("login")), chromedp.WaitVisible(id("ready")))
		attached := newTab(t, blocked, page("shop")+"?cable")
		device, err := chromedp.Run(attached, chromedp.Evaluate[string](`session.attach({metadata: {seat: 7}, redirect_urls: {logout_url: "/back"}})
			.then(d => d.metadata.seat === 7 && d.redirect_urls.logout_url === location.origin + "/back" ? d.id : JSON.stringify(d))`, chromedp.EvalAwaitPromise))
		if err != nil || strings.Contains(device, "{") {
			t.Fatalf("attached: %s, %v", device, err)
		}
		later := newTab(t, blocked, page("shop")+"?nowhere")
		odd, err := chromedp.Run(open, chromedp.Evaluate[string](fmt.Sprintf(`(async () => {
			const one = (await session.devices()).find(d => d.id === %q);
			session.close(); // or it leaves before it can say that it went well
			await session.detach(one.id);
			return one.current && one.metadata.seat === 7 ? "" : JSON.stringify(one);
		})()`, device), chromedp.EvalAwaitPromise))
		if err != nil || odd != "" {
			t.Fatalf("detaching it: %s, %v", odd, err)
		}
		do(t, attached, "the page goes where its device is to go", chromedp.WaitVisible(id("back")))
		do(t, later, "and so does one that did not attach it", chromedp.WaitVisible(id("back")))
		if got := heard(t, attached); !strings.Contains(got, "logout:provider:device_detached:/back") {
			t.Errorf("it heard %q", got)
		}
	})

	t.Run("example of one page", func(t *testing.T) {
		do(t, open, "opening it", chromedp.Navigate(h.origin("spa")+"/"), chromedp.WaitVisible(id("login")), chromedp.Click(id("login")), chromedp.WaitVisible(id("login-form")),
			chromedp.SendKeys(id("username"), "user-0"), chromedp.SendKeys(id("password"), driver.Password), chromedp.Click(id("login")), chromedp.WaitVisible(id("logout")))
		other := newTab(t, open, h.authorize("shop"))
		leave(t, other)
		do(t, open, "the page is told", chromedp.WaitVisible(id("login")))
		text, err := chromedp.Run(open, chromedp.Text(id("who")))
		if err != nil || text != "You were logged out elsewhere." {
			t.Errorf("the page says %q (%v)", text, err)
		}
	})

	t.Run("classic script", func(t *testing.T) {
		do(t, open, "loading it", chromedp.Navigate(h.origin("shop")+"/classic"), chromedp.WaitVisible(id("ready")))
	})
}
