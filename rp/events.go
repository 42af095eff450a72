package rp

import (
	"context"
	stdjson "encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// maxEventBytes bounds the body of a webhook.
const maxEventBytes = 1 << 20

// EventsConfig says how the provider's events reach the application.
type EventsConfig struct {
	// Secrets are those of the webhook, newest first, as "whsec_" and base64.
	// Needed by [Events.ServeHTTP].
	Secrets []string
	// EventsURL is where events are pulled, UserTokenURL where one-time user
	// tokens are exchanged. They default to /api/events and /api/user-token at the
	// issuer, which is where an Exeunt provider has them.
	EventsURL, UserTokenURL string
	// Handle, if set, is told of every event, also of those that end nothing. An
	// error makes the event come again. It may be called more than once for one
	// event, and for events that are days old.
	Handle func(ctx context.Context, event Event) error
	// Tolerance is by how much the clock of a webhook may differ from ours.
	// Defaults to five minutes.
	Tolerance time.Duration
}

// Event is one event of the provider.
type Event struct {
	// ID is the same whenever and however the event comes.
	ID string
	// Type is what happened, such as "session.ended" or "user.logged_out".
	Type string
	// Subject and SID say whom it is about; either may be empty.
	Subject, SID string
	// Cause is why sessions ended, such as "rp_initiated". Empty for other events.
	Cause string
	// OccurredAt is when it happened, in UTC.
	OccurredAt time.Time
	// Data is everything that the event says, by name, as JSON.
	Data map[string]stdjson.RawMessage
}

// Events receives the provider's events, by webhook ([Events.ServeHTTP]) or by
// asking for them ([Events.Pull]), and ends what they end, as a logout token
// does:
//
//	session.ended, device.detached               the session with that sid
//	user.logged_out, user.disabled, user.deleted    all that the person had at that time
//
// For providers that send them; a back channel needs none of this.
type Events struct {
	kit     *Kit
	cfg     EventsConfig
	secrets []webhookSecret
	replays *StoreReplays
}

// Events returns a receiver with the kit's client and store. The error names the
// field of cfg that is wrong.
func (k *Kit) Events(cfg EventsConfig) (*Events, error) {
	base := strings.TrimSuffix(k.cfg.Issuer, "/")
	cfg.EventsURL, cfg.UserTokenURL = orText(cfg.EventsURL, base+"/api/events"), orText(cfg.UserTokenURL, base+"/api/user-token")
	cfg.Tolerance = orDefault(cfg.Tolerance, 5*time.Minute)
	if err := errors.Join(checkURL("EventsConfig.EventsURL", cfg.EventsURL), checkURL("EventsConfig.UserTokenURL", cfg.UserTokenURL)); err != nil {
		return nil, err
	}
	e := &Events{kit: k, cfg: cfg, replays: NewStoreReplays(k.cfg.Store)}
	for i, text := range cfg.Secrets {
		secret, err := parseWebhookSecret(text)
		if err != nil {
			return nil, fmt.Errorf("rp: EventsConfig.Secrets[%d]: %w", i, err)
		}
		e.secrets = append(e.secrets, secret)
	}
	return e, nil
}

// ServeHTTP is the endpoint to register as webhook_uri. It answers 204 to what
// it has handled, now or before; 401 to what is not signed; 400 to what is not
// for this application; and 503 to what should come again.
func (e *Events) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxEventBytes))
	if err != nil {
		e.answer(w, r, http.StatusBadRequest, err)
		return
	}
	// 1. Signed for us, a moment ago.
	id, err := verifyWebhook(r.Header, body, e.secrets, e.kit.cfg.Now(), e.cfg.Tolerance)
	if err != nil {
		e.answer(w, r, http.StatusUnauthorized, err)
		return
	}
	// 2. An event of ours.
	var envelope struct {
		Type string                        `json:"type"`
		Data map[string]stdjson.RawMessage `json:"data"`
	}
	if err := stdjson.Unmarshal(body, &envelope); err != nil {
		e.answer(w, r, http.StatusBadRequest, err)
		return
	}
	event, err := e.read(id, envelope.Type, envelope.Data)
	if err != nil {
		e.answer(w, r, http.StatusBadRequest, err)
		return
	}
	// 3. Once, if possible; a repetition has been handled.
	if err := e.handle(r.Context(), event); err != nil {
		w.Header().Set("Retry-After", "5")
		e.answer(w, r, http.StatusServiceUnavailable, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (e *Events) answer(w http.ResponseWriter, r *http.Request, status int, err error) {
	e.kit.cfg.Logger.WarnContext(r.Context(), "rp: an event was not handled", "status", status, "error", err)
	w.WriteHeader(status)
}

// read makes an event of its data. The error says that it is not one for this application.
func (e *Events) read(id, kind string, said map[string]stdjson.RawMessage) (Event, error) {
	data := claimSet{}
	for name, raw := range said {
		data[name] = []byte(raw)
	}
	event := Event{ID: id, Type: kind, Data: said}
	if iss, there := data.text("iss"); there && iss != e.kit.cfg.Issuer {
		return event, fmt.Errorf("rp: the event %s is of the provider %s", shown(id), shown(iss))
	}
	if client, there := data.text("client_id"); there && client != e.kit.cfg.ClientID {
		return event, fmt.Errorf("rp: the event %s is for the client %s", shown(id), shown(client))
	}
	event.Subject, _ = data.text("sub")
	event.SID, _ = data.text("sid")
	event.Cause, _ = data.text("cause")
	occurred, _ := data.text("occurred_at")
	at, err := time.Parse(time.RFC3339Nano, occurred)
	if id == "" || kind == "" || err != nil {
		return event, fmt.Errorf("rp: the event %s lacks an id, a type or the time occurred_at", shown(id))
	}
	event.OccurredAt = at.UTC()
	return event, nil
}

// handle ends what the event ends and tells the application.
func (e *Events) handle(ctx context.Context, event Event) error {
	err := e.replays.Once(ctx, storeKey("event", e.kit.cfg.Issuer, event.ID), e.kit.cfg.Now().Add(e.kit.cfg.SessionLife), func(ctx context.Context) error {
		ending := Ending{Issuer: e.kit.cfg.Issuer, At: event.OccurredAt}
		switch event.Type {
		case "session.ended", "device.detached":
			ending.SID = event.SID
		case "user.logged_out", "user.disabled", "user.deleted":
			// It can come days late: the time decides, and the next login lives.
			if err := e.resolve(ctx, &event); err != nil {
				return err
			}
			ending.Subject = event.Subject
		}
		if ending.SID != "" || ending.Subject != "" {
			if err := e.kit.end(ctx, ending); err != nil {
				return err
			}
		}
		if e.cfg.Handle != nil {
			return e.cfg.Handle(ctx, event)
		}
		return nil
	})
	if errors.Is(err, ErrReplayed) {
		return nil
	}
	return err
}

// resolve exchanges the one-time user token of an event that names nobody.
func (e *Events) resolve(ctx context.Context, event *Event) error {
	var token string
	if event.Subject != "" || stdjson.Unmarshal(event.Data["user_token"], &token) != nil || token == "" {
		return nil
	}
	document, err := e.kit.discovery.metadata(ctx)
	if err != nil {
		return err
	}
	req, err := e.kit.authenticated(ctx, document, e.cfg.UserTokenURL, url.Values{"user_token": {token}})
	if err != nil {
		return err
	}
	var answer claimSet
	if err := doJSON(e.kit.client, req, &answer); err != nil {
		return fmt.Errorf("rp: a user token could not be exchanged; the event comes again with another: %w", err)
	}
	event.Subject, _ = answer.text("sub")
	if event.Subject == "" {
		return errors.New("rp: a user token was exchanged for no sub")
	}
	return nil
}

const (
	// pullWait is how long the provider may hold a question that has no answer yet.
	pullWait = 5 * time.Second
	// pullPause is the least time between two questions, and pullAgain that after
	// a failure.
	pullPause, pullAgain = time.Second, 10 * time.Second
	pullLimit            = 100
)

// Pull asks the provider for what nobody has acknowledged, handles it and
// acknowledges it, over and over until ctx is done. It is for applications that
// the provider cannot reach, and a safety net for all others. It returns nil.
func (e *Events) Pull(ctx context.Context) error {
	for {
		begun := time.Now()
		n, err := e.PullOnce(ctx)
		pause := pullPause - time.Since(begun)
		if err != nil && ctx.Err() == nil {
			e.kit.cfg.Logger.ErrorContext(ctx, "rp: events could not be pulled; trying again", "in", pullAgain.String(), "error", err)
			pause = pullAgain
		}
		if n > 0 && err == nil { // there may be more
			pause = 0
		}
		timer := time.NewTimer(max(pause, 0))
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		}
	}
}

// PullOnce asks once and returns how many events were handled and acknowledged.
// An event that could not be handled is left for the next time, and the error
// says why; the others are acknowledged all the same.
func (e *Events) PullOnce(ctx context.Context) (int, error) {
	document, err := e.kit.discovery.metadata(ctx)
	if err != nil {
		return 0, err
	}
	req, err := e.kit.authenticated(ctx, document, e.cfg.EventsURL, url.Values{
		"pending": {"true"}, "limit": {strconv.Itoa(pullLimit)}, "wait": {strconv.Itoa(int(pullWait / time.Second))},
	})
	if err != nil {
		return 0, err
	}
	var page struct {
		Events []stdjson.RawMessage `json:"events"`
	}
	if err := doJSON(e.kit.client, req, &page); err != nil {
		return 0, err
	}
	var done []string
	var failed error
	for _, raw := range page.Events {
		var data map[string]stdjson.RawMessage
		if err := stdjson.Unmarshal(raw, &data); err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		var id, kind string
		_, _ = stdjson.Unmarshal(data["id"], &id), stdjson.Unmarshal(data["type"], &kind) // read refuses what is missing
		event, err := e.read(id, kind, data)
		if err == nil {
			err = e.handle(ctx, event)
		}
		if err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		done = append(done, id)
	}
	if len(done) == 0 {
		return 0, failed
	}
	req, err = e.kit.authenticated(ctx, document, strings.TrimSuffix(e.cfg.EventsURL, "/")+"/ack", url.Values{"ids": {strings.Join(done, " ")}})
	if err != nil {
		return 0, errors.Join(failed, err)
	}
	var answer struct {
		Unknown []string `json:"unknown"`
	}
	if err := doJSON(e.kit.client, req, &answer); err != nil {
		return 0, errors.Join(failed, err)
	}
	if len(answer.Unknown) > 0 {
		e.kit.cfg.Logger.LogAttrs(ctx, slog.LevelWarn, "rp: the provider does not know events that it sent", slog.Int("events", len(answer.Unknown)))
	}
	return len(done), failed
}
