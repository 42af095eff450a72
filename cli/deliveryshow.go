package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/exeunt-id/exeunt/config"
	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/logout/logoutstore"
)

func deliveryShowCommand() *command {
	return &command{
		path:    "exeunt delivery show",
		args:    "ID",
		summary: "Show one delivery and every attempt.",
		example: "exeunt delivery show --config exeunt.yaml 0192f3c4-5b6a-7c8d-9e0f-1a2b3c4d5e6f",
		setup: func(flags *flag.FlagSet) runFunc {
			path := configFlag(flags)
			asJSON := flags.Bool("json", false, "print one JSON object")
			return func(ctx context.Context, args []string, env Env) error {
				if len(args) != 1 {
					return usagef("name one delivery by its id, as `exeunt delivery list` prints it")
				}
				return withLedger(ctx, *path, env, func(ledger *logoutstore.Store, _ *database.DB, _ *config.Config) error {
					d, attempts, err := showDelivery(ctx, ledger.Show, args[0])
					switch {
					case err != nil:
						return err
					case *asJSON:
						return writeJSON(env.Stdout, d.View(attempts...))
					}
					return writeDelivery(env.Stdout, d, attempts)
				})
			}
		},
	}
}

// showDelivery reads a delivery, and says what to do when there is none.
func showDelivery(ctx context.Context, show func(context.Context, string) (logout.Delivery, []logout.Attempt, error), id string) (logout.Delivery, []logout.Attempt, error) {
	d, attempts, err := show(ctx, id)
	if errors.Is(err, logout.ErrNoDelivery) {
		err = fmt.Errorf("there is no delivery %q; `exeunt delivery list` prints their ids", id)
	}
	return d, attempts, err
}

func writeDelivery(w io.Writer, d logout.Delivery, attempts []logout.Attempt) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name, value string) { fmt.Fprintf(t, "%s\t%s\n", name, orDash(value)) }
	row("Delivery", d.ID)
	row("State", stateOf(d))
	row("Client", d.ClientID)
	row("Channel", string(d.Channel))
	row("Event", d.EventType()+" "+d.EventID)
	row("Logout", d.LogoutID)
	row("Cause", string(d.Cause))
	row("Session", d.SessionID)
	row("sid", d.SID)
	row("sub", d.Subject)
	row("Created", clock(d.CreatedAt))
	if d.State.Final() {
		row("Settled", clock(d.SettledAt))
	} else {
		row("Next attempt", clock(d.NextAt))
		row("Given up at", clock(d.GiveUpAt))
	}
	if len(attempts) == 0 {
		fmt.Fprintf(t, "\nNo attempt has been made.\n")
		return t.Flush()
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(w)
	fmt.Fprintln(t, "ATTEMPT\tAT\tTOOK\tBECAME\tANSWER")
	for _, a := range attempts {
		fmt.Fprintf(t, "%d\t%s\t%s\t%s\t%s\n", a.Number, clock(a.At), a.Duration.Round(time.Millisecond), a.State, answer(a.Status, a.Error))
		if a.Snippet != "" {
			fmt.Fprintf(t, "\t\t\t\t%q\n", a.Snippet)
		}
	}
	return t.Flush()
}
