package cli

import (
	"context"
	"flag"
)

func helpCommand() *command {
	return &command{
		path:    "exeunt help",
		args:    "[COMMAND...]",
		summary: "Show how a command is used.",
		example: "exeunt help delivery list",
		setup: func(*flag.FlagSet) runFunc {
			return func(_ context.Context, args []string, env Env) error {
				cmd, rest := find(root(), args)
				if len(rest) > 0 {
					return cmd.choose(rest)
				}
				cmd.help(env.Stdout)
				return nil
			}
		},
	}
}
