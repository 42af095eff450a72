package logout

import "time"

// DeliveryView is a delivery as interfaces for programs show it: the admin API, a relying party's own view, the command line. The names are
// stable.
type DeliveryView struct {
	ID         string        `json:"id"`
	LogoutID   string        `json:"logout_id,omitempty"` // not for relying parties, which could compare it
	ClientID   string        `json:"client_id"`
	Channel    Channel       `json:"channel"`
	Event      string        `json:"event"`
	EventID    string        `json:"event_id"` // as the client finds it in what it pulls
	State      State         `json:"state"`
	Cause      Cause         `json:"cause"`
	SessionID  string        `json:"session_id,omitempty"` // never for relying parties
	SID        string        `json:"sid"`
	Subject    string        `json:"sub"`
	Attempts   int           `json:"attempts"`
	CreatedAt  time.Time     `json:"created_at"`
	NextAt     time.Time     `json:"next_at,omitzero"`    // while it is pending or retrying
	GiveUpAt   time.Time     `json:"give_up_at,omitzero"` // while it is pending or retrying
	SettledAt  time.Time     `json:"settled_at,omitzero"`
	Pulled     bool          `json:"by_pull,omitempty"` // acknowledged by pull
	LastStatus int           `json:"last_status,omitempty"`
	LastError  string        `json:"last_error,omitempty"`
	Tries      []AttemptView `json:"tries,omitempty"` // where one delivery is shown
}

// AttemptView is an attempt as interfaces for programs show it.
type AttemptView struct {
	Number     int       `json:"number"`
	At         time.Time `json:"at"`
	DurationMS int64     `json:"duration_ms"`
	Status     int       `json:"status,omitempty"`
	Snippet    string    `json:"snippet,omitempty"`
	Error      string    `json:"error,omitempty"`
	State      State     `json:"state"` // what the delivery became
}

// View returns all that an operator may see of a delivery.
func (d Delivery) View(attempts ...Attempt) DeliveryView {
	v := DeliveryView{
		ID: d.ID, LogoutID: d.LogoutID, ClientID: d.ClientID, Channel: d.Channel, Event: d.EventType(), EventID: d.EventID, Pulled: d.Pulled, State: d.State, Cause: d.Cause, SessionID: d.SessionID,
		SID: d.SID, Subject: d.Subject, Attempts: d.Attempts, CreatedAt: d.CreatedAt, SettledAt: d.SettledAt, LastStatus: d.LastStatus, LastError: d.LastError,
	}
	if !d.State.Final() {
		v.NextAt, v.GiveUpAt = d.NextAt, d.GiveUpAt
	}
	for _, a := range attempts {
		v.Tries = append(v.Tries, AttemptView{
			Number: a.Number, At: a.At, DurationMS: a.Duration.Milliseconds(), Status: a.Status, Snippet: a.Snippet, Error: a.Error, State: a.State,
		})
	}
	return v
}

// OwnView returns what the relying party may see that the delivery is for: neither our session nor the logout, which other parties took part
// in.
func (d Delivery) OwnView(attempts ...Attempt) DeliveryView {
	v := d.View(attempts...)
	v.LogoutID, v.SessionID = "", ""
	return v
}
