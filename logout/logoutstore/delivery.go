package logoutstore

import (
	"time"

	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/logout"
)

type deliveryRow struct {
	ID         string
	LogoutID   string
	EventID    string
	ClientID   string
	Channel    string
	State      string
	Cause      string
	SessionID  string
	SID        string `gorm:"column:sid"`
	Subject    string
	Event      string
	Payload    string
	StreamID   string
	URI        string `gorm:"column:uri"`
	Alg        string
	Private    bool
	Attempts   int
	Rejections int
	Parked     bool
	CreatedAt  int64 `gorm:"autoCreateTime:false"`
	NextAt     int64
	GiveUpAt   int64
	SettledAt  *int64
	LastStatus int
	LastError  string
	Pulled     bool
}

var delivery = []column{
	{"id", "TEXT"},
	{"logout_id", "TEXT"},
	{"event_id", "TEXT"},
	{"client_id", "TEXT"},
	{"channel", "TEXT"},
	{"state", "TEXT"},
	{"cause", "TEXT"},
	{"session_id", "TEXT"},
	{"sid", "TEXT"},
	{"subject", "TEXT"},
	{"event", "TEXT"},
	{"payload", "TEXT"},
	{"stream_id", "TEXT"},
	{"uri", "TEXT"},
	{"alg", "TEXT"},
	{"private", "BOOLEAN"},
	{"attempts", "BIGINT"},
	{"rejections", "BIGINT"},
	{"parked", "BOOLEAN"},
	{"created_at", "BIGINT"},
	{"next_at", "BIGINT"},
	{"give_up_at", "BIGINT"},
	{"settled_at", "BIGINT"},
	{"last_status", "BIGINT"},
	{"last_error", "TEXT"},
	{"pulled", "BOOLEAN"},
}

var deliveryColumns = names("", delivery)

func deliveryRecord(d logout.Delivery) []any {
	return []any{
		d.ID, d.LogoutID, d.EventID, d.ClientID, d.Channel, d.State, d.Cause, d.SessionID,
		d.SID, d.Subject, d.Event, d.Payload, d.StreamID, d.URI, d.Alg, d.Private, d.Attempts, d.Rejections, d.Parked, database.Micros(d.CreatedAt),
		database.Micros(d.NextAt), database.Micros(d.GiveUpAt), database.NullMicros(d.SettledAt), d.LastStatus, d.LastError, d.Pulled,
	}
}

func (r deliveryRow) delivery() logout.Delivery {
	return logout.Delivery{
		ID: r.ID, LogoutID: r.LogoutID, EventID: r.EventID, ClientID: r.ClientID, Channel: logout.Channel(r.Channel), State: logout.State(r.State), Cause: logout.Cause(r.Cause),
		SessionID: r.SessionID, SID: r.SID, Subject: r.Subject, Event: r.Event, Payload: r.Payload, StreamID: r.StreamID, URI: r.URI, Alg: r.Alg, Private: r.Private, Attempts: r.Attempts, Rejections: r.Rejections, Parked: r.Parked,
		CreatedAt: database.Time(r.CreatedAt), NextAt: database.Time(r.NextAt), GiveUpAt: database.Time(r.GiveUpAt),
		SettledAt: database.NullTime(r.SettledAt), LastStatus: r.LastStatus, LastError: r.LastError, Pulled: r.Pulled,
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

var attempt = []column{
	{"delivery_id", "TEXT"}, {"number", "BIGINT"}, {"at", "BIGINT"}, {"duration", "BIGINT"}, {"status", "BIGINT"}, {"snippet", "TEXT"}, {"error", "TEXT"}, {"state", "TEXT"},
}

var attemptColumns = names("", attempt)

func attemptRecord(a logout.Attempt) []any {
	return []any{a.DeliveryID, a.Number, database.Micros(a.At), a.Duration.Microseconds(), a.Status, a.Snippet, a.Error, a.State}
}

func (r attemptRow) attempt() logout.Attempt {
	return logout.Attempt{
		DeliveryID: r.DeliveryID, Number: r.Number, At: database.Time(r.At), Duration: time.Duration(r.Duration) * time.Microsecond,
		Status: r.Status, Snippet: r.Snippet, Error: r.Error, State: logout.State(r.State),
	}
}
