package driver

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Told is what makes one logout different from another at one relying party.
type Told struct{ ClientID, SID string }

// Sink is the back-channel endpoint of any number of relying parties, at /<client id>. It can be closed, which refuses connections, and
// opened again on the same port.
type Sink struct {
	mu     sync.Mutex
	addr   string
	server *http.Server
	status int
	delay  time.Duration // before each answer
	told   map[Told]int
	first  map[Told]time.Time
	last   time.Time
	change chan struct{} // closed and replaced at each acknowledgement
}

// NewSink opens a sink that answers with the given status.
func NewSink(status int) (*Sink, error) {
	s := &Sink{addr: "127.0.0.1:0", status: status, told: make(map[Told]int), first: make(map[Told]time.Time), change: make(chan struct{})}
	return s, s.Open()
}

// Open listens, on the same port as before if there was one.
func (s *Sink) Open() error {
	l, err := net.Listen("tcp", s.addr)
	if err != nil {
		return err
	}
	s.addr = l.Addr().String()
	s.server = &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = s.server.Serve(l) }()
	return nil
}

// Close refuses connections from now on.
func (s *Sink) Close() error { return s.server.Close() }

// URL returns the address of a client's endpoint.
func (s *Sink) URL(clientID string) string { return "http://" + s.addr + "/" + clientID }

// Hang as a Sink's status keeps those who ask waiting until they give up.
const Hang = -1

// Answer changes the status of all further answers.
func (s *Sink) Answer(status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status = status
}

// Delay makes all further answers wait.
func (s *Sink) Delay(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.delay = d
}

// ServeHTTP implements http.Handler.
func (s *Sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	sid := SIDOf(r.PostFormValue("logout_token"))
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.status == Hang {
		s.mu.Unlock()
		<-r.Context().Done()
		s.mu.Lock()
		return
	}
	if delay := s.delay; delay > 0 {
		s.mu.Unlock()
		timer := time.NewTimer(delay)
		select {
		case <-timer.C:
		case <-r.Context().Done():
		}
		timer.Stop()
		s.mu.Lock()
	}
	w.WriteHeader(s.status)
	if s.status >= 300 || sid == "" {
		return
	}
	told := Told{strings.TrimPrefix(r.URL.Path, "/"), sid}
	s.last = time.Now()
	if s.told[told]++; s.told[told] == 1 {
		s.first[told] = s.last
	}
	close(s.change)
	s.change = make(chan struct{})
}

// SIDOf reads a token's sid without verifying it: what is counted here is verified elsewhere.
func SIDOf(token string) string {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return ""
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return ""
	}
	var claims struct {
		SID string `json:"sid"`
	}
	if json.Unmarshal(payload, &claims) != nil {
		return ""
	}
	return claims.SID
}

// Acknowledged returns what was acknowledged with 2xx, and how often.
func (s *Sink) Acknowledged() map[Told]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	told := make(map[Told]int, len(s.told))
	for k, v := range s.told {
		told[k] = v
	}
	return told
}

// First returns when something was acknowledged for the first time; the zero time if it never was.
func (s *Sink) First(told Told) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.first[told]
}

// Await waits until n different logouts have been acknowledged and returns when the last one was.
func (s *Sink) Await(ctx context.Context, n int) (time.Time, error) {
	for {
		s.mu.Lock()
		have, last, change := len(s.told), s.last, s.change
		s.mu.Unlock()
		if have >= n {
			return last, nil
		}
		select {
		case <-change:
		case <-ctx.Done():
			return last, ctx.Err()
		}
	}
}

// Reset forgets what was acknowledged.
func (s *Sink) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.told, s.first = make(map[Told]int), make(map[Told]time.Time)
}
