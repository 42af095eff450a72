package protocol

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"html"
	"net/http"

	"github.com/labstack/echo/v4"
)

// CheckSession answers GET /check_session, the page for the iframe of OpenID Connect Session Management 1.0, 3.1. It is the one page that any
// site may embed. It is the same for everybody: what it tells, its script reads in the browser. The script stands in the page, named in the
// policy by its hash, so that one request is enough and nothing else can run.
type CheckSession struct {
	document []byte
	policy   string
}

// NewCheckSession makes the page from its script and from the name of the cookie that holds the browser state.
func NewCheckSession(script []byte, cookie string) (*CheckSession, error) {
	if len(script) == 0 || bytes.Contains(bytes.ToLower(script), []byte("</script")) {
		return nil, errors.New("protocol: the script of check_session cannot stand in a page")
	}
	sum := sha256.Sum256(script)
	return &CheckSession{
		document: fmt.Appendf(nil, "<!DOCTYPE html>\n<html lang=\"en\" data-cookie=\"%s\">\n<head>\n<meta charset=\"utf-8\">\n<title>Session</title>\n<script>%s</script>\n</head>\n<body></body>\n</html>\n",
			html.EscapeString(cookie), script),
		policy: "default-src 'none'; script-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; base-uri 'none'; form-action 'none'",
	}, nil
}

// Get answers with the page.
func (s *CheckSession) Get(c echo.Context) error {
	h := c.Response().Header()
	h.Set("Content-Security-Policy", s.policy)
	h.Set("Cache-Control", "public, max-age=300")
	return c.HTMLBlob(http.StatusOK, s.document)
}
