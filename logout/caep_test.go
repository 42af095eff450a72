package logout

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// Every cause that ends a session has words for receivers, and one of the four entities of CAEP 1.0, 2.
func TestReasons(t *testing.T) {
	for _, causes := range [][]Cause{offlineDies, ordinary} {
		for _, cause := range causes {
			for _, kind := range []string{"user", "client", "admin", "system", ""} {
				text, err := json.Marshal(revoked(Request{Cause: cause, Actor: Actor{Kind: kind, ID: "secret", Address: "192.0.2.7"}}, time.Unix(1700000000, 0)))
				if err != nil {
					t.Fatal(err)
				}
				var event struct {
					At     int64             `json:"event_timestamp"`
					Entity string            `json:"initiating_entity"`
					Admin  map[string]string `json:"reason_admin"`
					User   map[string]string `json:"reason_user"`
				}
				if err := json.Unmarshal(text, &event); err != nil {
					t.Fatal(err)
				}
				if !strings.Contains(" user admin policy system ", " "+event.Entity+" ") || len(event.Admin["en"]) < 15 || event.User["en"] == "" || event.At != 1700000000 {
					t.Errorf("%s by %q: %s", cause, kind, text)
				}
				if strings.Contains(string(text), "192.0.2.7") || strings.Contains(string(text), "secret") {
					t.Errorf("%s tells who or where: %s", cause, text)
				}
			}
		}
	}
}

// Nothing that a receiver answers makes us panic, and only 202 acknowledges.
func FuzzPushAnswer(f *testing.F) {
	f.Add(202, "application/json", "")
	f.Add(400, "application/json", `{"err":"invalid_request","description":"no"}`)
	f.Add(400, "application/json; charset=\xff", `{"err":`)
	f.Add(429, "text/html", "<html>")
	f.Fuzz(func(t *testing.T, status int, contentType, body string) {
		res := &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {contentType}, "Retry-After": {body}}, Body: io.NopCloser(strings.NewReader(""))}
		if err := judgePush(res, []byte(body), time.Unix(0, 0)); (err == nil) != (status == http.StatusAccepted) {
			t.Errorf("%d: %v", status, err)
		}
	})
}

// Whoever pulls events hears of them by the names of webhooks, whichever channel's delivery stands for them.
func TestSignalsArePulledAsEvents(t *testing.T) {
	for signal, want := range map[string]string{SignalSessionRevoked: EventSessionEnded, SignalCredentialChange: EventUserPasswordChanged} {
		d := Delivery{Channel: ChannelCAEP, Event: signal, Payload: `{"initiating_entity":"user"}`, Subject: "alice", SID: "s", ClientID: "shop", Cause: CauseAdmin}
		said, err := messages{issuer: "https://id.example"}.data(t.Context(), Client{}, []Delivery{d})
		if err != nil {
			t.Fatal(err)
		}
		if d.EventType() != want || said[0]["initiating_entity"] != nil || string(said[0]["sub"]) != `"alice"` || said[0]["occurred_at"] == nil {
			t.Errorf("%s says %s", d.EventType(), said)
		}
	}
}
