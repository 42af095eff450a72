package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/exeunt-id/exeunt/config"
	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/provider"
	"github.com/exeunt-id/exeunt/provider/trace"
)

// node is one provider with the database that it serves.
type node struct {
	cfg      *config.Config
	log      *slog.Logger
	db       *database.DB
	release  func() // gives the claim on the database back
	provider *provider.Provider
	trace    *trace.Tracer // nil: there are no traces
}

// openNode opens the database and claims it. database.ErrInUse says that another process serves it.
func openNode(ctx context.Context, cfg *config.Config, log *slog.Logger) (*node, error) {
	db, err := database.Open(ctx, cfg.Database.Reveal(), database.Options{Logger: log})
	if err != nil {
		return nil, err
	}
	release, err := db.Claim()
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &node{cfg: cfg, log: log, db: db, release: release}, nil
}

// start migrates the database and starts the provider, which is ready to serve when it returns.
func (n *node) start(ctx context.Context) error {
	if err := n.db.Migrate(ctx); err != nil {
		return err
	}
	settings, err := providerConfig(n.cfg, n.db, n.log)
	if err != nil {
		return err
	}
	if n.trace, err = newTrace(n.cfg, n.log); err != nil {
		return err
	}
	settings.Trace = n.trace
	p, err := provider.New(ctx, settings)
	if err != nil {
		return err
	}
	n.provider = p
	return p.Start(ctx)
}

// wipe empties an SQLite database that has been claimed and not yet started.
func (n *node) wipe(ctx context.Context) error {
	if err := n.db.Close(); err != nil {
		return err
	}
	path := sqlitePath(n.cfg.Database)
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(path + suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("the old database cannot be removed: %w", err)
		}
	}
	db, err := database.Open(ctx, n.cfg.Database.Reveal(), database.Options{Logger: n.log})
	if err == nil {
		n.db = db
	}
	return err
}

// close ends what start has begun. Deliveries that run have the time of grace; what does not finish is insured.
func (n *node) close(grace time.Duration) error {
	var stopped error
	if n.provider != nil {
		ctx, cancel := context.WithTimeout(context.Background(), grace)
		defer cancel()
		if stopped = n.provider.Stop(ctx); errors.Is(stopped, context.DeadlineExceeded) {
			n.log.Info("deliveries that still ran are left to their jobs")
			stopped = nil
		}
	}
	n.lastSpans()
	err := errors.Join(stopped, n.db.Close())
	n.release()
	return err
}

// traceGrace is how long the last spans may take to reach the collector at the end.
const traceGrace = 2 * time.Second

// lastSpans sends the spans that wait. That some are lost is no failure of the program.
func (n *node) lastSpans() {
	if n.trace == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), traceGrace)
	defer cancel()
	if err := n.trace.Shutdown(ctx); err != nil {
		n.log.Info("the last spans are lost", "error", err)
	}
}
