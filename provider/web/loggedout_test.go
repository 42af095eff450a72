package web_test

import (
	"encoding/json"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/exeunt-id/exeunt/logout"
)

// receipt gives this browser the receipt cookie of a logout.
func (s *site) receipt(logoutID string) {
	s.Helper()
	w := httptest.NewRecorder()
	s.cookies.SetReceipt(w, logoutID)
	base, err := url.Parse(s.server.URL)
	if err != nil {
		s.Fatal(err)
	}
	s.client.Jar.SetCookies(base, w.Result().Cookies())
}

func TestLoggedOut(t *testing.T) {
	type told struct {
		client  string
		state   logout.State
		channel logout.Channel
	}
	const refresh = `<noscript><meta http-equiv="refresh" content="3"></noscript>`
	const script = `/receipts.js" defer></script>`
	tests := []struct {
		name    string
		told    []told
		next    time.Duration // of retrying deliveries, after now
		later   time.Duration // since the logout
		summary string
		has     []string
		hasNot  []string
	}{
		{name: "nobody took part", has: []string{"Your session in this browser has ended."}, hasNot: []string{refresh, script, `id="apps"`}},
		{name: "one", told: []told{{client: "shop", state: logout.StateDelivered}}, summary: "Your app has confirmed that you are signed out.", hasNot: []string{refresh, script}},
		{
			name: "all", told: []told{{client: "shop", state: logout.StateDelivered}, {client: "payroll", state: logout.StateSuperseded}},
			summary: "All 2 apps have confirmed that you are signed out.", hasNot: []string{refresh},
		},
		{
			name: "one is retried soon", told: []told{{client: "shop", state: logout.StateDelivered}, {client: "payroll", state: logout.StateRetrying}}, next: 5 * time.Second,
			summary: "Signed out of 1 of 2. Payroll is being retried.", has: []string{refresh, script, "keeps itself up to date", `data-poll="1000"`},
		},
		{
			name: "one is retried much later", told: []told{{client: "shop", state: logout.StateDelivered}, {client: "payroll", state: logout.StateRetrying}}, next: time.Hour,
			summary: "Signed out of 1 of 2. Payroll is being retried.", has: []string{`id="again" href="/logged_out"`, script}, hasNot: []string{refresh},
		},
		{
			name: "a tab left open", told: []told{{client: "payroll", state: logout.StatePending}}, later: 4 * time.Minute,
			summary: "Signed out of 0 of 1. Payroll is being retried.", has: []string{`data-poll="10000"`}, hasNot: []string{refresh},
		},
		{
			name: "nobody else's business after a while", told: []told{{client: "payroll", state: logout.StatePending}}, later: 16 * time.Minute,
			has: []string{"Your session in this browser has ended."}, hasNot: []string{"Payroll", refresh},
		},
		{
			name: "failed and unreachable", told: []told{{client: "shop", state: logout.StateDead}, {client: "payroll", state: logout.StateUnreachable}, {client: "wiki", state: logout.StateRejected}},
			summary: "Signed out of 0 of 3. Shop, Payroll and wiki could not be told.", has: []string{"It could not be reached", "It has no way to be told"}, hasNot: []string{refresh},
		},
		{
			name: "one app, two sessions", told: []told{{client: "shop", state: logout.StateDelivered}, {client: "payroll", state: logout.StateDelivered}, {client: "payroll", state: logout.StatePending}},
			summary: "Signed out of 1 of 2. Payroll is being retried.", has: []string{refresh},
		},
		{
			name: "asked by the browser", told: []told{{client: "shop", state: logout.StateDelivered}, {"payroll", logout.StateUnconfirmed, logout.ChannelFrontchannel}},
			summary: "Signed out of 1 of 2. Payroll has been asked by this browser and cannot confirm it.", has: []string{`class="asked"`}, hasNot: []string{refresh},
		},
		{
			name: "told, and asked besides", told: []told{{client: "payroll", state: logout.StateDelivered}, {"payroll", logout.StateUnconfirmed, logout.ChannelFrontchannel}},
			summary: "Your app has confirmed that you are signed out.", hasNot: []string{`class="asked"`},
		},
		{
			name: "lies ready", told: []told{{client: "shop", state: logout.StateDelivered}, {"payroll", logout.StateUnconfirmed, logout.ChannelCAEP}},
			summary: "Signed out of 1 of 2. Payroll has not fetched the news yet.", has: []string{`class="waiting"`, refresh},
		},
		{
			name: "told, and lies ready besides", told: []told{{client: "payroll", state: logout.StateDelivered}, {"payroll", logout.StateUnconfirmed, logout.ChannelCAEP}},
			summary: "Your app has confirmed that you are signed out.", hasNot: []string{`class="waiting"`, refresh},
		},
		{
			name: "many", told: []told{{client: "a", state: logout.StatePending}, {client: "b", state: logout.StatePending}, {client: "c", state: logout.StatePending}, {client: "d", state: logout.StatePending}},
			summary: "Signed out of 0 of 4. 4 apps are being retried.",
		},
		{
			name: "hostile name", told: []told{{client: "evil", state: logout.StateDelivered}, {client: "<b>gone</b>", state: logout.StateDead}},
			summary: "Signed out of 1 of 2. &lt;b&gt;gone&lt;/b&gt; could not be told.", has: []string{"&lt;script&gt;"}, hasNot: []string{"<script", "<b>", script},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := newSite(t)
			for _, to := range test.told {
				s.receipts["l-1"] = append(s.receipts["l-1"], logout.Receipt{
					LogoutID: "l-1", ClientID: to.client, State: to.state, Channel: to.channel, CreatedAt: s.now, NextAt: s.now.Add(test.later + test.next),
				})
			}
			s.now = s.now.Add(test.later)
			s.receipt("l-1")
			a := s.get("/logged_out")
			s.contains(a, "<h1>You are logged out</h1>")
			s.contains(a, test.has...)
			if test.summary != "" {
				s.contains(a, `<p class="lead" id="summary" role="status">`+test.summary+`</p>`)
			}
			for _, text := range test.hasNot {
				if strings.Contains(a.body, text) {
					t.Errorf("the page contains %q", text)
				}
			}
			if a.status != 200 || a.header.Get("Cache-Control") != "no-store" {
				t.Errorf("%d %v", a.status, a.header)
			}
			if live := strings.Contains(a.body, script); live != strings.Contains(a.policy, "script-src 'self'; connect-src 'self'") {
				t.Errorf("script %t, policy %s", live, a.policy)
			}
			s.sameAsJSON(a, test.summary)
			s.newBrowser()
			s.sameAsJSON(answer{}, "")
			if other := s.get("/logged_out"); other.status != 200 || strings.Contains(other.body, `id="apps"`) {
				t.Error("another browser sees the receipts")
			}
		})
	}
}

// sameAsJSON compares what the script gets with the page. Another browser gets nothing.
func (s *site) sameAsJSON(page answer, summary string) {
	s.Helper()
	a := s.get("/logged_out/receipts")
	var got struct {
		Summary     string
		Told, Total int
		Apps        []struct{ Name, State, Text string }
		PollMillis  int `json:"poll_ms"`
	}
	if err := json.Unmarshal([]byte(a.body), &got); err != nil || a.status != 200 || a.header.Get("Cache-Control") != "no-store" {
		s.Fatalf("%d %v %s", a.status, err, a.body)
	}
	if html.EscapeString(got.Summary) != summary || got.Total != len(got.Apps) || got.Total != strings.Count(page.body, `class="what"`) ||
		got.PollMillis > 0 != strings.Contains(page.body, "receipts.js") {
		s.Errorf("the script gets %+v", got)
	}
	for _, app := range got.Apps {
		s.contains(page, `<span class="mark `+app.State+`"`, html.EscapeString(app.Text))
	}
	for _, private := range []string{"alice", "l-1", "sub", "session"} {
		if strings.Contains(a.body, private) {
			s.Errorf("the receipts name %s: %s", private, a.body)
		}
	}
}

func TestLoggedOutLeadsBackToRegisteredAddressesOnly(t *testing.T) {
	s := newSite(t)
	s.contains(s.get("/logged_out?client_id=shop"), `href="https://shop.example.com/"`, "Back to Shop")
	for _, query := range []string{"client_id=evil", "client_id=payroll", "client_id=unknown", "client_id=%00%ff", "return=https://evil.example", "client_id=" + strings.Repeat("a", 9000)} {
		if a := s.get("/logged_out?" + query); a.status != 200 || strings.Contains(a.body, `id="return"`) {
			t.Errorf("%s: %d\n%s", query, a.status, a.body)
		}
	}
}

func TestHome(t *testing.T) {
	s := newSite(t)
	s.contains(s.get("/"), `id="sign-in" href="/login"`)
	s.logIn("alice", "wonderland")
	s.contains(s.get("/"), `id="log-out" href="/end_session"`, "<strong>alice</strong>")
	s.storeErr = errStore
	if a := s.get("/"); a.status != 500 || strings.Contains(a.body, "secret detail") {
		t.Errorf("a broken store: %d\n%s", a.status, a.body)
	}
}

func TestAssets(t *testing.T) {
	s := newSite(t)
	page := s.get("/").body
	_, rest, _ := strings.Cut(page, `<link rel="stylesheet" href="`)
	css, _, _ := strings.Cut(rest, `"`)
	a := s.get(css)
	if a.status != 200 || a.header.Get("Cache-Control") != "public, max-age=31536000, immutable" || a.header.Get("Content-Type") != "text/css; charset=utf-8" ||
		a.header.Get("X-Content-Type-Options") != "nosniff" || !strings.Contains(a.body, "prefers-color-scheme") {
		t.Errorf("%s: %d %v", css, a.status, a.header)
	}
	if strings.Contains(a.body, "url(") || strings.Contains(a.body, "@import") {
		t.Error("the style loads something")
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.server.URL+css, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("If-None-Match", a.header.Get("ETag"))
	res, err := s.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusNotModified {
		t.Errorf("revalidation: %d", res.StatusCode)
	}
	for path, want := range map[string]int{
		"/static/0000000000000000/exeunt.css": 200, "/static/exeunt.css": 200, "/static/logo.svg": 200, "/static/": 404, "/static/static.go": 404,
		"/static/..%2Fstatic.go": 404, "/static/a/b/c/exeunt.css": 404, "/static/x": 404,
	} {
		a := s.get(path)
		if a.status != want || want == 200 && a.header.Get("Cache-Control") != "no-cache" {
			t.Errorf("%s: %d, %q", path, a.status, a.header.Get("Cache-Control"))
		}
	}
}
