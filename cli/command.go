package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// command is one command, or a group of them.
type command struct {
	path    string // the words that call it, such as "exeunt delivery list"
	args    string // what follows the flags in the usage line
	summary string // one line
	details string // further paragraphs of the help text
	example string // command lines, one per line
	subs    []*command

	// setup defines the flags and returns what runs after they have been read. nil for a group.
	setup func(flags *flag.FlagSet) runFunc
}

// runFunc does a command's work with what is left of its arguments.
type runFunc func(ctx context.Context, args []string, env Env) error

func (c *command) name() string { return c.path[strings.LastIndexByte(c.path, ' ')+1:] }

func (c *command) sub(name string) *command {
	i := slices.IndexFunc(c.subs, func(s *command) bool { return s.name() == name })
	if i < 0 {
		return nil
	}
	return c.subs[i]
}

func (c *command) execute(ctx context.Context, args []string, env Env) error {
	if c.setup == nil {
		return c.choose(args)
	}
	flags := flag.NewFlagSet(c.path, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	run := c.setup(flags)
	positional, err := parse(flags, args)
	if err != nil {
		return err
	}
	if c.args == "" && len(positional) > 0 {
		return usagef("unexpected argument %q", positional[0])
	}
	return run(ctx, positional, env)
}

// choose is what a group does that was called without one of its commands.
func (c *command) choose(args []string) error {
	if len(args) == 0 || slices.Contains([]string{"-h", "-help", "--help"}, args[0]) {
		return flag.ErrHelp
	}
	names := make([]string, len(c.subs))
	for i, s := range c.subs {
		names[i] = s.name()
	}
	return usagef("unknown command %q; the commands are %s", args[0], strings.Join(names, ", "))
}

// parse reads flags wherever they stand, before or after the other arguments, which it returns.
func parse(flags *flag.FlagSet, args []string) (positional []string, err error) {
	for {
		err := flags.Parse(args)
		switch {
		case errors.Is(err, flag.ErrHelp):
			return nil, err
		case err != nil:
			return nil, &usageError{reason: err.Error()}
		case flags.NArg() == 0:
			return positional, nil
		}
		positional = append(positional, flags.Arg(0))
		args = flags.Args()[1:]
	}
}

// help prints how the command is used.
func (c *command) help(w io.Writer) {
	fmt.Fprintf(w, "%s\n", c.summary)
	if c.details != "" {
		fmt.Fprintf(w, "\n%s\n", c.details)
	}
	fmt.Fprintf(w, "\nUsage:\n  %s\n", c.usage())
	if len(c.subs) > 0 {
		fmt.Fprintf(w, "\nCommands:\n")
		t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		for _, s := range c.subs {
			fmt.Fprintf(t, "  %s\t%s\n", s.name(), s.summary)
		}
		_ = t.Flush() // a failing standard output has nobody to be told to
		fmt.Fprintf(w, "\nRun `%s COMMAND --help` for the flags of a command.\n", c.path)
	}
	c.helpFlags(w)
	if c.example != "" {
		fmt.Fprintf(w, "\nExample:\n  %s\n", strings.ReplaceAll(c.example, "\n", "\n  "))
	}
}

func (c *command) usage() string {
	switch {
	case c.setup == nil:
		return c.path + " COMMAND"
	case c.args == "":
		return c.path + " [FLAGS]"
	default:
		return c.path + " [FLAGS] " + c.args
	}
}

func (c *command) helpFlags(w io.Writer) {
	if c.setup == nil {
		return
	}
	flags := flag.NewFlagSet(c.path, flag.ContinueOnError)
	c.setup(flags)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	first := true
	flags.VisitAll(func(f *flag.Flag) {
		if first {
			fmt.Fprintf(t, "\nFlags:\n")
			first = false
		}
		value, text := flag.UnquoteUsage(f)
		if f.DefValue != "" && f.DefValue != "false" {
			text += " (default " + f.DefValue + ")"
		}
		fmt.Fprintf(t, "  --%s %s\t%s\n", f.Name, value, text)
	})
	_ = t.Flush()
}
