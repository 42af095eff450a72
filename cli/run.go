// Package cli is the command line of Exeunt: one file per command. A command reads its flags, does one thing with the packages below it,
// and says on standard error what went wrong and what to do about it.
package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"

	"github.com/exeunt-id/exeunt/config"
)

// Env is what a command has of its process.
type Env struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Environ        []string // NAME=value, as os.Environ returns them
}

// The exit codes.
const (
	exitOK      = 0
	exitFailure = 1 // the command could not do its work
	exitUsage   = 2 // the command was called wrongly
)

// Run runs the command that args name, without the program's own name, until it is done or ctx is, which asks for an orderly end. It
// returns the process's exit code: 0, 1 for a failure, 2 for a wrong use. Results go to Stdout, errors and logs to Stderr.
func Run(ctx context.Context, args []string, env Env) int {
	cmd, rest := find(root(), args)
	out := &output{w: env.Stdout}
	env.Stdout = out
	err := cmd.execute(ctx, rest, env)
	if errors.Is(err, flag.ErrHelp) {
		cmd.help(out)
		err = nil
	}
	if err == nil {
		err = out.err
	}
	var usage *usageError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &usage):
		fmt.Fprintf(env.Stderr, "%s: %s\nRun `%s --help` for help.\n", cmd.path, usage.reason, cmd.path)
		return exitUsage
	}
	report(env.Stderr, cmd.path, err)
	return exitFailure
}

// root returns the tree of all commands.
func root() *command {
	return &command{
		path:    "exeunt",
		summary: "An OpenID Provider whose logout reaches every app.",
		subs: []*command{
			serveCommand(), demoCommand(), migrateCommand(), userCommand(), clientCommand(), sessionCommand(), deviceCommand(), deliveryCommand(), auditCommand(), keyCommand(), streamCommand(), doctorCommand(), configCommand(), versionCommand(), helpCommand(),
		},
	}
}

// find goes down the tree along args. It returns the last command that they name, and what is left of them.
func find(cmd *command, args []string) (*command, []string) {
	for len(args) > 0 {
		sub := cmd.sub(args[0])
		if sub == nil {
			break
		}
		cmd, args = sub, args[1:]
	}
	return cmd, args
}

// usageError says that a command was called wrongly.
type usageError struct{ reason string }

func (e *usageError) Error() string { return e.reason }

func usagef(format string, args ...any) error {
	return &usageError{reason: fmt.Sprintf(format, args...)}
}

// report prints an error: the problems of a configuration as they are, one per line with their keys; anything else behind the command's
// name.
func report(w io.Writer, path string, err error) {
	var invalid *config.Error
	if errors.As(err, &invalid) {
		fmt.Fprintln(w, invalid)
		return
	}
	fmt.Fprintf(w, "%s: %s\n", path, strings.TrimSpace(err.Error()))
}

// output remembers the first error of writing, so that a table that did not reach a full disk ends in an error although its lines are
// written without looking.
type output struct {
	w   io.Writer
	err error
}

func (o *output) Write(p []byte) (int, error) {
	n, err := o.w.Write(p)
	if err != nil && o.err == nil {
		o.err = fmt.Errorf("writing the output: %w", err)
	}
	return n, err
}
