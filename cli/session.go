package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/exeunt-id/exeunt/config"
	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider"
	"github.com/exeunt-id/exeunt/provider/identity"
)

func sessionCommand() *command {
	return &command{
		path:    "exeunt session",
		summary: "See who is logged in, and end sessions.",
		details: "These commands work on the database directly, beside a running `exeunt serve` or without one. A session that ends is dead at once; the\n" +
			"running provider tells the apps, or the next one that starts.",
		subs: []*command{sessionListCommand(), sessionEndCommand()},
	}
}

// sessionChoice is what the flags of a command choose sessions by. They narrow each other.
type sessionChoice struct{ user, client string }

func (s *sessionChoice) define(flags *flag.FlagSet) {
	flags.StringVar(&s.user, "user", "", "only those of this `USER`, by name or subject")
	flags.StringVar(&s.client, "client", "", "only those in which the app with this `CLIENT_ID` takes part")
}

// target finds who is meant. A user who is gone may still be named by subject; a client that is gone may still take part in sessions.
func (s *sessionChoice) target(ctx context.Context, o *provider.Operator) (logout.Target, error) {
	t := logout.Target{ClientID: s.client}
	if s.user == "" {
		return t, nil
	}
	u, err := o.User(ctx, s.user)
	switch {
	case err == nil:
		t.Subject = u.ID
	case errors.Is(err, identity.ErrNoUser):
		live, err := o.Sessions(ctx, logout.Target{Subject: s.user}, 1)
		if err != nil {
			return t, err
		}
		if len(live) == 0 {
			return t, fmt.Errorf("there is no user %s; `exeunt user list` shows all", shown(s.user))
		}
		t.Subject = s.user
	default:
		return t, err
	}
	return t, nil
}

// sessionLine is a session as --json prints it.
type sessionLine struct {
	ID        string    `json:"session_id"`
	Subject   string    `json:"sub"`
	Username  string    `json:"username,omitempty"`
	Apps      []string  `json:"clients"`
	AuthTime  time.Time `json:"auth_time"`
	CreatedAt time.Time `json:"created_at"`
	SeenAt    time.Time `json:"seen_at"`
	IdleUntil time.Time `json:"idle_until"`
	ExpiresAt time.Time `json:"expires_at"`
	Address   string    `json:"address,omitempty"`
	DeviceID  string    `json:"device_id,omitempty"`
	UserAgent string    `json:"user_agent,omitempty"`
}

func newSessionLine(s provider.LiveSession) sessionLine {
	line := sessionLine{
		ID: s.ID, Subject: s.Subject, Username: s.Username, Apps: []string{}, AuthTime: s.AuthTime, CreatedAt: s.CreatedAt, SeenAt: s.SeenAt,
		IdleUntil: s.IdleUntil, ExpiresAt: s.ExpiresAt, Address: s.Address, DeviceID: s.DeviceID, UserAgent: s.UserAgent,
	}
	for _, app := range s.Apps {
		line.Apps = append(line.Apps, app.ClientID)
	}
	return line
}

func sessionListCommand() *command {
	return &command{
		path:    "exeunt session list",
		summary: "List live sessions, newest first.",
		example: "exeunt session list --config exeunt.yaml --user alice",
		setup: func(flags *flag.FlagSet) runFunc {
			path := configFlag(flags)
			var chosen sessionChoice
			chosen.define(flags)
			limit := flags.Int("limit", defaultLimit, "at most `N` sessions")
			asJSON := jsonFlag(flags)
			return func(ctx context.Context, _ []string, env Env) error {
				if err := checkLimit(*limit); err != nil {
					return err
				}
				return withOperator(ctx, *path, env, func(o *provider.Operator, _ *config.Config) error {
					target, err := chosen.target(ctx, o)
					if err != nil {
						return err
					}
					live, err := o.Sessions(ctx, target, *limit)
					if err != nil {
						return err
					}
					lines := make([]sessionLine, len(live))
					for i, s := range live {
						lines[i] = newSessionLine(s)
					}
					if *asJSON {
						return writeJSON(env.Stdout, lines...)
					}
					if err := writeSessions(env.Stdout, lines); err != nil {
						return err
					}
					if len(live) == *limit {
						fmt.Fprintf(env.Stderr, "There may be more than these %s; --limit raises the number.\n", counted(*limit, "session"))
					}
					return nil
				})
			}
		},
	}
}

func writeSessions(w io.Writer, sessions []sessionLine) error {
	if len(sessions) == 0 {
		_, err := fmt.Fprintln(w, "No live sessions.")
		return err
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "ID\tUSER\tSTARTED\tSEEN\tAPPS\tADDRESS\tBROWSER")
	for _, s := range sessions {
		who := s.Subject
		if s.Username != "" {
			who = shown(s.Username)
		}
		apps := strings.Join(s.Apps, ",")
		if apps == "" {
			apps = "-"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", s.ID, who, clock(s.CreatedAt), clock(s.SeenAt), apps, s.Address, shown(s.UserAgent))
	}
	return t.Flush()
}
