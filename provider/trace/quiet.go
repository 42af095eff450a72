package trace

import (
	"context"
	"log/slog"
	"sync"
	"time"

	sdk "go.opentelemetry.io/otel/sdk/trace"
)

// warnEvery is how often a collector that is away is worth a line in the log.
const warnEvery = 5 * time.Minute

// quiet keeps the exporter's failures to itself but for a warning now and then: the library would write each to standard error.
type quiet struct {
	sdk.SpanExporter
	log *slog.Logger
	now func() time.Time

	mu     sync.Mutex
	warned time.Time
	lost   int
}

// ExportSpans implements sdk.SpanExporter.
func (q *quiet) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	err := q.SpanExporter.ExportSpans(ctx, spans)
	if err == nil {
		return nil
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.lost += len(spans)
	if now := q.now(); now.Sub(q.warned) >= warnEvery {
		q.log.WarnContext(ctx, "the collector of `traces.endpoint` does not take spans; they are lost, and nothing else is", "spans", q.lost, "error", err)
		q.warned, q.lost = now, 0
	}
	return nil
}
