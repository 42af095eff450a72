package logout

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// Cause says why sessions end. It decides what dies with them and is shown in receipts and in the audit trail.
type Cause string

// The causes of a logout.
const (
	CauseRedirect        Cause = "redirect"     // the provider's redirect endpoint, in the browser
	CauseRPInitiated     Cause = "rp_initiated" // OpenID Connect RP-Initiated Logout 1.0
	CauseSDK             Cause = "sdk"          // a page of an app, by script
	CauseAccount         Cause = "account"      // the person's own page of sessions
	CauseAccountApp      Cause = "account_app"  // the same page: one app only
	CauseUserSwitched    Cause = "user_switched"
	CauseAdmin           Cause = "admin"
	CauseDeviceDetached  Cause = "device_detached"
	CauseIdle            Cause = "idle"
	CauseExpired         Cause = "expired"
	CausePasswordChanged Cause = "password_changed"
	CauseUserDisabled    Cause = "user_disabled"
	CauseUserDeleted     Cause = "user_deleted"
	CauseConsentRevoked  Cause = "consent_revoked"
	CauseTokenReuse      Cause = "token_reuse"
	CauseRevocation      Cause = "revocation" // Global Token Revocation
)

// offlineDies lists the causes that also revoke grants with offline_access. An ordinary logout leaves them
// (Back-Channel Logout 1.0, 2.7).
var offlineDies = []Cause{
	CauseAccount, CauseAccountApp, CauseAdmin, CauseDeviceDetached, CausePasswordChanged,
	CauseUserDisabled, CauseUserDeleted, CauseConsentRevoked, CauseTokenReuse, CauseRevocation,
}

var ordinary = []Cause{CauseRedirect, CauseRPInitiated, CauseSDK, CauseUserSwitched, CauseIdle, CauseExpired}

// RevokesOffline reports whether a logout of this cause also revokes grants with offline_access.
func (c Cause) RevokesOffline() bool { return slices.Contains(offlineDies, c) }

// Causes returns all causes.
func Causes() []Cause { return append(slices.Clone(ordinary), offlineDies...) }

// Valid reports whether the cause is one of those above.
func (c Cause) Valid() bool { return slices.Contains(offlineDies, c) || slices.Contains(ordinary, c) }

// Actor is who asked for the logout: for the audit trail, never for a decision.
type Actor struct {
	Kind      string // "user", "client", "admin" or "system"
	ID        string // subject, client_id, administrator; empty for the system
	Address   string // network address of the request
	UserAgent string
}

// Target says which sessions end. Fields narrow each other: Subject and ClientID together are the sessions of that person in
// which that client takes part.
type Target struct {
	SessionID       string
	Subject         string
	DeviceID        string
	ClientID        string
	ExceptSessionID string // spares this one; only beside another field

	Everyone          bool // must be said: an empty target is refused
	OnlyParticipation bool // the client named by ClientID leaves, its sessions live on; of all people only with Everyone

	Before time.Time `json:",omitzero"` // if set, sessions that began then or later live on
	Part   Part      `json:",omitzero"` // set by mass logouts: see Mass
}

// Part narrows the target of a mass logout to one batch.
type Part struct {
	MassID  string
	After   string // session id: only those after it
	Limit   int    // at most so many, in the order of their ids
	Offline bool   // no sessions, but participations of sessions that ended before, of which grants with offline_access survive
}

// Request asks to end sessions. It is the only way in: every handler, command and sweep builds one and gives it to Engine.End.
type Request struct {
	Cause             Cause
	Actor             Actor
	Target            Target
	InitiatorClientID string // the client whose user pressed "log out", if any

	// The session whose browser waits for the answer and will load Outcome.Frames. Without it nobody is told through the front channel.
	BrowserSessionID string
}

// ReachesOffline reports whether the logout is also about sessions that ended before: those of which a grant with offline_access survives,
// which dies now and whose client is told now. A single session that has ended stays as it is. A mass logout comes to them at its end.
func (r Request) ReachesOffline() bool {
	return r.Cause.RevokesOffline() && r.Cause != CauseTokenReuse && r.Target.SessionID == "" && (r.Target.Part.Limit == 0 || r.Target.Part.Offline)
}

// ErrInvalidRequest is the parent of every refusal of Validate.
var ErrInvalidRequest = errors.New("logout: invalid request")

// Validate refuses a request whose target could end more than its sender meant.
func (r Request) Validate() error {
	t := r.Target
	t.Before, t.Part = time.Time{}, Part{}
	named := t.SessionID != "" || t.Subject != "" || t.DeviceID != "" || t.ClientID != ""
	switch {
	case !r.Cause.Valid():
		return fmt.Errorf("%w: cause %q is unknown", ErrInvalidRequest, r.Cause)
	case !named && !t.Everyone:
		return fmt.Errorf("%w: the target is empty; name a session, subject, device or client, or set Everyone", ErrInvalidRequest)
	case t.OnlyParticipation && t.Everyone && t != (Target{ClientID: t.ClientID, OnlyParticipation: true, Everyone: true}),
		named && t.Everyone && !t.OnlyParticipation:
		return fmt.Errorf("%w: Everyone stands beside a narrower target; choose one", ErrInvalidRequest)
	case t.OnlyParticipation && (t.ClientID == "" || t.Subject == "" && t.SessionID == "" && !t.Everyone):
		return fmt.Errorf("%w: OnlyParticipation needs a client, and a subject, a session or Everyone", ErrInvalidRequest)
	case r.Target.Part != (Part{}) && (t.SessionID != "" || r.Target.Part.Limit <= 0):
		return fmt.Errorf("%w: Part needs a limit, and has no meaning beside SessionID", ErrInvalidRequest)
	case t.ExceptSessionID != "" && t.SessionID != "":
		return fmt.Errorf("%w: ExceptSessionID has no meaning beside SessionID", ErrInvalidRequest)
	}
	return nil
}
