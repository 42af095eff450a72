package cli

import (
	"context"
	"errors"
	"flag"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/exeunt-id/exeunt/config"
)

// At the end, requests that run may take drainGrace, and after the last of them deliveries that run stopGrace.
const (
	drainGrace = 15 * time.Second
	stopGrace  = 10 * time.Second
)

func serveCommand() *command {
	return &command{
		path:    "exeunt serve",
		summary: "Run the provider.",
		details: "With tls.cert_file and tls.key_file it serves TLS, and takes a renewed certificate within seconds, or at SIGHUP. SIGINT or SIGTERM ends it: running requests and deliveries finish first, for at most 25 s. A second signal ends it at once; no logout is\n" +
			"lost by that, deliveries go on at the next start or on another node.",
		example: "exeunt serve --config exeunt.yaml",
		setup: func(flags *flag.FlagSet) runFunc {
			path := configFlag(flags)
			return func(ctx context.Context, _ []string, env Env) error {
				cfg, warnings, err := config.Load(*path, env.Environ)
				if err != nil {
					return err
				}
				return serve(ctx, cfg, warnings, env)
			}
		},
	}
}

// serve runs a node until ctx is done:
//
//  1. Open and claim the database, migrate it, make signing keys, start the background work.
//  2. Listen, with TLS if there is a certificate. Whoever can connect is served.
//  3. At the end in reverse: stop accepting, finish requests, finish deliveries, close the database.
func serve(ctx context.Context, cfg *config.Config, warnings []config.Warning, env Env) (err error) {
	log := newLogger(env.Stderr, cfg.Log)
	for _, w := range warnings {
		log.Warn("configuration: "+w.Message, "key", w.Path)
	}
	if cfg.Development() && len(cfg.Secrets) == 0 {
		log.Warn("development: signing keys are encrypted with a published key, because the issuer is a loopback address and `secrets` is empty")
	}
	defer func() { err = interrupted(ctx, err) }()
	var own *certificate
	if cfg.TLS != (config.TLS{}) {
		if own, err = newCertificate(cfg.TLS, log); err != nil {
			return err
		}
	}
	n, err := openNode(ctx, cfg, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.close(stopGrace)) }()
	if err := n.start(ctx); err != nil {
		return err
	}
	listener, err := listen(ctx, cfg.Listen, "`listen` in the configuration")
	if err != nil {
		return err
	}
	if own != nil {
		listener = own.listener(listener)
		watching, stop := context.WithCancel(ctx)
		defer stop()
		own.watch(watching)
	}
	admin, err := listenAdmin(ctx, cfg.AdminListen, log)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	log.Info("ready", "issuer", cfg.Issuer, "address", listener.Addr().String(), "admin_address", addressOf(admin), "database", cfg.Database, "version", versionName())
	group, running := errgroup.WithContext(ctx)
	group.Go(func() error { return serveHTTP(running, listener, n.provider, drainGrace, log) })
	if admin != nil {
		group.Go(func() error { return serveHTTP(running, admin, n.provider.Admin(), drainGrace, log) })
	}
	err = group.Wait()
	log.Info("ended")
	return err
}

// interrupted forgives an error that only says that ctx was done: a start that was asked to end is no failure.
func interrupted(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}
