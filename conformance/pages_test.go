package conformance

import (
	"net/url"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/exeunt-id/exeunt/database/databasetest"
)

// pages shows every page of the provider.
func pages(w *world) map[string]answer {
	carol, alice := w.browser(), w.browser()
	login := w.browser().get("/authorize", request("shop"))
	consent := carol.logIn(carol.get("/authorize", request("strict", "prompt", "consent")), "carol")
	alice.firstSignOn("shop", "alice")
	formPost := alice.get("/authorize", request("shop", "response_mode", "form_post"))
	confirm := alice.get("/end_session", values("client_id", "shop", "post_logout_redirect_uri", bye("shop")))
	confirmLogout := alice.get("/logout", values("client_id", "wiki"))
	home := alice.get("/", nil)
	account, password := alice.get("/account", nil), alice.get("/account/password", nil)
	end, leave := alice.get("/account/end", values("scope", "everywhere")), alice.get("/account/end", values("app", "shop"))
	left := alice.submit(leave)
	goOn := alice.get("/authorize", request("shop"))
	alice.exchange("shop", alice.submit(goOn).code())
	done := alice.get("/logout", values("client_id", "shop"))
	failed := w.browser()
	wrong := failed.submit(failed.get("/login", nil), "username", "alice", "password", "wrong")
	return map[string]answer{
		"login": login, "wrong password": wrong, "consent": consent, "form_post": formPost, "end_session confirmation": confirm,
		"logout confirmation": confirmLogout, "home": home, "account": account, "password": password, "account end": end, "leave": leave, "left": left, "continue": goOn, "done": done, "error": w.browser().get("/authorize", nil),
		"not found": w.browser().get("/nowhere", nil), "expired": w.browser().get("/consent", values("id", "x")),
		"forbidden": w.browser().with("Sec-Fetch-Dest", "iframe").get("/logout", nil), "not in advance": w.browser().with("Purpose", "prefetch").get("/logout", nil),
		"method": w.browser().send("DELETE", "/login", "", ""),
	}
}

var inlineHandler = regexp.MustCompile(`(?i)\son[a-z]+=`)

// Every page forbids frames, scripts and everything from other hosts, is kept by no cache and sends no referrer.
func TestBCP_4_16_PageHeaders(t *testing.T) {
	for _, scheme := range []string{"http", "https"} {
		t.Run(scheme, func(t *testing.T) {
			w := open(t)
			if scheme == "https" {
				w = openOn(t, databasetest.Open(t, databasetest.SQLiteURL(t)), "https")
			}
			seen := map[string]string{}
			for name, a := range pages(w) {
				if !strings.HasPrefix(a.header.Get("Content-Type"), "text/html; charset=") && !strings.EqualFold(a.header.Get("Content-Type"), "text/html; charset=UTF-8") {
					t.Errorf("%s: Content-Type %q", name, a.header.Get("Content-Type"))
				}
				for header, want := range map[string]string{
					"X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store",
				} {
					if got := a.header.Get(header); got != want {
						t.Errorf("%s: %s is %q", name, header, got)
					}
				}
				policy := directives(a.header.Get("Content-Security-Policy"))
				for directive, want := range map[string]string{"default-src": "'none'", "frame-ancestors": "'none'", "base-uri": "'none'"} {
					if policy[directive] != want {
						t.Errorf("%s: %s is %q", name, directive, policy[directive])
					}
				}
				if whole := a.header.Get("Content-Security-Policy"); strings.Contains(whole, "unsafe") || strings.Contains(whole, "*") || len(a.header["Content-Security-Policy"]) != 1 {
					t.Errorf("%s: %s", name, whole)
				}
				if wantScript := map[string]string{"form_post": "'nonce-", "account": "'self'"}[name]; !strings.HasPrefix(policy["script-src"], wantScript) || (policy["script-src"] != "") != (wantScript != "") || !strings.HasPrefix(policy["form-action"], "'self'") {
					t.Errorf("%s: %v", name, policy)
				}
				if hsts := a.header.Get("Strict-Transport-Security"); (hsts != "") != (scheme == "https") {
					t.Errorf("%s: Strict-Transport-Security %q", name, hsts)
				}
				seen[name] = a.url.Path
			}
			for _, pair := range [][2]string{{"login", "consent"}, {"consent", "end_session confirmation"}, {"end_session confirmation", "done"}, {"login", "done"}} {
				if seen[pair[0]] == seen[pair[1]] {
					t.Errorf("%s and %s are both at %s", pair[0], pair[1], seen[pair[0]])
				}
			}
		})
	}
}

func directives(policy string) map[string]string {
	found := map[string]string{}
	for _, d := range strings.Split(policy, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(d), " ")
		found[name] = value
	}
	return found
}

// Pages are plain HTML forms that work without scripts, with stable ids and names, and load nothing from other hosts.
func TestBCP_4_16_PageContent(t *testing.T) {
	w := open(t)
	ids := map[string][]string{
		"login": {"login-form", "username", "password", "login"}, "consent": {"consent-form", "allow", "deny"}, "form_post": {"form-post", "continue"},
		"end_session confirmation": {"logout-form", "logout", "stay"}, "logout confirmation": {"logout-form", "logout", "stay"}, "error": {"error-title", "error-message"},
		"wrong password": {"login-error", "login-form"}, "account": {"sessions", "apps", "end-everywhere", "change-password"}, "password": {"password-form", "password", "new-password"},
		"account end": {"end-form", "end", "cancel"}, "leave": {"end-form", "end"}, "left": {"done", "back"}, "continue": {"continue-form", "continue", "deny"},
	}
	for name, a := range pages(w) {
		root, err := html.Parse(strings.NewReader(a.body))
		if err != nil {
			t.Fatal(err)
		}
		has := map[string]bool{}
		for n := range root.Descendants() {
			if n.Type != html.ElementNode {
				continue
			}
			for _, attr := range n.Attr {
				switch attr.Key {
				case "id":
					if has[attr.Val] {
						t.Errorf("%s: id %s twice", name, attr.Val)
					}
					has[attr.Val] = true
				case "src", "href", "action", "formaction":
					u, err := url.Parse(attr.Val)
					if err != nil || u.Host != "" && n.Data != "a" && name != "form_post" {
						t.Errorf("%s: <%s %s=%q>", name, n.Data, attr.Key, attr.Val)
					}
				case "style":
					t.Errorf("%s: inline style", name)
				}
			}
			if n.Data == "script" && name != "form_post" && (name != "account" || n.FirstChild != nil) || n.Data == "iframe" || n.Data == "object" {
				t.Errorf("%s: <%s>", name, n.Data)
			}
		}
		if inlineHandler.MatchString(a.body) {
			t.Errorf("%s: an inline handler", name)
		}
		for _, id := range ids[name] {
			if !has[id] {
				t.Errorf("%s: no element %s", name, id)
			}
		}
	}
}

// No address of a request is ever redirected to or linked, unless it is registered.
func TestBCP_4_11_OpenRedirect(t *testing.T) {
	w := open(t)
	alice := w.browser()
	alice.firstSignOn("shop", "alice")
	names := []string{
		"redirect_uri", "post_logout_redirect_uri", "next", "return_to", "returnUrl", "url", "continue", "goto", "target", "client_uri", "cancel_uri", "id",
		"client_id", "state", "kept", "login_hint", "target_link_uri", "iss",
	}
	paths := []string{"/", "/login", "/consent", "/continue", "/account", "/account/end", "/account/done", "/account/password", "/logged_out", "/authorize", "/authorize/resume", "/end_session", "/logout"}
	for _, evil := range []string{"https://evil.example.com/", "//evil.example.com", `\\evil.example.com`, `/\evil.example.com`, "javascript:alert(1)", "data:text/html,evil.example.com"} {
		for _, path := range paths {
			for _, name := range names {
				query := values(name, evil)
				if (path == "/logout" || path == "/authorize") && name != "client_id" {
					query.Set("client_id", "shop")
				}
				visitors := []*agent{w.browser()}
				if path != "/logout" || name == "redirect_uri" || name == "state" {
					visitors = append(visitors, alice)
				}
				for _, visitor := range visitors {
					a := visitor.once().get(path, query)
					if to := a.header.Get("Location"); strings.Contains(to, "evil") && !strings.HasPrefix(to, "/") && !strings.HasPrefix(to, w.issuer+"/") || strings.HasPrefix(to, "//") || strings.HasPrefix(to, `/\`) {
						t.Errorf("%s?%s redirects to %s", path, query.Encode(), to)
					}
					if strings.Contains(a.body, `href="`+evil) || strings.Contains(a.body, `action="`+evil) {
						t.Errorf("%s?%s links to it", path, query.Encode())
					}
				}
				if path == "/logout" && len(visitors) > 1 {
					alice.firstSignOnIfNeeded()
				}
			}
		}
	}
}

// firstSignOnIfNeeded logs alice in again after a logout that was meant.
func (a *agent) firstSignOnIfNeeded() {
	a.Helper()
	if !a.alive() {
		a.firstSignOn("shop", "alice")
	}
}

// Pages of other origins may read only what needs no cookie, and never with credentials.
func TestBCP_2_6_CORS(t *testing.T) {
	w := open(t)
	open := map[string]bool{
		"/.well-known/openid-configuration": true, "/keys": true, "/token": true, "/userinfo": true, "/revoke": true,
	}
	for _, e := range endpoints() {
		for _, origin := range []string{"https://evil.example.com", "null", w.origin()} {
			caller := w.program().with("Origin", origin, "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "authorization")
			for _, method := range []string{"OPTIONS", "GET", "POST"} {
				a := caller.send(method, e.path, "", "")
				allowed := a.header.Get("Access-Control-Allow-Origin")
				if a.header.Get("Access-Control-Allow-Credentials") != "" || allowed != "" && allowed != "*" {
					t.Errorf("%s %s: %v", method, e.path, a.header)
				}
				if (allowed != "") != open[e.path] && a.status < 400 {
					t.Errorf("%s %s: Access-Control-Allow-Origin %q", method, e.path, allowed)
				}
			}
		}
	}
}

// A wrong name costs as many tries as a wrong password, and says the same.
func TestBCP_4_LoginErrorsSayTheSame(t *testing.T) {
	w := openOn(t, databasetest.Open(t, databasetest.SQLiteURL(t)), "http")
	texts := map[string]bool{}
	var throttled []int
	for _, user := range []string{"alice", "nobody"} {
		a := w.browser()
		for range 12 {
			got := a.submit(a.get("/login", nil), "username", user, "password", "wrong")
			if got.status == 422 {
				_, after, _ := strings.Cut(got.body, `id="login-error"`)
				message, _, _ := strings.Cut(after, "</p>")
				texts[message] = true
				continue
			}
			if got.want(429).header.Get("Retry-After") == "" {
				t.Error("no Retry-After")
			}
			throttled = append(throttled, 1)
		}
	}
	if len(texts) != 1 || len(throttled) != 4 {
		t.Errorf("texts %v, throttled %d times", texts, len(throttled))
	}
}
