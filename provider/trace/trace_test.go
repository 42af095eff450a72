package trace

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/exeunt-id/exeunt/logout"
)

func TestNewRefuses(t *testing.T) {
	for name, cfg := range map[string]Config{
		"Config.Endpoint": {Sample: 1}, "Endpoint is not": {Endpoint: "collector:4318", Sample: 1},
		"Config.Sample": {Endpoint: "http://127.0.0.1:4318", Sample: 1.5}, "from 0 to 1": {Endpoint: "http://127.0.0.1:4318", Sample: math.NaN()},
	} {
		if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%+v: %v, want it to name %s", cfg, err, name)
		}
	}
}

// end makes the spans of a logout.
func end(t *Tracer) {
	ctx, done := t.Ending(context.Background(), logout.Request{Cause: logout.CauseAdmin})
	_, told := t.Attempting(ctx, logout.Delivery{LogoutID: "l", ClientID: "shop"})
	told(logout.Delivery{}, logout.Attempt{})
	done(&logout.Outcome{LogoutID: "l"}, nil)
}

// A collector gets what there is, at the usual path.
func TestCollector(t *testing.T) {
	t.Parallel()
	var got []byte
	var path, kind string
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		got, _ = io.ReadAll(r.Body)
		path, kind = r.URL.Path, r.Header.Get("Content-Type")
	}))
	defer server.Close()
	tracer, err := New(Config{Endpoint: server.URL, Sample: 1, Version: "1.2.3"})
	if err != nil {
		t.Fatal(err)
	}
	end(tracer)
	if err := tracer.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if path != "/v1/traces" || kind != "application/x-protobuf" {
		t.Errorf("sent to %s as %s", path, kind)
	}
	for _, part := range []string{"logout.End", "logout.attempt", "exeunt.logout.id", "service.name", "1.2.3"} {
		if !bytes.Contains(got, []byte(part)) {
			t.Errorf("the collector did not get %s", part)
		}
	}
}

// A collector that hangs or is away delays nobody, not at the end either, and is worth one line.
func TestCollectorAway(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	hanging := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer hanging.Close()
	defer close(release)
	refused := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }))
	defer refused.Close()
	for name, endpoint := range map[string]string{"hanging": hanging.URL, "refusing": refused.URL, "away": "http://127.0.0.1:1"} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			tracer, err := New(Config{Endpoint: endpoint, Sample: 1, Logger: slog.New(slog.NewTextHandler(&log, nil))})
			if err != nil {
				t.Fatal(err)
			}
			begun := time.Now()
			for range 10_000 { // several times what the queue holds
				end(tracer)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			err = tracer.Shutdown(ctx)
			if took := time.Since(begun); took > 5*time.Second {
				t.Errorf("it took %s", took)
			}
			if lines := strings.Count(log.String(), "does not take spans"); err == nil && lines != 1 || lines > 1 {
				t.Errorf("%d lines, and at the end %v:\n%s", lines, err, &log)
			}
		})
	}
}
