package rp_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/exeunt-id/exeunt/rp"
)

const (
	newSecret = "whsec_bmV3IHNlY3JldCBvZiB0aGUgdGVzdHMsIDMyIGJ5dGVz"
	oldSecret = "whsec_b2xkIHNlY3JldCBvZiB0aGUgdGVzdHMsIDMyIGJ5dGVz"
)

// eventing is a provider that has events, and an application that gets them.
type eventing struct {
	*openProvider
	app    *application
	events *rp.Events

	mu      sync.Mutex
	pending []object
	acked   []string
	tokens  map[string]string // sub by user token
	handled []string          // ids that the application was told
	fail    error             // of the application's own handler
}

func newEventing(t *testing.T) *eventing {
	e := &eventing{openProvider: newOpenProvider(t), tokens: map[string]string{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/user-token", e.exchange)
	mux.HandleFunc("POST /api/events", e.pull)
	mux.HandleFunc("POST /api/events/ack", e.ack)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	e.app = newApplication(t, e.openProvider, nil)
	var err error
	e.events, err = e.app.kit.Events(rp.EventsConfig{
		Secrets: []string{newSecret, oldSecret}, EventsURL: server.URL + "/api/events", UserTokenURL: server.URL + "/api/user-token",
		Handle: func(_ context.Context, event rp.Event) error {
			e.mu.Lock()
			defer e.mu.Unlock()
			e.handled = append(e.handled, event.ID)
			return e.fail
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func (e *eventing) client(w http.ResponseWriter, r *http.Request) bool {
	id, secret, _ := r.BasicAuth()
	if unescape(id) == clientID && unescape(secret) == clientSecret {
		return true
	}
	w.WriteHeader(http.StatusUnauthorized)
	return false
}

func (e *eventing) exchange(w http.ResponseWriter, r *http.Request) {
	e.mu.Lock()
	defer e.mu.Unlock()
	sub, ok := e.tokens[r.PostFormValue("user_token")]
	switch {
	case !e.client(w, r):
	case !ok:
		w.WriteHeader(http.StatusGone)
	default:
		delete(e.tokens, r.PostFormValue("user_token"))
		writeJSON(w, object{"sub": sub})
	}
}

func (e *eventing) pull(w http.ResponseWriter, r *http.Request) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.client(w, r) && r.PostFormValue("pending") == "true" {
		writeJSON(w, object{"events": e.pending})
	}
}

func (e *eventing) ack(w http.ResponseWriter, r *http.Request) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.client(w, r) {
		return
	}
	for _, id := range strings.Fields(r.PostFormValue("ids")) {
		e.acked = append(e.acked, id)
		e.pending = slices.DeleteFunc(e.pending, func(o object) bool { return o["id"] == id })
	}
	writeJSON(w, object{"acknowledged": e.acked, "unknown": []string{}})
}

// event is what an event says about alice's session.
func (e *eventing) event(change func(object)) object {
	data := object{"iss": e.URL, "client_id": clientID, "sub": "alice", "sid": "s-1", "cause": "rp_initiated", "occurred_at": e.now().Format(time.RFC3339Nano)}
	if change != nil {
		change(data)
	}
	return data
}

// webhook sends an event, signed with the secret, and returns the status.
func (e *eventing) webhook(t *testing.T, id, kind string, data object, secret string, at time.Time) int {
	t.Helper()
	body, err := json.Marshal(object{"type": kind, "timestamp": data["occurred_at"], "data": data})
	if err != nil {
		t.Fatal(err)
	}
	signer, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	signature, err := signer.Sign(id, at, body)
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, "/webhook", strings.NewReader(string(body)))
	r.Header.Set("Webhook-Id", id)
	r.Header.Set("Webhook-Timestamp", jsonNumber(at.Unix()))
	r.Header.Set("Webhook-Signature", "v1,bm90IG91cnM= "+signature)
	w := httptest.NewRecorder()
	e.events.ServeHTTP(w, r)
	if w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("headers %v", w.Header())
	}
	return w.Code
}

func jsonNumber(n int64) string {
	text, _ := json.Marshal(n)
	return string(text)
}

// What each event ends, and that days-old ones end no later login.
func TestEventsEnd(t *testing.T) {
	for _, test := range []struct {
		name, kind string
		change     func(object)
		ends       bool
	}{
		{"a session", "session.ended", nil, true},
		{"a session, nobody named", "session.ended", func(d object) { delete(d, "sub"); d["user_token"] = "spent" }, true},
		{"another session", "session.ended", func(d object) { d["sid"] = "s-2" }, false},
		{"the person", "user.logged_out", func(d object) { delete(d, "sid") }, true},
		{"the person, by user token", "user.logged_out", func(d object) { delete(d, "sid"); delete(d, "sub"); d["user_token"] = "u-1" }, true},
		{"another person", "user.logged_out", func(d object) { d["sub"] = "bob" }, false},
		{"the person, before the login", "user.logged_out", func(d object) { d["occurred_at"] = start.Add(-time.Hour).Format(time.RFC3339) }, false},
		{"disabled", "user.disabled", func(d object) { delete(d, "sid") }, true},
		{"deleted", "user.deleted", func(d object) { delete(d, "sid") }, true},
		{"a device", "device.detached", nil, true},
		{"a token", "token.revoked", nil, false},
		{"a password", "user.password_changed", func(d object) { delete(d, "sid") }, false},
		{"something new", "moon.full", nil, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			e := newEventing(t)
			e.tokens["u-1"] = "alice"
			alice := newBrowser(t)
			alice.want(e.app.URL+"/page", 200, "alice")
			if status := e.webhook(t, "e-1", test.kind, e.event(test.change), newSecret, e.now()); status != 204 {
				t.Fatalf("status %d", status)
			}
			want := "alice"
			if test.ends {
				want = "nobody"
			}
			alice.want(e.app.URL+"/", 200, want)
			if !slices.Equal(e.handled, []string{"e-1"}) {
				t.Errorf("the application was told of %v", e.handled)
			}
		})
	}
}

// Standard Webhooks: the signature, the time, either secret; a repetition is fine, a failure comes again.
func TestWebhookVerification(t *testing.T) {
	e := newEventing(t)
	data := e.event(nil)
	for _, test := range []struct {
		name, id, secret string
		at               time.Time
		data             object
		status           int
	}{
		{"good", "e-1", newSecret, e.now(), data, 204},
		{"again", "e-1", newSecret, e.now(), data, 204},
		{"the old secret", "e-2", oldSecret, e.now(), data, 204},
		{"another secret", "e-3", "whsec_YW5vdGhlciBzZWNyZXQgb2YgdGhlIHRlc3Rz", e.now(), data, 401},
		{"old", "e-4", newSecret, e.now().Add(-6 * time.Minute), data, 401},
		{"from the future", "e-5", newSecret, e.now().Add(6 * time.Minute), data, 401},
		{"no id", "", newSecret, e.now(), data, 401},
		{"another provider", "e-6", newSecret, e.now(), e.event(func(d object) { d["iss"] = "https://evil.example" }), 400},
		{"another client", "e-7", newSecret, e.now(), e.event(func(d object) { d["client_id"] = "payroll" }), 400},
		{"no time", "e-8", newSecret, e.now(), e.event(func(d object) { delete(d, "occurred_at") }), 400},
		{"a spent user token", "e-9", newSecret, e.now(), e.event(func(d object) { delete(d, "sub"); d["user_token"] = "spent" }), 503},
	} {
		kind := "session.ended"
		if test.name == "a spent user token" {
			kind = "user.logged_out"
		}
		if status := e.webhook(t, test.id, kind, test.data, test.secret, test.at); status != test.status {
			t.Errorf("%s: %d, want %d", test.name, status, test.status)
		}
	}
	if !slices.Equal(e.handled, []string{"e-1", "e-2"}) {
		t.Errorf("the application was told of %v", e.handled)
	}
	e.fail = errors.New("the application's database is away")
	if status := e.webhook(t, "e-10", "session.ended", data, newSecret, e.now()); status != 503 {
		t.Errorf("a failure: %d", status)
	}
	e.fail = nil
	if status := e.webhook(t, "e-10", "session.ended", data, newSecret, e.now()); status != 204 {
		t.Errorf("after the failure: %d", status)
	}
	for _, method := range []string{http.MethodGet, http.MethodPut} {
		if w := request(e.events, method, "/webhook", nil); w.Code != 405 {
			t.Errorf("%s: %d", method, w.Code)
		}
	}
	if w := send(e.events, http.MethodPost, "application/json", strings.Repeat("x", 2<<20)); w.Code != 400 {
		t.Errorf("a huge body: %d", w.Code)
	}
}

// Pulling: what was handled is acknowledged, what failed stays, and the tab of a session that ended is gone.
func TestPull(t *testing.T) {
	e := newEventing(t)
	alice := newBrowser(t)
	alice.want(e.app.URL+"/page", 200, "alice")
	put := func(id, kind string, change func(object)) {
		data := e.event(change)
		data["id"], data["type"], data["state"] = id, kind, "retrying"
		e.mu.Lock()
		defer e.mu.Unlock()
		e.pending = append(e.pending, data)
	}
	put("e-1", "user.updated", nil)
	put("e-2", "session.ended", func(d object) { delete(d, "occurred_at") }) // nobody can handle it
	put("e-3", "session.ended", nil)
	n, err := e.events.PullOnce(t.Context())
	if n != 2 || err == nil || !strings.Contains(err.Error(), "e-2") {
		t.Errorf("%d events, %v", n, err)
	}
	if !slices.Equal(e.acked, []string{"e-1", "e-3"}) {
		t.Errorf("acknowledged %v", e.acked)
	}
	alice.want(e.app.URL+"/", 200, "nobody")

	e.mu.Lock()
	e.pending, e.acked = nil, nil
	e.mu.Unlock()
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- e.events.Pull(ctx) }()
	put("e-4", "session.ended", nil)
	for deadline := time.Now().Add(15 * time.Second); ; {
		e.mu.Lock()
		n := len(e.acked)
		e.mu.Unlock()
		if n > 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("nothing was pulled within 15 seconds")
		}
		alice.get(e.app.URL + "/")
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestEventsNamesTheField(t *testing.T) {
	app := newApplication(t, newOpenProvider(t), nil)
	for field, cfg := range map[string]rp.EventsConfig{
		"Secrets[0]": {Secrets: []string{"secret-value"}}, "EventsURL": {EventsURL: "/events"}, "UserTokenURL": {UserTokenURL: "x"},
	} {
		if _, err := app.kit.Events(cfg); err == nil || !strings.Contains(err.Error(), "EventsConfig."+field) || strings.Contains(err.Error(), "secret-value") {
			t.Errorf("%s: got error %v", field, err)
		}
	}
}
