package web

import (
	"math"
	"slices"
	"strings"
	"time"

	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider/browser"
	"github.com/exeunt-id/exeunt/provider/identity"
)

// What the handlers of this package say is put together here. The words are in the languages' files, see browser.Language.

// confirmText says why somebody who is signed in sees the login form.
func confirmText(l *browser.Language, app, username string) string {
	if app == "" {
		return l.Text("login.again", "user", username)
	}
	return l.Text("login.prove", "user", username, "app", app)
}

// throttledText names the time in minutes, rounded up: a promise that holds.
func throttledText(l *browser.Language, wait time.Duration) string {
	return l.Text("login.throttled", "n", max(int(math.Ceil(wait.Minutes())), 1))
}

// seenText says how long ago a device was used.
func seenText(l *browser.Language, since time.Duration) string {
	return l.Text("devices.seen", "ago", ago(l, since))
}

// describe returns the human words for scopes (OpenID Connect Core 5.4 and 11), in their order; a scope that we have no words for is shown by
// its name.
func describe(l *browser.Language, scopes []string) []browser.ScopeText {
	texts := make([]browser.ScopeText, 0, len(scopes))
	for _, scope := range scopes {
		text := browser.ScopeText{Scope: scope, Title: scope}
		title, more := "scope."+scope+".title", "scope."+scope+".text"
		switch {
		case !l.Has(title):
			text.Text = l.Text("scope.unknown")
		case l.Has(more):
			text.Title, text.Text = l.Text(title), l.Text(more)
		default:
			text.Title = l.Text(title)
		}
		texts = append(texts, text)
	}
	return texts
}

// The marks of receipts.
const (
	markTold     = "told"
	markAsked    = "asked"
	markRetrying = "retrying"
	markWaiting  = "waiting"
	markFailed   = "failed"
)

// describeState returns the mark for the state of a delivery, and the key of its words.
func describeState(r logout.Receipt) (mark, key string) {
	switch r.State {
	case logout.StateDelivered:
		return markTold, "receipt.delivered"
	case logout.StateSuperseded:
		return markTold, "receipt.superseded"
	case logout.StatePending:
		return markRetrying, "receipt.pending"
	case logout.StateRetrying:
		return markRetrying, "receipt.retrying"
	case logout.StateUnconfirmed:
		if r.Channel == logout.ChannelCAEP {
			return markWaiting, "receipt.waiting"
		}
		return markAsked, "receipt.asked"
	case logout.StateUnreachable:
		return markFailed, "receipt.unreachable"
	default: // rejected, dead
		return markFailed, "receipt.failed"
	}
}

// summarise says it all in one or two sentences: "Signed out of 5 of 6. Payroll is being retried."
func summarise(l *browser.Language, told, total int, asked, waiting, retrying, failed []string) string {
	sentences := []string{l.Text("summary.some", "told", told, "total", total)}
	if told == total {
		sentences[0] = l.Text("summary.all", "n", total)
	}
	for _, some := range []struct {
		key   string
		names []string
	}{
		{"summary.asked", asked}, {"summary.waiting", waiting}, {"summary.retrying", retrying}, {"summary.failed", failed},
	} {
		if len(some.names) > 0 {
			sentences = append(sentences, l.Text(some.key, "n", len(some.names), "apps", enumerate(l, some.names)))
		}
	}
	return strings.Join(sentences, " ")
}

// enumerate joins up to three names, and counts beyond that.
func enumerate(l *browser.Language, names []string) string {
	if len(names) > 3 {
		return l.Text("list.apps", "n", len(names))
	}
	return enumerateAll(l, names)
}

// enumerateAll joins names; "" for none.
func enumerateAll(l *browser.Language, names []string) string {
	n := len(names)
	if n < 2 {
		return strings.Join(names, "")
	}
	return l.Text("list.and", "first", strings.Join(names[:n-1], ", "), "last", names[n-1])
}

// ago says how long something has been, as people say it.
func ago(l *browser.Language, since time.Duration) string {
	switch {
	case since < time.Minute:
		return l.Text("ago.now")
	case since < time.Hour:
		return l.Text("ago.minutes", "n", int(since.Minutes()))
	case since < 24*time.Hour:
		return l.Text("ago.hours", "n", int(since.Hours()))
	default:
		return l.Text("ago.days", "n", int(since.Hours()/24))
	}
}

// agentName names what somebody signed in with: identity.DeviceName in every language. Its parts are names of products.
func agentName(l *browser.Language, userAgent string) string {
	switch program, system := identity.Agent(userAgent); {
	case program != "" && system != "":
		return l.Text("agent.on", "browser", program, "system", system)
	case program+system != "":
		return program + system
	default:
		return l.Text("agent.unknown")
	}
}

// deviceName names a device.
func deviceName(l *browser.Language, d identity.Device) string {
	if d.UserAgent == "" {
		return d.Name
	}
	return agentName(l, d.UserAgent)
}

// appended adds a name unless it is there.
func appended(names []string, name string) []string {
	if slices.Contains(names, name) {
		return names
	}
	return append(names, name)
}
