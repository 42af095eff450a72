package cli

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"strconv"
	"strings"

	"github.com/exeunt-id/exeunt/config"
	"github.com/exeunt-id/exeunt/provider"
	"github.com/exeunt-id/exeunt/provider/identity"
)

func userCreateCommand() *command {
	return &command{
		path:    "exeunt user create",
		args:    "USERNAME",
		summary: "Create a user.",
		details: "The password is asked for, or read from standard input with --password-stdin. The rules are those of `users` in the configuration.",
		example: "exeunt user create --config exeunt.yaml alice --email alice@example.com --claims '{\"name\": \"Alice Doe\"}'",
		setup: func(flags *flag.FlagSet) runFunc {
			path := configFlag(flags)
			plain := passwordFlag(flags)
			email := flags.String("email", "", "e-mail `ADDRESS`")
			admin := flags.Bool("admin", false, "may administer the provider")
			claims := flags.String("claims", "", "further claims, a `JSON` object with the names of OpenID Connect Core 5.1")
			return func(ctx context.Context, args []string, env Env) error {
				if len(args) != 1 {
					return usagef("give the new user one name")
				}
				u := config.User{Username: args[0], Email: *email, Admin: *admin}
				if *claims != "" {
					if err := json.Unmarshal([]byte(*claims), &u.Claims); err != nil {
						return usagef("--claims is not a JSON object: %v", err)
					}
				}
				password, err := readPassword(env, *plain)
				if err != nil {
					return err
				}
				u.Password = config.Secret(password)
				if err := u.Check(); err != nil {
					return problems("the user is not created", err)
				}
				return withOperator(ctx, *path, env, func(o *provider.Operator, _ *config.Config) error {
					created, err := o.CreateUser(ctx, provider.User{Username: u.Username, Password: password, Email: u.Email, Admin: u.Admin, Claims: u.Claims})
					if errors.Is(err, identity.ErrNameTaken) {
						return fmt.Errorf("there is a user %s already; choose another name", shown(u.Username))
					}
					if err != nil {
						return err
					}
					_, err = fmt.Fprintf(env.Stdout, "%s is created, with the subject %s.\n", shown(created.Username), created.ID)
					return err
				})
			}
		},
	}
}

func findUser(ctx context.Context, o *provider.Operator, nameOrID string) (identity.User, error) {
	u, err := o.User(ctx, nameOrID)
	if errors.Is(err, identity.ErrNoUser) {
		return u, fmt.Errorf("there is no user %s; `exeunt user list` shows all", shown(nameOrID))
	}
	return u, err
}

// problems makes the configuration's list of problems one about something else.
func problems(what string, err error) error {
	var invalid *config.Error
	if !errors.As(err, &invalid) {
		return err
	}
	var b strings.Builder
	b.WriteString(what)
	for _, p := range invalid.Problems {
		b.WriteString("\n  " + p.String())
	}
	return errors.New(b.String())
}

// shown is a name as it is, or quoted if a terminal would do something else with it than show it.
func shown(s string) string {
	if s == "" || strconv.Quote(s) != `"`+s+`"` {
		return strconv.Quote(s)
	}
	return s
}

func inlineJSON(v any) (string, error) {
	var b strings.Builder
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(v)
	return strings.TrimSpace(b.String()), err
}
