package signout

import (
	"net/url"
	"strings"

	"github.com/exeunt-id/exeunt/provider/browser"
)

// Location appends parameters to a validated redirect URI. The query that the URI has already stays as it is, byte for byte (RFC 6749,
// 3.1.2). Spaces become %20, because a receiver that does not decode forms keeps a "+".
func Location(uri string, params ...browser.Field) string {
	var b strings.Builder
	b.WriteString(uri)
	separator := "?"
	if strings.Contains(uri, "?") {
		separator = "&"
		if strings.HasSuffix(uri, "?") || strings.HasSuffix(uri, "&") {
			separator = ""
		}
	}
	for _, p := range params {
		if p.Value == "" {
			continue
		}
		b.WriteString(separator)
		b.WriteString(escape(p.Name))
		b.WriteString("=")
		b.WriteString(escape(p.Value))
		separator = "&"
	}
	return b.String()
}

func escape(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }
