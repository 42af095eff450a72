package provider

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/labstack/echo/v4"
	sdk "go.opentelemetry.io/otel/sdk/trace"

	"github.com/exeunt-id/exeunt/provider/metrics"
	"github.com/exeunt-id/exeunt/provider/trace"
)

type nowhere struct{}

func (nowhere) ExportSpans(context.Context, []sdk.ReadOnlySpan) error { return nil }
func (nowhere) Shutdown(context.Context) error                        { return nil }

// BenchmarkFollow measures what traces cost a request that does nothing.
func BenchmarkFollow(b *testing.B) {
	for _, on := range []bool{false, true} {
		b.Run(fmt.Sprintf("on=%t", on), func(b *testing.B) {
			p := &Provider{cfg: Config{Issuer: "http://localhost", Logger: slog.New(slog.DiscardHandler)}, metrics: metrics.New("", nil, nil)}
			if on {
				tracer, err := trace.New(trace.Config{Sample: 1, Exporter: nowhere{}})
				if err != nil {
					b.Fatal(err)
				}
				b.Cleanup(func() { _ = tracer.Shutdown(context.Background()) })
				p.cfg.Trace = tracer
			}
			r := p.router(p.protect)
			r.GET("/x", func(c echo.Context) error { return c.NoContent(http.StatusNoContent) })
			request := httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/x", nil)
			b.ReportAllocs()
			for b.Loop() {
				r.ServeHTTP(httptest.NewRecorder(), request)
			}
		})
	}
}
