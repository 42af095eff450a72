package logout

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// webhook tells relying parties by signed JSON events (Standard Webhooks, www.standardwebhooks.com), of logouts and of what ends no session.
//
// A client that lists events and has no address for them comes and pulls them: its deliveries are unreachable until it acknowledges them.
type webhook struct {
	sender
	clients   Clients
	messages  messages
	remaining func(ctx context.Context, leaving []Participation, at time.Time) (map[string]bool, error)
	detached  func(ctx context.Context, req Request, clientID string) (map[string]any, error)
	now       func() time.Time
}

// onlyByName lists the events that a client gets only when its filter names them: API logout tells nobody else, a new person is nobody's yet, and
// how somebody logs in is for those who watch over it.
var onlyByName = []string{EventTokenRevoked, EventUserCreated, EventDeviceSignal}

// Hears reports whether the client is told of events of a type by webhook, or wants to pull them.
func (c Client) Hears(event string) bool {
	if len(c.WebhookEvents) > 0 {
		return slices.Contains(c.WebhookEvents, event)
	}
	return c.WebhookURI != "" && !slices.Contains(onlyByName, event)
}

// plan implements channel.
//
//  1. session.ended for each participation.
//  2. token.revoked for one whose session had ended before: only its offline grant was left to end.
//  3. Once for each person: device.detached if a device was, and user.logged_out if no live session of theirs is left at the client. Only then
//     a relying party that compares times per person, and knows of no sid, ends nothing that lives.
func (w *webhook) plan(ctx context.Context, plan *Plan, part Participation, client Client) ([]Delivery, error) {
	if client.WebhookURI == "" && len(client.WebhookEvents) == 0 {
		return nil, nil
	}
	f, err := w.farewell(ctx, plan, part)
	if err != nil {
		return nil, err
	}
	s, ended := plan.session(part.SessionID)
	var all []Delivery
	add := func(event, sid string, said map[string]any) error {
		if !client.Hears(event) {
			return nil
		}
		d := plan.delivery(ChannelWebhook, part)
		d.Event, d.SID = event, sid
		if sid == "" {
			d.SessionID = ""
		}
		if event != EventSessionEnded {
			d.EventID = d.ID
		}
		err := w.address(&d, client, said)
		all = append(all, d)
		return err
	}
	err = add(EventSessionEnded, part.SID, occurred(plan.At, s.AuthTime))
	if !ended {
		err = errors.Join(err, add(EventTokenRevoked, part.SID, occurred(plan.At, time.Time{})))
	}
	if f.told {
		return all, err
	}
	f.told = true
	if plan.Request.Cause == CauseDeviceDetached {
		said := occurred(plan.At, f.authTime)
		if w.detached != nil && client.Hears(EventDeviceDetached) {
			device, derr := w.detached(ctx, plan.Request, client.ID)
			if derr != nil {
				return nil, fmt.Errorf("describing the device: %w", derr)
			}
			for name, value := range device {
				said[name] = value
			}
		}
		err = errors.Join(err, add(EventDeviceDetached, f.sid, said))
	}
	if !f.stays {
		err = errors.Join(err, add(EventUserLoggedOut, f.sid, occurred(plan.At, f.authTime)))
	}
	return all, err
}

// announce implements announcer.
func (w *webhook) announce(_ context.Context, plan *Plan, event Event, client Client) ([]Delivery, error) {
	if !client.Hears(event.Type) {
		return nil, nil
	}
	d := plan.message(ChannelWebhook, event, client.ID)
	said := occurred(event.At, time.Time{})
	for name, value := range event.Data {
		said[name] = value
	}
	if err := w.address(&d, client, said); err != nil {
		return nil, err
	}
	return []Delivery{d}, nil
}

// address completes a delivery.
func (w *webhook) address(d *Delivery, client Client, said map[string]any) error {
	payload, err := json.Marshal(said)
	if err != nil {
		return fmt.Errorf("%s: %w", d.Event, err)
	}
	d.Payload, d.URI, d.Private = string(payload), client.WebhookURI, client.AllowPrivateNetwork
	if client.WebhookURI == "" {
		d.State, d.SettledAt, d.LastError = StateUnreachable, d.CreatedAt, "the client has no webhook_uri; it must come and pull its events"
	}
	return nil
}

// occurred is what every event says: when it was and, if an authentication has ended, what tells that one from a later one.
func occurred(at, authTime time.Time) map[string]any {
	said := map[string]any{"occurred_at": at.UTC()}
	if !authTime.IsZero() {
		said["auth_time_before"] = authTime.Unix() + 1
	}
	return said
}

// person is somebody at one client.
type person struct{ clientID, subject string }

// farewell is what a logout means for a person at a client as a whole.
type farewell struct {
	sid      string    // of the participation, if exactly one ends
	authTime time.Time // the latest of the sessions that end
	stays    bool      // another session of theirs lives on at the client
	told     bool      // what is told once has been planned
}

// farewell returns that of a participation. The first call looks at all of them.
func (w *webhook) farewell(ctx context.Context, plan *Plan, part Participation) (*farewell, error) {
	if plan.farewells == nil {
		remaining, err := w.remaining(ctx, plan.Leaving, plan.At)
		if err != nil {
			return nil, fmt.Errorf("looking for the person's other sessions: %w", err)
		}
		plan.farewells = make(map[person]*farewell)
		for _, p := range plan.Leaving {
			who := person{p.ClientID, p.Subject}
			f, again := plan.farewells[who]
			if again {
				f.sid = ""
			} else {
				f = &farewell{sid: p.SID}
				plan.farewells[who] = f
			}
			f.stays = f.stays || remaining[p.SID]
			if s, _ := plan.session(p.SessionID); s.AuthTime.After(f.authTime) {
				f.authTime = s.AuthTime
			}
		}
	}
	return plan.farewells[person{part.ClientID, part.Subject}], nil
}

// session returns one of the plan's sessions.
func (p *Plan) session(id string) (Session, bool) {
	if p.byID == nil {
		p.byID = make(map[string]int, len(p.Sessions))
		for i, s := range p.Sessions {
			p.byID[s.ID] = i
		}
	}
	i, ok := p.byID[id]
	if !ok {
		return Session{}, false
	}
	return p.Sessions[i], true
}

// errNoWebhookKey is for a person who looks at a receipt.
var errNoWebhookKey = errors.New("nothing can sign the event: the client has no webhook_secrets, or they were encrypted under a secret that is no longer in `secrets`")

// Notify implements Notifier. The id of the event stays the same over all attempts and channels; timestamp, signature and user token are
// new each time.
func (w *webhook) Notify(ctx context.Context, d Delivery) (Answer, error) {
	client, err := w.receiver(ctx, d)
	if err != nil {
		return Answer{}, err
	}
	body, err := w.messages.webhook(ctx, d, client)
	if err != nil {
		return Answer{}, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, client.WebhookURI, bytes.NewReader(body))
	if err != nil {
		return Answer{}, fmt.Errorf("webhook_uri: %w", err)
	}
	timestamp := strconv.FormatInt(w.now().Unix(), 10)
	signatures := make([]string, len(client.WebhookKeys))
	for i, key := range client.WebhookKeys {
		signatures[i] = key.sign(d.EventID, timestamp, body)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Webhook-Id", d.EventID)
	req.Header.Set("Webhook-Timestamp", timestamp)
	req.Header.Set("Webhook-Signature", strings.Join(signatures, " "))
	req.Header.Set(DeliveryIDHeader, d.ID)
	return w.send(client.AllowPrivateNetwork, req, func(res *http.Response, _ []byte) error { return judgeStatus(res, w.now()) })
}

// receiver returns the client as it is registered now. One that has been deleted, or has no webhook any more, is told where it was when this
// happened.
func (w *webhook) receiver(ctx context.Context, d Delivery) (Client, error) {
	client, err := w.clients.LogoutClient(ctx, d.ClientID)
	if errors.Is(err, ErrNoClient) {
		if former, ok := w.clients.(FormerClients); ok {
			client, err = former.FormerClient(ctx, d.ClientID)
		}
		client.WebhookURI, client.AllowPrivateNetwork = d.URI, d.Private
	}
	switch {
	case errors.Is(err, ErrNoClient):
		return Client{}, &RejectedError{Reason: "the client was deleted, and with it the secret that signs its events"}
	case err != nil:
		return Client{}, err
	case len(client.WebhookKeys) == 0:
		return Client{}, errNoWebhookKey
	case client.WebhookURI == "":
		client.WebhookURI = d.URI
	}
	return client, nil
}
