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
	"github.com/exeunt-id/exeunt/provider"
	"github.com/exeunt-id/exeunt/provider/identity"
)

func deviceCommand() *command {
	return &command{
		path:    "exeunt device",
		summary: "See a user's devices, and detach them.",
		details: "These commands work on the database directly, beside a running `exeunt serve` or without one. What was signed in on a device that is\n" +
			"detached is dead at once; the running provider tells the apps, or the next one that starts.",
		subs: []*command{deviceListCommand(), deviceDetachCommand(), deviceExcludeCommand()},
	}
}

// deviceLine is a device as --json prints it.
type deviceLine struct {
	ID         string    `json:"device_id"`
	Subject    string    `json:"sub"`
	Name       string    `json:"name"`
	SignedIn   bool      `json:"signed_in"`
	Excluded   bool      `json:"excluded"`
	AttachedAt time.Time `json:"attached_at"`
	SeenAt     time.Time `json:"seen_at"`
	Address    string    `json:"address,omitempty"`
	Place      string    `json:"place,omitempty"`
	UserAgent  string    `json:"user_agent,omitempty"`
}

func deviceListCommand() *command {
	return &command{
		path:    "exeunt device list",
		args:    "USER",
		summary: "List the devices that are attached to a user, the one that was seen last first.",
		example: "exeunt device list --config exeunt.yaml alice",
		setup: func(flags *flag.FlagSet) runFunc {
			path := configFlag(flags)
			asJSON := jsonFlag(flags)
			return withUser(path, func(ctx context.Context, o *provider.Operator, u identity.User, env Env) error {
				devices, err := o.Devices(ctx, u)
				if err != nil {
					return err
				}
				lines := make([]deviceLine, len(devices))
				for i, d := range devices {
					lines[i] = deviceLine{
						ID: d.ID, Subject: d.Subject, Name: d.Name, SignedIn: d.SignedIn, Excluded: d.Excluded, AttachedAt: d.CreatedAt, SeenAt: d.SeenAt,
						Address: d.Address, Place: d.Place.String(), UserAgent: d.UserAgent,
					}
				}
				if *asJSON {
					return writeJSON(env.Stdout, lines...)
				}
				return writeDevices(env.Stdout, u, lines)
			})
		},
	}
}

func writeDevices(w io.Writer, u identity.User, devices []deviceLine) error {
	if len(devices) == 0 {
		_, err := fmt.Fprintf(w, "%s has no device.\n", shown(u.Username))
		return err
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "ID\tNAME\tSIGNED IN\tLIMITED\tATTACHED\tSEEN\tADDRESS\tPLACE")
	for _, d := range devices {
		fmt.Fprintf(t, "%s\t%s\t%t\t%t\t%s\t%s\t%s\t%s\n", d.ID, shown(d.Name), d.SignedIn, !d.Excluded, clock(d.AttachedAt), clock(d.SeenAt), d.Address, d.Place)
	}
	return t.Flush()
}

func deviceDetachCommand() *command {
	return &command{
		path:    "exeunt device detach",
		args:    "DEVICE_ID",
		summary: "Detach a device: what is signed in on it ends, and its apps are told.",
		example: "exeunt device detach --config exeunt.yaml 0192f3c4-5b6a-7c8d-9e0f-1a2b3c4d5e6f",
		setup: func(flags *flag.FlagSet) runFunc {
			path := configFlag(flags)
			return withDevice(path, func(ctx context.Context, o *provider.Operator, id string, env Env) error {
				out, err := o.DetachDevice(ctx, id, administrator())
				if err != nil {
					return err
				}
				_, err = fmt.Fprintf(env.Stdout, "The device is detached. %s\n", told(out))
				return err
			})
		},
	}
}

func deviceExcludeCommand() *command {
	return &command{
		path:    "exeunt device exclude",
		args:    "DEVICE_ID",
		summary: "Let a device count for no limit; no limit or inactivity detaches it.",
		example: "exeunt device exclude --config exeunt.yaml 0192f3c4-5b6a-7c8d-9e0f-1a2b3c4d5e6f",
		setup: func(flags *flag.FlagSet) runFunc {
			path := configFlag(flags)
			undo := flags.Bool("undo", false, "let it count again")
			return withDevice(path, func(ctx context.Context, o *provider.Operator, id string, env Env) error {
				if err := o.ExcludeDevice(ctx, id, !*undo, administrator()); err != nil {
					return err
				}
				text := "The device counts for no limit.\n"
				if *undo {
					text = "The device counts for limits.\n"
				}
				_, err := fmt.Fprint(env.Stdout, text)
				return err
			})
		},
	}
}

// withDevice runs fn with the one id that is given.
func withDevice(path *string, fn func(ctx context.Context, o *provider.Operator, id string, env Env) error) runFunc {
	return func(ctx context.Context, args []string, env Env) error {
		if len(args) != 1 {
			return usagef("name one device by its id; `exeunt device list USER` shows them")
		}
		return withOperator(ctx, *path, env, func(o *provider.Operator, _ *config.Config) error {
			err := fn(ctx, o, args[0], env)
			if errors.Is(err, identity.ErrNoDevice) {
				return fmt.Errorf("no device %s is attached to anybody; `exeunt device list USER` shows those of a user", shown(args[0]))
			}
			return err
		})
	}
}
