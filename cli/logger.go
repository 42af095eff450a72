package cli

import (
	"io"
	"log/slog"

	"github.com/exeunt-id/exeunt/config"
)

// newLogger returns the logger that the keys log.level and log.format, which are valid, ask for.
func newLogger(w io.Writer, cfg config.Log) *slog.Logger {
	levels := map[string]slog.Level{"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError}
	options := &slog.HandlerOptions{Level: levels[cfg.Level]}
	if cfg.Format == "text" {
		return slog.New(slog.NewTextHandler(w, options))
	}
	return slog.New(slog.NewJSONHandler(w, options))
}
