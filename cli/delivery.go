package cli

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/exeunt-id/exeunt/config"
	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/logout/logoutstore"
	"github.com/exeunt-id/exeunt/provider/audit"
)

func deliveryCommand() *command {
	return &command{
		path:    "exeunt delivery",
		summary: "See which app has been told of which logout, and tell it again.",
		details: "These commands read and write the database directly; they work beside a running `exeunt serve`, and without one.",
		subs:    []*command{deliveryListCommand(), deliveryShowCommand(), deliveryRetryCommand()},
	}
}

// withLedger runs fn on the deliveries of the configured database.
func withLedger(ctx context.Context, path string, env Env, fn func(logout.Ledger, *config.Config) error) (err error) {
	cfg, err := loadConfig(path, env)
	if err != nil {
		return err
	}
	db, err := openMigrated(ctx, cfg, env)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return fn(logoutstore.New(db), cfg)
}

// deliveryStates are the values of --state, in the order of a delivery's life.
var deliveryStates = []logout.State{
	logout.StatePending, logout.StateRetrying, logout.StateDelivered, logout.StateRejected, logout.StateDead, logout.StateUnconfirmed,
	logout.StateUnreachable, logout.StateSuperseded,
}

// selection is what the flags of a command choose deliveries by.
type selection struct{ client, state, since, logoutID string }

func (s *selection) define(flags *flag.FlagSet, states []logout.State) {
	flags.StringVar(&s.client, "client", "", "only those to the app with this `CLIENT_ID`")
	flags.StringVar(&s.state, "state", "", "only those in this `STATE`: "+stateNames(states))
	flags.StringVar(&s.since, "since", "", "only those since `TIME`: a duration such as 24h, a date such as 2006-01-02, or 2006-01-02T15:04:05Z")
	flags.StringVar(&s.logoutID, "logout", "", "only those of the logout with this `ID`")
}

// filter checks the flags. states are the ones allowed, now is what a duration counts back from.
func (s *selection) filter(states []logout.State, now time.Time) (logout.Filter, error) {
	f := logout.Filter{ClientID: s.client, State: logout.State(s.state), LogoutID: s.logoutID}
	if f.State != "" && !slices.Contains(states, f.State) {
		return f, usagef("--state %q is not possible here; use one of %s", s.state, stateNames(states))
	}
	var err error
	f.Since, err = parseSince(s.since, now)
	return f, err
}

func parseSince(s string, now time.Time) (time.Time, error) {
	return parseTime("--since", s, now)
}

// parseTime reads a flag's time. The empty text is the zero time.
func parseTime(name, text string, now time.Time) (time.Time, error) {
	t, err := audit.ParseTime(text, now)
	if err != nil {
		return time.Time{}, usagef("%s %q %v", name, text, err)
	}
	return t, nil
}

func stateNames(states []logout.State) string {
	names := make([]string, len(states))
	for i, s := range states {
		names[i] = string(s)
	}
	return strings.Join(names, ", ")
}

// deliveryLine is a delivery as --json prints it.
type deliveryLine struct {
	ID         string        `json:"id"`
	LogoutID   string        `json:"logout_id"`
	EventID    string        `json:"event_id"` // the same for all channels
	Event      string        `json:"event"`
	ClientID   string        `json:"client_id"`
	Channel    string        `json:"channel"`
	State      string        `json:"state"`
	ByPull     bool          `json:"by_pull,omitempty"` // delivered: the app came and acknowledged it
	Cause      string        `json:"cause"`
	SessionID  string        `json:"session_id"`
	SID        string        `json:"sid"`
	Subject    string        `json:"sub"`
	Attempts   int           `json:"attempts"`
	CreatedAt  time.Time     `json:"created_at"`
	NextAt     time.Time     `json:"next_at,omitzero"` // while it is pending or retrying
	GiveUpAt   time.Time     `json:"give_up_at,omitzero"`
	SettledAt  time.Time     `json:"settled_at,omitzero"`
	LastStatus int           `json:"last_status,omitempty"`
	LastError  string        `json:"last_error,omitempty"`
	Tries      []attemptLine `json:"tries,omitempty"` // of `delivery show`
}

type attemptLine struct {
	Number     int       `json:"number"`
	At         time.Time `json:"at"`
	DurationMS int64     `json:"duration_ms"`
	Status     int       `json:"status,omitempty"`
	Snippet    string    `json:"snippet,omitempty"`
	Error      string    `json:"error,omitempty"`
	State      string    `json:"state"`
}

func newDeliveryLine(d logout.Delivery, attempts ...logout.Attempt) deliveryLine {
	line := deliveryLine{
		ID: d.ID, LogoutID: d.LogoutID, EventID: d.EventID, Event: d.EventType(), ByPull: d.Pulled, ClientID: d.ClientID, Channel: string(d.Channel), State: string(d.State), Cause: string(d.Cause),
		SessionID: d.SessionID, SID: d.SID, Subject: d.Subject, Attempts: d.Attempts, CreatedAt: d.CreatedAt, SettledAt: d.SettledAt,
		LastStatus: d.LastStatus, LastError: d.LastError,
	}
	if !d.State.Final() {
		line.NextAt, line.GiveUpAt = d.NextAt, d.GiveUpAt
	}
	for _, a := range attempts {
		line.Tries = append(line.Tries, attemptLine{
			Number: a.Number, At: a.At, DurationMS: a.Duration.Milliseconds(), Status: a.Status, Snippet: a.Snippet, Error: a.Error, State: string(a.State),
		})
	}
	return line
}

// writeJSON prints each value on a line.
func writeJSON[T any](w io.Writer, values ...T) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	for _, v := range values {
		if err := encoder.Encode(v); err != nil {
			return err
		}
	}
	return nil
}

// clock prints a time for people, in UTC.
func clock(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02 15:04:05Z")
}

// answer says in a few words what the app said last.
func answer(status int, message string) string {
	switch {
	case status == 0 && message == "":
		return "-"
	case status == 0:
		return message
	case message == "":
		return fmt.Sprintf("HTTP %d", status)
	default:
		return fmt.Sprintf("HTTP %d: %s", status, message)
	}
}
