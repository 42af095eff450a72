package logout

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"
)

// caep tells the receivers of shared signals by CAEP 1.0: a security event token for each participation that ends, pushed (RFC 8935) or
// kept until it is polled (RFC 8936; see Engine.Poll).
type caep struct {
	sender
	issuer  string
	streams Streams
	clients Clients
	signer  Signer
	now     func() time.Time
}

// sessionRevoked is the event of CAEP 1.0, 3.1, with the common claims of section 2. reason_admin must be there (CAEP Interoperability
// Profile 1.0, 3.1).
type sessionRevoked struct {
	At               int64             `json:"event_timestamp"`
	InitiatingEntity string            `json:"initiating_entity"`
	ReasonAdmin      map[string]string `json:"reason_admin"`
	ReasonUser       map[string]string `json:"reason_user"`
}

// credentialChange is the event of CAEP 1.0, 3.3, of a password, which is the only credential there is.
type credentialChange struct {
	CredentialType   string            `json:"credential_type"`
	ChangeType       string            `json:"change_type"`
	At               int64             `json:"event_timestamp"`
	InitiatingEntity string            `json:"initiating_entity"`
	ReasonAdmin      map[string]string `json:"reason_admin"`
	ReasonUser       map[string]string `json:"reason_user"`
}

// plan implements channel.
func (c *caep) plan(ctx context.Context, plan *Plan, part Participation, client Client) ([]Delivery, error) {
	return c.carry(ctx, plan, plan.delivery(ChannelCAEP, part), client, SignalSessionRevoked, revoked(plan.Request, plan.At))
}

// announce implements announcer: a changed password is a changed credential.
func (c *caep) announce(ctx context.Context, plan *Plan, event Event, client Client) ([]Delivery, error) {
	if event.Type != EventUserPasswordChanged {
		return nil, nil
	}
	by, _ := event.Data["by"].(string)
	return c.carry(ctx, plan, plan.message(ChannelCAEP, event, client.ID), client, SignalCredentialChange, credentialChange{
		CredentialType: "password", ChangeType: "update", At: event.At.Unix(), InitiatingEntity: entity(by),
		ReasonAdmin: english("The password was changed"), ReasonUser: english("Your password was changed."),
	})
}

// carry gives an event to every stream of the client that carries its kind and person.
func (c *caep) carry(ctx context.Context, plan *Plan, d Delivery, client Client, event string, payload any) ([]Delivery, error) {
	streams, err := plan.streamsOf(ctx, c.streams, client.ID)
	if err != nil {
		return nil, err
	}
	var deliveries []Delivery
	for _, s := range streams {
		if wanted, err := c.wanted(ctx, s, event, d.Subject); err != nil {
			return nil, err
		} else if !wanted {
			continue
		}
		d.ID, d.Private = NewID(), client.AllowPrivateNetwork
		carried, err := s.carry(d, event, payload)
		if err != nil {
			return nil, err
		}
		deliveries = append(deliveries, carried)
	}
	return deliveries, nil
}

// wanted reports whether the stream carries such events about a person. A disabled stream carries nothing and holds nothing
// (Shared Signals Framework 1.0, 8.1.2.1).
func (c *caep) wanted(ctx context.Context, s Stream, event, subject string) (bool, error) {
	if s.Status == StreamDisabled || !slices.Contains(s.Events, event) {
		return false, nil
	}
	if !s.Removals {
		return true, nil
	}
	removed, err := c.streams.Removed(ctx, s.ID, subject)
	return !removed, err
}

// streamsOf asks for a client's streams once per plan: it may end very many sessions.
func (p *Plan) streamsOf(ctx context.Context, streams Streams, clientID string) ([]Stream, error) {
	if found, ok := p.streams[clientID]; ok {
		return found, nil
	}
	found, err := streams.StreamsOf(ctx, clientID)
	if err != nil {
		return nil, err
	}
	if p.streams == nil {
		p.streams = make(map[string][]Stream)
	}
	p.streams[clientID] = found
	return found, nil
}

// Notify implements Notifier: one POST of the token itself (RFC 8935, 2). What the stream does not want now was planned before it changed, and
// escaped StreamChanged because its attempt was under way; it says nothing about the receiver.
func (c *caep) Notify(ctx context.Context, d Delivery) (Answer, error) {
	s, err := c.streams.Stream(ctx, d.StreamID)
	switch {
	case errors.Is(err, ErrNoStream):
		return Answer{}, errors.New("not sent: the receiver has deleted its stream")
	case err != nil:
		return Answer{}, err
	case s.Method == StreamPoll:
		return Answer{}, errors.New(waitsForPoll)
	case s.Status == StreamDisabled && d.Event != SignalStreamUpdated:
		return Answer{}, errors.New("not sent: the stream is disabled")
	case s.Status == StreamPaused && d.Event != SignalStreamUpdated:
		return Answer{}, errors.New(waitsForEnable)
	}
	private, err := c.private(ctx, d)
	if err != nil {
		return Answer{}, err
	}
	token, err := mintSET(ctx, c.signer, c.issuer, d)
	if err != nil {
		return Answer{}, fmt.Errorf("signing the security event token: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.EndpointURL, strings.NewReader(token))
	if err != nil {
		return Answer{}, fmt.Errorf("endpoint_url: %w", err)
	}
	req.Header.Set("Content-Type", "application/secevent+jwt")
	req.Header.Set("Accept", "application/json")
	if s.Authorization != "" {
		req.Header.Set("Authorization", s.Authorization)
	}
	return c.send(private, req, func(res *http.Response, body []byte) error { return judgePush(res, body, c.now()) })
}

// private reports whether the receiver may be on a private address, by its registration or, if that is gone, as it was.
func (c *caep) private(ctx context.Context, d Delivery) (bool, error) {
	client, err := c.clients.LogoutClient(ctx, d.ClientID)
	if errors.Is(err, ErrNoClient) {
		return d.Private, nil
	}
	return client.AllowPrivateNetwork, err
}

// judgePush reads a receiver's answer: 202 acknowledges (RFC 8935, 2.2), and some errors (2.4, Shared Signals Framework 1.0, 8.1.4.1) say
// that this token will never be taken. The others may pass: keys that the receiver has not fetched yet, an authorization that it is about
// to renew, a proxy before it.
func judgePush(res *http.Response, body []byte, now time.Time) error {
	if res.StatusCode == http.StatusAccepted {
		return nil
	}
	code := pushError(res, body)
	switch {
	case slices.Contains([]string{"invalid_request", "invalid_issuer", "invalid_audience", "invalid_state"}, code):
		return &RejectedError{Reason: "the receiver refuses the security event token (400 " + code + ")"}
	case code != "":
		return fmt.Errorf("the receiver answered 400 %s", snippet([]byte(code)))
	case res.StatusCode >= 200 && res.StatusCode < 300:
		return fmt.Errorf("the endpoint answered %s; a push is acknowledged by 202 Accepted alone (RFC 8935, 2.2)", status(res.StatusCode))
	}
	return judge(res, nil, now)
}

// pushError returns the error code of RFC 8935, 2.3; empty when the answer is no such error.
func pushError(res *http.Response, body []byte) string {
	mediaType, _, err := mime.ParseMediaType(res.Header.Get("Content-Type"))
	if res.StatusCode != http.StatusBadRequest || err != nil || mediaType != "application/json" {
		return ""
	}
	var answer struct {
		Code string `json:"err"`
	}
	if json.Unmarshal(body, &answer) != nil {
		return ""
	}
	return answer.Code
}

// revoked describes a logout to a receiver. It says why, and nothing about where or by whom.
func revoked(req Request, at time.Time) sessionRevoked {
	r := reasons[req.Cause]
	by := r.entity
	if by == "" {
		by = entity(req.Actor.Kind)
	}
	return sessionRevoked{
		At: at.Unix(), InitiatingEntity: by, ReasonAdmin: english(r.admin + " (" + string(req.Cause) + ")"), ReasonUser: english(r.user),
	}
}

// entity is an actor's kind in the words of CAEP 1.0, 2.
func entity(kind string) string {
	switch kind {
	case "user", "admin":
		return kind
	case "client":
		return "user" // an app does what its user wants
	default:
		return "system"
	}
}

// english is a text by language tags (BCP 47).
func english(text string) map[string]string { return map[string]string{"en": text} }

// reason is why a session ended: for the receiver's operator, for the person, and who brought it about (CAEP 1.0, 2: admin, user, policy
// or system); empty where only the actor knows.
type reason struct{ entity, admin, user string }

var reasons = map[Cause]reason{
	CauseRedirect:        {"user", "The user logged out", "You logged out."},
	CauseRPInitiated:     {"user", "The user logged out", "You logged out."},
	CauseSDK:             {"user", "The user logged out", "You logged out."},
	CauseAccount:         {"user", "The user ended the session on the account page", "You ended this session."},
	CauseAccountApp:      {"user", "The user left this application on the account page", "You left this application."},
	CauseUserSwitched:    {"user", "Another user logged in in the same browser", "Somebody else logged in in your browser."},
	CauseAdmin:           {"admin", "An administrator ended the session", "An administrator ended your session."},
	CauseDeviceDetached:  {"", "The device was detached", "This device was removed from your account."},
	CauseIdle:            {"policy", "The session was idle for too long", "You were away for too long."},
	CauseExpired:         {"policy", "The session reached its longest life", "Your session has expired."},
	CausePasswordChanged: {"", "The password was changed", "Your password was changed."},
	CauseUserDisabled:    {"admin", "The user was disabled", "Your account was disabled."},
	CauseUserDeleted:     {"", "The user was deleted", "Your account was deleted."},
	CauseConsentRevoked:  {"", "The user's consent was revoked", "Your consent was withdrawn."},
	CauseTokenReuse:      {"policy", "A token was used twice and may have been stolen", "Your session may have been stolen."},
	CauseRevocation:      {"system", "Another identity system revoked the user's sessions", "Your sessions were revoked."},
}
