package logout

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// MaxPage is the most rows that ParseFilter lets a page have.
const MaxPage = 500

// ParseFilter reads a filter of deliveries from the parameters of a URL or a form: delivery_id, logout_id, client_id, session_id, sub, state
// (several, or separated by commas), channel, cause, since, until, error, include_delivered, cursor, limit. Durations count back from now.
// Parameters of other names are ignored. An error names the parameter and what it takes.
func ParseFilter(q url.Values, now time.Time) (Filter, error) {
	f := Filter{
		DeliveryID: q.Get("delivery_id"), LogoutID: q.Get("logout_id"), ClientID: q.Get("client_id"), SessionID: q.Get("session_id"), Subject: q.Get("sub"),
		Channel: Channel(q.Get("channel")), Cause: Cause(q.Get("cause")), ErrorText: q.Get("error"), Acknowledged: q.Get("include_delivered") == "true",
	}
	for _, name := range []string{"delivery_id", "logout_id", "client_id", "session_id", "sub", "channel", "error"} {
		if err := checkText(name, q.Get(name)); err != nil {
			return f, err
		}
	}
	for _, list := range q["state"] {
		for _, state := range strings.Split(list, ",") {
			switch state := State(strings.TrimSpace(state)); {
			case state == "":
			case !slices.Contains(States(), state):
				return f, fmt.Errorf("state %.40q is none; use %s", state, joined(States()))
			default:
				f.States = append(f.States, state)
			}
		}
	}
	if f.Cause != "" && !f.Cause.Valid() {
		return f, fmt.Errorf("cause %.40q is none; use %s", f.Cause, joined(Causes()))
	}
	if a := q.Get("include_delivered"); a != "" && a != "true" && a != "false" {
		return f, fmt.Errorf("include_delivered %.40q is neither true nor false", a)
	}
	var err error
	if f.Since, f.Until, err = parsePeriod(q, now); err != nil {
		return f, err
	}
	f.Before, f.Limit, err = parsePage(q)
	return f, err
}

// ParseLogoutFilter reads a filter of logouts: logout_id, sub, cause, since, until, cursor, limit.
func ParseLogoutFilter(q url.Values, now time.Time) (LogoutFilter, error) {
	f := LogoutFilter{LogoutID: q.Get("logout_id"), Subject: q.Get("sub"), Cause: Cause(q.Get("cause"))}
	for _, name := range []string{"logout_id", "sub"} {
		if err := checkText(name, q.Get(name)); err != nil {
			return f, err
		}
	}
	if f.Cause != "" && !f.Cause.Valid() {
		return f, fmt.Errorf("cause %.40q is none; use %s", f.Cause, joined(Causes()))
	}
	var err error
	if f.Since, f.Until, err = parsePeriod(q, now); err != nil {
		return f, err
	}
	f.Before, f.Limit, err = parsePage(q)
	return f, err
}

// maxText bounds what is looked for, in bytes; the longest that is stored and named is a client_id of 255.
const maxText = 256

// checkText refuses what no column holds, and PostgreSQL would not even compare.
func checkText(name, value string) error {
	if len(value) > maxText || !utf8.ValidString(value) || strings.ContainsRune(value, 0) {
		return fmt.Errorf("%s must be at most %d bytes of UTF-8 without a NUL character", name, maxText)
	}
	return nil
}

func joined[T ~string](list []T) string {
	texts := make([]string, len(list))
	for i, v := range list {
		texts[i] = string(v)
	}
	return strings.Join(texts, ", ")
}

func parsePeriod(q url.Values, now time.Time) (since, until time.Time, err error) {
	if since, err = ParseTime(q.Get("since"), now); err != nil {
		return since, until, fmt.Errorf("since %w", err)
	}
	if until, err = ParseTime(q.Get("until"), now); err != nil {
		return since, until, fmt.Errorf("until %w", err)
	}
	return since, until, nil
}

func parsePage(q url.Values) (before Position, limit int, err error) {
	if before, err = ParsePosition(q.Get("cursor")); err != nil {
		return before, 0, fmt.Errorf("cursor %.40q is not one that a list has returned", q.Get("cursor"))
	}
	if l := q.Get("limit"); l != "" {
		if limit, err = strconv.Atoi(l); err != nil || limit < 1 || limit > MaxPage {
			return before, 0, fmt.Errorf("limit %.40q is not a number from 1 to %d", l, MaxPage)
		}
	}
	return before, limit, nil
}

// timeLayouts are the forms of a time that people and forms write. What names no zone is UTC.
var timeLayouts = []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04", time.DateOnly}

// ParseTime reads a time: a duration such as 24h, which counts back from now, a date, or a date and a time as RFC 3339 writes it, in which
// seconds and zone may be missing. The zero time for "".
func ParseTime(s string, now time.Time) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if d, err := time.ParseDuration(s); err == nil && d >= 0 {
		return now.Add(-d).UTC(), nil
	}
	for _, layout := range timeLayouts {
		// Years of more than four digits would not fit what is stored.
		if t, err := time.Parse(layout, s); err == nil && t.Year() > 0 {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("%.40q is no time; write a duration such as 24h, a date such as 2006-01-02, or 2006-01-02T15:04:05Z", s)
}
