package protocol

import (
	"bytes"
	"encoding/json"
	"net/url"
	"reflect"
	"slices"
	"strings"

	"github.com/exeunt-id/exeunt/provider/identity"
)

// Bounds of what a receiver may have us keep.
const (
	maxEventsRequested = 100
	maxEventType       = 512  // bytes
	maxEndpointURL     = 2048 // bytes
	maxAuthorization   = 4096 // bytes
	maxText            = 255  // characters of a description or reason; what is longer is cut (8.1.1)
)

// streamBody is a stream's configuration as a receiver sends it. A member is nil when it is absent.
type streamBody struct {
	ID string `json:"stream_id"`

	// Receiver-supplied.
	Delivery        json.RawMessage `json:"delivery"`
	EventsRequested json.RawMessage `json:"events_requested"`
	Description     json.RawMessage `json:"description"`

	// Transmitter-supplied: they may be sent back, and must then be what they are.
	Issuer            json.RawMessage `json:"iss"`
	Audience          json.RawMessage `json:"aud"`
	EventsSupported   json.RawMessage `json:"events_supported"`
	EventsDelivered   json.RawMessage `json:"events_delivered"`
	MinVerification   json.RawMessage `json:"min_verification_interval"`
	InactivityTimeout json.RawMessage `json:"inactivity_timeout"`
}

// contradicts refuses a transmitter-supplied member that is not what it is now (8.1.1.3). Lists are compared as sets.
func (b streamBody) contradicts(now streamAnswer) error {
	for _, member := range []struct {
		name string
		sent json.RawMessage
		is   any
	}{
		{"iss", b.Issuer, now.Issuer},
		{"aud", b.Audience, now.Audience},
		{"events_supported", b.EventsSupported, now.EventsSupported},
		{"events_delivered", b.EventsDelivered, now.EventsDelivered},
		{"min_verification_interval", b.MinVerification, now.MinVerification},
		{"inactivity_timeout", b.InactivityTimeout, nil},
	} {
		if member.sent != nil && !sameValue(member.sent, member.is) {
			return invalidRequest("The member %s is set by the transmitter, and has another value.", member.name)
		}
	}
	return nil
}

func sameValue(sent json.RawMessage, is any) bool {
	var got, want any
	text, err := json.Marshal(is)
	if err != nil || json.Unmarshal(text, &want) != nil || json.Unmarshal(sent, &got) != nil {
		return false
	}
	if list, ok := got.([]any); ok {
		if one, ok := want.(string); ok { // aud is one string, or a list of it
			want = []any{one}
		}
		return sameSet(list, want)
	}
	return reflect.DeepEqual(got, want)
}

func sameSet(got []any, want any) bool {
	list, ok := want.([]any)
	subset := func(a, b []any) bool {
		return !slices.ContainsFunc(a, func(x any) bool {
			return !slices.ContainsFunc(b, func(y any) bool { return reflect.DeepEqual(x, y) })
		})
	}
	return ok && subset(got, list) && subset(list, got)
}

// apply gives a stream what its receiver supplies. With whole, what is absent is deleted; otherwise it stays. null is absent and deleted.
func (s *Signals) apply(stream *identity.Stream, b streamBody, whole bool) error {
	if b.EventsRequested != nil || whole {
		events, err := requestedEvents(b.EventsRequested)
		if err != nil {
			return err
		}
		stream.EventsRequested = events
	}
	if b.Description != nil || whole {
		text, err := shortText("description", b.Description)
		if err != nil {
			return err
		}
		stream.Description = text
	}
	if b.Delivery != nil || whole {
		return s.deliver(stream, b.Delivery)
	}
	return nil
}

func absent(member json.RawMessage) bool {
	return len(member) == 0 || bytes.Equal(bytes.TrimSpace(member), []byte("null"))
}

// requestedEvents reads a list of types. Those that we do not know stay in it: they may be known one day.
func requestedEvents(member json.RawMessage) ([]string, error) {
	if absent(member) {
		return nil, nil
	}
	events := []string{}
	if json.Unmarshal(member, &events) != nil || len(events) > maxEventsRequested ||
		slices.ContainsFunc(events, func(event string) bool {
			return event == "" || len(event) > maxEventType || strings.Contains(event, "\x00")
		}) {
		return nil, invalidRequest("The member events_requested must be a list of at most %d event types, each of at most %d bytes.", maxEventsRequested, maxEventType)
	}
	return events, nil
}

// shortText reads a text for people; what is too long is cut.
func shortText(name string, member json.RawMessage) (string, error) {
	if absent(member) {
		return "", nil
	}
	var text string
	if json.Unmarshal(member, &text) != nil {
		return "", invalidRequest("The member %s must be a text.", name)
	}
	text = strings.ReplaceAll(text, "\x00", "") // PostgreSQL keeps none
	if runes := []rune(text); len(runes) > maxText {
		text = string(runes[:maxText])
	}
	return text, nil
}

// deliver reads the member delivery (8.1.1, 6.1). Without it the stream is polled.
func (s *Signals) deliver(stream *identity.Stream, member json.RawMessage) error {
	if absent(member) {
		stream.Method, stream.EndpointURL, stream.Authorization = identity.StreamPoll, "", nil
		return nil
	}
	var sent struct {
		Method        string          `json:"method"`
		EndpointURL   string          `json:"endpoint_url"`
		Authorization json.RawMessage `json:"authorization_header"`
	}
	if decodeObject(member, &sent) != nil {
		return invalidRequest("The member delivery must be an object with method and endpoint_url.")
	}
	switch sent.Method {
	case methodPoll:
		if own := s.URL(PathStreamPoll) + stream.ID; stream.Method == identity.StreamPoll && sent.EndpointURL != "" && sent.EndpointURL != own {
			return invalidRequest("The endpoint_url of a polled stream is set by the transmitter, and has another value.")
		}
		stream.Method, stream.EndpointURL, stream.Authorization = identity.StreamPoll, "", nil
		return nil
	case methodPush:
		return s.push(stream, sent.EndpointURL, sent.Authorization)
	default:
		return invalidRequest("The delivery method must be %s (push) or %s (poll).", methodPush, methodPoll)
	}
}

// push makes the stream pushed. The header is never shown, so a receiver that sends back what it has read keeps it by leaving it out; at
// another address it must say it again, so that nobody can have it sent to themselves.
func (s *Signals) push(stream *identity.Stream, endpoint string, member json.RawMessage) error {
	if err := s.checkEndpoint(endpoint); err != nil {
		return err
	}
	moved := stream.Method != identity.StreamPush || stream.EndpointURL != endpoint
	stream.Method, stream.EndpointURL = identity.StreamPush, endpoint
	if len(member) == 0 {
		if moved {
			stream.Authorization = nil
		}
		return nil
	}
	var header string
	if !absent(member) && json.Unmarshal(member, &header) != nil || len(header) > maxAuthorization || strings.ContainsFunc(header, unprintable) {
		return invalidRequest("The authorization_header must be a text of at most %d printable ASCII characters.", maxAuthorization)
	}
	stream.Authorization = s.Streams.Seal(stream.ID, strings.TrimSpace(header))
	return nil
}

func unprintable(r rune) bool { return r < ' ' || r > '~' }

// checkEndpoint wants https, like the provider itself; behind a loopback issuer http will do. Whether the address may be reached is
// decided when it is connected.
func (s *Signals) checkEndpoint(endpoint string) error {
	u, err := url.Parse(endpoint)
	httpAllowed := strings.HasPrefix(s.Issuer, "http://")
	switch {
	case err != nil, u.Host == "", u.Scheme != "https" && (u.Scheme != "http" || !httpAllowed):
		return invalidRequest("The endpoint_url of a pushed stream must be an https URL.")
	case u.User != nil, u.Fragment != "", strings.Contains(endpoint, "#"), len(endpoint) > maxEndpointURL, strings.ContainsFunc(endpoint, unprintable):
		return invalidRequest("The endpoint_url must have at most %d printable ASCII characters, no user and no fragment.", maxEndpointURL)
	}
	return nil
}

// sameDelivery reports whether events go the same way as before.
func sameDelivery(a, b identity.Stream) bool {
	return a.Method == b.Method && a.EndpointURL == b.EndpointURL && bytes.Equal(a.Authorization, b.Authorization)
}
