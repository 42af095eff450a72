package cli

import (
	"context"
	"flag"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/exeunt-id/exeunt/config"
)

func configReferenceCommand() *command {
	return &command{
		path:    "exeunt config reference",
		summary: "List every key of the configuration with its default.",
		details: "A key's environment variable is its path in upper case after EXEUNT_, dots as underscores: EXEUNT_LOGOUT_WAIT for logout.wait.\n" +
			"The keys of users and clients are set in the file only.",
		example: "exeunt config reference\nexeunt config reference --markdown",
		setup: func(flags *flag.FlagSet) runFunc {
			markdown := flags.Bool("markdown", false, "print a Markdown table")
			return func(_ context.Context, _ []string, env Env) error {
				if *markdown {
					return writeReferenceMarkdown(env.Stdout)
				}
				return writeReference(env.Stdout)
			}
		},
	}
}

func writeReference(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "KEY\tDEFAULT\tMEANING")
	for _, k := range config.Reference() {
		fmt.Fprintf(t, "%s\t%s\t%s\n", k.Path, orDash(k.Default), k.Description)
	}
	return t.Flush()
}

// writeReferenceMarkdown prints what stands in the README.
func writeReferenceMarkdown(w io.Writer) error {
	var b strings.Builder
	b.WriteString("| key | default | meaning |\n|---|---|---|\n")
	for _, k := range config.Reference() {
		value := ""
		if k.Default != "" {
			value = "`" + k.Default + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", k.Path, value, strings.ReplaceAll(k.Description, "|", `\|`))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
