package web

import (
	"bytes"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/exeunt-id/exeunt/provider/browser"
)

// Assets serves the static files.
//
// GET /static/*
//
//  1. The last element of the path names the file.
//  2. Under the hash of its content it may be cached for ever. Under any other path, such as the one that another version of the
//     program has written into a page, the present content is served and must be revalidated: better than a page without style.
type Assets struct{ Files *browser.Assets }

// Get serves one file; GET and HEAD, also conditional ones.
func (h *Assets) Get(c echo.Context) error {
	requested := c.Request().URL.Path
	asset, found := h.Files.Find(path.Base(requested))
	if !found || strings.Count(requested, "/") > strings.Count(asset.URL, "/") {
		return &browser.Error{
			Status: http.StatusNotFound, Title: "There is no such file", Message: "Nothing is kept at this address.",
		}
	}
	header := c.Response().Header()
	header.Set("Content-Type", asset.ContentType)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Content-Security-Policy", "default-src 'none'")
	if asset.Anywhere { // a module is fetched with CORS (HTML, 8.1.4.2), and an embedder policy may ask for the other
		header.Set("Access-Control-Allow-Origin", "*")
		header.Set("Cross-Origin-Resource-Policy", "cross-origin")
	}
	header.Set("ETag", `"`+asset.Hash+`"`)
	header.Set("Cache-Control", "no-cache")
	if requested == asset.URL {
		header.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	http.ServeContent(c.Response(), c.Request(), asset.Name, time.Time{}, bytes.NewReader(asset.Body))
	return nil
}
