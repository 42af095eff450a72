package rp_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/exeunt-id/exeunt/rp"
)

var fuzzSecret = []byte("the secret of an application")

// fuzzEvents is a receiver, and what it was told of.
func fuzzEvents(f *testing.F, p *provider) (events *rp.Events, seen *[]rp.Event) {
	f.Helper()
	seen = &[]rp.Event{}
	kit, err := rp.New(rp.Config{
		Issuer: p.URL, ClientID: clientID, BaseURL: "https://shop.example.com", Now: p.now, HTTPClient: &http.Client{Transport: p}, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		f.Fatal(err)
	}
	events, err = kit.Events(rp.EventsConfig{Secrets: []string{"whsec_" + base64.StdEncoding.EncodeToString(fuzzSecret)}, Handle: func(_ context.Context, e rp.Event) error {
		*seen = append(*seen, e)
		return nil
	}})
	if err != nil {
		f.Fatal(err)
	}
	return events, seen
}

// FuzzEvents signs whatever comes, so that it is read: what is accepted keeps
// the rules when another JSON library reads it.
func FuzzEvents(f *testing.F) {
	p := fixedProvider()
	events, seen := fuzzEvents(f, p)
	good := `{"type":"session.ended","timestamp":"2026-04-23T12:00:00Z","data":{"iss":"https://id.example.com","client_id":"shop","sid":"s-1","occurred_at":"2026-04-23T12:00:00Z"}}`
	for _, body := range []string{
		good, strings.Replace(good, "shop", "wiki", 1), strings.Replace(good, "session.ended", "user.logged_out", 1), strings.Replace(good, `"sid":"s-1"`, `"user_token":"t"`, 1),
		"", "null", "[]", `{"type":1}`, `{"type":"x","data":{"occurred_at":"2026-04-23T12:00:00Z","sub":1,"sub":"alice"}}`,
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		*seen = nil
		id := base64.RawURLEncoding.EncodeToString(hmac.New(sha256.New, body).Sum(nil))
		timestamp := strconv.FormatInt(p.now().Unix(), 10)
		mac := hmac.New(sha256.New, fuzzSecret)
		mac.Write([]byte(id + "." + timestamp + "."))
		mac.Write(body)
		r := httptest.NewRequest(http.MethodPost, "/events", bytes.NewReader(body))
		r.Header = http.Header{"Webhook-Id": {id}, "Webhook-Timestamp": {timestamp}, "Webhook-Signature": {"v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))}}
		w := httptest.NewRecorder()
		events.ServeHTTP(w, r)
		switch w.Code {
		case http.StatusBadRequest, http.StatusServiceUnavailable: // the latter where a user token could not be exchanged
			if len(*seen) > 0 {
				t.Fatalf("%d, and the application was told %+v", w.Code, *seen)
			}
			return
		case http.StatusNoContent:
		default:
			t.Fatalf("%d for a signed body", w.Code)
		}
		var read struct {
			Type string         `json:"type"`
			Data map[string]any `json:"data"`
		}
		if err := json.Unmarshal(body, &read); err != nil {
			t.Fatalf("accepted %q, which is no event: %v", body, err)
		}
		for _, e := range *seen { // none, if it had been handled before
			if e.ID != id || e.Type != read.Type || e.Type == "" || e.OccurredAt.IsZero() && read.Data["occurred_at"] != "0001-01-01T00:00:00Z" {
				t.Fatalf("%s is read as %+v", body, e)
			}
		}
		if iss, there := read.Data["iss"].(string); there && iss != p.URL {
			t.Fatalf("accepted an event of %q", iss)
		}
		if client, there := read.Data["client_id"].(string); there && client != clientID {
			t.Fatalf("accepted an event for %q", client)
		}
	})
}

// FuzzWebhookHeaders gives the receiver any headers: what we did not sign is
// never handled.
func FuzzWebhookHeaders(f *testing.F) {
	p := fixedProvider()
	events, seen := fuzzEvents(f, p)
	const body = `{"type":"x","data":{"occurred_at":"2026-04-23T12:00:00Z"}}`
	timestamp := strconv.FormatInt(p.now().Unix(), 10)
	f.Add("e-1", timestamp, "v1,AAAA")
	f.Add("", "", "")
	f.Add("e", "-9223372036854775808", "v1, v1,= v2,")
	f.Add("e", "9223372036854775807", "v1,"+strings.Repeat("A", 44))
	f.Fuzz(func(t *testing.T, id, timestamp, signature string) {
		r := httptest.NewRequest(http.MethodPost, "/events", strings.NewReader(body))
		r.Header = http.Header{"Webhook-Id": {id}, "Webhook-Timestamp": {timestamp}, "Webhook-Signature": {signature}}
		w := httptest.NewRecorder()
		events.ServeHTTP(w, r)
		if w.Code != http.StatusUnauthorized || len(*seen) > 0 {
			t.Fatalf("%d for %q %q %q", w.Code, id, timestamp, signature)
		}
	})
}

// FuzzReturnTo gives the login any return_to: a browser that follows what the
// kit keeps of it stays at the application.
func FuzzReturnTo(f *testing.F) {
	base, err := url.Parse("https://shop.example.com/auth/callback")
	if err != nil {
		f.Fatal(err)
	}
	for _, to := range []string{"/account?x=1#y", "//evil.example", "/\\evil.example", "https://evil.example", "/\t/evil.example", "/%2f/evil.example", "/..//evil.example", ""} {
		f.Add(to)
	}
	f.Fuzz(func(t *testing.T, address string) {
		if !rp.IsLocal(address) {
			return
		}
		// Browsers drop tabs and line feeds, take a backslash for a slash, and trim (WHATWG URL, 4.4).
		asBrowsersDo := strings.ReplaceAll(strings.Trim(strings.NewReplacer("\t", "", "\n", "", "\r", "").Replace(address), "\x00 "), "\\", "/")
		to, err := base.Parse(asBrowsersDo)
		if err != nil || to.Scheme != "https" || to.Host != base.Host {
			t.Errorf("%q leads to %v, %v", address, to, err)
		}
	})
}
