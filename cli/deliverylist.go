package cli

import (
	"context"
	"flag"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/exeunt-id/exeunt/config"
	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/logout/logoutstore"
	"github.com/exeunt-id/exeunt/provider"
	"github.com/exeunt-id/exeunt/provider/identity"
)

// defaultLimit is how many lines a list shows.
const defaultLimit = 50

// checkLimit refuses a --limit that would show nothing.
func checkLimit(n int) error {
	if n < 1 {
		return usagef("--limit %d is too small; write a number from 1", n)
	}
	return nil
}

func deliveryListCommand() *command {
	return &command{
		path:    "exeunt delivery list",
		summary: "List deliveries, newest first.",
		example: "exeunt delivery list --config exeunt.yaml --state dead --since 24h\nexeunt delivery list --client shop --json",
		setup: func(flags *flag.FlagSet) runFunc {
			path := configFlag(flags)
			var chosen selection
			chosen.define(flags, logout.States())
			limit := flags.Int("limit", defaultLimit, "at most `N` deliveries")
			asJSON := flags.Bool("json", false, "print one JSON object per line")
			return func(ctx context.Context, _ []string, env Env) error {
				f, err := chosen.filter(logout.States(), time.Now())
				if err != nil {
					return err
				}
				if err := checkLimit(*limit); err != nil {
					return err
				}
				f.Limit = *limit
				return withLedger(ctx, *path, env, func(ledger *logoutstore.Store, db *database.DB, _ *config.Config) error {
					if err := chosen.subject(ctx, func(ctx context.Context, name string) (identity.User, error) { return provider.FindUser(ctx, db, name) }, &f); err != nil {
						return err
					}
					deliveries, err := ledger.List(ctx, f)
					if err != nil {
						return err
					}
					if *asJSON {
						lines := make([]logout.DeliveryView, len(deliveries))
						for i, d := range deliveries {
							lines[i] = d.View()
						}
						return writeJSON(env.Stdout, lines...)
					}
					if err := writeDeliveries(env.Stdout, deliveries); err != nil {
						return err
					}
					if len(deliveries) == *limit {
						fmt.Fprintf(env.Stderr, "There may be more than these %s; --limit raises the number.\n", counted(*limit, "delivery"))
					}
					return nil
				})
			}
		},
	}
}

// stateOf says in which state a delivery is, and how it came there where that is not by an attempt.
func stateOf(d logout.Delivery) string {
	if d.Pulled {
		return string(d.State) + " by pull"
	}
	return string(d.State)
}

func writeDeliveries(w io.Writer, deliveries []logout.Delivery) error {
	if len(deliveries) == 0 {
		_, err := fmt.Fprintln(w, "No deliveries.")
		return err
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "ID\tCREATED\tCLIENT\tCHANNEL\tEVENT\tCAUSE\tSTATE\tATTEMPTS\tNEXT\tLAST ANSWER")
	for _, d := range deliveries {
		next := "-"
		if !d.State.Final() {
			next = clock(d.NextAt)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%d\t%s\t%s\n",
			d.ID, clock(d.CreatedAt), d.ClientID, d.Channel, d.EventType(), d.Cause, stateOf(d), d.Attempts, next, answer(d.LastStatus, d.LastError))
	}
	return t.Flush()
}
