package provider

import (
	"context"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/exeunt-id/exeunt/provider/browser"
)

const (
	pathHealthz = "/healthz"
	pathReadyz  = "/readyz"
)

// readyTimeout is how long the database may take to answer.
const readyTimeout = 2 * time.Second

// health answers GET /healthz, "this process runs", and GET /readyz, "it can serve": the database answers.
type health struct {
	db interface {
		Ping(ctx context.Context) error
	}
}

func (h *health) live(c echo.Context) error {
	c.Response().Header().Set("Cache-Control", "no-store")
	return c.String(http.StatusOK, "ok\n")
}

func (h *health) ready(c echo.Context) error {
	c.Response().Header().Set("Cache-Control", "no-store")
	ctx, cancel := context.WithTimeout(c.Request().Context(), readyTimeout)
	defer cancel()
	if err := h.db.Ping(ctx); err != nil {
		return &browser.Error{Status: http.StatusServiceUnavailable, Title: "The database does not answer", RetryAfter: readyTimeout, Err: err}
	}
	return c.String(http.StatusOK, "ok\n")
}
