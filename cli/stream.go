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
	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider"
	"github.com/exeunt-id/exeunt/provider/identity"
)

func streamCommand() *command {
	return &command{
		path:    "exeunt stream",
		summary: "See the streams of shared signals, and stop or start them.",
		details: "Receivers make their streams themselves; see docs/shared-signals.md. These commands work on the database directly, beside a running\n" +
			"`exeunt serve` or without one.",
		subs: []*command{streamListCommand(), streamStatusCommand()},
	}
}

// streamLine is a stream as --json prints it. What its receiver wants to hear in the Authorization header is nobody's business.
type streamLine struct {
	ID          string    `json:"stream_id"`
	ClientID    string    `json:"client_id"`
	Method      string    `json:"method"`
	EndpointURL string    `json:"endpoint_url,omitempty"`
	Events      []string  `json:"events_delivered"`
	Description string    `json:"description,omitempty"`
	Status      string    `json:"status"`
	Reason      string    `json:"reason,omitempty"`
	CreatedAt   time.Time `json:"created_at"`
}

func newStreamLine(s identity.Stream) streamLine {
	return streamLine{
		ID: s.ID, ClientID: s.ClientID, Method: s.Method, EndpointURL: s.EndpointURL, Events: logout.Deliverable(s.EventsRequested),
		Description: s.Description, Status: s.Status, Reason: s.Reason, CreatedAt: s.CreatedAt,
	}
}

func streamListCommand() *command {
	return &command{
		path:    "exeunt stream list",
		summary: "List streams, by client.",
		example: "exeunt stream list --config exeunt.yaml",
		setup: func(flags *flag.FlagSet) runFunc {
			path := configFlag(flags)
			client := flags.String("client", "", "only that of the app with this `CLIENT_ID`")
			asJSON := jsonFlag(flags)
			return func(ctx context.Context, _ []string, env Env) error {
				return withOperator(ctx, *path, env, func(o *provider.Operator, _ *config.Config) error {
					streams, err := o.Streams(ctx, *client)
					if err != nil {
						return err
					}
					lines := make([]streamLine, len(streams))
					for i, s := range streams {
						lines[i] = newStreamLine(s)
					}
					if *asJSON {
						return writeJSON(env.Stdout, lines...)
					}
					return writeStreams(env.Stdout, lines)
				})
			}
		},
	}
}

func writeStreams(w io.Writer, streams []streamLine) error {
	if len(streams) == 0 {
		_, err := fmt.Fprintln(w, "No streams.")
		return err
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "CLIENT\tMETHOD\tSTATUS\tREASON\tCREATED\tENDPOINT")
	for _, s := range streams {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", s.ClientID, s.Method, s.Status, shownOrDash(s.Reason), clock(s.CreatedAt), shownOrDash(s.EndpointURL))
	}
	return t.Flush()
}

// shownOrDash is a text of somebody else in a table.
func shownOrDash(s string) string {
	if s == "" {
		return "-"
	}
	return shown(s)
}

func streamStatusCommand() *command {
	return &command{
		path:    "exeunt stream status",
		args:    "CLIENT_ID STATUS",
		summary: "Make a client's stream enabled, paused or disabled, and tell its receiver.",
		details: "A paused stream holds its events until it is enabled, a disabled one drops them. The receiver may change the status itself.",
		example: "exeunt stream status --reason \"maintenance until noon\" shop paused\nexeunt stream status shop enabled",
		setup: func(flags *flag.FlagSet) runFunc {
			path := configFlag(flags)
			reason := flags.String("reason", "", "`TEXT` that the receiver is told")
			return func(ctx context.Context, args []string, env Env) error {
				if len(args) != 2 {
					return usagef("write the client_id and one of enabled, paused, disabled")
				}
				status := logout.StreamStatus(args[1])
				if !status.Valid() {
					return usagef("the status %s is none; write enabled, paused or disabled", shown(args[1]))
				}
				return withOperator(ctx, *path, env, func(o *provider.Operator, _ *config.Config) error {
					err := o.SetStreamStatus(ctx, args[0], status, *reason, administrator())
					if errors.Is(err, identity.ErrNoStream) {
						return fmt.Errorf("client %s has no stream; `exeunt stream list` shows all", shown(args[0]))
					}
					if err != nil {
						return err
					}
					_, err = fmt.Fprintf(env.Stdout, "The stream of %s is %s.\n", args[0], status)
					return err
				})
			}
		},
	}
}
