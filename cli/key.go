package cli

import (
	"context"
	"flag"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/exeunt-id/exeunt/config"
	"github.com/exeunt-id/exeunt/provider"
	"github.com/exeunt-id/exeunt/provider/identity"
)

func keyCommand() *command {
	return &command{
		path:    "exeunt key",
		summary: "See the signing keys, and replace them.",
		details: "A running provider rotates its keys by itself, as keys.rotate_every says. These commands work on the database directly, beside it.",
		subs:    []*command{keyListCommand(), keyRotateCommand()},
	}
}

// keyLine is a key as --json prints it.
type keyLine struct {
	ID          string    `json:"kid"`
	Algorithm   string    `json:"alg"`
	State       string    `json:"state"`
	CreatedAt   time.Time `json:"created_at"`
	ActivateAt  time.Time `json:"activate_at,omitzero"` // of a next key
	ActivatedAt time.Time `json:"activated_at,omitzero"`
	RetiredAt   time.Time `json:"retired_at,omitzero"`
	RemoveAt    time.Time `json:"remove_at,omitzero"` // of a retired key, unless it is kept for ever
}

func newKeyLine(k identity.SigningKey, keep time.Duration) keyLine {
	line := keyLine{
		ID: k.ID, Algorithm: k.Algorithm, State: k.State(), CreatedAt: k.CreatedAt, ActivatedAt: k.ActivatedAt, RetiredAt: k.RetiredAt,
	}
	switch {
	case line.State == identity.KeyNext:
		line.ActivateAt = k.ActivateAt
	case line.State == identity.KeyRetired && keep > 0:
		line.RemoveAt = k.RetiredAt.Add(keep)
	}
	return line
}

func keyListCommand() *command {
	return &command{
		path:    "exeunt key list",
		summary: "List the signing keys that are published, oldest first.",
		details: "A next key is published and does not sign yet; the active one signs; a retired one still verifies, until keys.keep_retired has passed.",
		example: "exeunt key list --config exeunt.yaml",
		setup: func(flags *flag.FlagSet) runFunc {
			path := configFlag(flags)
			asJSON := jsonFlag(flags)
			return func(ctx context.Context, _ []string, env Env) error {
				return withOperator(ctx, *path, env, func(o *provider.Operator, cfg *config.Config) error {
					keys, err := o.Keys(ctx)
					if err != nil {
						return err
					}
					lines := make([]keyLine, len(keys))
					for i, k := range keys {
						lines[i] = newKeyLine(k, cfg.Keys.KeepRetired)
					}
					if *asJSON {
						return writeJSON(env.Stdout, lines...)
					}
					return writeKeys(env.Stdout, lines)
				})
			}
		},
	}
}

func jsonFlag(flags *flag.FlagSet) *bool {
	return flags.Bool("json", false, "print one JSON object per line")
}

func writeKeys(w io.Writer, keys []keyLine) error {
	if len(keys) == 0 {
		_, err := fmt.Fprintln(w, "No keys: the first ones are made when `exeunt serve` starts.")
		return err
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "KID\tALG\tSTATE\tPUBLISHED\tSIGNS FROM\tUNTIL\tREMOVED AT")
	for _, k := range keys {
		from := k.ActivatedAt
		if k.State == identity.KeyNext {
			from = k.ActivateAt
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", k.ID, k.Algorithm, k.State, clock(k.CreatedAt), clock(from), clock(k.RetiredAt), clock(k.RemoveAt))
	}
	return t.Flush()
}

func keyRotateCommand() *command {
	return &command{
		path:    "exeunt key rotate",
		summary: "Replace active signing keys before their time.",
		details: "The next key is published at once and signs as soon as it has been published for --activate-after: a running provider activates it.\n" +
			"The default is longer than anybody may keep a key set, so no verification fails. If a next key is published already, it is that one.\n" +
			"With --now it signs at once: for a key that may have been stolen. Retired keys still verify; see keys.keep_retired.",
		example: "exeunt key rotate --config exeunt.yaml\nexeunt key rotate --alg RS256 --activate-after 24h",
		setup: func(flags *flag.FlagSet) runFunc {
			path := configFlag(flags)
			alg := flags.String("alg", "", "only the key of this `ALGORITHM`; without it, of all signing_algorithms")
			after := flags.Duration("activate-after", provider.KeyOverlap, "sign after the key has been published for this `DURATION`")
			now := flags.Bool("now", false, "sign at once")
			asJSON := jsonFlag(flags)
			return func(ctx context.Context, _ []string, env Env) error {
				published := *after
				switch {
				case *after < 0:
					return usagef("--activate-after %v is negative; write a duration such as 1h", *after)
				case *now && *after != provider.KeyOverlap:
					return usagef("--now and --activate-after contradict each other; give one of them")
				case *now:
					published = 0
				}
				if published < provider.KeyOverlap {
					fmt.Fprintf(env.Stderr, "warning: signatures of the new key may fail to verify until everybody has read the key set again, which takes up to %v\n",
						provider.KeyOverlap)
				}
				return withOperator(ctx, *path, env, func(o *provider.Operator, _ *config.Config) error {
					changes, err := o.RotateKeys(ctx, *alg, published)
					if err != nil {
						return err
					}
					return writeKeyChanges(env.Stdout, changes, *asJSON)
				})
			}
		},
	}
}

// keyChangeLine is a rotation as --json prints it.
type keyChangeLine struct {
	Algorithm   string    `json:"alg"`
	Next        string    `json:"kid"`
	PublishedAt time.Time `json:"published_at"`
	ActivateAt  time.Time `json:"activate_at"`
	Active      bool      `json:"active"`
}

func writeKeyChanges(w io.Writer, changes []provider.KeyChange, asJSON bool) error {
	for _, c := range changes {
		var err error
		switch {
		case asJSON:
			err = writeJSON(w, keyChangeLine{c.Algorithm, c.Next, c.PublishedAt, c.ActivateAt, c.Activated})
		case c.Activated:
			_, err = fmt.Fprintf(w, "%s: key %s signs now; the one before it is retired and still verifies.\n", c.Algorithm, c.Next)
		default:
			_, err = fmt.Fprintf(w, "%s: key %s is published and signs from %s.\n", c.Algorithm, c.Next, clock(c.ActivateAt))
		}
		if err != nil {
			return err
		}
	}
	return nil
}
