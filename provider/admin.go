package provider

import (
	"net/http"

	"github.com/labstack/echo/v4"
)

// Admin returns what operators and their machines reach: never put it on a public address.
func (p *Provider) Admin() http.Handler { return p.admin }

// adminRoutes lists every route of the admin listener.
func (p *Provider) adminRoutes(e *endpoints) *echo.Echo {
	r := p.router()
	const get, head = http.MethodGet, http.MethodHead
	r.Match([]string{get, head}, pathHealthz, e.health.live)
	r.Match([]string{get, head}, pathReadyz, e.health.ready)
	return r
}
