package cli

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os/user"
	"text/tabwriter"
	"time"

	"github.com/exeunt-id/exeunt/config"
	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider"
	"github.com/exeunt-id/exeunt/provider/identity"
)

func userCommand() *command {
	return &command{
		path:    "exeunt user",
		summary: "See, create, disable and delete users.",
		details: "These commands work on the database directly, beside a running `exeunt serve` or without one. A user who is disabled or deleted, or whose\n" +
			"password is changed, is logged out everywhere in the same transaction; the running provider tells the apps, or the next one that starts. A consent\n" +
			"that is revoked ends that app's part.",
		subs: []*command{
			userListCommand(), userShowCommand(), userCreateCommand(),
			userEndCommand("set-password", "Change a user's password, and log them out everywhere.",
				"The password is asked for, or read from standard input with --password-stdin.", true, setPassword),
			userEndCommand("disable", "Keep a user from logging in, and log them out everywhere.", "", false, disableUser),
			userEnableCommand(),
			userConsentsCommand(), userRevokeConsentCommand(),
			userEndCommand("delete", "Delete a user, and log them out everywhere.",
				"A later user of the same name is another person to every app: the subject is not used again.", false, deleteUser),
		},
	}
}

// userLine is a user as --json prints it.
type userLine struct {
	ID         string         `json:"sub"`
	Username   string         `json:"username"`
	Email      string         `json:"email,omitempty"`
	Admin      bool           `json:"admin"`
	Claims     map[string]any `json:"claims,omitempty"`
	CreatedAt  time.Time      `json:"created_at"`
	UpdatedAt  time.Time      `json:"updated_at"`
	DisabledAt time.Time      `json:"disabled_at,omitzero"`
}

func newUserLine(u identity.User) userLine {
	return userLine{
		ID: u.ID, Username: u.Username, Email: u.Email, Admin: u.Admin, Claims: u.Claims, CreatedAt: u.CreatedAt, UpdatedAt: u.UpdatedAt, DisabledAt: u.DisabledAt,
	}
}

func (u userLine) state() string {
	if u.DisabledAt.IsZero() {
		return "enabled"
	}
	return "disabled since " + clock(u.DisabledAt)
}

func userListCommand() *command {
	return &command{
		path:    "exeunt user list",
		summary: "List users, by name.",
		example: "exeunt user list --config exeunt.yaml",
		setup: func(flags *flag.FlagSet) runFunc {
			path := configFlag(flags)
			asJSON := jsonFlag(flags)
			return func(ctx context.Context, _ []string, env Env) error {
				return withOperator(ctx, *path, env, func(o *provider.Operator, _ *config.Config) error {
					if *asJSON {
						return o.Users(ctx, func(u identity.User) error { return writeJSON(env.Stdout, newUserLine(u)) })
					}
					return writeUsers(ctx, env.Stdout, o)
				})
			}
		},
	}
}

func writeUsers(ctx context.Context, w io.Writer, o *provider.Operator) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "USERNAME\tSUBJECT\tE-MAIL\tADMIN\tCREATED\tSTATE")
	err := o.Users(ctx, func(u identity.User) error {
		line := newUserLine(u)
		_, err := fmt.Fprintf(t, "%s\t%s\t%s\t%t\t%s\t%s\n", shown(u.Username), u.ID, shown(u.Email), u.Admin, clock(u.CreatedAt), line.state())
		return err
	})
	if err != nil {
		return err
	}
	return t.Flush()
}

func userShowCommand() *command {
	return &command{
		path:    "exeunt user show",
		args:    "USER",
		summary: "Show a user, by name or subject.",
		example: "exeunt user show --config exeunt.yaml alice",
		setup: func(flags *flag.FlagSet) runFunc {
			path := configFlag(flags)
			asJSON := jsonFlag(flags)
			return withUser(path, func(_ context.Context, _ *provider.Operator, u identity.User, env Env) error {
				line := newUserLine(u)
				if *asJSON {
					return writeJSON(env.Stdout, line)
				}
				t := tabwriter.NewWriter(env.Stdout, 0, 0, 2, ' ', 0)
				fmt.Fprintf(t, "Username\t%s\nSubject\t%s\nE-mail\t%s\nAdmin\t%t\nCreated\t%s\nUpdated\t%s\nState\t%s\n",
					shown(u.Username), u.ID, shown(u.Email), u.Admin, clock(u.CreatedAt), clock(u.UpdatedAt), line.state())
				if len(u.Claims) > 0 {
					claims, err := inlineJSON(u.Claims)
					if err != nil {
						return err
					}
					fmt.Fprintf(t, "Claims\t%s\n", claims)
				}
				return t.Flush()
			})
		},
	}
}

// withUser runs fn on the one user that is named.
func withUser(path *string, fn func(context.Context, *provider.Operator, identity.User, Env) error) runFunc {
	return func(ctx context.Context, args []string, env Env) error {
		if len(args) != 1 {
			return usagef("name one user, by username or subject")
		}
		return withOperator(ctx, *path, env, func(o *provider.Operator, _ *config.Config) error {
			u, err := findUser(ctx, o, args[0])
			if err != nil {
				return err
			}
			return fn(ctx, o, u, env)
		})
	}
}

func userEnableCommand() *command {
	return &command{
		path:    "exeunt user enable",
		args:    "USER",
		summary: "Let a disabled user log in again.",
		example: "exeunt user enable --config exeunt.yaml alice",
		setup: func(flags *flag.FlagSet) runFunc {
			return withUser(configFlag(flags), func(ctx context.Context, o *provider.Operator, u identity.User, env Env) error {
				changed, err := o.EnableUser(ctx, u)
				if err != nil {
					return err
				}
				text := "%s may log in again.\n"
				if !changed {
					text = "%s was not disabled.\n"
				}
				_, err = fmt.Fprintf(env.Stdout, text, shown(u.Username))
				return err
			})
		},
	}
}

// userChange is a change of a user that ends their sessions. It returns what became of the user.
type userChange func(ctx context.Context, o *provider.Operator, u identity.User, password string) (*logout.Outcome, string, error)

func userEndCommand(name, summary, details string, asks bool, change userChange) *command {
	return &command{
		path: "exeunt user " + name, args: "USER", summary: summary, details: details,
		example: "exeunt user " + name + " --config exeunt.yaml alice",
		setup: func(flags *flag.FlagSet) runFunc {
			path := configFlag(flags)
			var plain *bool
			if asks {
				plain = passwordFlag(flags)
			}
			return withUser(path, func(ctx context.Context, o *provider.Operator, u identity.User, env Env) error {
				password := ""
				if asks {
					var err error
					if password, err = readPassword(env, *plain); err != nil {
						return err
					}
				}
				out, what, err := change(ctx, o, u, password)
				if err != nil {
					return err
				}
				_, err = fmt.Fprintf(env.Stdout, "%s %s. %s\n", shown(u.Username), what, told(out))
				return err
			})
		},
	}
}

func setPassword(ctx context.Context, o *provider.Operator, u identity.User, password string) (*logout.Outcome, string, error) {
	out, err := o.SetPassword(ctx, u, password, administrator())
	return out, "has a new password", err
}

func disableUser(ctx context.Context, o *provider.Operator, u identity.User, _ string) (*logout.Outcome, string, error) {
	out, err := o.DisableUser(ctx, u, administrator())
	return out, "is disabled", err
}

func deleteUser(ctx context.Context, o *provider.Operator, u identity.User, _ string) (*logout.Outcome, string, error) {
	out, err := o.DeleteUser(ctx, u, administrator())
	return out, "is deleted", err
}

// administrator is who runs the command, for the audit trail.
func administrator() logout.Actor {
	actor := logout.Actor{Kind: "admin"}
	if u, err := user.Current(); err == nil {
		actor.ID = u.Username
	}
	return actor
}

// told says what ended, and how to see who hears of it.
func told(out *logout.Outcome) string {
	if out.LogoutID == "" {
		return "No session was live."
	}
	return fmt.Sprintf("%s ended, %s to make: exeunt delivery list --logout %s",
		counted(len(out.Sessions), "session"), counted(pending(out), "delivery"), out.LogoutID)
}

// pending counts the apps that can be told.
func pending(out *logout.Outcome) int {
	n := 0
	for _, r := range out.Receipts {
		if r.State == logout.StatePending {
			n++
		}
	}
	return n
}
