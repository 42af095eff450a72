package cli

import (
	"context"
	"errors"

	"github.com/exeunt-id/exeunt/config"
	"github.com/exeunt-id/exeunt/provider"
)

// withOperator runs fn as the operator of the configured provider, in the name of who runs the command.
func withOperator(ctx context.Context, path string, env Env, fn func(*provider.Operator, *config.Config) error) (err error) {
	cfg, err := loadConfig(path, env)
	if err != nil {
		return err
	}
	db, err := openMigrated(ctx, cfg, env)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	settings, err := providerConfig(cfg, db, commandLogger(env))
	if err != nil {
		return err
	}
	operator, err := provider.NewOperator(settings)
	if err != nil {
		return err
	}
	return fn(operator.As(administrator()), cfg)
}
