package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/exeunt-id/exeunt/config"
	"github.com/exeunt-id/exeunt/database"
)

func demoCommand() *command {
	return &command{
		path:    "exeunt demo",
		summary: "Start a provider, its console and three small apps on this machine, to see a logout reach them all.",
		details: "Everything runs in this one process and listens on localhost only. Ctrl-C ends it. The database is kept in a cache folder of yours, so\n" +
			"that a second start knows the people of the first.",
		example: "exeunt demo\nexeunt demo --port 18080 --admin-port 18081 --app-port 19101 --fresh",
		setup: func(flags *flag.FlagSet) runFunc {
			var o demoOptions
			flags.IntVar(&o.port, "port", 8080, "`PORT` of the provider; 0 takes a free one")
			flags.IntVar(&o.adminPort, "admin-port", 8081, "`PORT` of the console; 0 takes a free one")
			flags.IntVar(&o.appPort, "app-port", 9101, "`PORT` of the first app, the others use the next two; 0 takes free ones")
			flags.StringVar(&o.data, "data", "", "keep the database in folder `DIR` (default: exeunt-demo in your cache folder)")
			flags.BoolVar(&o.fresh, "fresh", false, "begin with an empty database")
			flags.BoolVar(&o.verbose, "verbose", false, "log what happens, not only what goes wrong")
			return func(ctx context.Context, _ []string, env Env) error {
				if o.port < 0 || o.port > 65535 || o.adminPort < 0 || o.adminPort > 65535 || o.appPort < 0 || o.appPort > 65533 {
					return usagef("a port is out of range; write a number up to 65535, for --app-port up to 65533")
				}
				return runDemo(ctx, o, env)
			}
		},
	}
}

type demoOptions struct {
	port, appPort  int
	adminPort      int
	data           string
	fresh, verbose bool
}

// demoGrace is how long the demo's end waits for requests that run, and then for deliveries: nobody wants to wait for a demo.
const demoGrace = time.Second

// runDemo starts the demo and stays until ctx is done.
//
//  1. Claim the database, so that a second start is told so first.
//  2. Take all five ports: they make the issuer and the apps' addresses.
//  3. Start the provider with the apps as its clients, then the apps.
func runDemo(ctx context.Context, o demoOptions, env Env) (err error) {
	defer func() { err = interrupted(ctx, err) }()
	cfg := demoConfig(o)
	log := newLogger(env.Stderr, cfg.Log)
	path, err := demoDatabase(o)
	if err != nil {
		return err
	}
	cfg.Database = config.SecretURL("sqlite:" + path)
	n, err := openNode(ctx, cfg, log)
	if errors.Is(err, database.ErrInUse) {
		return fmt.Errorf("the demo is running already, with its database in %s; use that one, or start another with --data, --port, --admin-port and --app-port", filepath.Dir(path))
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.close(demoGrace)) }()
	if o.fresh {
		if err := n.wipe(ctx); err != nil {
			return err
		}
	}
	stage, err := openStage(ctx, o, log)
	if err != nil {
		return err
	}
	defer stage.close()
	cfg.Issuer, cfg.Listen, cfg.Clients = stage.issuer(), stage.provider.Addr().String(), stage.clients()
	if err := cfg.Validate(); err != nil {
		return err
	}
	if err := n.start(ctx); err != nil {
		return err
	}
	group, groupCtx := errgroup.WithContext(ctx)
	group.Go(func() error { return serveHTTP(groupCtx, stage.provider, n.provider, demoGrace, log) })
	group.Go(func() error { return serveHTTP(groupCtx, stage.admin, n.provider.Admin(), demoGrace, log) })
	for i, app := range stage.apps {
		group.Go(func() error { return serveHTTP(groupCtx, stage.listeners[i], app, demoGrace, log) })
	}
	printDemo(env.Stdout, cfg, address(stage.admin), stage.configs, filepath.Dir(path))
	if err := group.Wait(); err != nil {
		return err
	}
	fmt.Fprintln(env.Stdout, "\nThe demo has ended.")
	return nil
}

func demoConfig(o demoOptions) *config.Config {
	cfg := config.Default()
	cfg.AdminListen = ""
	cfg.Log = config.Log{Level: "warn", Format: "text"}
	if o.verbose {
		cfg.Log.Level = "info"
	}
	cfg.Users = []config.User{
		{Username: "alice", Password: "wonderland", Email: "alice@example.com", Claims: aliceClaims()},
		{Username: "bob", Password: "builder", Email: "bob@example.com", Claims: map[string]any{"name": "Bob Builder", "email_verified": true}},
		{Username: demoAdmin, Password: "curtain-call", Email: "carol@example.com", Admin: true, Claims: map[string]any{"name": "Carol Prompter", "email_verified": true}},
	}
	return cfg
}

// demoAdmin is who may use the console.
const demoAdmin = "carol"

// demoDatabase returns the path of the demo's database in a folder that exists.
func demoDatabase(o demoOptions) (string, error) {
	dir := o.data
	if dir == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("there is no cache folder for the database: %w; name a folder with --data", err)
		}
		dir = filepath.Join(cache, "exeunt-demo")
	}
	// Nobody else on this machine has business with the demo's sessions and keys.
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("the folder for the database cannot be made: %w; name another with --data", err)
	}
	return filepath.Join(dir, "exeunt.db"), nil
}

// aliceClaims are all standard claims of OpenID Connect Core 1.0, 5.1, so that an app in development sees each of them.
func aliceClaims() map[string]any {
	return map[string]any{
		"name": "Alice Pleasance Liddell", "given_name": "Alice", "middle_name": "Pleasance", "family_name": "Liddell", "nickname": "Alice",
		"preferred_username": "alice", "profile": "https://example.com/alice", "picture": "https://example.com/alice.png",
		"website": "https://example.com/", "gender": "female", "birthdate": "1852-05-04", "zoneinfo": "Europe/London", "locale": "en-GB",
		"updated_at": 1700000000, "email_verified": true, "phone_number": "+44 1865 496 0123", "phone_number_verified": false,
		"address": map[string]any{
			"formatted": "Deanery Garden\nOxford\nUnited Kingdom", "street_address": "Deanery Garden", "locality": "Oxford", "country": "United Kingdom",
		},
	}
}
