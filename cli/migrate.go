package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"log/slog"
	"os"

	"github.com/exeunt-id/exeunt/config"
	"github.com/exeunt-id/exeunt/database"
)

func migrateCommand() *command {
	return &command{
		path:    "exeunt migrate",
		summary: "Bring the database's schema to this version.",
		details: "`exeunt serve` does the same at its start. Any number of nodes may do it at once: one works, the others wait.",
		example: "exeunt migrate --config exeunt.yaml",
		setup: func(flags *flag.FlagSet) runFunc {
			path := configFlag(flags)
			return func(ctx context.Context, _ []string, env Env) error {
				cfg, err := loadConfig(*path, env)
				if err != nil {
					return err
				}
				return migrate(ctx, cfg, env)
			}
		},
	}
}

func migrate(ctx context.Context, cfg *config.Config, env Env) (err error) {
	db, err := database.Open(ctx, cfg.Database.Reveal(), database.Options{Logger: commandLogger(env)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	current, err := db.Migrated(ctx)
	if err != nil {
		return err
	}
	if current {
		fmt.Fprintf(env.Stdout, "%s is at this version already.\n", cfg.Database)
		return nil
	}
	if err := db.Migrate(ctx); err != nil {
		return err
	}
	fmt.Fprintf(env.Stdout, "%s is at this version now.\n", cfg.Database)
	return nil
}

// openMigrated opens the database of a command that works beside a running provider. It neither makes a database nor migrates one: a
// path that was mistyped must not become an empty file that looks like "nothing to report".
func openMigrated(ctx context.Context, cfg *config.Config, env Env) (*database.DB, error) {
	const advice = "check `database` in the configuration, or start `exeunt serve` once"
	if path := sqlitePath(cfg.Database); path != "" {
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("there is no database at %s; %s", path, advice)
		}
	}
	db, err := database.Open(ctx, cfg.Database.Reveal(), database.Options{Logger: commandLogger(env)})
	if err != nil {
		return nil, err
	}
	current, err := db.Migrated(ctx)
	switch {
	case err != nil:
		return nil, errors.Join(err, db.Close())
	case !current:
		return nil, errors.Join(fmt.Errorf("the schema of %s is older than this program; run `exeunt migrate` first", cfg.Database), db.Close())
	}
	return db, nil
}

// loadConfig reads the configuration and prints its warnings.
func loadConfig(path string, env Env) (*config.Config, error) {
	cfg, warnings, err := config.Load(path, env.Environ)
	if err != nil {
		return nil, err
	}
	for _, w := range warnings {
		fmt.Fprintf(env.Stderr, "warning: %s\n", w)
	}
	return cfg, nil
}

// commandLogger is for what a package below has to say while a command runs.
func commandLogger(env Env) *slog.Logger {
	return slog.New(slog.NewTextHandler(env.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
}
