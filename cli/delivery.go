package cli

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/exeunt-id/exeunt/config"
	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/logout/logoutstore"
	"github.com/exeunt-id/exeunt/provider/audit"
	"github.com/exeunt-id/exeunt/provider/identity"
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
func withLedger(ctx context.Context, path string, env Env, fn func(*logoutstore.Store, *database.DB, *config.Config) error) (err error) {
	cfg, err := loadConfig(path, env)
	if err != nil {
		return err
	}
	db, err := openMigrated(ctx, cfg, env)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return fn(logoutstore.New(db), db, cfg)
}

// selection is what the flags of a command choose deliveries by.
type selection struct {
	client, state, channel, cause, session, user, logoutID, since, until, text string
}

func (s *selection) define(flags *flag.FlagSet, states []logout.State) {
	flags.StringVar(&s.client, "client", "", "only those to the app with this `CLIENT_ID`")
	flags.StringVar(&s.state, "state", "", "only those in this `STATE`, or in one of several, separated by commas: "+stateNames(states))
	flags.StringVar(&s.channel, "channel", "", "only those through this `CHANNEL`, such as backchannel")
	flags.StringVar(&s.cause, "cause", "", "only those of logouts for this `CAUSE`, such as admin")
	flags.StringVar(&s.user, "user", "", "only those about this `USER`, by name or subject")
	flags.StringVar(&s.session, "session", "", "only those about the session with this `ID`")
	flags.StringVar(&s.logoutID, "logout", "", "only those of the logout with this `ID`")
	flags.StringVar(&s.since, "since", "", "only those since `TIME`: a duration such as 24h, a date such as 2006-01-02, or 2006-01-02T15:04:05Z")
	flags.StringVar(&s.until, "until", "", "only those before `TIME`")
	flags.StringVar(&s.text, "error", "", "only those whose last error contains `TEXT`")
}

// filter checks the flags. states are the ones allowed, now is what a duration counts back from. The user is still to be looked up.
func (s *selection) filter(states []logout.State, now time.Time) (logout.Filter, error) {
	for state := range strings.SplitSeq(s.state, ",") {
		if state != "" && !slices.Contains(states, logout.State(state)) {
			return logout.Filter{}, usagef("--state %q is not possible here; use one of %s", state, stateNames(states))
		}
	}
	f, err := logout.ParseFilter(url.Values{
		"client_id": {s.client}, "state": {s.state}, "channel": {s.channel}, "cause": {s.cause}, "session_id": {s.session}, "sub": {s.user},
		"logout_id": {s.logoutID}, "since": {s.since}, "until": {s.until}, "error": {s.text},
	}, now)
	if err != nil {
		return f, usagef("--%s", err)
	}
	return f, nil
}

// subject replaces the name of a user by what deliveries know them by. Somebody who is gone can still be named by subject.
func (s *selection) subject(f *logout.Filter, find func(name string) (identity.User, error)) error {
	if s.user == "" {
		return nil
	}
	user, err := find(s.user)
	if errors.Is(err, identity.ErrNoUser) {
		return nil
	}
	f.Subject = user.ID
	return err
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
