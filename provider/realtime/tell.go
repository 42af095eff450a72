package realtime

import (
	"context"
	"encoding/json"
	"time"

	"github.com/centrifugal/centrifuge"

	"github.com/exeunt-id/exeunt/logout"
)

// codeEnded closes the connection of a page whose session has ended. Clients do not come back after a code from 4500 to 4999.
const codeEnded = 4500

var disconnectEnded = centrifuge.Disconnect{Code: codeEnded, Reason: "session ended"}

// The values of message.Status.
const (
	statusLive  = "live"
	statusEnded = "ended"
)

// message is what a page hears.
type message struct {
	Type     string `json:"type"` // session
	Status   string `json:"status"`
	Reason   string `json:"reason,omitempty"`    // of an end: the logout's cause, if it is known and the page may know it
	At       string `json:"at,omitempty"`        // of an end, RFC 3339
	AuthTime int64  `json:"auth_time,omitempty"` // the person has proved again who they are, Unix seconds

	LogoutURL string `json:"logout_url,omitempty"` // where the page is to go in the end, if its client has said so for the device
}

func (m message) encode() []byte {
	m.Type = "session"
	text, _ := json.Marshal(m) // strings and a number: it marshals
	return text
}

// farewell is the last message to a page.
func farewell(p page, e logout.Ending) []byte {
	m := message{Status: statusEnded}
	if !p.quiet {
		m.Reason = string(e.Cause)
		if !e.At.IsZero() {
			m.At = e.At.UTC().Format(time.RFC3339)
		}
	}
	return m.encode()
}

// Ended tells the pages of what a committed logout has ended: those of this node at once, those of the others by a notification. It does not
// wait.
func (h *Hub) Ended(endings []logout.Ending) {
	notices := make([]notice, len(endings))
	for i, e := range endings {
		h.tell(e)
		notices[i] = notice{SessionID: e.SessionID, SID: e.SID, Cause: e.Cause, At: e.At.UnixMicro()}
	}
	h.pass(notices...)
}

// Renewed tells the pages of a session that its person has logged in again, at the given time. It does not wait.
func (h *Hub) Renewed(sessionID string, at time.Time) {
	h.renewed(sessionID, at.Unix())
	h.pass(notice{SessionID: sessionID, AuthTime: at.Unix()})
}

// Hear takes what another node passed on. A text that is none of ours is ignored.
func (h *Hub) Hear(payload string) {
	if h.to == nil {
		return
	}
	for _, n := range unpack(h.to.node, payload) {
		if n.AuthTime != 0 {
			h.renewed(n.SessionID, n.AuthTime)
			continue
		}
		h.tell(logout.Ending{SessionID: n.SessionID, SID: n.SID, Cause: n.Cause, At: time.UnixMicro(n.At)})
	}
}

// Missed says that something may not have been heard: the table knows it.
func (h *Hub) Missed() {
	select {
	case h.missed <- struct{}{}:
	default: // it is about to look
	}
}

// tell sends the pages of this node away that an ending concerns.
func (h *Hub) tell(e logout.Ending) {
	for _, p := range h.pages.take(e) {
		h.send(p, farewell(p, e))
		p.client.Disconnect(disconnectEnded)
		h.cfg.Told(max(0, h.cfg.Now().Sub(e.At)))
	}
}

func (h *Hub) renewed(sessionID string, authTime int64) {
	text := message{Status: statusLive, AuthTime: authTime}.encode()
	h.pages.each(sessionID, func(p page) {
		if !p.quiet {
			h.send(p, text)
		}
	})
}

// send puts a message into the connection's queue. One that cannot take it is closing, and its page will come back and ask.
func (h *Hub) send(p page, text []byte) {
	if err := p.client.Send(text); err != nil {
		h.cfg.Logger.DebugContext(context.Background(), "a page was not told", "error", err)
	}
}

func (h *Hub) pass(notices ...notice) {
	if h.to != nil {
		h.to.pass(notices)
	}
}
