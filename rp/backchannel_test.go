package rp_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/exeunt-id/exeunt/rp"
)

const formType = "application/x-www-form-urlencoded"

// endpoint returns the endpoint over a verifier of p.
func endpoint(t *testing.T, p *provider, end func(context.Context, *rp.LogoutToken) error) http.Handler {
	h, err := rp.NewBackchannelLogout(rp.BackchannelConfig{Verifier: p.verifier(t), End: end, Logger: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func send(h http.Handler, method, contentType, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "/backchannel-logout", strings.NewReader(body))
	r.Header.Set("Content-Type", contentType)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func sendToken(h http.Handler, raw string) *httptest.ResponseRecorder {
	return send(h, http.MethodPost, formType, url.Values{"logout_token": {raw}}.Encode())
}

func TestBackchannelLogout(t *testing.T) {
	p := newProvider(t)
	token := func() string { return "logout_token=" + p.draft().sign() }
	for _, test := range []struct {
		name, method, contentType, body string
		status                          int
		ends                            bool
	}{
		{"valid", "POST", formType, token(), 200, true},
		{"valid, with a charset", "POST", formType + "; charset=UTF-8", token(), 200, true},
		{"valid, with a further field", "POST", formType, token() + "&trace=7", 200, true},
		{"GET", "GET", formType, "", 405, false},
		{"HEAD", "HEAD", formType, "", 405, false},
		{"PUT", "PUT", formType, token(), 405, false},
		{"JSON", "POST", "application/json", `{"logout_token":"x"}`, 400, false},
		{"no content type", "POST", "", token(), 400, false},
		{"no token", "POST", formType, "trace=7", 400, false},
		{"token twice", "POST", formType, token() + "&" + token(), 400, false},
		{"bad escape", "POST", formType, "logout_token=%zz", 400, false},
		{"body too large", "POST", formType, token() + "&x=" + strings.Repeat("x", 80<<10), 400, false},
		{"bad token", "POST", formType, "logout_token=x.y.z", 400, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			var ended *rp.LogoutToken
			h := endpoint(t, p, func(_ context.Context, token *rp.LogoutToken) error { ended = token; return nil })
			w := send(h, test.method, test.contentType, test.body)
			if w.Code != test.status {
				t.Errorf("status %d, want %d: %s", w.Code, test.status, w.Body)
			}
			if got := w.Header().Get("Cache-Control"); got != "no-store" {
				t.Errorf("Cache-Control %q, want no-store", got)
			}
			if (ended != nil) != test.ends {
				t.Errorf("End was called with %+v", ended)
			}
			switch test.status {
			case 200:
				if w.Body.Len() != 0 {
					t.Errorf("body %q, want none", w.Body)
				}
			case 400:
				wantInvalidRequest(t, w)
			case 405:
				if got := w.Header().Get("Allow"); got != "POST" {
					t.Errorf("Allow %q, want POST", got)
				}
			}
		})
	}
	t.Run("token in the query", func(t *testing.T) {
		h := endpoint(t, p, func(context.Context, *rp.LogoutToken) error { t.Error("ended"); return nil })
		r := httptest.NewRequest("POST", "/backchannel-logout?"+token(), strings.NewReader(""))
		r.Header.Set("Content-Type", formType)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		wantInvalidRequest(t, w)
	})
}

func wantInvalidRequest(t *testing.T, w *httptest.ResponseRecorder) {
	t.Helper()
	var answer struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
		t.Fatalf("%v in %q", err, w.Body)
	}
	if w.Code != 400 || answer.Error != "invalid_request" || answer.Description == "" || w.Header().Get("Content-Type") != "application/json" {
		t.Errorf("got %d %v %+v, want 400 with invalid_request and a description", w.Code, w.Header(), answer)
	}
}

func TestReplayIsRefused(t *testing.T) {
	p := newProvider(t)
	var ends int
	h := endpoint(t, p, func(context.Context, *rp.LogoutToken) error { ends++; return nil })
	raw := p.draft().sign()
	if w := sendToken(h, raw); w.Code != 200 {
		t.Fatalf("first: %d %s", w.Code, w.Body)
	}
	for range 3 { // through the token's whole lifetime, and beyond it by exp
		w := sendToken(h, raw)
		wantInvalidRequest(t, w)
		p.advance(time.Minute)
	}
	if w := sendToken(h, p.draft().sign()); w.Code != 200 { // the same session, a fresh token: already gone is fine
		t.Fatalf("fresh token: %d %s", w.Code, w.Body)
	}
	if ends != 2 {
		t.Errorf("End ran %d times, want 2", ends)
	}
}

// TestFailedEndMayBeRetried: the same token must be welcome after a 503,
// even if the error looks like a refusal.
func TestFailedEndMayBeRetried(t *testing.T) {
	p := newProvider(t)
	failures := []error{errors.New("database is away"), &rp.TokenError{Check: rp.CheckIss}, nil}
	h := endpoint(t, p, func(context.Context, *rp.LogoutToken) error {
		err := failures[0]
		failures = failures[1:]
		return err
	})
	raw := p.draft().sign()
	for i, want := range []int{503, 503, 200, 400} {
		w := sendToken(h, raw)
		if w.Code != want || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("attempt %d: %d %s, want %d", i+1, w.Code, w.Body, want)
		}
		if strings.Contains(w.Body.String(), "database") {
			t.Errorf("the answer shows an inner error: %s", w.Body)
		}
	}
}

func TestKeysDownIs503(t *testing.T) {
	p := newProvider(t)
	h := endpoint(t, p, func(context.Context, *rp.LogoutToken) error { return nil })
	p.down.Store(true)
	raw := p.draft().sign()
	if w := sendToken(h, raw); w.Code != 503 || w.Header().Get("Retry-After") == "" {
		t.Fatalf("got %d %v, want 503 with Retry-After", w.Code, w.Header())
	}
	p.down.Store(false)
	p.advance(time.Second)
	if w := sendToken(h, raw); w.Code != 200 {
		t.Fatalf("after the outage: %d %s", w.Code, w.Body)
	}
}

// TestConcurrentTokens: one token at once from many connections ends once, and
// a slow End of one token holds up no other.
func TestConcurrentTokens(t *testing.T) {
	p := newProvider(t)
	entered, release := make(chan struct{}), make(chan struct{})
	var ends atomic.Int64
	h := endpoint(t, p, func(_ context.Context, token *rp.LogoutToken) error {
		if token.SID == "slow" {
			entered <- struct{}{}
			<-release
		}
		ends.Add(1)
		return nil
	})
	slow := p.draft()
	slow.claims["sid"] = "slow"
	raw := slow.sign()

	var group sync.WaitGroup
	var codes [8]int
	for i := range codes {
		group.Go(func() { codes[i] = sendToken(h, raw).Code })
	}
	<-entered
	if w := sendToken(h, p.draft().sign()); w.Code != 200 {
		t.Errorf("a token beside a slow one: %d", w.Code)
	}
	close(release)
	group.Wait()
	count := map[int]int{}
	for _, code := range codes {
		count[code]++
	}
	if count[200] != 1 || count[400] != len(codes)-1 || ends.Load() != 2 {
		t.Errorf("answers %v and %d ends; want one 200, else 400, and 2 ends", count, ends.Load())
	}
}

func TestNewBackchannelLogoutNamesTheField(t *testing.T) {
	if _, err := rp.NewBackchannelLogout(rp.BackchannelConfig{}); err == nil || !strings.Contains(err.Error(), "Verifier") {
		t.Errorf("got error %v", err)
	}
	if _, err := rp.NewBackchannelLogout(rp.BackchannelConfig{Verifier: newProvider(t).verifier(t)}); err == nil || !strings.Contains(err.Error(), "End") {
		t.Errorf("got error %v", err)
	}
}
