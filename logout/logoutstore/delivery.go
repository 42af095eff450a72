package logoutstore

import (
	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/logout"
)

type deliveryRow struct {
	ID         string
	LogoutID   string
	ClientID   string
	Channel    string
	State      string
	Cause      string
	SessionID  string
	SID        string `gorm:"column:sid"`
	Subject    string
	URI        string `gorm:"column:uri"`
	Alg        string
	Private    bool
	Attempts   int
	Rejections int
	CreatedAt  int64 `gorm:"autoCreateTime:false"`
	NextAt     int64
	GiveUpAt   int64
	SettledAt  *int64
	LastStatus int
	LastError  string
}

func (deliveryRow) TableName() string { return "logout_deliveries" }

const deliveryColumns = "id, logout_id, client_id, channel, state, cause, session_id, sid, subject, uri, alg, private, attempts, rejections, " +
	"created_at, next_at, give_up_at, settled_at, last_status, last_error"

func newDeliveryRow(d logout.Delivery) deliveryRow {
	return deliveryRow{
		ID: d.ID, LogoutID: d.LogoutID, ClientID: d.ClientID, Channel: string(d.Channel), State: string(d.State), Cause: string(d.Cause),
		SessionID: d.SessionID, SID: d.SID, Subject: d.Subject, URI: d.URI, Alg: d.Alg, Private: d.Private, Attempts: d.Attempts, Rejections: d.Rejections,
		CreatedAt: database.Micros(d.CreatedAt), NextAt: database.Micros(d.NextAt), GiveUpAt: database.Micros(d.GiveUpAt),
		SettledAt: database.NullMicros(d.SettledAt), LastStatus: d.LastStatus, LastError: d.LastError,
	}
}

func (r deliveryRow) delivery() logout.Delivery {
	return logout.Delivery{
		ID: r.ID, LogoutID: r.LogoutID, ClientID: r.ClientID, Channel: logout.Channel(r.Channel), State: logout.State(r.State), Cause: logout.Cause(r.Cause),
		SessionID: r.SessionID, SID: r.SID, Subject: r.Subject, URI: r.URI, Alg: r.Alg, Private: r.Private, Attempts: r.Attempts, Rejections: r.Rejections,
		CreatedAt: database.Time(r.CreatedAt), NextAt: database.Time(r.NextAt), GiveUpAt: database.Time(r.GiveUpAt),
		SettledAt: database.NullTime(r.SettledAt), LastStatus: r.LastStatus, LastError: r.LastError,
	}
}

func deliveries(rows []deliveryRow) []logout.Delivery {
	all := make([]logout.Delivery, len(rows))
	for i, r := range rows {
		all[i] = r.delivery()
	}
	return all
}

type attemptRow struct {
	DeliveryID string
	Number     int
	At         int64
	Duration   int64
	Status     int
	Snippet    string
	Error      string
	State      string
}

func (attemptRow) TableName() string { return "logout_attempts" }

func newAttemptRow(a logout.Attempt) attemptRow {
	return attemptRow{
		DeliveryID: a.DeliveryID, Number: a.Number, At: database.Micros(a.At), Duration: a.Duration.Microseconds(),
		Status: a.Status, Snippet: a.Snippet, Error: a.Error, State: string(a.State),
	}
}
