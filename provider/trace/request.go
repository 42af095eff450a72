package trace

import (
	"net/http"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// unrouted stands for paths that are no route: anything may be written there.
const unrouted = "other"

// Request begins the span of a request and returns the request with it; done is told the status of the answer. route is the pattern of the
// path, empty when there is none.
//
// The header traceparent (W3C Trace Context) is believed if trusted says that a proxy of the operator's sent it, and ignored from everybody
// else: a stranger could have every request recorded, or write into traces of others.
func (t *Tracer) Request(r *http.Request, route string, trusted bool) (_ *http.Request, done func(status int)) {
	ctx := r.Context()
	if trusted {
		ctx = t.header.Extract(ctx, propagation.HeaderCarrier(r.Header))
	}
	if route == "" {
		route = unrouted
	}
	method := knownMethod(r.Method)
	ctx, span := t.tracer.Start(ctx, method+" "+route, trace.WithSpanKind(trace.SpanKindServer),
		trace.WithAttributes(attribute.String("http.request.method", method), attribute.String("http.route", route)))
	return r.WithContext(ctx), func(status int) {
		span.SetAttributes(attribute.Int("http.response.status_code", status))
		if status >= http.StatusInternalServerError {
			span.SetStatus(codes.Error, "")
		}
		span.End()
	}
}

// knownMethod bounds what a stranger can write into a span.
func knownMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodPost, http.MethodHead, http.MethodOptions, http.MethodPut, http.MethodPatch, http.MethodDelete:
		return method
	}
	return "_OTHER" // OpenTelemetry, Semantic Conventions for HTTP Spans
}
