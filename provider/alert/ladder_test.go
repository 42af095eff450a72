package alert

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/exeunt-id/exeunt/provider/identity"
)

func TestStep(t *testing.T) {
	now := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	at := func(rung Rung, ago time.Duration) Incident {
		return Incident{ClientID: "shop", BeganAt: now.Add(-ago - time.Minute), Rung: rung, MovedAt: now.Add(-ago), Version: 1}
	}
	failing := Trouble{BeganAt: now.Add(-6 * time.Minute), Waiting: true, Failing: true}
	for _, test := range []struct {
		name   string
		from   Incident
		t      Trouble
		worked bool
		want   Rung
		moved  bool
	}{
		{"nothing", Incident{}, Trouble{}, false, Over, false},
		{"it fails", Incident{}, failing, false, First, true},
		{"a breaker opens", Incident{}, Trouble{Open: true}, false, First, true},
		{"given another chance just now", Incident{}, Trouble{Waiting: true}, false, Over, false},
		{"given up at once", Incident{}, Trouble{Lost: 1}, false, Lost, true},
		{"given up while it fails", Incident{}, Trouble{Failing: true, Waiting: true, Lost: 1}, false, Lost, true},
		{"again, too soon", at(Over, 59*time.Minute), failing, false, Over, false},
		{"lost again, too soon", at(Over, 59*time.Minute), Trouble{Lost: 1}, false, Over, false},
		{"again", at(Over, time.Hour), failing, false, First, true},

		{"not yet an hour", at(First, 59*time.Minute), failing, false, First, false},
		{"an hour", at(First, time.Hour), failing, false, Hour, true},
		{"an hour, breaker only", at(First, time.Hour), Trouble{Open: true}, false, Hour, true},
		{"an hour, its attempts run", at(First, time.Hour), Trouble{Waiting: true}, false, Hour, true},
		{"one mail for each rung", at(Hour, 100*time.Hour), failing, false, Hour, false},
		{"lost before the hour", at(First, time.Minute), Trouble{Waiting: true, Lost: 3}, false, Lost, true},
		{"lost after it", at(Hour, time.Minute), Trouble{Lost: 3}, false, Lost, true},
		{"more are lost", at(Lost, time.Minute), Trouble{Open: true, Waiting: true, Lost: 3}, false, Lost, false},

		{"it works again", at(First, time.Minute), Trouble{}, true, Over, true},
		{"it works again after an hour", at(Hour, time.Minute), Trouble{}, true, Over, true},
		{"it works again after a loss", at(Lost, time.Minute), Trouble{}, true, Over, true},
		{"silence is no success", at(Lost, 100*time.Hour), Trouble{}, false, Lost, false},
		{"some still wait", at(First, time.Minute), Trouble{Waiting: true}, true, First, false},
		{"the breaker is still open", at(First, time.Minute), Trouble{Open: true}, true, First, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			to, moved, err := test.from.step(test.t, now, func() (bool, error) { return test.worked, nil })
			if err != nil || moved != test.moved || moved && (to.Rung != test.want || to.MovedAt != now) {
				t.Errorf("to %v, moved %t, %v; want %v, %t", to.Rung, moved, err, test.want, test.moved)
			}
			if moved && test.from.Rung != Over && to.BeganAt != test.from.BeganAt {
				t.Error("the incident is another one")
			}
		})
	}
}

func TestText(t *testing.T) {
	now := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	w := &Watcher{Issuer: "https://id.example.com", RetryFor: 72 * time.Hour, PullURL: "https://id.example.com/api/events"}
	client := identity.Client{ID: "shop", Name: "Shop\r\nBcc: all\u202e", BackchannelLogoutURI: "https://user:pw@shop.example.com/out?key=s3cret"}
	facts := Facts{People: 1, Messages: 12, Lost: 2, LastStatus: 503, LastError: "the endpoint answered\n503 Service Unavailable", Rejected: true}
	for rung, parts := range map[Rung][]string{
		First: {"Shop Bcc: all does not take logout messages", "tried again for 72 hours", "last answer   HTTP 503", "last error    the endpoint answered 503 Service Unavailable"},
		Hour:  {"has not taken logout messages for over an hour", "12 messages of 1 person", "still does not take"},
		Lost:  {"has missed logout messages", "2 messages", "exeunt delivery retry --client shop", "https://id.example.com/api/events", "calls logout tokens invalid"},
		Over:  {"takes logout messages again", "until         2026-01-02 12:00:00 UTC", "What still waits is delivered now"},
	} {
		subject, text := w.write(Incident{ClientID: "shop", BeganAt: now.Add(-time.Hour), Rung: rung}, client, facts, now)
		whole := subject + "\n" + text
		for _, part := range append(parts, "since         2026-01-02 11:00:00 UTC", "endpoint      https://shop.example.com/out\n", "client_id     shop") {
			if !strings.Contains(whole, part) {
				t.Errorf("%v lacks %q:\n%s", rung, part, whole)
			}
		}
		if doctor := strings.Contains(text, "  exeunt doctor https://shop.example.com/out\n  exeunt doctor --client shop --config exeunt.yaml "); doctor != (rung != Over) {
			t.Errorf("%v names the doctor: %t\n%s", rung, doctor, text)
		}
		if strings.ContainsAny(subject, "\r\n") || strings.Contains(whole, "s3cret") || strings.Contains(whole, "pw@") || strings.Contains(whole, "\u202e") {
			t.Errorf("%v shows what it must not:\n%s", rung, whole)
		}
		for line := range strings.Lines(text) {
			if len(line) > 120 {
				t.Errorf("%v: a line of %d characters: %s", rung, len(line), line)
			}
		}
	}
}

// What a client registered does not become part of a command.
func TestTextHoldsNoCommand(t *testing.T) {
	w := &Watcher{Issuer: "https://id.example.com", RetryFor: time.Hour}
	plain := regexp.MustCompile(`exeunt doctor (https://[A-Za-z0-9./:%_~-]+|--client shop .*)\n`)
	for _, path := range []string{"/;reboot", "/$(reboot)", "/`reboot`", "/a&b", "/a'b", "/a b", "/a%20b"} {
		_, text := w.write(Incident{Rung: First}, identity.Client{ID: "shop", BackchannelLogoutURI: "https://shop.example.com" + path}, Facts{}, time.Now())
		if n := strings.Count(text, "exeunt doctor"); n == 0 || len(plain.FindAllString(text, -1)) != n {
			t.Errorf("%s:\n%s", path, text)
		}
	}
}

func TestRecipients(t *testing.T) {
	w := &Watcher{Operator: "ops@example.com"}
	c := identity.Client{Contacts: []string{"https://example.com", "mailto:a@example.com", "A@example.com", "Bee <b@example.com>", "x@y\r\nz", "OPS@example.com", "c@example.com", "d@example.com", "e@example.com"}}
	if got, want := strings.Join(w.recipients(c), " "), "a@example.com b@example.com OPS@example.com c@example.com d@example.com"; got != want {
		t.Errorf("written to %s, want %s", got, want)
	}
}
