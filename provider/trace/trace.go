package trace

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/exeunt-id/exeunt/logout"
)

const (
	// scope names the instrumentation in every span.
	scope = "github.com/exeunt-id/exeunt"
	// tracesPath is where a collector takes traces (OpenTelemetry Protocol, OTLP/HTTP Request).
	tracesPath = "/v1/traces"
	// sendTimeout bounds one request to the collector, its repetitions included.
	sendTimeout = 10 * time.Second
)

// Config says where spans go.
type Config struct {
	Endpoint string         // URL of a collector that speaks OTLP over HTTP; without a path, /v1/traces is meant
	RootCAs  *x509.CertPool // whose certificates the collector may have; nil: the system's

	// Sample is the part of traces that is kept, from 0 to 1. A trace that a trusted proxy began is kept if it is kept there.
	Sample float64
	// Propagate makes attempts carry the header traceparent, by which an application can go on with the trace. It goes to third parties.
	Propagate bool

	Version string       // of the program
	Logger  *slog.Logger // Defaults to slog.Default.

	Exporter sdk.SpanExporter // takes the spans instead of the collector, if set
}

// Tracer makes spans and sends them. Safe for concurrent use. It implements logout.Tracer.
type Tracer struct {
	spans     *sdk.TracerProvider
	tracer    trace.Tracer
	header    propagation.TraceContext
	propagate bool
}

// New returns a Tracer; it connects to nothing yet. Errors name the field of Config. Shutdown it in the end.
func New(cfg Config) (*Tracer, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	if !(cfg.Sample >= 0 && cfg.Sample <= 1) { // so that NaN is refused
		return nil, fmt.Errorf("trace: Config.Sample: %v is not from 0 to 1", cfg.Sample)
	}
	exporter := cfg.Exporter
	if exporter == nil {
		var err error
		if exporter, err = collector(cfg); err != nil {
			return nil, err
		}
	}
	spans := sdk.NewTracerProvider(
		sdk.WithBatcher(&quiet{SpanExporter: exporter, log: cfg.Logger, now: time.Now}, sdk.WithExportTimeout(sendTimeout)),
		sdk.WithSampler(sdk.ParentBased(sdk.TraceIDRatioBased(cfg.Sample))),
		sdk.WithResource(resource.NewSchemaless(attribute.String("service.name", "exeunt"), attribute.String("service.version", cfg.Version),
			attribute.String("service.instance.id", logout.NewID()))), // one for each start of a node
	)
	return &Tracer{spans: spans, tracer: spans.Tracer(scope), propagate: cfg.Propagate}, nil
}

// collector returns an exporter of OTLP over HTTP. What its environment variables say beside the address, such as the headers that
// authenticate (OTEL_EXPORTER_OTLP_HEADERS), counts.
func collector(cfg Config) (sdk.SpanExporter, error) {
	endpoint, err := url.Parse(cfg.Endpoint)
	if err != nil || endpoint.Host == "" || endpoint.Scheme != "http" && endpoint.Scheme != "https" {
		return nil, errors.New("trace: Config.Endpoint is not an http or https URL")
	}
	if endpoint.Path == "" || endpoint.Path == "/" {
		endpoint.Path = tracesPath
	}
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: cfg.RootCAs, MinVersion: tls.VersionTLS12}, IdleConnTimeout: time.Minute, ForceAttemptHTTP2: true,
	}
	client := &http.Client{
		Transport: transport, Timeout: sendTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	exporter, err := otlptracehttp.New(context.Background(), otlptracehttp.WithEndpointURL(endpoint.String()), otlptracehttp.WithHTTPClient(client))
	if err != nil {
		return nil, fmt.Errorf("trace: %w", err)
	}
	return exporter, nil
}

// Shutdown sends what waits to be sent, until ctx is done. Spans that end afterwards are dropped.
func (t *Tracer) Shutdown(ctx context.Context) error {
	if err := t.spans.Shutdown(ctx); err != nil {
		return fmt.Errorf("trace: sending the last spans: %w", err)
	}
	return nil
}
