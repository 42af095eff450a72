package identity

import (
	"errors"
	"time"
)

// ErrNoStream says that the client has no such stream.
var ErrNoStream = errors.New("identity: no such stream")

// ErrStreamTaken says that the client has a stream already.
var ErrStreamTaken = errors.New("identity: the client has a stream already")

// ErrTooSoon says that the last request of the kind was too short a time ago.
var ErrTooSoon = errors.New("identity: too soon after the last request")

// The scopes of the stream management API (CAEP Interoperability Profile 1.0, 2.7.3). Only a client's own tokens have them.
const (
	ScopeStreamRead   = "ssf.read"
	ScopeStreamManage = "ssf.manage"
)

// OwnScope reports whether a scope is about what a client does by itself, so that no person can grant it.
func OwnScope(scope string) bool { return scope == ScopeStreamRead || scope == ScopeStreamManage }

// Stream is a client's stream of shared signals (OpenID Shared Signals Framework 1.0, 8.1.1).
type Stream struct {
	ID              string
	ClientID        string
	Method          string   // StreamPush or StreamPoll
	EndpointURL     string   // of a push stream, else empty
	Authorization   []byte   // value of its Authorization header, encrypted; empty for none
	EventsRequested []string // nil: the receiver did not say, and gets all that there are
	Description     string
	Status          string // enabled, paused or disabled
	Reason          string // for the status; empty for none
	CreatedAt       time.Time
}

// SubjectName names a person by one of the two.
type SubjectName struct{ ID, Email string }

// The values of Stream.Method.
const (
	StreamPush = "push" // RFC 8935
	StreamPoll = "poll" // RFC 8936
)
