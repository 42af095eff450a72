package cli

import (
	"context"
	"flag"
	"fmt"

	"github.com/exeunt-id/exeunt/config"
	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider"
)

// sessionEnd is what the flags of `session end` say.
type sessionEnd struct {
	chosen   sessionChoice
	everyone bool
	sure     bool
	rate     rateFlag
	status   bool
	cancel   bool
	json     bool
}

func sessionEndCommand() *command {
	return &command{
		path:    "exeunt session end",
		args:    "[SESSION_ID...]",
		summary: "End sessions, and tell every app that took part.",
		details: "Name sessions by id, or choose them by flags, which narrow each other. Their offline grants are revoked, too.\n" +
			fmt.Sprintf("More than %d sessions, or any number with --rate, are ended in batches by the running provider, or the next one that starts: a mass\n", logout.MassAbove) +
			"logout. Who logs in after it was asked for stays logged in. --status shows the progress of mass logouts, or of one by its ID; --cancel ID stops\n" +
			"one, and what has ended stays so.",
		example: "exeunt session end --config exeunt.yaml --user alice\nexeunt session end --client shop\nexeunt session end --everyone --yes --rate 100/s\nexeunt session end --status",
		setup: func(flags *flag.FlagSet) runFunc {
			path := configFlag(flags)
			var f sessionEnd
			f.chosen.define(flags)
			flags.BoolVar(&f.everyone, "everyone", false, "all sessions of all people")
			flags.BoolVar(&f.sure, "yes", false, "really everyone")
			flags.Var(&f.rate, "rate", "end at most `N/s` sessions per second, as a mass logout")
			flags.BoolVar(&f.status, "status", false, "show the mass logouts, or those with the given ids")
			flags.BoolVar(&f.cancel, "cancel", false, "stop the mass logouts with the given ids")
			flags.BoolVar(&f.json, "json", false, "with --status: print one JSON object per line")
			return func(ctx context.Context, ids []string, env Env) error {
				if err := f.check(ids); err != nil {
					return err
				}
				return withOperator(ctx, *path, env, func(o *provider.Operator, _ *config.Config) error {
					switch {
					case f.status:
						return massStatus(ctx, o, ids, f.json, env)
					case f.cancel:
						return massCancel(ctx, o, ids, env)
					}
					return f.end(ctx, o, ids, env)
				})
			}
		},
	}
}

// check refuses flags that contradict each other.
func (f *sessionEnd) check(ids []string) error {
	choices := 0
	for _, given := range []bool{len(ids) > 0 && !f.status && !f.cancel, f.chosen != sessionChoice{}, f.everyone, f.status, f.cancel} {
		if given {
			choices++
		}
	}
	switch {
	case choices == 0:
		return usagef("nothing is chosen; name sessions by id, or choose them with --user, --client or --everyone")
	case choices > 1:
		return usagef("ids, --user or --client, --everyone, --status and --cancel exclude each other; give one of them")
	case f.everyone && !f.sure:
		return usagef("--everyone logs out all people; add --yes if that is meant")
	case f.rate > 0 && (len(ids) > 0 || f.status || f.cancel):
		return usagef("--rate is for --user, --client and --everyone")
	case f.cancel && len(ids) == 0:
		return usagef("--cancel needs the id of a mass logout; `exeunt session end --status` shows all")
	}
	return nil
}

func (f *sessionEnd) end(ctx context.Context, o *provider.Operator, ids []string, env Env) error {
	targets, err := sessionTargets(ctx, o, ids, f.chosen, f.everyone)
	if err != nil {
		return err
	}
	for _, target := range targets {
		req := logout.Request{Cause: logout.CauseAdmin, Actor: administrator(), Target: target}
		if target.SessionID != "" {
			out, err := o.End(ctx, req)
			if err != nil {
				return err
			}
			fmt.Fprintln(env.Stdout, told(out))
			continue
		}
		out, mass, err := o.EndMany(ctx, req, int(f.rate))
		if err != nil {
			return err
		}
		if mass != nil {
			fmt.Fprintf(env.Stdout, "The running provider ends %s, or the next one that starts: exeunt session end --status %s\n", counted(mass.Total, "session"), mass.ID)
		} else {
			fmt.Fprintln(env.Stdout, told(out))
		}
	}
	return nil
}

// sessionTargets looks at every id before anything ends: a mistyped one must not leave half of the work done.
func sessionTargets(ctx context.Context, o *provider.Operator, ids []string, chosen sessionChoice, everyone bool) ([]logout.Target, error) {
	if everyone {
		return []logout.Target{{Everyone: true}}, nil
	}
	if len(ids) == 0 {
		target, err := chosen.target(ctx, o)
		return []logout.Target{target}, err
	}
	var targets []logout.Target
	for _, id := range ids {
		target := logout.Target{SessionID: id}
		live, err := o.Sessions(ctx, target, 1)
		if err != nil {
			return nil, err
		}
		if len(live) == 0 {
			return nil, fmt.Errorf("there is no live session %s; `exeunt session list` shows all; nothing was ended", shown(id))
		}
		targets = append(targets, target)
	}
	return targets, nil
}
