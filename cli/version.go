package cli

import (
	"context"
	"flag"
	"fmt"
	"runtime"
	"runtime/debug"
)

// version is set by the linker: -X github.com/exeunt-id/exeunt/cli.version=v1.2.3.
var version string

func versionCommand() *command {
	return &command{
		path:    "exeunt version",
		summary: "Print the version of this program.",
		setup: func(*flag.FlagSet) runFunc {
			return func(_ context.Context, _ []string, env Env) error {
				_, err := fmt.Fprintf(env.Stdout, "exeunt %s (%s, %s/%s)\n", versionName(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
				return err
			}
		},
	}
}

// versionName returns the linker's version, or else that of the module, as `go install` records it.
func versionName() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "development"
}
