package metrics

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/exeunt-id/exeunt/logout"
)

var full = State{
	Backlog:  []Backlog{{"shop", "backchannel", "retrying", 3, time.Minute}, {"shop", "backchannel", "dead", 1, time.Hour}},
	Breakers: []Breaker{{"shop", "backchannel", true}}, InFlight: []InFlight{{"shop", "backchannel", 2}}, Queues: []Queue{{"logout", "available", 4}}, Sessions: 5,
}

// used returns metrics in which everything has happened once.
func used(t testing.TB, read func(context.Context) (State, error)) *Metrics {
	t.Helper()
	m := New("1.2.3", func() []Pool { return []Pool{{Name: "writer", InUse: 1, Max: 1}} }, read)
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	m.Request("/token", "POST", 200, time.Millisecond)
	m.Request("", "BREW", 404, time.Millisecond)
	m.Logout(logout.CauseRedirect, 1)
	delivery := logout.Delivery{ClientID: "shop", Channel: logout.ChannelBackchannel, State: logout.StateDelivered, CreatedAt: at}
	m.Attempted(t.Context(), delivery, logout.Attempt{Number: 1, At: at.Add(time.Second), Duration: 250 * time.Millisecond})
	delivery.State = logout.StateDead
	m.Attempted(t.Context(), delivery, logout.Attempt{At: at})
	m.Breaker(t.Context(), logout.BreakerChange{ClientID: "shop", Channel: logout.ChannelBackchannel, Open: true})
	m.Login(LoginFailed)
	m.Token("access")
	m.Pages(func() int { return 7 })
	m.PageTold(time.Millisecond)
	m.Signed("RS256", "", time.Millisecond)
	m.Signed("RS256", "logout+jwt", time.Millisecond)
	return m
}

func scrape(t testing.TB, m *Metrics) string {
	t.Helper()
	recorder := httptest.NewRecorder()
	m.Handler().ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	text, err := io.ReadAll(recorder.Body)
	if err != nil || recorder.Code != http.StatusOK {
		t.Fatalf("status %d, %v: %s", recorder.Code, err, text)
	}
	return string(text)
}

func TestScrape(t *testing.T) {
	text := scrape(t, used(t, func(context.Context) (State, error) { return full, nil }))
	for _, line := range []string{
		`exeunt_http_requests_total{method="POST",route="/token",status="200"} 1`,
		`exeunt_http_requests_total{method="other",route="other",status="404"} 1`,
		`exeunt_logouts_total{cause="redirect"} 1`,
		`exeunt_logout_sessions_total{cause="redirect"} 1`,
		`exeunt_delivery_attempts_total{channel="backchannel",client_id="shop",outcome="delivered"} 1`,
		`exeunt_delivery_attempts_total{channel="backchannel",client_id="shop",outcome="dead"} 1`,
		`exeunt_delivery_attempt_duration_seconds_count{channel="backchannel"} 1`,
		`exeunt_delivery_receipt_duration_seconds_sum{channel="backchannel",client_id="shop"} 1.25`,
		`exeunt_breaker_changes_total{channel="backchannel",client_id="shop",to="open"} 1`,
		`exeunt_logins_total{outcome="failed"} 1`,
		`exeunt_tokens_issued_total{kind="access"} 1`,
		`exeunt_signing_duration_seconds_count{alg="RS256",typ="JWT"} 1`,
		`exeunt_delivery_backlog{channel="backchannel",client_id="shop",state="retrying"} 3`,
		`exeunt_delivery_oldest_seconds{channel="backchannel",client_id="shop",state="retrying"} 60`,
		`exeunt_delivery_in_flight{channel="backchannel",client_id="shop"} 2`,
		`exeunt_breaker_open{channel="backchannel",client_id="shop"} 1`,
		`exeunt_queue_jobs{queue="logout",state="available"} 4`,
		`exeunt_sessions_live 5`,
		`exeunt_database_up 1`,
		`exeunt_realtime_pages 7`,
		`exeunt_realtime_told_duration_seconds_count 1`,
		`exeunt_database_connections{pool="writer",state="in_use"} 1`,
	} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("lacks %s", line)
		}
	}
	if strings.Contains(text, `exeunt_delivery_oldest_seconds{channel="backchannel",client_id="shop",state="dead"}`) {
		t.Error("what is dead gets older for ever")
	}
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

// However many clients there are, their labels are bounded, also those of what is read from the database.
func TestStateLabelsAreBounded(t *testing.T) {
	var s State
	for i := range maxClients + 500 {
		id := fmt.Sprintf("client-%d", i)
		s.Backlog = append(s.Backlog, Backlog{id, "backchannel", "retrying", 2, time.Duration(i) * time.Second})
		s.Breakers = append(s.Breakers, Breaker{id, "backchannel", i == maxClients+7})
		s.InFlight = append(s.InFlight, InFlight{id, "backchannel", 1})
	}
	text := scrape(t, New("1.2.3", func() []Pool { return nil }, func(context.Context) (State, error) { return s, nil }))
	for _, line := range []string{
		`exeunt_delivery_backlog{channel="backchannel",client_id="other",state="retrying"} 1000`,
		`exeunt_delivery_oldest_seconds{channel="backchannel",client_id="other",state="retrying"} 2499`,
		`exeunt_breaker_open{channel="backchannel",client_id="other"} 1`,
		`exeunt_delivery_in_flight{channel="backchannel",client_id="other"} 500`,
	} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("lacks %s", line)
		}
	}
	if n := strings.Count(text, "\nexeunt_delivery_backlog{"); n != maxClients+1 {
		t.Errorf("%d backlogs, want %d", n, maxClients+1)
	}
}

// docs/metrics.md lists every metric of ours with its type and labels, and none that does not exist.
func TestDocumentation(t *testing.T) {
	page, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| `(exeunt_[a-z_]+)` \\| (counter|gauge|histogram)(?:, shared)? \\| ([^|]*)\\|").FindAllStringSubmatch(string(page), -1) {
		labels := strings.FieldsFunc(m[3], func(r rune) bool { return strings.ContainsRune("`, ", r) })
		slices.Sort(labels)
		documented[m[1]] = m[2] + " " + strings.Join(labels, ",")
	}
	exposed := map[string]string{}
	text := scrape(t, used(t, func(context.Context) (State, error) { return full, nil }))
	for _, m := range regexp.MustCompile(`(?m)^# TYPE (exeunt_[a-z_]+) ([a-z]+)$`).FindAllStringSubmatch(text, -1) {
		sample := regexp.MustCompile(`(?m)^` + m[1] + `(?:_bucket)?(?:\{([^}]*)\})? `).FindStringSubmatch(text)
		var labels []string
		for _, l := range regexp.MustCompile(`([a-z_]+)="`).FindAllStringSubmatch(sample[1], -1) {
			if l[1] != "le" {
				labels = append(labels, l[1])
			}
		}
		slices.Sort(labels)
		exposed[m[1]] = m[2] + " " + strings.Join(labels, ",")
	}
	if len(exposed) < 20 {
		t.Fatalf("%d metrics only", len(exposed))
	}
	for name, kind := range exposed {
		if documented[name] != kind {
			t.Errorf("%s is a %s; docs/metrics.md says %q", name, kind, documented[name])
		}
	}
	for name := range documented {
		if exposed[name] == "" {
			t.Errorf("docs/metrics.md has %s, which does not exist", name)
		}
	}
	for _, name := range regexp.MustCompile(`exeunt_[a-z_]+`).FindAllString(string(page[strings.Index(string(page), "```yaml"):]), -1) {
		if exposed[strings.TrimSuffix(name, "_bucket")] == "" {
			t.Errorf("an alert uses %s, which does not exist", name)
		}
	}
}

// A database that does not answer says so, and what was counted in memory is there all the same.
func TestScrapeWithoutDatabase(t *testing.T) {
	reads := 0
	m := used(t, func(context.Context) (State, error) { reads++; return State{}, errors.New("away") })
	text := scrape(t, m)
	if !strings.Contains(text, "exeunt_database_up 0\n") || !strings.Contains(text, "exeunt_logouts_total{") || strings.Contains(text, "exeunt_sessions_live 0") {
		t.Error(text)
	}
	scrape(t, m)
	if reads != 1 {
		t.Errorf("two scrapes read the database %d times", reads)
	}
}

func TestClientsAreBounded(t *testing.T) {
	m := New("", func() []Pool { return nil }, func(context.Context) (State, error) { return State{}, nil })
	for i := range maxClients + 500 {
		d := logout.Delivery{ClientID: fmt.Sprint("client-", i), Channel: logout.ChannelBackchannel, State: logout.StateRetrying}
		m.Attempted(t.Context(), d, logout.Attempt{Number: 1})
	}
	text := scrape(t, m)
	if n := strings.Count(text, "exeunt_delivery_attempts_total{"); n != maxClients+1 || !strings.Contains(text, `client_id="other",outcome="retrying"} 500`) {
		t.Errorf("%d series", n)
	}
}

// What one request, and one attempt, pays for being measured.
func BenchmarkRequest(b *testing.B) {
	m := used(b, func(context.Context) (State, error) { return full, nil })
	b.ReportAllocs()
	for b.Loop() {
		m.Request("/token", "POST", 200, 3*time.Millisecond)
	}
}

func BenchmarkAttempt(b *testing.B) {
	m := used(b, func(context.Context) (State, error) { return full, nil })
	d := logout.Delivery{ClientID: "shop", Channel: logout.ChannelBackchannel, State: logout.StateDelivered, CreatedAt: time.Now()}
	a := logout.Attempt{Number: 1, At: d.CreatedAt, Duration: time.Millisecond}
	b.ReportAllocs()
	for b.Loop() {
		m.Attempted(b.Context(), d, a)
	}
}
