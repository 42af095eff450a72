package cli

import (
	"context"
	"flag"
	"fmt"
	"strings"

	"github.com/exeunt-id/exeunt/config"
)

func configCommand() *command {
	return &command{
		path:    "exeunt config",
		summary: "Check a configuration, or list its keys.",
		subs:    []*command{configCheckCommand(), configReferenceCommand()},
	}
}

func configCheckCommand() *command {
	return &command{
		path:    "exeunt config check",
		summary: "Check a configuration without starting anything.",
		details: "Every problem is printed on a line of its own, with the line of the file and the key. The exit code is 1 if there are any.",
		example: "exeunt config check --config exeunt.yaml",
		setup: func(flags *flag.FlagSet) runFunc {
			path := configFlag(flags)
			return func(_ context.Context, _ []string, env Env) error {
				cfg, warnings, err := config.Load(*path, env.Environ)
				if err != nil {
					return err
				}
				for _, w := range warnings {
					fmt.Fprintf(env.Stderr, "warning: %s\n", w)
				}
				fmt.Fprintf(env.Stdout, "The configuration is valid: issuer %s, database %s, %s, %s.\n",
					cfg.Issuer, cfg.Database, counted(len(cfg.Users), "user"), counted(len(cfg.Clients), "client"))
				return nil
			}
		},
	}
}

// configFlag defines --config, the same for every command that reads the configuration.
func configFlag(flags *flag.FlagSet) *string {
	return flags.String("config", "", "read the configuration from `FILE`; without it development defaults and EXEUNT_* variables apply")
}

// counted returns "1 user" or "2 users", "2 deliveries".
func counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	if stem, ok := strings.CutSuffix(noun, "y"); ok {
		noun = stem + "ie"
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
