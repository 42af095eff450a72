// Package metrics measures the provider for Prometheus. docs/metrics.md lists what there is.
//
// What happens is counted where it happens, on the node on which it happens. What is the case, such as how many messages wait, is read from
// the database when somebody asks, at most every few seconds, and is the same on all nodes. Labels are bounded: routes, not paths; client ids
// up to a number.
package metrics

import (
	"context"
	"net/http"
	"runtime"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/exeunt-id/exeunt/logout"
)

// The outcomes of a login.
const (
	LoginSucceeded = "succeeded"
	LoginFailed    = "failed"
	LoginThrottled = "throttled"
	LoginBusy      = "busy"
)

const (
	// maxClients is how many client ids get labels of their own; whoever comes later is counted as "other".
	maxClients = 2000
	other      = "other"
)

// Metrics counts. Safe for concurrent use.
type Metrics struct {
	registry *prometheus.Registry

	requests        *prometheus.CounterVec
	requestDuration *prometheus.HistogramVec
	logouts         *prometheus.CounterVec
	sessionsEnded   *prometheus.CounterVec
	attempts        *prometheus.CounterVec
	attemptDuration *prometheus.HistogramVec
	receipt         *prometheus.HistogramVec
	breakerChanges  *prometheus.CounterVec
	logins          *prometheus.CounterVec
	tokens          *prometheus.CounterVec
	signing         *prometheus.HistogramVec
	pageTold        prometheus.Observer

	mu      sync.RWMutex
	clients map[string]bool
}

var (
	fast    = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10}
	outward = []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}
	// From the moment a person waits for, to the days that a message is retried.
	toReceipt = []float64{.01, .025, .05, .1, .25, .5, 1, 5, 30, 300, 3600, 6 * 3600, 24 * 3600, 72 * 3600}
)

// New returns metrics of a node. version is the program's, state reads what the database says.
func New(version string, pools func() []Pool, state func(ctx context.Context) (State, error)) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry(), clients: map[string]bool{}}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
		m.registry.MustRegister(c)
		return c
	}
	histogram := func(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
		h := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, labels)
		m.registry.MustRegister(h)
		return h
	}
	m.requests = counter("exeunt_http_requests_total", "Requests that were answered, by route.", "route", "method", "status")
	m.requestDuration = histogram("exeunt_http_request_duration_seconds", "Time to answer a request, by route.", fast, "route")
	m.logouts = counter("exeunt_logouts_total", "Logouts that ended something, by cause.", "cause")
	m.sessionsEnded = counter("exeunt_logout_sessions_total", "Sessions that logouts ended, by cause.", "cause")
	m.attempts = counter("exeunt_delivery_attempts_total", "Attempts to tell a client of a logout, by what the delivery became.", "client_id", "channel", "outcome")
	m.attemptDuration = histogram("exeunt_delivery_attempt_duration_seconds", "Time that an attempt took.", outward, "channel")
	m.receipt = histogram("exeunt_delivery_receipt_duration_seconds", "Time from a logout to the client's acknowledgment.", toReceipt, "client_id", "channel")
	m.breakerChanges = counter("exeunt_breaker_changes_total", "Circuit breakers of clients' endpoints that this node opened or closed.", "client_id", "channel", "to")
	m.logins = counter("exeunt_logins_total", "Logins with a password, by outcome.", "outcome")
	m.tokens = counter("exeunt_tokens_issued_total", "Tokens that were issued, by kind.", "kind")
	m.signing = histogram("exeunt_signing_duration_seconds", "Time to sign a token, the wait for a turn included.", fast, "alg", "typ")
	m.pageTold = histogram("exeunt_realtime_told_duration_seconds", "Time from a logout to telling a connected page.", fast).WithLabelValues()
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "exeunt_build_info", Help: "Always 1; the labels say what runs.", ConstLabels: prometheus.Labels{"version": version, "go_version": runtime.Version()},
	})
	build.Set(1)
	m.registry.MustRegister(build, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		newStateCollector(state, m.client), poolCollector{pools})
	return m
}

// Handler answers a scrape. What cannot be read at the moment is left out; exeunt_database_up says so.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError, EnableOpenMetrics: true})
}

// Request counts an answer. route is the pattern of the path; empty when there is no such route.
func (m *Metrics) Request(route, method string, status int, took time.Duration) {
	if route == "" {
		route = other
	}
	switch method {
	case http.MethodGet, http.MethodPost, http.MethodHead, http.MethodOptions, http.MethodPut, http.MethodPatch, http.MethodDelete:
	default:
		method = other
	}
	m.requests.WithLabelValues(route, method, strconv.Itoa(status)).Inc()
	m.requestDuration.WithLabelValues(route).Observe(took.Seconds())
}

// Logout counts a logout that has been committed.
func (m *Metrics) Logout(cause logout.Cause, sessions int) {
	m.logouts.WithLabelValues(string(cause)).Inc()
	m.sessionsEnded.WithLabelValues(string(cause)).Add(float64(sessions))
}

// Attempted implements logout.Observer.
func (m *Metrics) Attempted(_ context.Context, d logout.Delivery, a logout.Attempt) {
	client, channel := m.client(d.ClientID), string(d.Channel)
	m.attempts.WithLabelValues(client, channel, string(d.State)).Inc()
	if a.Number > 0 {
		m.attemptDuration.WithLabelValues(channel).Observe(a.Duration.Seconds())
	}
	if d.State == logout.StateDelivered {
		m.receipt.WithLabelValues(client, channel).Observe(a.At.Add(a.Duration).Sub(d.CreatedAt).Seconds())
	}
}

// Breaker implements logout.Observer.
func (m *Metrics) Breaker(_ context.Context, change logout.BreakerChange) {
	to := "closed"
	if change.Open {
		to = "open"
	}
	m.breakerChanges.WithLabelValues(m.client(change.ClientID), string(change.Channel), to).Inc()
}

// Login counts a login by its outcome.
func (m *Metrics) Login(outcome string) { m.logins.WithLabelValues(outcome).Inc() }

// Token counts a token that was issued.
func (m *Metrics) Token(kind string) { m.tokens.WithLabelValues(kind).Inc() }

// Signed measures a signature. An empty typ is that of an ID token.
func (m *Metrics) Signed(alg, typ string, took time.Duration) {
	if typ == "" {
		typ = "JWT"
	}
	m.signing.WithLabelValues(alg, typ).Observe(took.Seconds())
}

// Pages shows how many pages are connected to this node. Call it once.
func (m *Metrics) Pages(count func() int) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "exeunt_realtime_pages", Help: "Pages that are connected to this node."},
		func() float64 { return float64(count()) }))
}

// PageTold measures how long after a logout a connected page was told.
func (m *Metrics) PageTold(since time.Duration) { m.pageTold.Observe(since.Seconds()) }

// client bounds the ids that become labels: clients may come and go for years.
func (m *Metrics) client(id string) string {
	m.mu.RLock()
	known := m.clients[id]
	m.mu.RUnlock()
	if known {
		return id
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.clients) >= maxClients {
		return other
	}
	m.clients[id] = true
	return id
}
