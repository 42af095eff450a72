package cli

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/exeunt-id/exeunt/config"
	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider"
	"github.com/exeunt-id/exeunt/provider/identity"
)

func clientCommand() *command {
	return &command{
		path:    "exeunt client",
		summary: "See, create, change and delete clients.",
		details: "These commands work on the database directly, beside a running `exeunt serve` or without one; a running provider knows of a change\n" +
			"at once on PostgreSQL, within half a minute on SQLite. Clients of the configuration file are changed there.",
		subs: []*command{clientListCommand(), clientShowCommand(), clientCreateCommand(), clientUpdateCommand(), clientDeleteCommand()},
	}
}

// clientLine is a client in a list as --json prints it.
type clientLine struct {
	ID         string    `json:"client_id"`
	Name       string    `json:"client_name,omitempty"`
	AuthMethod string    `json:"token_endpoint_auth_method"`
	Logout     string    `json:"backchannel_logout_uri,omitempty"`
	Configured bool      `json:"configured"` // from the configuration file
	Source     string    `json:"source"`
	CreatedAt  time.Time `json:"created_at"`
	UpdatedAt  time.Time `json:"updated_at"`
}

func clientListCommand() *command {
	return &command{
		path:    "exeunt client list",
		summary: "List clients, by client_id.",
		example: "exeunt client list --config exeunt.yaml",
		setup: func(flags *flag.FlagSet) runFunc {
			path := configFlag(flags)
			asJSON := jsonFlag(flags)
			return func(ctx context.Context, _ []string, env Env) error {
				return withOperator(ctx, *path, env, func(o *provider.Operator, _ *config.Config) error {
					if *asJSON {
						return o.Clients(ctx, func(c provider.Client) error {
							return writeJSON(env.Stdout, clientLine{c.ID, c.Name, c.TokenEndpointAuthMethod, c.BackchannelLogoutURI, c.Configured, source(c), c.CreatedAt, c.UpdatedAt})
						})
					}
					t := tabwriter.NewWriter(env.Stdout, 0, 0, 2, ' ', 0)
					fmt.Fprintln(t, "CLIENT ID\tNAME\tAUTHENTICATION\tTOLD AT\tSOURCE\tUPDATED")
					err := o.Clients(ctx, func(c provider.Client) error {
						_, err := fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n",
							c.ID, shown(c.Name), c.TokenEndpointAuthMethod, shown(c.BackchannelLogoutURI), source(c), clock(c.UpdatedAt))
						return err
					})
					return errors.Join(err, t.Flush())
				})
			}
		},
	}
}

// source says where a client came from: the configuration file, a command, or its own registration (RFC 7591).
func source(c provider.Client) string {
	switch {
	case c.Configured:
		return "file"
	case c.Registered():
		return "registration"
	}
	return "command"
}

func clientShowCommand() *command {
	return &command{
		path:    "exeunt client show",
		args:    "CLIENT_ID",
		summary: "Show a client's metadata, as JSON that `exeunt client update` reads.",
		details: "Where the client came from stands on standard error.",
		example: "exeunt client show --config exeunt.yaml shop > shop.json",
		setup: func(flags *flag.FlagSet) runFunc {
			return withClient(configFlag(flags), func(_ context.Context, _ *provider.Operator, _ *config.Config, c provider.Client, env Env) error {
				fmt.Fprintf(env.Stderr, "source: %s; created %s, updated %s\n", source(c), clock(c.CreatedAt), clock(c.UpdatedAt))
				encoder := json.NewEncoder(env.Stdout)
				encoder.SetEscapeHTML(false)
				encoder.SetIndent("", "  ")
				return encoder.Encode(c.Client)
			})
		},
	}
}

// withClient runs fn on the one client that is named.
func withClient(path *string, fn func(context.Context, *provider.Operator, *config.Config, provider.Client, Env) error) runFunc {
	return func(ctx context.Context, args []string, env Env) error {
		if len(args) != 1 {
			return usagef("name one client by its client_id")
		}
		return withOperator(ctx, *path, env, func(o *provider.Operator, cfg *config.Config) error {
			c, err := o.Client(ctx, args[0])
			if errors.Is(err, identity.ErrNoClient) {
				return fmt.Errorf("there is no client %s; `exeunt client list` shows all", shown(args[0]))
			}
			if err != nil {
				return err
			}
			return fn(ctx, o, cfg, c, env)
		})
	}
}

func clientDeleteCommand() *command {
	return &command{
		path:    "exeunt client delete",
		args:    "CLIENT_ID",
		summary: "Delete a client; it leaves all sessions, and is told so.",
		details: "The sessions live on, for the other apps. The client's tokens are dead at once.",
		example: "exeunt client delete --config exeunt.yaml shop",
		setup: func(flags *flag.FlagSet) runFunc {
			return withClient(configFlag(flags), func(ctx context.Context, o *provider.Operator, _ *config.Config, c provider.Client, env Env) error {
				out, err := o.DeleteClient(ctx, c.ID, administrator())
				if err != nil {
					return err
				}
				_, err = fmt.Fprintf(env.Stdout, "%s is deleted. %s\n", c.ID, left(out))
				return err
			})
		},
	}
}

// left says what a client was part of, and how to see that it hears of it.
func left(out *logout.Outcome) string {
	if out.LogoutID == "" {
		return "It took part in no live session."
	}
	return fmt.Sprintf("It left %s, %s to make: exeunt delivery list --logout %s", counted(len(out.Leaving), "session"), counted(pending(out), "delivery"), out.LogoutID)
}

// listFlag is a flag that may be repeated.
type listFlag []string

func (l *listFlag) String() string { return strings.Join(*l, " ") }

// Set implements flag.Value.
func (l *listFlag) Set(value string) error {
	*l = append(*l, value)
	return nil
}
