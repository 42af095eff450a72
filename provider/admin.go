package provider

import (
	"net/http"

	"github.com/labstack/echo/v4"
)

// Admin returns what operators and their machines reach: never put it on a public address.
func (p *Provider) Admin() http.Handler { return p.admin }

// adminRoutes lists every route of the admin listener. They have no base: the issuer is not reached there.
func (p *Provider) adminRoutes(e *endpoints) *echo.Echo {
	r := p.router()
	e.healthChecks(r)
	r.GET(pathMetrics, echo.WrapHandler(p.metrics.Handler()))
	return r
}
