package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/exeunt-id/exeunt/config"
	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/demo"
)

func demoCommand() *command {
	return &command{
		path:    "exeunt demo",
		summary: "Start a provider and three small apps on this machine, to see a logout reach them all.",
		details: "Everything runs in this one process and listens on localhost only. Ctrl-C ends it. The database is kept in a cache folder of yours, so\n" +
			"that a second start knows the people of the first.",
		example: "exeunt demo\nexeunt demo --port 18080 --app-port 19101 --fresh",
		setup: func(flags *flag.FlagSet) runFunc {
			var o demoOptions
			flags.IntVar(&o.port, "port", 8080, "`PORT` of the provider; 0 takes a free one")
			flags.IntVar(&o.appPort, "app-port", 9101, "`PORT` of the first app, the others use the next two; 0 takes free ones")
			flags.StringVar(&o.data, "data", "", "keep the database in folder `DIR` (default: exeunt-demo in your cache folder)")
			flags.BoolVar(&o.fresh, "fresh", false, "begin with an empty database")
			flags.BoolVar(&o.verbose, "verbose", false, "log what happens, not only what goes wrong")
			return func(ctx context.Context, _ []string, env Env) error {
				if o.port < 0 || o.port > 65535 || o.appPort < 0 || o.appPort > 65533 {
					return usagef("a port is out of range; write a number up to 65535, for --app-port up to 65533")
				}
				return runDemo(ctx, o, env)
			}
		},
	}
}

type demoOptions struct {
	port, appPort  int
	data           string
	fresh, verbose bool
}

// demoGrace is how long the demo's end waits for deliveries that run: nobody wants to wait for a demo.
const demoGrace = time.Second

// runDemo starts the demo and stays until ctx is done.
//
//  1. Claim the database, so that a second start is told so first.
//  2. Take all four ports: they make the issuer and the apps' addresses.
//  3. Start the provider with the apps as its clients, then the apps.
func runDemo(ctx context.Context, o demoOptions, env Env) (err error) {
	cfg := demoConfig(o)
	log := newLogger(env.Stderr, cfg.Log)
	path, err := demoDatabase(o)
	if err != nil {
		return err
	}
	cfg.Database = config.SecretURL("sqlite:" + path)
	n, err := openNode(ctx, cfg, log)
	if errors.Is(err, database.ErrInUse) {
		return fmt.Errorf("the demo is running already, with its database in %s; use that one, or start another with --data, --port and --app-port", filepath.Dir(path))
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
	ports, err := listenDemo(ctx, o)
	if err != nil {
		return err
	}
	defer ports.close()
	apps, configs, err := ports.apps(log)
	if err != nil {
		return err
	}
	cfg.Issuer, cfg.Listen = ports.issuer(), ports.provider.Addr().String()
	for _, c := range configs {
		cfg.Clients = append(cfg.Clients, demoClient(c.Registration()))
	}
	if err := cfg.Validate(); err != nil {
		return err
	}
	if err := n.start(ctx); err != nil {
		return err
	}
	group, groupCtx := errgroup.WithContext(ctx)
	group.Go(func() error { return serveHTTP(groupCtx, ports.provider, n.provider, log) })
	for i, app := range apps {
		group.Go(func() error { return app.Start(groupCtx, ports.appListeners[i]) })
	}
	printDemo(env.Stdout, cfg, configs, filepath.Dir(path))
	err = group.Wait()
	if err == nil {
		fmt.Fprintln(env.Stdout, "\nThe demo has ended.")
	}
	return err
}

func demoConfig(o demoOptions) *config.Config {
	cfg := config.Default()
	cfg.AdminListen = ""
	cfg.Log = config.Log{Level: "warn", Format: "text"}
	if o.verbose {
		cfg.Log.Level = "info"
	}
	cfg.Users = []config.User{
		{Username: "alice", Password: "wonderland", Email: "alice@example.com", Claims: map[string]any{"name": "Alice Liddell", "email_verified": true}},
		{Username: "bob", Password: "builder", Email: "bob@example.com", Claims: map[string]any{"name": "Bob Builder", "email_verified": true}},
	}
	return cfg
}

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

// demoPorts are the listeners of the demo.
type demoPorts struct {
	provider     net.Listener
	appListeners []net.Listener
}

func listenDemo(ctx context.Context, o demoOptions) (ports *demoPorts, err error) {
	ports = &demoPorts{}
	if ports.provider, err = listen(ctx, localhost(o.port), "--port"); err != nil {
		return nil, err
	}
	for i := range demo.Apps() {
		port := o.appPort
		if port != 0 {
			port += i
		}
		listener, err := listen(ctx, localhost(port), "--app-port")
		if err != nil {
			ports.close()
			return nil, err
		}
		ports.appListeners = append(ports.appListeners, listener)
	}
	return ports, nil
}

func localhost(port int) string { return net.JoinHostPort("localhost", strconv.Itoa(port)) }

// close closes what has not been closed by those who served on it; closing again does no harm.
func (p *demoPorts) close() {
	for _, listener := range append(p.appListeners, p.provider) {
		_ = listener.Close()
	}
}

func (p *demoPorts) issuer() string { return address(p.provider) }

// apps makes the demo apps for the ports.
func (p *demoPorts) apps(log *slog.Logger) ([]*demo.App, []demo.Config, error) {
	configs := demo.Apps()
	for i := range configs {
		configs[i].Issuer, configs[i].BaseURL, configs[i].Logger = p.issuer(), address(p.appListeners[i]), log
	}
	demo.Connect(configs)
	apps := make([]*demo.App, len(configs))
	for i, c := range configs {
		var err error
		if apps[i], err = demo.New(c); err != nil {
			return nil, nil, err
		}
	}
	return apps, configs, nil
}

// address is where a browser reaches a listener of the demo.
func address(listener net.Listener) string {
	port := listener.Addr().(*net.TCPAddr).Port
	return "http://" + localhost(port)
}

func demoClient(r demo.Registration) config.Client {
	return config.Client{
		ClientID: r.ClientID, ClientSecret: config.Secret(r.ClientSecret), ClientName: r.ClientName, ApplicationType: r.ApplicationType,
		TokenEndpointAuthMethod: r.TokenEndpointAuthMethod, GrantTypes: r.GrantTypes, ResponseTypes: r.ResponseTypes, Scope: r.Scope,
		RedirectURIs: r.RedirectURIs, PostLogoutRedirectURIs: r.PostLogoutRedirectURIs, BackchannelLogoutURI: r.BackchannelLogoutURI,
		BackchannelLogoutSessionRequired: r.BackchannelLogoutSessionRequired, IDTokenSignedResponseAlg: r.IDTokenSignedResponseAlg,
		SkipConsent: r.SkipConsent, AllowPrivateNetwork: r.AllowPrivateNetwork,
	}
}
