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

func deliveryRetryCommand() *command {
	return &command{
		path:    "exeunt delivery retry",
		args:    "[ID...]",
		summary: "Tell apps again, at once and with a fresh period of retries.",
		details: "Name deliveries by their ids, or choose them by flags, which narrow each other. Those that are dead, rejected or retrying become\n" +
			"due at once; the running `exeunt serve` attempts them, or the next one that starts. With --include-delivered also those that were\n" +
			"acknowledged, for an app that has lost its database.",
		example: "exeunt delivery retry --config exeunt.yaml --client shop --state dead\nexeunt delivery retry --client shop --since 48h --include-delivered\nexeunt delivery retry 0192f3c4-5b6a-7c8d-9e0f-1a2b3c4d5e6f",
		setup: func(flags *flag.FlagSet) runFunc {
			path := configFlag(flags)
			var chosen selection
			chosen.define(flags, logout.Redeliverable(true))
			acknowledged := flags.Bool("include-delivered", false, "also those that the app has acknowledged")
			return func(ctx context.Context, ids []string, env Env) error {
				f, err := chosen.filter(logout.Redeliverable(*acknowledged), time.Now())
				switch {
				case err != nil:
					return err
				case len(ids) > 0 && chosen != (selection{}):
					return usagef("ids and flags that choose stand beside each other; give one of them")
				case len(ids) == 0 && chosen == (selection{}):
					return usagef("nothing is chosen; name deliveries by id, or choose them with flags such as --client, --state, --since or --logout")
				}
				f.Acknowledged = *acknowledged
				return withOperator(ctx, *path, env, func(o *provider.Operator, _ *config.Config) error {
					if err := chosen.subject(ctx, o.User, &f); err != nil {
						return err
					}
					r := retrier{operator: o, env: env}
					if len(ids) > 0 {
						return r.retryEach(ctx, ids, *acknowledged)
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
	if err != nil && n > 0 { // batch by batch
		return fmt.Errorf("%s due now, then it failed; say it again for the others: %w", counted(n, "delivery"), err)
	}
	if err != nil {
		return err
	}
	return r.done(n)
}

// retryEach looks at every id before it changes anything: a mistyped one must not leave half of the work done.
func (r retrier) retryEach(ctx context.Context, ids []string, acknowledged bool) error {
	allowed := logout.Redeliverable(acknowledged)
	for _, id := range ids {
		d, _, err := showDelivery(ctx, r.operator.Delivery, id)
		if err != nil {
			return err
		}
		if !slices.Contains(allowed, d.State) {
			return fmt.Errorf("delivery %s is %s; only those that are %s can be retried", id, d.State, stateNames(allowed))
		}
	}
	total := 0
	for _, id := range ids {
		n, err := r.operator.Redeliver(ctx, logout.Filter{DeliveryID: id, Acknowledged: acknowledged})
		if err != nil {
			return err
		}
		total += n
	}
	return r.done(total)
}

func (r retrier) done(n int) error {
	if n == 0 {
		_, err := fmt.Fprintf(r.env.Stdout, "Nothing to retry: no chosen delivery is %s.\n", stateNames(logout.Redeliverable(false)))
		return err
	}
	_, err := fmt.Fprintf(r.env.Stdout, "%s due now; the running provider attempts them.\n", counted(n, "delivery"))
	return err
}
