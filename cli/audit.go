package cli

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/exeunt-id/exeunt/config"
	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider"
	"github.com/exeunt-id/exeunt/provider/audit"
)

func auditCommand() *command {
	return &command{
		path:    "exeunt audit",
		summary: "Read the audit trail: who did what, when, from where.",
		details: "The trail is append-only: the database refuses to change an entry, and to delete one before audit_retention has passed. docs/audit.md\n" +
			"says what each kind of entry holds. These commands read the database directly, beside a running `exeunt serve` or without one.",
		subs: []*command{auditListCommand(), auditExportCommand()},
	}
}

// auditChoice is what the flags of a command choose entries by.
type auditChoice struct{ since, until, kind, subject string }

func (a *auditChoice) define(flags *flag.FlagSet) {
	flags.StringVar(&a.since, "since", "", "only entries from `TIME` on: a duration such as 24h, a date such as 2006-01-02, or 2006-01-02T15:04:05Z")
	flags.StringVar(&a.until, "until", "", "only entries before `TIME`, in the same forms")
	flags.StringVar(&a.kind, "kind", "", "only entries of this `KIND`, such as logout or login.failed")
	flags.StringVar(&a.subject, "subject", "", "only entries about the user with this `SUBJECT`")
}

func (a *auditChoice) filter(now time.Time) (f audit.Filter, err error) {
	f = audit.Filter{Kind: audit.Kind(a.kind), Subject: a.subject}
	if f.Since, err = logout.ParseTime(a.since, now); err != nil {
		return f, usagef("--since %v", err)
	}
	if f.Until, err = logout.ParseTime(a.until, now); err != nil {
		return f, usagef("--until %v", err)
	}
	if err := f.Check(); err != nil {
		return f, usagef("%v", err)
	}
	return f, nil
}

func auditListCommand() *command {
	return &command{
		path:    "exeunt audit list",
		summary: "List entries of the audit trail, newest first.",
		example: "exeunt audit list --config exeunt.yaml --since 24h --kind logout",
		setup: func(flags *flag.FlagSet) runFunc {
			path := configFlag(flags)
			var chosen auditChoice
			chosen.define(flags)
			limit := flags.Int("limit", defaultLimit, "at most `N` entries")
			return func(ctx context.Context, _ []string, env Env) error {
				f, err := chosen.filter(time.Now())
				if err != nil {
					return err
				}
				if err := checkLimit(*limit); err != nil {
					return err
				}
				f.Limit = *limit
				return withOperator(ctx, *path, env, func(o *provider.Operator, _ *config.Config) error {
					n := 0
					t := tabwriter.NewWriter(env.Stdout, 0, 0, 2, ' ', 0)
					fmt.Fprintln(t, "AT\tKIND\tWHO\tFROM\tSUBJECT\tCLIENT\tDETAIL")
					err := o.Audit(ctx, f, func(e audit.Entry) error {
						n++
						_, err := fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", clock(e.At), e.Kind, who(e), orDash(shownIfAny(e.Actor.Address)),
							orDash(shownIfAny(e.Subject)), orDash(shownIfAny(e.ClientID)), orDash(auditDetail(e)))
						return err
					})
					if err != nil {
						return err
					}
					if n == 0 {
						_, err := fmt.Fprintln(env.Stdout, "No entries.")
						return err
					}
					if n == *limit {
						fmt.Fprintf(env.Stderr, "There may be more than these %s; --limit raises the number.\n", counted(n, "entry"))
					}
					return t.Flush()
				})
			}
		},
	}
}

func who(e audit.Entry) string {
	if e.Actor.ID == "" || e.Actor.ID == e.Subject {
		return e.Actor.Kind
	}
	return e.Actor.Kind + " " + shown(e.Actor.ID)
}

func shownIfAny(s string) string {
	if s == "" {
		return ""
	}
	return shown(s)
}

// auditDetail shortens an entry's detail to what fits in a line; `exeunt audit export` has the whole.
func auditDetail(e audit.Entry) string {
	var d map[string]any
	if json.Unmarshal(e.Detail, &d) != nil {
		return ""
	}
	var parts []string
	for _, name := range []string{"cause", "reason", "by", "request", "username", "alg", "kid", "sessions", "participations", "count", "entries", "changed"} {
		if value, ok := d[name]; ok {
			parts = append(parts, fmt.Sprintf("%s=%s", name, shown(fmt.Sprint(value))))
		}
	}
	return strings.Join(parts, " ")
}

func auditExportCommand() *command {
	return &command{
		path:    "exeunt audit export",
		summary: "Write the audit trail as JSON, one entry per line, oldest first.",
		details: "For archives and other systems. An entry is written with the transaction that it belongs to: one whose transaction takes long appears\n" +
			"behind younger ones. An export of each day that begins some minutes after midnight, with --since and --until, misses none.",
		example: "exeunt audit export --config exeunt.yaml --since 2026-01-01 --until 2026-02-01 > january.jsonl\nexeunt audit export --since 24h --kind logout",
		setup: func(flags *flag.FlagSet) runFunc {
			path := configFlag(flags)
			var chosen auditChoice
			chosen.define(flags)
			return func(ctx context.Context, _ []string, env Env) error {
				f, err := chosen.filter(time.Now())
				if err != nil {
					return err
				}
				f.Oldest = true
				return withOperator(ctx, *path, env, func(o *provider.Operator, _ *config.Config) error {
					return o.Audit(ctx, f, func(e audit.Entry) error { return writeJSON(env.Stdout, e.Line()) })
				})
			}
		},
	}
}
