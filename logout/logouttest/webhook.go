package logouttest

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/exeunt-id/exeunt/logout"
)

// Hook is a relying party's webhook that records what it is sent.
type Hook struct {
	ClientID string
	URL      string

	mu     sync.Mutex
	answer http.HandlerFunc
	got    []Message
}

// Message is one request to a webhook.
type Message struct {
	Header http.Header
	Body   []byte
	Status int // that was answered

	Type      string         `json:"type"`
	Timestamp time.Time      `json:"timestamp"`
	Data      map[string]any `json:"data"`
}

// ID returns the webhook-id.
func (m Message) ID() string { return m.Header.Get("Webhook-Id") }

// WebhookSecret returns a secret of Standard Webhooks made of 32 equal bytes.
func WebhookSecret(b byte) string {
	return "whsec_" + base64.StdEncoding.EncodeToString(slices.Repeat([]byte{b}, 32))
}

// NewHook starts a webhook that answers 204.
func NewHook(t testing.TB, clientID string) *Hook {
	t.Helper()
	h := &Hook{ClientID: clientID, answer: Status(http.StatusNoContent)}
	server := httptest.NewServer(http.HandlerFunc(h.serve))
	t.Cleanup(server.Close)
	h.URL = server.URL + "/webhook"
	return h
}

func (h *Hook) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	h.mu.Lock()
	answer := h.answer
	h.mu.Unlock()
	rec := httptest.NewRecorder()
	answer(rec, r)
	m := Message{Header: r.Header, Body: body, Status: rec.Code}
	_ = json.Unmarshal(body, &m) // what cannot be read has no type, and the test sees that
	h.mu.Lock()
	h.got = append(h.got, m)
	h.mu.Unlock()
	for name, values := range rec.Header() {
		w.Header()[name] = values
	}
	w.WriteHeader(rec.Code)
	_, _ = w.Write(rec.Body.Bytes())
}

// Answer changes how the webhook answers from now on.
func (h *Hook) Answer(answer http.HandlerFunc) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.answer = answer
}

// Received returns all requests of the given types, answered well or not; of all types when none is given.
func (h *Hook) Received(types ...string) []Message {
	h.mu.Lock()
	defer h.mu.Unlock()
	var found []Message
	for _, m := range h.got {
		if len(types) == 0 || slices.Contains(types, m.Type) {
			found = append(found, m)
		}
	}
	return found
}

// Client returns the webhook's registration, with the secret of WebhookSecret(1).
func (h *Hook) Client() logout.Client {
	key, err := logout.ParseWebhookKey(WebhookSecret(1))
	if err != nil {
		panic(err) // it is well-formed
	}
	return logout.Client{ID: h.ClientID, Name: h.ClientID, WebhookURI: h.URL, WebhookKeys: []logout.WebhookKey{key}, AllowPrivateNetwork: true}
}
