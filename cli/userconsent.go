package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/exeunt-id/exeunt/config"
	"github.com/exeunt-id/exeunt/provider"
	"github.com/exeunt-id/exeunt/provider/identity"
)

// consentLine is a consent as --json prints it.
type consentLine struct {
	ClientID  string    `json:"client_id"`
	Scopes    []string  `json:"scopes"`
	GrantedAt time.Time `json:"granted_at"`
}

func userConsentsCommand() *command {
	return &command{
		path:    "exeunt user consents",
		args:    "USER",
		summary: "List what a user has allowed which app.",
		example: "exeunt user consents --config exeunt.yaml alice",
		setup: func(flags *flag.FlagSet) runFunc {
			path := configFlag(flags)
			asJSON := jsonFlag(flags)
			return withUser(path, func(ctx context.Context, o *provider.Operator, u identity.User, env Env) error {
				consents, err := o.Consents(ctx, u)
				if err != nil {
					return err
				}
				if *asJSON {
					lines := make([]consentLine, len(consents))
					for i, c := range consents {
						lines[i] = consentLine{c.ClientID, c.Scopes, c.GrantedAt}
					}
					return writeJSON(env.Stdout, lines...)
				}
				if len(consents) == 0 {
					_, err := fmt.Fprintf(env.Stdout, "%s has allowed no app anything.\n", shown(u.Username))
					return err
				}
				t := tabwriter.NewWriter(env.Stdout, 0, 0, 2, ' ', 0)
				fmt.Fprintln(t, "CLIENT\tSCOPES\tSINCE")
				for _, c := range consents {
					fmt.Fprintf(t, "%s\t%s\t%s\n", shown(c.ClientID), shown(strings.Join(c.Scopes, " ")), clock(c.GrantedAt))
				}
				return t.Flush()
			})
		},
	}
}

func userRevokeConsentCommand() *command {
	return &command{
		path:    "exeunt user revoke-consent",
		args:    "USER CLIENT_ID",
		summary: "Forget what a user has allowed an app; it leaves the user's sessions, and is told.",
		details: "The sessions live on, for the other apps. The app's tokens for the user are dead at once, offline ones too.",
		example: "exeunt user revoke-consent --config exeunt.yaml alice shop",
		setup: func(flags *flag.FlagSet) runFunc {
			path := configFlag(flags)
			return func(ctx context.Context, args []string, env Env) error {
				if len(args) != 2 {
					return usagef("name one user, by username or subject, and one app by its client_id")
				}
				return withOperator(ctx, *path, env, func(o *provider.Operator, _ *config.Config) error {
					u, err := findUser(ctx, o, args[0])
					if err != nil {
						return err
					}
					out, err := o.RevokeConsent(ctx, u, args[1], administrator())
					if errors.Is(err, provider.ErrNothingAgreed) {
						return fmt.Errorf("%s has allowed %s nothing, and is not signed in there; `exeunt user consents` shows what there is", shown(u.Username), shown(args[1]))
					}
					if err != nil {
						return err
					}
					_, err = fmt.Fprintf(env.Stdout, "%s allows %s nothing any more. %s\n", shown(u.Username), shown(args[1]), left(out))
					return err
				})
			}
		},
	}
}
