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

// drainTimeout is how long requests that run may take after the signal to end.
const drainTimeout = 15 * time.Second

// serveHTTP answers requests on listener until ctx is done; then it stops accepting, lets running requests finish, and returns nil.
func serveHTTP(ctx context.Context, listener net.Listener, handler http.Handler, log *slog.Logger) error {
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
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serving %s: %w", listener.Addr(), err)
	case <-ctx.Done():
	}
	log.Info("ending: finishing the requests that run", "at_most", drainTimeout.String())
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()
	if err := server.Shutdown(grace); err != nil {
		log.Warn("requests that still ran were cut off", "error", errors.Join(err, server.Close()))
	}
	return nil
}
