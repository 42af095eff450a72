package provider

import (
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"runtime/debug"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider/browser"
)

// maxBody bounds the body of every request: the longest honest one is a form with an id_token_hint.
const maxBody = 64 << 10

// identify gives each request an id, which error pages show and log lines carry.
func identify(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		c.Response().Header().Set(echo.HeaderXRequestID, logout.NewID())
		return next(c)
	}
}

// record measures and follows each request and writes one line about it. The path is logged without its query: tokens and hints stand there. Errors are answered here, so
// that the line knows the status.
func (p *Provider) record(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		start, traced := time.Now(), p.follow(c)
		if err := next(c); err != nil {
			c.Error(err)
		}
		traced()
		r, took := c.Request(), time.Since(start)
		p.metrics.Request(c.Path(), r.Method, c.Response().Status, took)
		if !p.cfg.Logger.Enabled(r.Context(), slog.LevelInfo) {
			return nil
		}
		p.cfg.Logger.LogAttrs(r.Context(), slog.LevelInfo, "request",
			slog.String("method", r.Method),
			slog.String("path", r.URL.Path),
			slog.Int("status", c.Response().Status),
			slog.Int64("bytes", c.Response().Size),
			slog.Duration("duration", took),
			slog.String("address", c.RealIP()),
			slog.String("request_id", requestID(c)),
		)
		return nil
	}
}

func requestID(c echo.Context) string { return c.Response().Header().Get(echo.HeaderXRequestID) }

// protect sets the headers that every answer carries; pages add their own.
func (p *Provider) protect(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		h := c.Response().Header()
		h.Set(echo.HeaderXContentTypeOptions, "nosniff")
		h.Set(echo.HeaderReferrerPolicy, "no-referrer")
		if p.secure() {
			h.Set(echo.HeaderStrictTransportSecurity, "max-age=31536000")
		}
		return next(c)
	}
}

// recoverPanic turns a panic into an error like every other. http.ErrAbortHandler is the server's own and passes.
func (p *Provider) recoverPanic(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) (err error) {
		defer func() {
			v := recover()
			if v == http.ErrAbortHandler { //nolint:errorlint // it is thrown as it is
				panic(v)
			}
			if v != nil {
				p.cfg.Logger.ErrorContext(c.Request().Context(), "panic", "value", fmt.Sprint(v), "request_id", requestID(c), "stack", string(debug.Stack()))
				err = fmt.Errorf("provider: panic: %v", v)
			}
		}()
		return next(c)
	}
}

// publish puts the base before the paths of ours that pages link to and that handlers redirect to.
func (p *Provider) publish(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		browser.SetBase(c, p.base)
		c.Response().Before(func() {
			if h := c.Response().Header(); h.Get(echo.HeaderLocation) != "" {
				h.Set(echo.HeaderLocation, p.base.Public(h.Get(echo.HeaderLocation)))
			}
		})
		return next(c)
	}
}

func limitBody(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		r.Body = http.MaxBytesReader(c.Response(), r.Body, maxBody)
		return next(c)
	}
}

// remoteAddress finds the address of who asks: the peer, or what trusted proxies say in X-Forwarded-For.
func remoteAddress(trusted []netip.Prefix) echo.IPExtractor {
	if len(trusted) == 0 {
		return echo.ExtractIPDirect()
	}
	options := []echo.TrustOption{echo.TrustLoopback(false), echo.TrustLinkLocal(false), echo.TrustPrivateNet(false)}
	for _, prefix := range trusted {
		addr := prefix.Addr()
		options = append(options, echo.TrustIPRange(&net.IPNet{
			IP: addr.AsSlice(), Mask: net.CIDRMask(prefix.Bits(), addr.BitLen()),
		}))
	}
	return echo.ExtractIPFromXFFHeader(options...)
}
