package protocol

import (
	"context"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/exeunt-id/exeunt/provider/audit"
)

// trailReader reads the audit trail.
type trailReader interface {
	List(ctx context.Context, f audit.Filter) ([]audit.Entry, error)
}

// AuditTrail answers GET /audit: a page of the audit trail, chosen by the parameters of audit.ParseQuery.
func (a *AdminAPI) AuditTrail(c echo.Context) error {
	f, err := audit.ParseQuery(c.QueryParams(), a.Now())
	if err != nil {
		return filterRefused(err)
	}
	entries, err := a.Trail.List(c.Request().Context(), f)
	if err != nil {
		return unavailable(err)
	}
	return c.JSON(http.StatusOK, audit.NewPage(entries, f))
}
