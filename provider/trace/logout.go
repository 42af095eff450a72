package trace

import (
	"context"
	"net/http"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/exeunt-id/exeunt/logout"
)

// Ending implements logout.Tracer. The texts of errors stay out of spans: they are in the log, and in the receipts.
func (t *Tracer) Ending(ctx context.Context, req logout.Request) (context.Context, func(*logout.Outcome, error)) {
	ctx, span := t.tracer.Start(ctx, "logout.End", trace.WithAttributes(attribute.String("exeunt.logout.cause", string(req.Cause))))
	return ctx, func(out *logout.Outcome, err error) {
		defer span.End()
		if err != nil {
			span.SetStatus(codes.Error, "")
			return
		}
		if out.LogoutID != "" {
			span.SetAttributes(attribute.String("exeunt.logout.id", out.LogoutID))
		}
		span.SetAttributes(attribute.Int("exeunt.logout.sessions", len(out.Sessions)), attribute.Int("exeunt.logout.participations", len(out.Leaving)),
			attribute.Int("exeunt.logout.deliveries", len(out.Receipts)))
	}
}

// Attempting implements logout.Tracer.
func (t *Tracer) Attempting(ctx context.Context, d logout.Delivery) (context.Context, func(logout.Delivery, logout.Attempt)) {
	ctx, span := t.tracer.Start(ctx, "logout.attempt", trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(
		attribute.String("exeunt.logout.id", d.LogoutID), attribute.String("exeunt.delivery.id", d.ID), attribute.String("exeunt.client_id", d.ClientID),
		attribute.String("exeunt.channel", string(d.Channel))))
	return ctx, func(d logout.Delivery, a logout.Attempt) {
		defer span.End()
		if a.Number == 0 {
			span.SetAttributes(attribute.Bool("exeunt.attempt.broken_off", true))
			return
		}
		span.SetAttributes(attribute.Int("exeunt.attempt.number", a.Number), attribute.String("exeunt.delivery.state", string(d.State)))
		if a.Status != 0 {
			span.SetAttributes(attribute.Int("http.response.status_code", a.Status))
		}
		if d.State != logout.StateDelivered {
			span.SetStatus(codes.Error, "")
		}
	}
}

// Inject implements logout.Tracer. It gives away the ids of the trace and nothing more: tracestate is between the operator's own systems.
func (t *Tracer) Inject(ctx context.Context, h http.Header) {
	if t.propagate {
		t.header.Inject(ctx, propagation.HeaderCarrier(h))
		h.Del("Tracestate")
	}
}
