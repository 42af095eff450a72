package audit

import (
	"slices"

	"github.com/exeunt-id/exeunt/logout"
)

// maxNamed bounds the sessions that one entry names; it counts all of them.
const maxNamed = 1000

// logoutDetail is the Detail of KindLogout.
type logoutDetail struct {
	Cause     logout.Cause `json:"cause"`
	Initiator string       `json:"initiator_client_id,omitempty"`
	Target    target       `json:"target"`
	Offline   bool         `json:"offline_revoked"` // grants with offline_access died too
	Sessions  int          `json:"sessions"`        // that ended, or that a client left
	Left      int          `json:"participations"`  // that ended: of which a client lost the person
	Named     []session    `json:"ended"`           // the first of the sessions
	Told      []told       `json:"told"`
}

// target is what was asked for.
type target struct {
	SessionID         string `json:"session_id,omitempty"`
	Subject           string `json:"sub,omitempty"`
	DeviceID          string `json:"device_id,omitempty"`
	ClientID          string `json:"client_id,omitempty"`
	ExceptSessionID   string `json:"except_session_id,omitempty"`
	Everyone          bool   `json:"everyone,omitempty"`
	OnlyParticipation bool   `json:"only_participation,omitempty"`
}

type session struct {
	ID      string `json:"session_id"`
	Subject string `json:"sub"`
}

// told says how many messages one client gets through one channel, and how they began: pending for those that go out, unreachable for
// those that cannot. What became of them is in the deliveries.
type told struct {
	ClientID string         `json:"client_id"`
	Channel  logout.Channel `json:"channel"`
	State    logout.State   `json:"state"`
	Count    int            `json:"count"`
}

func newTarget(t logout.Target) target {
	return target{t.SessionID, t.Subject, t.DeviceID, t.ClientID, t.ExceptSessionID, t.Everyone, t.OnlyParticipation}
}

// Mass records that an administrator had very many sessions ended by a job, or stopped that: KindMassStarted or KindMassCancelled. What ends is
// in the entries of its logouts.
func Mass(kind Kind, actor logout.Actor, m logout.Mass) Entry {
	return Entry{
		Kind: kind, Actor: actor, Subject: m.Request.Target.Subject, ClientID: m.Request.Target.ClientID,
		Detail: detail(map[string]any{"mass_id": m.ID, "target": newTarget(m.Request.Target), "total": m.Total, "done": m.Done, "rate": m.Rate}),
	}
}

// Logout records what a logout ended, and who is told. It belongs into the logout's own transaction.
func Logout(plan *logout.Plan) Entry {
	t := plan.Request.Target
	d := logoutDetail{
		Cause: plan.Request.Cause, Initiator: plan.Request.InitiatorClientID,
		Target:  newTarget(t),
		Offline: plan.RevokeOffline, Sessions: len(plan.Sessions), Left: len(plan.Leaving), Named: []session{}, Told: countTold(plan.Deliveries),
	}
	for _, s := range plan.Sessions[:min(len(plan.Sessions), maxNamed)] {
		d.Named = append(d.Named, session{s.ID, s.Subject})
	}
	e := Entry{
		At: plan.At, Kind: KindLogout, Actor: plan.Request.Actor, Subject: onlySubject(plan), LogoutID: plan.LogoutID, Detail: detail(d),
	}
	if len(plan.Sessions) == 1 {
		e.SessionID = plan.Sessions[0].ID
	}
	if t.OnlyParticipation {
		e.ClientID = t.ClientID
	}
	return e
}

func countTold(deliveries []logout.Delivery) []told {
	all := []told{}
	place := map[told]int{}
	for _, d := range deliveries {
		key := told{ClientID: d.ClientID, Channel: d.Channel, State: d.State}
		i, ok := place[key]
		if !ok {
			i = len(all)
			place[key], all = i, append(all, key)
		}
		all[i].Count++
	}
	return all
}

// onlySubject returns whom the logout is about, if it is one person.
func onlySubject(plan *logout.Plan) string {
	var subjects []string
	for _, s := range plan.Sessions {
		subjects = append(subjects, s.Subject)
	}
	for _, p := range plan.Leaving {
		subjects = append(subjects, p.Subject)
	}
	slices.Sort(subjects)
	if subjects = slices.Compact(subjects); len(subjects) == 1 {
		return subjects[0]
	}
	return ""
}
