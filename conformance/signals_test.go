package conformance

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider"
)

const (
	jsonType        = "application/json"
	byPush          = "urn:ietf:rfc:8935"
	byPoll          = "urn:ietf:rfc:8936"
	sessionRevoked  = "https://schemas.openid.net/secevent/caep/event-type/session-revoked"
	credentialGone  = "https://schemas.openid.net/secevent/caep/event-type/credential-change"
	notCompliant    = "https://schemas.openid.net/secevent/caep/event-type/device-compliance-change"
	verification    = "https://schemas.openid.net/secevent/ssf/event-type/verification"
	streamUpdated   = "https://schemas.openid.net/secevent/ssf/event-type/stream-updated"
	managementScope = "ssf.read ssf.manage"
)

// object is a JSON object.
type object = map[string]any

// ssf calls the management API as a receiver.
type ssf struct {
	*agent
	client string
}

// ssfOf is a receiver with a token for some scopes.
func (w *world) ssfOf(client, scope string) ssf {
	w.Helper()
	token := w.asAt("/token", client, values("grant_type", "client_credentials", "scope", scope)).tokens()
	return ssf{w.program().with("Authorization", "Bearer "+token.access), client}
}

func (s ssf) call(method, path string, body any) answer {
	s.Helper()
	if text, ok := body.(string); ok {
		return s.send(method, path, jsonType, text)
	}
	if body == nil {
		return s.send(method, path, "", "")
	}
	text, err := json.Marshal(body)
	if err != nil {
		s.Fatal(err)
	}
	return s.send(method, path, jsonType, string(text))
}

// stream creates a stream and returns its configuration.
func (s ssf) stream(delivery object) object {
	s.Helper()
	return s.call(http.MethodPost, "/ssf/stream", object{
		"delivery": delivery, "events_requested": []string{sessionRevoked, credentialGone, notCompliant}, "description": "a stream",
	}).want(http.StatusCreated).json()
}

func (s ssf) status(id any, status string) answer {
	s.Helper()
	return s.call(http.MethodPost, "/ssf/status", object{"stream_id": id, "status": status})
}

// poll asks the poll endpoint of a stream for what there is.
func (s ssf) poll(stream object, more object) map[string]jwt {
	s.Helper()
	body := object{"returnImmediately": true}
	for name, value := range more {
		body[name] = value
	}
	delivery, _ := stream["delivery"].(object)
	endpoint, _ := delivery["endpoint_url"].(string)
	answer := s.call(http.MethodPost, endpoint, body).want(http.StatusOK).json()
	sets, ok := answer["sets"].(object)
	if !ok {
		s.Fatalf("no sets: %v", answer)
	}
	tokens := map[string]jwt{}
	for jti, token := range sets {
		text, _ := token.(string)
		tokens[jti] = readJWT(text)
		if tokens[jti].claims["jti"] != jti {
			s.Errorf("%s is the key of %v", jti, tokens[jti].claims)
		}
	}
	return tokens
}

// sink takes pushed security event tokens.
type sink struct {
	server *httptest.Server
	mu     sync.Mutex
	got    []push
	answer http.HandlerFunc // nil: 202
}

// push is one request to a sink, as it came.
type push struct {
	header http.Header
	body   string
	set    jwt
}

func newSink(t *testing.T) *sink {
	t.Helper()
	s := &sink{}
	s.server = httptest.NewServer(s)
	t.Cleanup(s.server.Close)
	return s
}

func (s *sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	s.mu.Lock()
	s.got = append(s.got, push{header: r.Header.Clone(), body: string(body), set: readJWT(string(body))})
	answer := s.answer
	s.mu.Unlock()
	if answer != nil {
		answer(w, r)
		return
	}
	w.WriteHeader(http.StatusAccepted)
}

// answers sets how the sink answers from now on; nil: 202.
func (s *sink) answers(h http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = h
}

// events returns the pushes of a type of event.
func (s *sink) events(event string) []push {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(s.got), func(p push) bool { return p.set.event(event) == nil })
}

// event returns the payload of an event in a security event token; nil when it is of another type.
func (j jwt) event(kind string) object {
	events, _ := j.claims["events"].(object)
	payload, _ := events[kind].(object)
	return payload
}

// operator is the one of the provider.
func (w *world) operator() *provider.Operator {
	w.Helper()
	o, err := provider.NewOperator(w.config)
	if err != nil {
		w.Fatal(err)
	}
	return o
}

// setPassword is what an operator does.
func (w *world) setPassword(username, password string) {
	w.Helper()
	o := w.operator()
	user, err := o.User(w.Context(), username)
	if err != nil {
		w.Fatal(err)
	}
	if _, err := o.SetPassword(w.Context(), user, password, logout.Actor{Kind: "admin"}); err != nil {
		w.Fatal(err)
	}
}

// wantSET checks what every security event token has (RFC 8417, 2.2; Shared Signals Framework 1.0, 4; CAEP Interoperability Profile 1.0, 2.6).
func (w *world) wantSET(set jwt, client, event string) {
	w.Helper()
	w.verified(strings.Join(set.parts, "."), "RS256")
	if len(set.header) != 3 || set.header["typ"] != "secevent+jwt" || set.header["alg"] != "RS256" || set.header["kid"] == "" {
		w.Errorf("header %v", set.header)
	}
	c := set.claims
	events, _ := c["events"].(object)
	if len(c) != 7 || len(events) != 1 || set.event(event) == nil || c["iss"] != w.issuer || c["aud"] != client {
		w.Errorf("claims %v", c)
	}
	now := float64(w.clock.Now().Unix())
	if iat, _ := c["iat"].(float64); iat > now || now-iat > 3600 {
		w.Errorf("iat %v, now %v", c["iat"], now)
	}
	for _, name := range []string{"jti", "txn"} {
		if text, _ := c[name].(string); len(text) < 16 {
			w.Errorf("%s %q", name, text)
		}
	}
	if c["sub"] != nil || c["exp"] != nil {
		w.Errorf("sub %v, exp %v", c["sub"], c["exp"])
	}
}

// longTokens lets access tokens live for a day.
func longTokens(c *provider.Config) { c.Tokens.Access = 24 * time.Hour }

// fenced keeps outgoing requests from private addresses.
func fenced(t *testing.T) func(*provider.Config) {
	t.Helper()
	outgoing, err := logout.NewOutgoing(logout.OutgoingConfig{})
	if err != nil {
		t.Fatal(err)
	}
	return func(c *provider.Config) { c.Outgoing = outgoing }
}
