package provider_test

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	sdk "go.opentelemetry.io/otel/sdk/trace"
	oteltrace "go.opentelemetry.io/otel/trace"

	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/logout/logoutstore"
	"github.com/exeunt-id/exeunt/logout/logouttest"
	"github.com/exeunt-id/exeunt/provider"
	"github.com/exeunt-id/exeunt/provider/trace"
)

// collected keeps the spans that have ended.
type collected struct {
	mu    sync.Mutex
	spans []sdk.ReadOnlySpan
}

func (c *collected) ExportSpans(_ context.Context, spans []sdk.ReadOnlySpan) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.spans = append(c.spans, spans...)
	return nil
}

func (*collected) Shutdown(context.Context) error { return nil }

// named returns the spans of a name.
func (c *collected) named(name string) (found []sdk.ReadOnlySpan) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.spans {
		if s.Name() == name {
			found = append(found, s)
		}
	}
	return found
}

// attributes of a span by name, as text.
func attributes(s sdk.ReadOnlySpan) map[string]string {
	m := map[string]string{}
	for _, a := range s.Attributes() {
		m[string(a.Key)] = a.Value.String()
	}
	return m
}

// newTracer returns a tracer whose spans are collected by flush.
func newTracer(t *testing.T, change func(*trace.Config)) (tracer *trace.Tracer, spans *collected) {
	t.Helper()
	spans = &collected{}
	cfg := trace.Config{Sample: 1, Propagate: true, Exporter: spans}
	if change != nil {
		change(&cfg)
	}
	tracer, err := trace.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return tracer, spans
}

const strangers = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

// heard makes a client's endpoint keep what it hears of traces.
func (w *world) heard(client string, answer http.HandlerFunc) func() []http.Header {
	var mu sync.Mutex
	var all []http.Header
	w.rps[client].Answer(func(rw http.ResponseWriter, r *http.Request) {
		mu.Lock()
		all = append(all, r.Header.Clone())
		mu.Unlock()
		answer(rw, r)
	})
	return func() []http.Header {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(all)
	}
}

// One logout is one trace, from the request to the application that is told; a stranger does not choose which; what a job tells later names the
// logout; and nobody's secrets or names are in it.
func TestTraces(t *testing.T) {
	t.Parallel()
	tracer, spans := newTracer(t, nil)
	db := openDB(t)
	w := newWorld(t, db, func(c *provider.Config) { c.Trace = tracer })
	heard := w.heard("shop", logouttest.OK)
	alice := w.browser()
	got := alice.firstSignOn("shop", "alice")
	alice.with("traceparent", strangers).get("/logout", url.Values{"client_id": {"shop"}, "oauth_token": {got.access}, "state": {"s3cret"}}).want(200)
	w.eventuallyTold("shop", 1)
	w.eventually("it is told again", func() bool { // once the receipt of the first time is written
		n, err := w.provider.Engine().Redeliver(t.Context(), logout.Filter{ClientID: "shop", States: []logout.State{logout.StateDelivered}, Acknowledged: true})
		return n == 1 && err == nil
	})
	w.eventuallyTold("shop", 2)
	w.program().get("/nothing/"+got.access, nil).want(404)
	w.program().do("BREW", "/token", nil)
	w.eventually("the attempt is recorded", func() bool {
		list, err := logoutstore.New(db).List(t.Context(), logout.Filter{ClientID: "shop"})
		return err == nil && len(list) == 1 && list[0].Attempts == 2 && list[0].State == logout.StateDelivered
	})
	if err := tracer.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}

	request, end, attempts := spans.named("GET /logout"), spans.named("logout.End"), spans.named("logout.attempt")
	if len(request) != 1 || len(end) != 1 || len(attempts) != 2 {
		t.Fatalf("%d requests, %d logouts, %d attempts", len(request), len(end), len(attempts))
	}
	id := request[0].SpanContext().TraceID()
	if request[0].Parent().IsValid() || strings.Contains(strangers, id.String()) {
		t.Errorf("a stranger's traceparent is believed: trace %s below %s", id, request[0].Parent().SpanID())
	}
	within := func(name string, s sdk.ReadOnlySpan, parent sdk.ReadOnlySpan, want map[string]string) {
		t.Helper()
		if s.SpanContext().TraceID() != id || s.Parent().SpanID() != parent.SpanContext().SpanID() {
			t.Errorf("%s is in the trace %s below %s", name, s.SpanContext().TraceID(), s.Parent().SpanID())
		}
		for key, value := range want {
			if got := attributes(s)[key]; got != value {
				t.Errorf("%s: %s is %q, want %q", name, key, got, value)
			}
		}
	}
	if said := attributes(request[0]); said["http.route"] != "/logout" || said["http.response.status_code"] != "303" {
		t.Errorf("the request says %v", said)
	}
	within("the logout", end[0], request[0], map[string]string{
		"exeunt.logout.cause": "redirect", "exeunt.logout.sessions": "1", "exeunt.logout.participations": "1", "exeunt.logout.deliveries": "1",
	})
	logoutID := attributes(end[0])["exeunt.logout.id"]
	within("the attempt", attempts[0], end[0], map[string]string{
		"exeunt.logout.id": logoutID, "exeunt.client_id": "shop", "exeunt.channel": "backchannel", "exeunt.attempt.number": "1",
		"exeunt.delivery.state": "delivered", "http.response.status_code": "200",
	})
	again := attributes(attempts[1])
	if attempts[1].SpanContext().TraceID() == id || again["exeunt.logout.id"] != logoutID || logoutID == "" || again["exeunt.attempt.number"] != "2" {
		t.Errorf("the second attempt says %v", again)
	}

	// The application can go on with the trace.
	for i, header := range heard() {
		want := fmt.Sprintf("00-%s-%s-01", attempts[i].SpanContext().TraceID(), attempts[i].SpanContext().SpanID())
		if header.Get("traceparent") != want || header.Get("tracestate") != "" {
			t.Errorf("attempt %d carries %q, want %q", i+1, header.Get("traceparent"), want)
		}
	}

	subject := claims(t, got.id)["sub"].(string)
	for _, s := range spans.spans {
		said := s.Name() + s.Status().Description + fmt.Sprint(attributes(s), s.Events())
		for _, secret := range []string{got.access, got.id, "s3cret", subject, "alice", "BREW", "127.0.0.1", "?"} {
			if strings.Contains(said, secret) {
				t.Errorf("a span says %q: %s", secret, said)
			}
		}
		if strings.Contains(s.Name(), "/healthz") {
			t.Error("probes are recorded")
		}
	}
}

// A proxy of the operator's begins the trace, and decides about it; applications hear nothing unless that is wanted.
func TestTracesBehindProxy(t *testing.T) {
	t.Parallel()
	tracer, spans := newTracer(t, func(c *trace.Config) { c.Sample, c.Propagate = 0, false })
	w := newWorld(t, openDB(t), func(c *provider.Config) {
		c.Trace, c.TrustedProxies = tracer, []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	})
	heard := w.heard("shop", logouttest.OK)
	alice := w.browser()
	alice.firstSignOn("shop", "alice")
	alice.with("traceparent", strangers, "tracestate", "vendor=x").get("/logout", url.Values{"client_id": {"shop"}}).want(200)
	w.eventuallyTold("shop", 1)
	w.program().with("traceparent", "00-nonsense").get("/", nil)
	if err := tracer.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, s := range spans.spans {
		if s.SpanContext().TraceID() != (oteltrace.TraceID{0x0a, 0xf7, 0x65, 0x19, 0x16, 0xcd, 0x43, 0xdd, 0x84, 0x48, 0xeb, 0x21, 0x1c, 0x80, 0x31, 0x9c}) {
			t.Errorf("%s is in another trace, which nobody asked for", s.Name())
		}
	}
	if len(spans.named("GET /logout")) != 1 || len(spans.named("logout.End")) != 1 {
		t.Errorf("%d spans of the proxy's trace", len(spans.spans))
	}
	if all := heard(); len(all) != 1 || all[0].Get("traceparent") != "" || all[0].Get("tracestate") != "" {
		t.Errorf("the application hears of the trace: %v", all)
	}
}
