package provider

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"
	"github.com/zitadel/oidc/v3/pkg/oidc"

	"github.com/exeunt-id/exeunt/provider/browser"
	"github.com/exeunt-id/exeunt/provider/protocol"
)

// answerErrors returns the one place where an error becomes an answer: JSON for applications, a page for people, which show makes. What an
// inner layer said stays in the log; the answer carries the request's id, by which the line is found.
func (p *Provider) answerErrors(show func(c echo.Context, page *browser.Error) error) echo.HTTPErrorHandler {
	return func(err error, c echo.Context) { p.answerError(err, c, show) }
}

func (p *Provider) answerError(err error, c echo.Context, show func(c echo.Context, page *browser.Error) error) {
	if c.Response().Committed {
		p.log(c, slog.LevelError, "answer was cut short", err)
		return
	}
	page, api := describe(err)
	p.logError(c, page.Status, err)
	send := func() error { return show(c, page) }
	if applicationRoute(c) {
		browser.SetRetryAfter(c.Response().Header(), page.RetryAfter)
		send = func() error { return c.JSON(page.Status, api) }
	}
	if c.Request().Method == http.MethodHead {
		send = func() error { return c.NoContent(page.Status) }
	}
	if err := send(); err != nil {
		p.log(c, slog.LevelError, "error page failed", err)
		if !c.Response().Committed {
			_ = c.String(http.StatusInternalServerError, "Something went wrong.\n")
		}
	}
}

// describe turns an error into its two forms.
func describe(err error) (*browser.Error, *oidc.Error) {
	var page *browser.Error
	var api *oidc.Error
	var plain *echo.HTTPError
	switch {
	case errors.As(err, &page):
		copied := *page
		if copied.Status == 0 {
			copied.Status = http.StatusInternalServerError
		}
		return &copied, plainError(copied.Status, copied.Title)
	case errors.As(err, &api):
		status := protocol.Status(api)
		return &browser.Error{Status: status, Title: http.StatusText(status), Message: api.Description}, api
	case errors.As(err, &plain):
		return describeHTTP(plain.Code)
	default:
		return describeHTTP(http.StatusInternalServerError)
	}
}

// describeHTTP describes what has nothing but a status.
func describeHTTP(status int) (*browser.Error, *oidc.Error) {
	page := &browser.Error{Status: status, Title: http.StatusText(status)}
	switch status {
	case http.StatusNotFound:
		page.Title, page.Message = "There is no such page", "Nothing is kept at this address."
		page.Hint = "Check the address, or go back to the application you came from."
	case http.StatusMethodNotAllowed:
		page.Title, page.Message = "That cannot be done here", "This address does not take such requests."
		page.Hint = "Go back to the application and try again."
	case http.StatusRequestEntityTooLarge:
		page.Title, page.Message = "That was too much", "The request is larger than this provider accepts."
	case http.StatusInternalServerError:
		page.Title, page.Message = "Something went wrong on our side", "It is not your fault. It has been recorded."
		page.Hint = "Wait a moment and try again. If it happens again, tell the operator the reference below."
	}
	return page, plainError(status, page.Title)
}

func plainError(status int, description string) *oidc.Error {
	if status >= http.StatusInternalServerError {
		return oidc.ErrServerError().WithDescription("%s.", strings.TrimSuffix(description, "."))
	}
	return oidc.ErrInvalidRequest().WithDescription("%s.", strings.TrimSuffix(description, "."))
}

// applicationRoute reports whether the answer is for a program. An address that we do not have is judged by what the caller asks for.
func applicationRoute(c echo.Context) bool {
	path := c.Request().URL.Path
	for _, prefix := range []string{"/api/", "/admin/api/", protocol.PrefixSignals, protocol.PathRegister + "/"} {
		if strings.HasPrefix(path, prefix) {
			return true
		}
	}
	if forApplications[path] {
		return true
	}
	accept := c.Request().Header.Get(echo.HeaderAccept)
	return c.Path() == "" && !strings.Contains(accept, "text/html") && strings.Contains(accept, echo.MIMEApplicationJSON)
}

// logError logs failures of ours as errors, and refusals as information for the operator. A page without an inner error is a refusal
// whatever its status: a prefetched logout link gets 503, and no operator must be woken by that.
func (p *Provider) logError(c echo.Context, status int, err error) {
	var page *browser.Error
	switch {
	case errors.As(err, &page) && page.Err == nil:
		p.log(c, slog.LevelInfo, "request refused", err)
	case errors.Is(err, context.Canceled) && c.Request().Context().Err() != nil:
		p.log(c, slog.LevelInfo, "the client went away", err)
	case status >= http.StatusInternalServerError:
		p.log(c, slog.LevelError, "request failed", err)
	default:
		p.log(c, slog.LevelInfo, "request refused", err)
	}
}

func (p *Provider) log(c echo.Context, level slog.Level, message string, err error) {
	p.cfg.Logger.LogAttrs(c.Request().Context(), level, message,
		slog.String("method", c.Request().Method), slog.String("path", c.Request().URL.Path), slog.String("error", err.Error()),
		slog.String("request_id", requestID(c)))
}
