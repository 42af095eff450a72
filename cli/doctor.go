package cli

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"

	"github.com/go-jose/go-jose/v4"

	"github.com/exeunt-id/exeunt/config"
	"github.com/exeunt-id/exeunt/doctor"
	"github.com/exeunt-id/exeunt/provider"
	"github.com/exeunt-id/exeunt/provider/identity"
)

// doctorFlags are the flags of `exeunt doctor`.
type doctorFlags struct {
	config, client, caFile string
	json, strict, serve    bool
	doctorServe
}

func doctorCommand() *command {
	return &command{
		path:    "exeunt doctor",
		args:    "[URL]",
		summary: "Examine an app's logout endpoint, and say what to mend.",
		details: "URL is the back-channel logout endpoint. It is sent some thirty logout tokens, good and bad, each about a user and a session that do not\n" +
			"exist: an app that does as it must ends nothing. With --client the tokens are signed with the provider's own keys, from the database of\n" +
			"--config, so that each bad one has one fault alone; without it no token can be good, and a refusal proves little. URL defaults to the\n" +
			"client's backchannel_logout_uri then. Examine a staging app rather than one that people use.\n\n" +
			"With --serve the doctor is a small provider itself. Point the app at it; with --login and --page it logs in as a person would, and sees\n" +
			"whether sessions end when they must and only then; without them it examines every session that you begin by hand.\n\n" +
			"The exit code is 1 if a check failed, with --strict also for warnings.",
		example: "exeunt doctor https://shop.example.com/backchannel-logout\n" +
			"exeunt doctor --client shop --config exeunt.yaml\n" +
			"exeunt doctor --serve --login http://localhost:3000/auth/login --page http://localhost:3000/account http://localhost:3000/auth/backchannel-logout",
		setup: func(flags *flag.FlagSet) runFunc {
			var f doctorFlags
			flags.StringVar(&f.config, "config", "", "read the provider's configuration from `FILE`; used with --client")
			flags.StringVar(&f.client, "client", "", "sign as the configured provider does for the app with this `CLIENT_ID`; with --serve, its client_id (default doctor)")
			flags.StringVar(&f.caFile, "ca-file", "", "trust the certificates in this PEM `FILE` too")
			flags.BoolVar(&f.json, "json", false, "print the report as one JSON object")
			flags.BoolVar(&f.strict, "strict", false, "exit with 1 for warnings too")
			flags.BoolVar(&f.serve, "serve", false, "be a small provider to point the app at")
			f.define(flags)
			return func(ctx context.Context, args []string, env Env) error {
				if len(args) > 1 {
					return usagef("one URL at a time; there are %d", len(args))
				}
				address := ""
				if len(args) == 1 {
					address = args[0]
				}
				return f.run(ctx, address, env)
			}
		},
	}
}

func (f *doctorFlags) run(ctx context.Context, address string, env Env) error {
	trust, err := f.trust()
	if err != nil {
		return err
	}
	if f.serve {
		return f.serveAndExamine(ctx, address, trust, env)
	}
	if f.set() {
		return usagef("--listen, --issuer, --client-secret, --login, --page and --logout belong to --serve")
	}
	if f.client == "" && f.config != "" {
		return usagef("--config is for --client; give both or neither")
	}
	if f.client == "" && address == "" {
		return usagef("give the URL of the app's logout endpoint, or its --client")
	}
	cfg := doctor.Config{URL: address, HTTPClient: doctor.NewClient(trust)}
	if f.client == "" {
		return f.examine(ctx, cfg, env)
	}
	return withOperator(ctx, f.config, env, func(o *provider.Operator, settings *config.Config) error {
		if err := f.asProvider(ctx, o, settings, &cfg); err != nil {
			return err
		}
		return f.examine(ctx, cfg, env)
	})
}

// asProvider lets the examination sign as the configured provider does.
func (f *doctorFlags) asProvider(ctx context.Context, o *provider.Operator, settings *config.Config, cfg *doctor.Config) error {
	client, err := o.Client(ctx, f.client)
	if errors.Is(err, identity.ErrNoClient) {
		return fmt.Errorf("there is no client %s; `exeunt client list` shows all", shown(f.client))
	}
	if err != nil {
		return err
	}
	if cfg.URL == "" {
		cfg.URL = client.BackchannelLogoutURI
	}
	if cfg.URL == "" {
		return fmt.Errorf("the client %s has no backchannel_logout_uri; give the URL", shown(f.client))
	}
	cfg.Issuer, cfg.ClientID, cfg.Signer, cfg.Algorithm = settings.Issuer, client.ID, o, client.IDTokenSigningAlg
	if i := slices.IndexFunc(settings.SigningAlgorithms, func(alg string) bool { return alg != cfg.Algorithm }); i >= 0 {
		cfg.OtherAlgorithm = settings.SigningAlgorithms[i]
	}
	keys, err := o.Keys(ctx)
	if err != nil {
		return err
	}
	for _, key := range keys {
		var public jose.JSONWebKey
		if key.Algorithm == cfg.Algorithm && key.State() == identity.KeyActive && json.Unmarshal(key.Public, &public) == nil {
			cfg.PublicKey = public.Key
		}
	}
	return nil
}

func (f *doctorFlags) examine(ctx context.Context, cfg doctor.Config, env Env) error {
	report, err := doctor.Examine(ctx, cfg)
	if err != nil {
		return err
	}
	return f.print(report, env)
}

// print shows a report. The error says that something is wrong with the app.
func (f *doctorFlags) print(report *doctor.Report, env Env) error {
	var err error
	if f.json {
		err = writeJSON(env.Stdout, report)
	} else {
		_, err = report.WriteTo(env.Stdout)
	}
	failed, warnings := report.Count(doctor.Fail), report.Count(doctor.Warn)
	switch {
	case err != nil:
		return err
	case failed > 0:
		return fmt.Errorf("%s failed", counted(failed, "check"))
	case f.strict && warnings > 0:
		return fmt.Errorf("%s, and --strict was given", counted(warnings, "warning"))
	}
	return nil
}

// trust returns the TLS configuration for --ca-file, nil without it.
func (f *doctorFlags) trust() (*tls.Config, error) {
	if f.caFile == "" {
		return nil, nil
	}
	content, err := os.ReadFile(f.caFile)
	if err != nil {
		return nil, fmt.Errorf("--ca-file: %w", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(content) {
		return nil, fmt.Errorf("--ca-file %s has no PEM certificate", f.caFile)
	}
	return &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, nil
}
