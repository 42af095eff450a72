package protocol

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/labstack/echo/v4"
	"github.com/zitadel/oidc/v3/pkg/oidc"

	"github.com/exeunt-id/exeunt/provider/identity"
)

const (
	maxMetadata  = 4096 // bytes, without white space that says nothing
	maxOwnID     = 255  // bytes
	maxLogoutURL = 2048 // bytes
)

// attachment is the body of POST /api/devices. Each member may be left out; then what the app attached before stays.
type attachment struct {
	OwnID     string          `json:"device_id"`
	Metadata  json.RawMessage `json:"metadata"`
	Redirects deviceRedirects `json:"redirect_urls"`
}

// readAttachment reads the body of a client.
func readAttachment(c echo.Context, client identity.Client) (attachment, error) {
	r := c.Request()
	if kind, _, err := mime.ParseMediaType(r.Header.Get(echo.HeaderContentType)); err != nil || kind != echo.MIMEApplicationJSON {
		return attachment{}, invalidRequest("The content type must be application/json.")
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return attachment{}, unreadable(err, invalidRequest("The body cannot be read.").WithParent(err))
	}
	return parseAttachment(body, client)
}

// parseAttachment refuses what is too large, is not what it should be, or names an address that is not the client's. Members that it does not
// know are ignored.
func parseAttachment(body []byte, client identity.Client) (attachment, error) {
	var a attachment
	if !utf8.Valid(body) || json.Unmarshal(body, &a) != nil || !isObject(body) {
		return a, invalidRequest("The body must be a JSON object with the members metadata, an object, redirect_urls.logout_url and device_id, texts; all optional.")
	}
	if bytes.Equal(a.Metadata, []byte("null")) {
		a.Metadata = nil
	}
	if len(a.Metadata) > 0 {
		if !isObject(a.Metadata) {
			return a, invalidRequest("metadata must be a JSON object.")
		}
		var compact bytes.Buffer
		if err := json.Compact(&compact, a.Metadata); err != nil {
			return a, invalidRequest("metadata must be a JSON object.")
		}
		if compact.Len() > maxMetadata {
			return a, invalidRequest("metadata has %d bytes; keep it to %d.", compact.Len(), maxMetadata)
		}
		a.Metadata = compact.Bytes()
	}
	if len(a.OwnID) > maxOwnID || strings.ContainsFunc(a.OwnID, unicode.IsControl) || !utf8.ValidString(a.OwnID) {
		return a, invalidRequest("device_id must be text of at most %d bytes without control characters.", maxOwnID)
	}
	if uri := a.Redirects.LogoutURL; uri != "" && (len(uri) > maxLogoutURL || !client.Owns(uri)) {
		return a, invalidRequest("redirect_urls.logout_url must be on the origin of one of the client's registered redirect URIs.")
	}
	return a, nil
}

func isObject(text []byte) bool { return bytes.HasPrefix(bytes.TrimLeft(text, " \t\r\n"), []byte("{")) }

// deviceRefused answers an app whose user may not be signed in on one more device.
func deviceRefused() *oidc.Error {
	return &oidc.Error{ErrorType: codeDeviceRefused, Description: "The user may not be signed in on one more device."}
}

// refuseAge answers a token whose person logged in too long ago (RFC 9470, 3): the app sends them to log in again with that max_age.
func (s Settings) refuseAge(c echo.Context, age time.Duration) *oidc.Error {
	e := &oidc.Error{ErrorType: codeInsufficientAuthentication, Description: "The user must have logged in more recently."}
	s.bearerError(c, string(e.ErrorType), e.Description, "")
	h := c.Response().Header()
	h.Set(echo.HeaderWWWAuthenticate, fmt.Sprintf("%s, max_age=%q", h.Get(echo.HeaderWWWAuthenticate), fmt.Sprint(int(age.Seconds()))))
	return e
}
