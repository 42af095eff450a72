package logout

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// messages says what an event says, the same to who is told and to who pulls.
type messages struct {
	issuer string
	tokens *userTokens
}

// envelope is the body of a webhook, in the shape that Standard Webhooks recommends.
type envelope struct {
	Type      string          `json:"type"`
	Timestamp json.RawMessage `json:"timestamp"` // when it happened
	Data      data            `json:"data"`
}

// data is what an event says beside its type. Its members are in alphabetical order.
type data map[string]json.RawMessage

// webhook returns the body for one attempt.
func (m messages) webhook(ctx context.Context, d Delivery, client Client) ([]byte, error) {
	all, err := m.data(ctx, client, []Delivery{d})
	if err != nil {
		return nil, err
	}
	return json.Marshal(envelope{Type: d.EventType(), Timestamp: all[0]["occurred_at"], Data: all[0]})
}

// data returns what each of a client's events says: the issuer, the client, what the delivery carries, and who it is about. A client with
// user tokens gets a fresh token for each instead of the subject, and nothing that may be personal: of what the delivery carries only the
// times, the cause and what the app itself wrote.
func (m messages) data(ctx context.Context, client Client, of []Delivery) ([]data, error) {
	all := make([]data, len(of))
	for i, d := range of {
		said := data{}
		if d.Payload != "" && d.Channel != ChannelCAEP { // a stream's events have words of their own
			if err := json.Unmarshal([]byte(d.Payload), &said); err != nil {
				return nil, fmt.Errorf("reading what %s %s says: %w", d.EventType(), d.EventID, err)
			}
		}
		if client.UserToken {
			said = impersonal(said)
		} else {
			said.set("sub", d.Subject)
		}
		said.set("iss", m.issuer)
		said.set("client_id", d.ClientID)
		if d.SID != "" {
			said.set("sid", d.SID)
		}
		if d.Cause != CauseAnnounced {
			said.set("cause", string(d.Cause))
		}
		if said["occurred_at"] == nil { // another channel's delivery stands for the event
			said.set("occurred_at", d.CreatedAt.UTC().Format(time.RFC3339Nano))
		}
		all[i] = said
	}
	if !client.UserToken || len(of) == 0 {
		return all, nil
	}
	tokens, err := m.tokens.mint(ctx, of)
	if err != nil {
		return nil, err
	}
	for i, token := range tokens {
		all[i].set("user_token", token)
	}
	return all, nil
}

// impersonal keeps what says nothing about a person.
func impersonal(said data) data {
	kept := data{}
	for _, name := range []string{"occurred_at", "auth_time_before", "cause", "metadata"} {
		if value, ok := said[name]; ok {
			kept[name] = value
		}
	}
	return kept
}

// set stores a text.
func (d data) set(name, value string) {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err) // a string always can be
	}
	d[name] = text
}

// EventType returns the type of the event that the delivery is about.
func (d Delivery) EventType() string {
	switch d.Event {
	case "", SignalSessionRevoked:
		return EventSessionEnded
	case SignalCredentialChange:
		return EventUserPasswordChanged
	}
	return d.Event
}
