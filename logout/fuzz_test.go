package logout

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// Whatever a URL says: a filter that is accepted can be asked of every database, and an error is short enough to be shown.
func FuzzParseFilter(f *testing.F) {
	now := time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)
	f.Add("client_id=shop&state=dead,rejected&state=retrying&since=48h&until=2026-01-01&limit=500&include_delivered=true")
	f.Add("sub=alice&cause=admin&channel=backchannel&error=%25_!&session_id=s&logout_id=l&delivery_id=d")
	f.Add("cursor=AAAA&limit=0&since=-1h&until=9999-12-31T23:59:59Z")
	f.Add("error=%00&sub=%ff&state=x")
	f.Fuzz(func(t *testing.T, query string) {
		q, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		filter, err := ParseFilter(q, now)
		logouts, logoutsErr := ParseLogoutFilter(q, now)
		for _, err := range []error{err, logoutsErr} {
			if err != nil && len(err.Error()) > 400 {
				t.Errorf("an error of %d bytes: %v", len(err.Error()), err)
			}
		}
		if err == nil {
			for _, text := range []string{filter.DeliveryID, filter.LogoutID, filter.ClientID, filter.SessionID, filter.Subject, string(filter.Channel), filter.ErrorText} {
				if len(text) > maxText || !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
					t.Errorf("accepted %q", text)
				}
			}
			if filter.Limit < 0 || filter.Limit > MaxPage || filter.Since.Year() > 9999 || filter.Until.Year() > 9999 {
				t.Errorf("accepted %+v", filter)
			}
		}
		if logoutsErr == nil && (logouts.Limit < 0 || logouts.Limit > MaxPage || !utf8.ValidString(logouts.Subject+logouts.LogoutID)) {
			t.Errorf("accepted %+v", logouts)
		}
	})
}

// Nothing that a logout endpoint answers makes us panic: any 2xx acknowledges and nothing else does, 400 alone can reject, and what is kept
// of an answer is text that every database takes.
func FuzzAnswer(f *testing.F) {
	now := time.Unix(1_700_000_000, 0)
	f.Add(200, "", "", "")
	f.Add(400, "application/json", "", `{"error":"invalid_request"}`)
	f.Add(503, "text/html", "120", "<html>\x00\xff")
	f.Add(429, "", "Sun, 06 Nov 1994 08:59:37 GMT", "")
	f.Add(302, "a/b; c=\"", "-1", "{")
	f.Fuzz(func(t *testing.T, status int, contentType, retryAfter, body string) {
		res := &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {contentType}, "Retry-After": {retryAfter}}, Body: io.NopCloser(strings.NewReader(""))}
		err := judge(res, []byte(body), now)
		if (err == nil) != (status >= 200 && status < 300) {
			t.Errorf("%d: %v", status, err)
		}
		var rejected *RejectedError
		var retry *RetryError
		if errors.As(err, &rejected) && status != http.StatusBadRequest || errors.As(err, &retry) && retry.After <= 0 {
			t.Errorf("%d: %v", status, err)
		}
		if kept := snippet([]byte(body)); len(kept) > maxSnippet || !utf8.ValidString(kept) || strings.ContainsAny(kept, "\x00\x1b\x7f") {
			t.Errorf("kept %q", kept)
		}
	})
}

// A secret is read or refused; what is read does not show itself.
func FuzzParseWebhookKey(f *testing.F) {
	f.Add("whsec_Zm9yIGRvY3VtZW50YXRpb24gb25seSwgbm90IGEga2V5")
	f.Add("whsec_c2hvcnQ=")
	f.Add("whsec_!")
	f.Add("")
	f.Fuzz(func(t *testing.T, secret string) {
		key, err := ParseWebhookKey(secret)
		if err == nil && (len(key.key) < minWebhookKey || len(key.key) > maxWebhookKey || fmt.Sprintf("%v %+v %s", key, key, key) != "[redacted] [redacted] [redacted]") {
			t.Errorf("accepted a key of %d bytes: %v", len(key.key), key)
		}
	})
}
