package provider

import (
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"
)

// anyOrigin lets scripts of every origin read the answer (Fetch, 3.2). Never with credentials: cookies mean nothing to these endpoints.
func anyOrigin(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		h := c.Response().Header()
		h.Set(echo.HeaderAccessControlAllowOrigin, "*")
		h.Set(echo.HeaderAccessControlExposeHeaders, echo.HeaderWWWAuthenticate)
		return next(c)
	}
}

// preflight answers the question that a browser asks before a call with an Authorization header.
func preflight(methods []string) echo.HandlerFunc {
	allowed := strings.Join(methods, ", ")
	return func(c echo.Context) error {
		h := c.Response().Header()
		h.Set(echo.HeaderAllow, allowed+", "+http.MethodOptions)
		h.Set(echo.HeaderAccessControlAllowOrigin, "*")
		h.Set(echo.HeaderAccessControlAllowMethods, allowed)
		h.Set(echo.HeaderAccessControlAllowHeaders, "Authorization, Content-Type")
		h.Set(echo.HeaderAccessControlMaxAge, "3600")
		return c.NoContent(http.StatusNoContent)
	}
}
