package audit

import (
	"context"
	"encoding/json"
	"time"

	"github.com/exeunt-id/exeunt/logout"
)

// Kind says what happened.
type Kind string

// The kinds of entries; docs/audit.md says what each holds.
const (
	KindLogout              Kind = "logout"
	KindLoginSucceeded      Kind = "login.succeeded"
	KindLoginFailed         Kind = "login.failed"
	KindConsoleLogin        Kind = "console.login"
	KindConsoleLoginFailed  Kind = "console.login_failed"
	KindTokenIgnored        Kind = "token.ignored"
	KindTokenRevoked        Kind = "token.revoked"
	KindTokenReused         Kind = "token.reused"
	KindUserTokenReused     Kind = "user_token.reused"
	KindRedelivered         Kind = "delivery.redelivered"
	KindMassStarted         Kind = "mass.started"
	KindMassCancelled       Kind = "mass.cancelled"
	KindConsentRevoked      Kind = "consent.revoked"
	KindKeyRotated          Kind = "key.rotated"
	KindKeyActivated        Kind = "key.activated"
	KindClientCreated       Kind = "client.created"
	KindClientUpdated       Kind = "client.updated"
	KindClientDeleted       Kind = "client.deleted"
	KindStreamStatus        Kind = "stream.status"
	KindUserCreated         Kind = "user.created"
	KindUserUpdated         Kind = "user.updated"
	KindUserPasswordChanged Kind = "user.password_changed"
	KindUserDisabled        Kind = "user.disabled"
	KindUserEnabled         Kind = "user.enabled"
	KindUserDeleted         Kind = "user.deleted"
	KindDeviceDetached      Kind = "device.detached"
	KindDeviceExcluded      Kind = "device.excluded"
	KindDeviceIncluded      Kind = "device.included"
	KindDeviceSignal        Kind = "device.signal"
	KindRefused             Kind = "request.refused"
	KindUnrecorded          Kind = "audit.unrecorded"
)

// Kinds lists all of them.
func Kinds() []Kind {
	return []Kind{
		KindLogout, KindLoginSucceeded, KindLoginFailed, KindConsoleLogin, KindConsoleLoginFailed, KindTokenIgnored, KindTokenRevoked, KindTokenReused, KindUserTokenReused, KindRedelivered,
		KindMassStarted, KindMassCancelled, KindConsentRevoked, KindKeyRotated, KindKeyActivated, KindClientCreated, KindClientUpdated, KindClientDeleted, KindStreamStatus, KindUserCreated, KindUserUpdated, KindUserPasswordChanged,
		KindUserDisabled, KindUserEnabled, KindUserDeleted, KindDeviceDetached, KindDeviceExcluded, KindDeviceIncluded, KindDeviceSignal,
		KindRefused, KindUnrecorded,
	}
}

// ActorAnonymous is the kind of an actor who has not proved to be anybody; the others are those of logout.Actor.
const ActorAnonymous = "anonymous"

// Entry is one line of the trail.
type Entry struct {
	ID   string    // UUIDv7; made when it is recorded
	At   time.Time // when it happened; zero: when it is recorded
	Kind Kind

	Actor logout.Actor // who did it, from where

	// What it is about; empty where it is about none, or about many.
	Subject   string
	ClientID  string
	SessionID string
	LogoutID  string

	Detail json.RawMessage // a JSON object: what else this kind says

	// bounded marks what can be caused at will, by strangers or by requests that are refused; see Trail.
	bounded bool
}

// Recorder writes entries, in the transaction in ctx if there is one.
type Recorder interface {
	Record(ctx context.Context, e Entry) error
}

// detail makes the Detail of an entry. What is given marshals always: texts, numbers and times.
func detail(v any) json.RawMessage {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return data
}

// Line is an entry as it is exported: the names are a contract.
type Line struct {
	ID        string          `json:"id"`
	At        time.Time       `json:"at"`
	Kind      Kind            `json:"kind"`
	Actor     string          `json:"actor"`
	ActorID   string          `json:"actor_id,omitempty"`
	Address   string          `json:"address,omitempty"`
	UserAgent string          `json:"user_agent,omitempty"`
	Subject   string          `json:"sub,omitempty"`
	ClientID  string          `json:"client_id,omitempty"`
	SessionID string          `json:"session_id,omitempty"`
	LogoutID  string          `json:"logout_id,omitempty"`
	Detail    json.RawMessage `json:"detail,omitempty"`
}

// Line returns the entry as it is exported.
func (e Entry) Line() Line {
	return Line{
		ID: e.ID, At: e.At, Kind: e.Kind, Actor: e.Actor.Kind, ActorID: e.Actor.ID, Address: e.Actor.Address, UserAgent: e.Actor.UserAgent,
		Subject: e.Subject, ClientID: e.ClientID, SessionID: e.SessionID, LogoutID: e.LogoutID, Detail: e.Detail,
	}
}
