package protocol

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/exeunt-id/exeunt/provider/identity"
)

// sealing keeps streams by doing nothing but seal.
type sealing struct{ streamKeeper }

func (sealing) Seal(_, text string) []byte { return []byte(text) }

func fuzzSignals() *Signals {
	return &Signals{Settings: Settings{Issuer: "https://id.example.com"}, Streams: sealing{}}
}

// Whatever a receiver sends as a stream's configuration: it is refused, or what is kept of it can be kept and used.
func FuzzStreamBody(f *testing.F) {
	for _, seed := range []string{
		`{"stream_id":"x","delivery":{"method":"urn:ietf:rfc:8935","endpoint_url":"https://receiver.example.com/","authorization_header":"Bearer x"}}`,
		`{"delivery":{"method":"urn:ietf:rfc:8936"},"events_requested":["a","\u0000"],"description":"\ud800"}`,
		`{"delivery":null,"events_requested":null,"description":null,"aud":["x"],"iss":1,"min_verification_interval":1e400}`, `null`, `[]`, `{"delivery":[]}`,
	} {
		f.Add([]byte(seed), true)
	}
	s := fuzzSignals()
	f.Fuzz(func(t *testing.T, text []byte, whole bool) {
		var body streamBody
		if decodeObject(text, &body) != nil {
			return
		}
		stream := identity.Stream{ID: "id", ClientID: "client", Method: identity.StreamPush, EndpointURL: "https://old.example.com/", Authorization: []byte("old")}
		_ = body.contradicts(s.describe(stream))
		if s.apply(&stream, body, whole) != nil {
			return
		}
		kept := append([]string{stream.Description, stream.EndpointURL}, stream.EventsRequested...)
		for _, text := range kept {
			if strings.Contains(text, "\x00") || !utf8.ValidString(text) || len(text) > maxEndpointURL {
				t.Errorf("kept %q", text)
			}
		}
		push := stream.Method == identity.StreamPush
		if push != strings.HasPrefix(stream.EndpointURL, "https://") || !push && (stream.EndpointURL != "" || stream.Authorization != nil) ||
			strings.ContainsFunc(string(stream.Authorization), unprintable) {
			t.Errorf("stream %+v", stream)
		}
		if stream.EndpointURL != "https://old.example.com/" && string(stream.Authorization) == "old" && !strings.Contains(string(text), "old") {
			t.Error("a new address got the old header")
		}
		if _, err := json.Marshal(s.describe(stream)); err != nil {
			t.Error(err)
		}
	})
}

// Whatever a receiver sends as a subject, a status, a verification or a poll: no panic, and nobody is named that the subject does not name.
func FuzzSignalBodies(f *testing.F) {
	for _, seed := range []string{
		`{"format":"iss_sub","iss":"https://id.example.com","sub":"x"}`, `{"format":"email","email":"a@b"}`, `{"format":"complex","user":{"format":"complex"}}`,
		`{"stream_id":"x","state":"y"}`, `{"maxEvents":-1,"ack":["x"],"setErrs":{"x":{"err":1}}}`, `{"status":"paused","reason":{}}`,
	} {
		f.Add([]byte(seed))
	}
	s := fuzzSignals()
	f.Fuzz(func(t *testing.T, text []byte) {
		who, err := s.person(identity.Client{Scope: "email"}, text)
		if err == nil && who != (identity.SubjectName{}) && (who.ID != "") == (who.Email != "") {
			t.Errorf("%s names %+v", text, who)
		}
		for _, body := range []any{&subjectBody{}, &statusBody{}, &verifyBody{}, &pollBody{}} {
			_ = decodeObject(text, body)
		}
		_, _ = shortText("reason", text)
	})
}
