package alert

import (
	"cmp"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"time"
	"unicode"

	"github.com/exeunt-id/exeunt/provider/identity"
)

// String names the rung in a log.
func (r Rung) String() string {
	switch r {
	case First:
		return "first"
	case Hour:
		return "hour"
	case Lost:
		return "lost"
	default:
		return "over"
	}
}

// Facts is what a mail says of a client's messages: numbers, and nobody's name.
type Facts struct {
	People     int    // whose logouts wait
	Messages   int    // that wait
	Lost       int    // given up or rejected since the incident began
	LastStatus int    // of the newest message that failed; 0: there was no answer
	LastError  string // empty: nothing has failed
	Rejected   bool   // the client calls messages invalid
}

// maxName bounds what other people call their client.
const maxName = 80

// write makes the mail of a rung. It holds no personal data, no token, and of the endpoint's address no query, which may be a secret.
func (w *Watcher) write(i Incident, c identity.Client, f Facts, now time.Time) (subject, text string) {
	name := cmp.Or(plain(c.Name, maxName), c.ID)
	host := strings.TrimPrefix(strings.TrimPrefix(w.Issuer, "https://"), "http://")
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	switch i.Rung {
	case Over:
		subject = name + " takes logout messages again"
		line("The application %s acknowledges the logout messages of %s again.", name, host)
	case Hour:
		subject = name + " has not taken logout messages for over an hour"
		line("The application %s still does not take the logout messages of %s.", name, host)
	case Lost:
		subject = name + " has missed logout messages"
		line("The application %s has not taken logout messages of %s, and they are not tried again.", name, host)
	default:
		subject = name + " does not take logout messages"
		line("The application %s does not take the logout messages of %s.", name, host)
	}
	line("")
	line("  client_id     %s", c.ID)
	for _, uri := range []string{c.BackchannelLogoutURI, c.WebhookURI} {
		if at := address(uri); at != "" {
			line("  endpoint      %s", at)
		}
	}
	line("  since         %s", i.BeganAt.UTC().Format(time.DateTime+" UTC"))
	if i.Rung == Over {
		line("  until         %s", now.UTC().Format(time.DateTime+" UTC"))
	}
	line("  waiting       %s of %s", counted(f.Messages, "message", "messages"), counted(f.People, "person", "people"))
	line("  given up      %s", counted(f.Lost, "message", "messages"))
	if i.Rung != Over && (f.LastStatus != 0 || f.LastError != "") {
		status := "no answer"
		if f.LastStatus != 0 {
			status = fmt.Sprintf("HTTP %d", f.LastStatus)
		}
		line("  last answer   %s", status)
		if f.LastError != "" {
			line("  last error    %s", plain(f.LastError, 300))
		}
	}
	line("")
	w.advise(line, i, c, f)
	line("")
	line("A program of %s wrote this. It writes once when an application stops taking", host)
	line("messages, once when that lasts an hour, once when messages are given up, and")
	line("once when the application is back.")
	return subject, b.String()
}

// advise says what it means and what to do.
func (w *Watcher) advise(line func(string, ...any), i Incident, c identity.Client, f Facts) {
	if i.Rung == Over {
		if f.Messages > 0 {
			line("What still waits is delivered now.")
		} else {
			line("Nothing waits any more.")
		}
	} else {
		line("People who signed out may still be signed in there.")
	}
	if i.Rung == First || i.Rung == Hour {
		line("")
		line("Each message is tried again for %s. Until then nothing is lost:", inWords(w.RetryFor))
		line("make the endpoint answer 200, and it gets what it missed.")
	}
	if f.Rejected && i.Rung != Over {
		line("")
		line("It calls logout tokens invalid (400 invalid_request). Compare its issuer, its")
		line("client_id, its clock and the keys that it knows with those of the provider.")
	}
	if at := address(c.BackchannelLogoutURI); at != "" && i.Rung != Over {
		line("")
		line("What is wrong with the back-channel endpoint, and what to mend, is said by")
		if plainAddress.MatchString(at) {
			line("  exeunt doctor %s", at)
		}
		line("  exeunt doctor --client %s --config exeunt.yaml    (beside the provider, which says more)", c.ID)
	}
	if f.Lost > 0 {
		line("")
		line("What was given up goes out again when an operator of the provider says so:")
		line("  exeunt delivery list --client %s --state dead", c.ID)
		line("  exeunt delivery retry --client %s", c.ID)
	}
	if i.Rung != Over || f.Lost > 0 {
		line("")
		line("The application can also ask for what it missed, with its own credentials:")
		line("  %s", w.PullURL)
	}
}

// plainAddress admits what can stand in a command as it is: a client may have registered anything, and people paste what they are told to.
var plainAddress = regexp.MustCompile(`^https?://[A-Za-z0-9.:-]+[A-Za-z0-9/._~%-]*$`)

// address returns a URI without what may be a secret in it.
func address(uri string) string {
	u, err := url.Parse(uri)
	if err != nil || u.Host == "" {
		return ""
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}

// plain makes one printable line of what others wrote, of at most limit characters.
func plain(s string, limit int) string {
	s = strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, ""))), " ")
	if runes := []rune(s); len(runes) > limit {
		s = string(runes[:limit]) + "..."
	}
	return s
}

func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

func inWords(d time.Duration) string {
	if d >= time.Hour {
		return counted(int(d.Hours()), "hour", "hours")
	}
	return counted(int(d.Minutes()), "minute", "minutes")
}
