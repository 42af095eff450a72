package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// serveHTTP answers requests on listener until ctx is done; then it stops accepting, lets running requests finish for the time of grace,
// and returns nil. A handler with a Drain method is asked to answer what waits for something to happen.
func serveHTTP(ctx context.Context, listener net.Listener, handler http.Handler, grace time.Duration, log *slog.Logger) error {
	server := &http.Server{
		Handler: handler,
		// Every limit is far above what a person's browser needs: what is slower holds a connection for nothing.
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      60 * time.Second,
		IdleTimeout:       120 * time.Second,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	if d, ok := handler.(interface{ Drain() }); ok {
		server.RegisterOnShutdown(d.Drain)
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serving %s: %w", listener.Addr(), err)
	case <-ctx.Done():
	}
	log.Info("ending: finishing the requests that run", "address", listener.Addr().String(), "at_most", grace.String())
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	if err := server.Shutdown(drain); err != nil {
		log.Info("connections that were still open have been cut off", "address", listener.Addr().String(), "error", errors.Join(err, server.Close()))
	}
	return nil
}
