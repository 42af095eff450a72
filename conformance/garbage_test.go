package conformance

import (
	"bytes"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/database/databasetest"
)

// endpoint is a path with the parameters that it reads.
type endpoint struct {
	path       string
	parameters []string
}

var clientAuth = []string{"client_id", "client_secret", "client_assertion", "client_assertion_type"}

// endpoints lists every route; TestRobust_EveryRouteIsExamined keeps it complete.
func endpoints() []endpoint {
	with := func(more ...string) []string { return append(append([]string{}, clientAuth...), more...) }
	return []endpoint{
		{"/", nil},
		{"/.well-known/openid-configuration", nil},
		{"/keys", nil},
		{"/healthz", nil},
		{"/readyz", nil},
		{"/static/exeunt.css", nil},
		{"/authorize", []string{
			"client_id", "redirect_uri", "response_type", "response_mode", "scope", "state", "nonce", "prompt", "max_age", "display", "ui_locales",
			"id_token_hint", "login_hint", "acr_values", "code_challenge", "code_challenge_method", "request", "request_uri", "claims", "kept",
		}},
		{"/authorize/resume", []string{"id"}},
		{"/authorize/deny", []string{"id", "csrf"}},
		{"/login", []string{"id", "csrf", "username", "password", "next", "ui_locales"}},
		{"/authorize/devices", []string{"id", "csrf", "device"}},
		{"/login/devices", []string{"id", "choice", "csrf", "device", "next", "ui_locales"}},
		{"/consent", []string{"id", "csrf", "decision", "as"}},
		{"/continue", []string{"id", "csrf", "as", "decision"}},
		{"/account", []string{"ui_locales"}},
		{"/account/end", []string{"session", "scope", "app", "device", "csrf", "ui_locales"}},
		{"/account/done", []string{"ui_locales"}},
		{"/account/password", []string{"csrf", "password", "new_password", "new_password_again", "ui_locales"}},
		{"/logged_out", []string{"client_id", "ui_locales"}},
		{"/logged_out/receipts", nil},
		{"/check_session", nil},
		{"/end_session", []string{"id_token_hint", "logout_hint", "client_id", "post_logout_redirect_uri", "state", "ui_locales", "kept"}},
		{"/end_session/confirm", []string{"kept", "csrf"}},
		{"/logout", []string{"client_id", "redirect_uri", "oauth_token", "state", "kept"}},
		{"/logout/confirm", []string{"kept", "csrf"}},
		{"/token", with("grant_type", "code", "redirect_uri", "code_verifier", "refresh_token", "scope")},
		{"/userinfo", []string{"access_token"}},
		{"/introspect", with("token", "token_type_hint")},
		{"/revoke", with("token", "token_type_hint")},
		{"/api/logout", with("token", "token_type_hint")},
		{"/api/devices", []string{"device_id", "metadata", "redirect_urls"}},
		{"/api/devices/x", []string{"id"}},
		{"/api/deliveries", with("state", "channel", "cause", "since", "until", "error", "cursor", "limit")},
		{"/api/deliveries/redeliver", with("delivery_id", "since")},
		{"/global-token-revocation", []string{"sub_id"}},
		{"/.well-known/ssf-configuration", nil},
		{"/ssf/stream", []string{"stream_id"}},
		{"/ssf/status", []string{"stream_id"}},
		{"/ssf/subjects/add", nil},
		{"/ssf/subjects/remove", nil},
		{"/ssf/verify", nil},
		{"/ssf/poll/", nil},
		{"/register", []string{"access_token", "client_id"}},
		{"/register/x", []string{"access_token", "client_id"}},
		{"/api/user-token", with("user_token")},
		{"/api/events", with("after", "limit", "pending", "wait")},
		{"/api/events/ack", with("ids")},
		{"/api/session/logout", []string{"client_id", "id_token"}},
		{"/api/session/status", []string{"client_id", "id_token"}},
		{"/api/realtime/ticket", []string{"client_id", "id_token"}},
		{"/api/realtime/websocket", nil},
		{"/api/realtime/sse", []string{"cf_connect"}},
	}
}

// nasty are values that break what was not built for them.
var nasty = []string{
	"", "\x00", "a\x00b", "\xff\xfe\xfd", "\xc3\x28", "\xed\xa0\x80", "\u202e\ufeff", "🙂", strings.Repeat("x", 30000), strings.Repeat("\x00", 5000),
	"'; DROP TABLE users; --", "%00", "%", "%s%n%d", "../../etc/passwd", "{{.}}", "<script>", "a\r\nSet-Cookie: x=y", "-1", "99999999999999999999",
	"null", "[]", `{"a":`, "..", "...", "e30.e30.e30", "eyJhbGciOiJub25lIn0..", ";", "a;b", "\\", "\t", " ", "=", "&",
}

// decent answers: any status but a failure of ours; 503 only where it is said on purpose.
func decent(a answer) error {
	if a.status >= 500 {
		return fmt.Errorf("status %d", a.status)
	}
	for name, lines := range a.header {
		for _, line := range lines {
			if strings.ContainsAny(line, "\r\n\x00") {
				return fmt.Errorf("header %s: %q", name, line)
			}
		}
	}
	if a.header.Get("X-Request-Id") == "" && a.header.Get("Content-Type") != "text/plain; charset=utf-8" {
		return fmt.Errorf("no request id")
	}
	return nil
}

// Every parameter of every endpoint, by GET and by POST, with everything else as it should be: never a failure of ours, on both
// databases. PostgreSQL refuses NUL and invalid UTF-8, SQLite does not, so one of them shows what the other hides.
func TestRobust_Parameters(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		w := openOn(t, db, "http")
		alice := w.browser()
		shop := alice.firstSignOn("shop", "alice")
		waiting := w.browser()
		page := waiting.get("/authorize", request("shop", "response_mode", "form_post"))
		csrf := page.form().fields.Get("csrf")
		good := func(name string) string {
			return map[string]string{
				"client_id": "shop", "client_secret": secret, "redirect_uri": callback("shop"), "response_type": "code", "scope": "openid", "state": "s",
				"code_challenge": challenge(), "code_challenge_method": "S256", "id": page.url.Query().Get("id"), "csrf": csrf, "username": "alice",
				"password": "wrong", "token": shop.access, "grant_type": "refresh_token", "refresh_token": "x", "code_verifier": verifier, "prompt": "none",
			}[name]
		}
		for _, e := range endpoints() {
			t.Run(e.path, func(t *testing.T) {
				for _, parameter := range append([]string{"unknown"}, e.parameters...) {
					for _, value := range nasty {
						form := url.Values{}
						for _, other := range e.parameters {
							if v := good(other); v != "" {
								form.Set(other, v)
							}
						}
						if form.Get("client_secret") != "" {
							form.Set("client_id", "mail")
						}
						form.Set(parameter, value)
						browser := waiting.in(t).once().with("Sec-Fetch-Site", "same-origin")
						other := w.program().in(t)
						if slices.Contains(e.parameters, "kept") {
							other = w.crossSite().in(t) // its POST is kept and comes back
						}
						answers := []answer{browser.post(e.path, form)}
						if db.Postgres() { // the stricter one gets all three
							answers = append(answers, browser.get(e.path, form), other.post(e.path, form))
						}
						for _, a := range answers {
							if err := decent(a); err != nil {
								t.Errorf("%s=%.40q: %v: %s", parameter, value, err, a)
							}
						}
					}
				}
			})
		}
	})
}

// What is stored on the way: nonce, login_hint and the rest go through the whole flow, the browser's name into the session and the logout.
func TestRobust_StoredText(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		w := openOn(t, db, "http")
		for _, value := range nasty {
			if !utf8.ValidString(value) || len(value) > 10000 {
				continue
			}
			alice := w.browser()
			a := alice.get("/authorize", request("shop", "nonce", value, "login_hint", value, "state", value, "acr_values", value, "ui_locales", value))
			if strings.Contains(a.body, `name="password"`) {
				a = alice.logIn(a, "alice")
			}
			if err := decent(a); err != nil {
				t.Errorf("%.40q: %v: %s", value, err, a)
				continue
			}
			if code := a.response().Get("code"); code != "" {
				if strings.Contains(value, "\x00") {
					t.Errorf("%.40q was accepted", value)
				}
				if got := readJWT(w.exchange("shop", code).tokens().id).claims["nonce"]; got != value && (value != "" || got != nil) {
					t.Errorf("nonce %q came back as %q", value, got)
				}
			}
		}
		for name, agent := range map[string]string{"not UTF-8": "Mozilla/5.0 \xff\xfe \xc3(", "long": "Mozilla/5.0 " + strings.Repeat("é", 20000), "none": " "} {
			for _, leave := range []string{"/logout", "/end_session"} {
				alice := w.browser().with("User-Agent", agent)
				alice.firstSignOn("shop", "alice")
				query := values("client_id", "shop")
				a := alice.get(leave, query)
				if leave == "/end_session" && a.status == 200 {
					a = alice.submit(a)
				}
				if err := decent(a); err != nil || alice.alive() {
					t.Errorf("%s, user agent %s: %v, or the session lives: %s", leave, name, err, a)
				}
			}
			program := w.program().with("User-Agent", agent, "Authorization", basic("batch", secret))
			alice := w.browser()
			batch := alice.firstSignOn("batch", "alice")
			program.post("/end_session", values("id_token_hint", batch.id)).want(200)
			again := w.browser().with("User-Agent", agent)
			again.firstSignOn("shop", "alice")
			again.logIn(again.get("/login", nil), "bob") // the user is switched
		}
	})
}

// Bodies that are no forms, too large, or called something else.
func TestRobust_Bodies(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		w := openOn(t, db, "http")
		alice := w.browser()
		alice.firstSignOn("shop", "alice")
		var multi bytes.Buffer
		writer := multipart.NewWriter(&multi)
		_ = writer.WriteField("client_id", "shop") // into memory: never fails
		_ = writer.Close()
		bodies := []struct{ name, kind, body string }{
			{"1 MiB form", formType, "x=" + strings.Repeat("x", 1<<20)},
			{"1 MiB of parameters", formType, strings.Repeat("a=b&", 1<<18)},
			{"1 MiB JSON", "application/json", `{"a":"` + strings.Repeat("x", 1<<20) + `"}`},
			{"bad escapes", formType, "client_id=%zz&%=%"},
			{"binary", formType, "\x00\x01\x02\xff\xfe=\xff"},
			{"semicolons", formType, "client_id=shop;x=y"},
			{"JSON", "application/json", `{"client_id":"shop"}`},
			{"XML", "text/xml", "<a/>"},
			{"multipart", writer.FormDataContentType(), multi.String()},
			{"multipart without boundary", "multipart/form-data", "x"},
			{"empty type", " ", "client_id=shop"},
			{"malformed type", "application/x-www-form-urlencoded; charset", "client_id=shop"},
			{"type with a charset", "application/x-www-form-urlencoded; charset=utf-16", "client_id=shop"},
			{"not a type", "\xff/\xfe; q", "x"},
			{"empty", formType, ""},
		}
		for _, e := range endpoints() {
			t.Run(e.path, func(t *testing.T) {
				for _, b := range bodies {
					for _, caller := range []*agent{alice.in(t).once().with("Sec-Fetch-Site", "same-origin"), w.program().in(t)} {
						if e.path == "/logout" || strings.HasPrefix(b.name, "1 MiB") {
							caller = w.program().in(t)
						}
						if a := caller.send(http.MethodPost, e.path, b.kind, b.body); decent(a) != nil {
							t.Errorf("%s: %v: %s", b.name, decent(a), a)
						}
					}
				}
			})
		}
		if !alice.alive() {
			t.Error("the session ended")
		}
	})
}

// A new route must be examined too.
func TestRobust_EveryRouteIsExamined(t *testing.T) {
	known := map[string]bool{}
	for _, e := range endpoints() {
		known[e.path] = true
	}
	paths := regexp.MustCompile(`"(/[a-z_./-]*)"`)
	for _, file := range []string{"../provider/routes.go", "../provider/protocol/settings.go"} {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range paths.FindAllStringSubmatch(string(source), -1) {
			if m[1] != "/api/" && m[1] != "/ssf/" && !known[m[1]] { // prefixes
				t.Errorf("%s: %s has no row in endpoints()", file, m[1])
			}
		}
	}
}

// Headers and cookies that nobody sane sends.
func TestRobust_Headers(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		w := openOn(t, db, "http")
		long := strings.Repeat("x", 100000)
		session, receipt := w.cookieName("exeunt_session"), w.cookieName("exeunt_receipt")
		headers := [][2]string{
			{"Authorization", "Basic"},
			{"Authorization", "Basic !!!"},
			{"Authorization", basic("\x00", "\xff")},
			{"Authorization", basic("a\x00b", "x")},
			{"Authorization", basic("\xff\xfe", "x")},
			{"Authorization", "Basic " + long},
			{"Authorization", "Bearer"},
			{"Authorization", "Bearer \xff\xfe"},
			{"Authorization", "Bearer " + long},
			{"Authorization", "Bearer a b c"},
			{"Authorization", "DPoP x"},
			{"Authorization", "\xff"},
			{"Cookie", session + "=\xff; " + w.cookieName("exeunt_browser") + "=\xff; " + receipt + "=\xff.\xff"},
			{"Cookie", session + "=" + long},
			{"Cookie", session + "=a; " + session + "=b; " + session + "="},
			{"Cookie", receipt + "=a.b; " + receipt + "=..; " + receipt + "=."},
			{"Cookie", ";;;===;;"},
			{"X-Forwarded-For", "\xff, 1.2.3.4, x"},
			{"X-Forwarded-For", "999.999.999.999"},
			{"Forwarded", `for="[::1";proto=x`},
			{"X-Forwarded-Proto", "javascript"},
			{"Accept", "\xff/*;q=x"},
			{"Accept-Language", strings.Repeat("de,", 10000)},
			{"Origin", "\xff"},
			{"Sec-Fetch-Mode", "\xff"},
			{"Sec-Fetch-Site", "\xff"},
			{"Referer", "\xff"},
			{"Range", "bytes=5-2,0-"},
			{"If-None-Match", "\xff"},
			{"If-Modified-Since", "yesterday"},
			{"Expect", "x"},
			{"Accept-Encoding", "\xff"},
			{"Host", "\xff"},
		}
		for _, e := range endpoints() {
			t.Run(e.path, func(t *testing.T) {
				for _, h := range headers {
					caller := w.program().in(t)
					if h[0] == "Cookie" || h[0] == "Accept" {
						caller = w.crossSite().in(t)
					}
					if h[0] == "Host" || h[0] == "Expect" {
						w.raw(t, "GET "+w.base+e.path+" HTTP/1.1\r\n"+h[0]+": "+h[1]+"\r\nHost: x\r\nConnection: close\r\n\r\n")
						continue
					}
					caller = caller.with(h[0], h[1])
					answers := []answer{caller.post(e.path, values("token", "x", "client_id", "shop"))}
					if db.Postgres() {
						answers = append(answers, caller.get(e.path, nil))
					}
					for _, a := range answers {
						if err := decent(a); err != nil {
							t.Errorf("%s: %.60q: %v: %s", h[0], h[1], err, a)
						}
					}
				}
			})
		}
	})
}

// raw sends bytes and wants an answer below 500, or the connection closed.
func (w *world) raw(t *testing.T, request string) {
	t.Helper()
	conn, err := net.DialTimeout("tcp", strings.TrimPrefix(w.origin(), "http://"), 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	read, err := io.ReadAll(conn)
	if err != nil {
		t.Fatalf("%.60q: %v", request, err)
	}
	if bytes.HasPrefix(read, []byte("HTTP/1.1 5")) && !bytes.HasPrefix(read, []byte("HTTP/1.1 505")) {
		t.Errorf("%.60q: %.300s", request, read)
	}
}

// Paths and request lines.
func TestRobust_Paths(t *testing.T) {
	w := open(t)
	for _, path := range []string{
		"/%00", "/%ff", "/login%00", "//evil.example.com", "//evil.example.com/%2e%2e", "/../../etc/passwd", "/static/../routes.go", "/static/%2e%2e/%2e%2e/go.mod",
		"/static/", "/static", "/static/%00", "/static/\xff", "/static/x/y/z", "/" + strings.Repeat("a/", 5000), "/authorize/", "/logout/", "/LOGOUT", "/logout/confirm/x",
		"/\\evil.example.com", "/;x", "/login;x=y", "/?\x80", "/authorize?%", "/logout?a=%zz&b", "/end_session?&&&", "/login?id=%00", "/authorize/resume?id=%ff",
	} {
		for _, method := range []string{"GET", "POST", "HEAD", "OPTIONS", "PROPFIND"} {
			w.raw(t, method+" "+w.base+path+" HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
		}
		// No open redirect by a path that a router tidies up.
		if utf8.ValidString(path) && !strings.Contains(path, "\\") {
			if a := w.program().send("GET", w.issuer+path, "", ""); a.header.Get("Location") != "" && !strings.HasPrefix(a.location().String(), w.issuer+"/") {
				t.Errorf("%s redirects to %s", path, a.location())
			}
		}
	}
	w.raw(t, "GARBAGE\r\n\r\n")
	w.raw(t, "GET / HTTP/9.9\r\n\r\n")
	w.raw(t, "POST "+w.base+"/token HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\nContent-Type: "+formType+"\r\n\r\nzz\r\n")
	w.raw(t, "POST "+w.base+"/token HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n0\r\n\r\n")
}
