// Command extension is an OpenID Provider that a team built on zitadel/oidc,
// and to which it has added the logout engine of this repository: sessions,
// one way to end them, and durable deliveries to every application that took
// part. Storage and users are those of zitadel's own example and stand for
// whatever the team has.
//
//	provider.go   wires engine and provider together; the routes
//	storage.go    the team's storage, and what a session adds to it
//	login.go      a page that begins sessions
//	logout.go     the end_session endpoint, and one button for all devices
//	client.go     what the engine must know of clients; how it signs
package main

import (
	"context"
	"errors"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"time"

	"github.com/exeunt-id/exeunt/database"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := serve(ctx); err != nil {
		log.Fatal(err)
	}
}

func serve(ctx context.Context) (err error) {
	db, err := database.Open(ctx, envOr("DATABASE", "sqlite:extension.db"), database.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	issuer := envOr("ISSUER", "http://localhost:9998")
	p, err := New(ctx, Config{
		Issuer: issuer, DB: db,
		Clients: []Client{{
			ID: "web", Secret: "secret", RedirectURIs: []string{"http://localhost:9999/auth/callback"},
			PostLogoutRedirectURIs: []string{"http://localhost:9999/auth/logged-out"}, BackchannelLogoutURI: "http://localhost:9999/auth/backchannel-logout",
		}},
	})
	if err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", envOr("LISTEN", "127.0.0.1:9998"))
	if err != nil {
		return errors.Join(err, p.Stop(context.WithoutCancel(ctx)))
	}
	slog.Info("ready", "issuer", issuer)
	server := &http.Server{Handler: p, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		<-ctx.Done()
		_ = server.Close() // an example; give running requests their time in earnest
	}()
	if err = server.Serve(listener); errors.Is(err, http.ErrServerClosed) {
		err = nil
	}
	return errors.Join(err, p.Stop(context.WithoutCancel(ctx)))
}

func envOr(name, fallback string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return fallback
}
