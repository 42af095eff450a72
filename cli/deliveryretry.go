package cli

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"time"

	"github.com/exeunt-id/exeunt/config"
	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider"
)

// retryStates are the states that a delivery can be brought back from.
var retryStates = []logout.State{logout.StateDead, logout.StateRejected, logout.StateRetrying}

func deliveryRetryCommand() *command {
	return &command{
		path:    "exeunt delivery retry",
		args:    "[ID...]",
		summary: "Tell apps again, at once and with a fresh period of retries.",
		details: "Name deliveries by their ids, or choose them by flags, which narrow each other. Those that are dead, rejected or retrying become\n" +
			"due at once; the running `exeunt serve` attempts them, or the next one that starts.",
		example: "exeunt delivery retry --config exeunt.yaml --client shop --state dead\nexeunt delivery retry 0192f3c4-5b6a-7c8d-9e0f-1a2b3c4d5e6f",
		setup: func(flags *flag.FlagSet) runFunc {
			path := configFlag(flags)
			var chosen selection
			chosen.define(flags, retryStates)
			return func(ctx context.Context, ids []string, env Env) error {
				f, err := chosen.filter(retryStates, time.Now())
				switch {
				case err != nil:
					return err
				case len(ids) > 0 && chosen != (selection{}):
					return usagef("ids and flags that choose stand beside each other; give one of them")
				case len(ids) == 0 && chosen == (selection{}):
					return usagef("nothing is chosen; name deliveries by id, or choose them with --client, --state, --since or --logout")
				}
				return withOperator(ctx, *path, env, func(o *provider.Operator, _ *config.Config) error {
					r := retrier{operator: o, env: env}
					if len(ids) > 0 {
						return r.retryEach(ctx, ids)
					}
					return r.retryAll(ctx, f)
				})
			}
		},
	}
}

type retrier struct {
	operator *provider.Operator
	env      Env
}

func (r retrier) retryAll(ctx context.Context, f logout.Filter) error {
	n, err := r.operator.Redeliver(ctx, f)
	if err != nil {
		return err
	}
	return r.done(n)
}

// retryEach looks at every id before it changes anything: a mistyped one must not leave half of the work done.
func (r retrier) retryEach(ctx context.Context, ids []string) error {
	for _, id := range ids {
		d, _, err := showDelivery(ctx, r.operator.Delivery, id)
		if err != nil {
			return err
		}
		if !slices.Contains(retryStates, d.State) {
			return fmt.Errorf("delivery %s is %s; only those that are %s can be retried", id, d.State, stateNames(retryStates))
		}
	}
	total := 0
	for _, id := range ids {
		n, err := r.operator.Redeliver(ctx, logout.Filter{DeliveryID: id})
		if err != nil {
			return err
		}
		total += n
	}
	return r.done(total)
}

func (r retrier) done(n int) error {
	if n == 0 {
		_, err := fmt.Fprintf(r.env.Stdout, "Nothing to retry: no chosen delivery is %s.\n", stateNames(retryStates))
		return err
	}
	_, err := fmt.Fprintf(r.env.Stdout, "%s due now; the running provider attempts them.\n", counted(n, "delivery"))
	return err
}
