package logout_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/database/databasetest"
	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/logout/logouttest"
)

// join lets a client take part in a session.
func (s *stage) join(t *testing.T, session logout.Session, clientID string) logout.Participation {
	t.Helper()
	part, err := s.store.Join(t.Context(), session.ID, clientID, session.Subject, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return part
}

// hook adds a client with a webhook.
func (s *stage) hook(t *testing.T, clientID string, change func(*logout.Client)) *logouttest.Hook {
	t.Helper()
	h := logouttest.NewHook(t, clientID)
	c := h.Client()
	if change != nil {
		change(&c)
	}
	s.clients.Put(c)
	return h
}

// received waits until so many requests have come, and sorts them by type.
func received(t *testing.T, h *logouttest.Hook, n int) []logouttest.Message {
	t.Helper()
	until(t, 5*time.Second, fmt.Sprintf("%d events", n), func() bool { return len(h.Received()) >= n })
	all := h.Received()
	if len(all) != n {
		t.Fatalf("%d events, want %d", len(all), n)
	}
	slices.SortFunc(all, func(a, b logouttest.Message) int { return strings.Compare(a.Type, b.Type) })
	return all
}

// verify lets the official library check the signature by a secret.
func verify(t *testing.T, m logouttest.Message, secret string) error {
	t.Helper()
	wh, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	return wh.Verify(m.Body, m.Header)
}

// One logout at a client with a webhook and a back-channel: both are told, and what they are told is one event. The official library
// verifies it.
func TestWebhook(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		s := newStage(t, db, 1, nil)
		h := logouttest.NewHook(t, "rp-0")
		both := s.rps[0].Client()
		both.WebhookURI, both.WebhookKeys = h.URL, h.Client().WebhookKeys
		s.clients.Put(both)
		session := s.login(t, "alice")
		parts, err := s.store.Participations(t.Context(), session.ID)
		if err != nil {
			t.Fatal(err)
		}
		out := s.end(t, session)
		all := received(t, h, 2)
		for i, want := range []string{logout.EventSessionEnded, logout.EventUserLoggedOut} {
			m := all[i]
			if err := verify(t, m, logouttest.WebhookSecret(1)); err != nil {
				t.Errorf("the official library says %v", err)
			}
			if verify(t, m, logouttest.WebhookSecret(2)) == nil {
				t.Error("any secret verifies it")
			}
			occurred, err := time.Parse(time.RFC3339Nano, fmt.Sprint(m.Data["occurred_at"]))
			if err != nil || !occurred.Equal(m.Timestamp) || time.Since(occurred) > time.Minute || occurred.Location() != time.UTC {
				t.Errorf("occurred at %v, timestamp %v, %v", m.Data["occurred_at"], m.Timestamp, err)
			}
			delete(m.Data, "occurred_at")
			got, _ := json.Marshal(m.Data)
			expected := fmt.Sprintf(`{"auth_time_before":%d,"cause":"rp_initiated","client_id":"rp-0","iss":%q,"sid":%q,"sub":"alice"}`,
				session.AuthTime.Unix()+1, issuer, parts[0].SID)
			if m.Type != want || string(got) != expected || m.Header.Get("Content-Type") != "application/json" {
				t.Errorf("%s says %s\nwant %s %s", m.Type, got, want, expected)
			}
		}
		until(t, 5*time.Second, "everything is settled", func() bool { return jobs(t, db) == 0 })
		deliveries, err := s.store.List(t.Context(), logout.Filter{LogoutID: out.LogoutID})
		if err != nil || len(deliveries) != 3 {
			t.Fatalf("%d deliveries, %v; want back-channel and two events", len(deliveries), err)
		}
		ended := map[logout.Channel]string{}
		for _, d := range deliveries {
			if d.State != logout.StateDelivered {
				t.Errorf("%s is %s: %s", d.Channel, d.State, d.LastError)
			}
			if d.Event != logout.EventUserLoggedOut {
				ended[d.Channel] = d.EventID
			} else if d.EventID == all[0].ID() {
				t.Error("two events have one id")
			}
		}
		if id := ended[logout.ChannelBackchannel]; id == "" || id != ended[logout.ChannelWebhook] || id != all[0].ID() {
			t.Errorf("the end of the session has the ids %v, and its webhook %s; want one", ended, all[0].ID())
		}
	})
}

// The end of a session is told each time, the person's leaving only when no session of theirs is left at the client, and with a sid only when
// one ended.
func TestWebhookPerson(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		s := newStage(t, db, 0, nil)
		h := s.hook(t, "shop", nil)
		phone, laptop, desk := s.login(t, "alice"), s.login(t, "alice"), s.login(t, "alice")
		for _, session := range []logout.Session{phone, laptop, desk, s.login(t, "bob")} {
			s.join(t, session, "shop")
		}
		s.end(t, phone)
		if m := received(t, h, 1)[0]; m.Type != logout.EventSessionEnded || m.Data["sub"] != "alice" {
			t.Errorf("with other sessions alive: %s %v", m.Type, m.Data)
		}
		if _, err := s.End(t.Context(), logout.Request{Cause: logout.CauseAdmin, Target: logout.Target{Subject: "alice"}}); err != nil {
			t.Fatal(err)
		}
		all := received(t, h, 4)
		last := all[3]
		if last.Type != logout.EventUserLoggedOut || last.Data["sid"] != nil || last.Data["sub"] != "alice" || last.Data["cause"] != "admin" {
			t.Errorf("after the last two: %s %v", last.Type, last.Data)
		}
		if all[1].Data["sid"] == all[2].Data["sid"] || all[1].Type != logout.EventSessionEnded || all[2].Type != logout.EventSessionEnded {
			t.Errorf("the two sessions: %v, %v", all[1].Data, all[2].Data)
		}
	})
}

// What a client hears of is what its filter names; without one all that concerns it, but not what is for those that ask.
func TestWebhookFilter(t *testing.T) {
	s := newStage(t, databasetest.Open(t, databasetest.SQLiteURL(t)), 0, func(c *logout.Config) {
		c.Surviving = func(context.Context, logout.Request) ([]logout.Participation, error) {
			return []logout.Participation{{SID: "old", SessionID: "gone", ClientID: "named", Subject: "alice"}, {SID: "old2", SessionID: "gone", ClientID: "all", Subject: "alice"}}, nil
		}
		c.Detached = func(_ context.Context, _ logout.Request, clientID string) (map[string]any, error) {
			return map[string]any{"device": map[string]any{"name": "Phone"}, "metadata": map[string]any{"of": clientID}}, nil
		}
	})
	all := s.hook(t, "all", nil)
	named := s.hook(t, "named", func(c *logout.Client) {
		c.WebhookEvents = []string{logout.EventTokenRevoked, logout.EventDeviceDetached}
	})
	session := s.login(t, "alice")
	s.join(t, session, "all")
	if _, err := s.End(t.Context(), logout.Request{Cause: logout.CauseDeviceDetached, Target: logout.Target{Subject: "alice"}}); err != nil {
		t.Fatal(err)
	}
	types := func(all []logouttest.Message) (types []string) {
		for _, m := range all {
			types = append(types, m.Type)
		}
		return types
	}
	got := received(t, all, 4)
	if want := []string{logout.EventDeviceDetached, logout.EventSessionEnded, logout.EventSessionEnded, logout.EventUserLoggedOut}; !slices.Equal(types(got), want) {
		t.Errorf("without a filter: %v, want %v", types(got), want)
	}
	if device, _ := got[0].Data["device"].(map[string]any); device["name"] != "Phone" || fmt.Sprint(got[0].Data["metadata"]) != "map[of:all]" {
		t.Errorf("the device: %v", got[0].Data)
	}
	if got, want := types(received(t, named, 2)), []string{logout.EventDeviceDetached, logout.EventTokenRevoked}; !slices.Equal(got, want) {
		t.Errorf("with a filter: %v, want %v", got, want)
	}
	for _, event := range []string{logout.EventTokenRevoked, logout.EventUserDisabled} {
		if err := s.Announce(t.Context(), logout.Event{Type: event, Subject: "alice", ClientIDs: []string{"all", "named"}, Data: map[string]any{"cause": "why"}}); err != nil {
			t.Fatal(err)
		}
	}
	if m := received(t, all, 5)[4]; m.Type != logout.EventUserLoggedOut { // sorted: user.disabled stands before it
		t.Errorf("announced: %s", m.Type)
	}
	if m := all.Received(logout.EventUserDisabled); len(m) != 1 || m[0].Data["cause"] != "why" || m[0].Data["sid"] != nil {
		t.Errorf("announced: %+v", m)
	}
	if m := received(t, named, 3); len(named.Received(logout.EventTokenRevoked)) != 2 {
		t.Errorf("announced to the one that asks: %v", types(m))
	}
}

// Two secrets: either verifies. A secret never prints.
func TestWebhookRotation(t *testing.T) {
	s := newStage(t, databasetest.Open(t, databasetest.SQLiteURL(t)), 0, nil)
	h := s.hook(t, "shop", func(c *logout.Client) {
		old, err := logout.ParseWebhookKey(logouttest.WebhookSecret(2))
		if err != nil {
			t.Fatal(err)
		}
		c.WebhookKeys = append(c.WebhookKeys, old)
		if text := fmt.Sprintf("%v %+v %#v %x", c.WebhookKeys, old, c, old); !strings.Contains(text, "[redacted]") || strings.Contains(text, "0x2, 0x2") {
			t.Errorf("a key prints as %s", text)
		}
	})
	session := s.login(t, "alice")
	s.join(t, session, "shop")
	s.end(t, session)
	for _, m := range received(t, h, 2) {
		for b := byte(1); b <= 3; b++ {
			if err := verify(t, m, logouttest.WebhookSecret(b)); (err == nil) != (b < 3) {
				t.Errorf("secret %d: %v", b, err)
			}
		}
	}
}

// Any 2xx acknowledges. Everything else stays on the schedule, 400 and 410 among it; the id stays, the signature is new.
func TestWebhookRetry(t *testing.T) {
	for status, want := range map[int]logout.State{
		200: logout.StateDelivered, 202: logout.StateDelivered, 299: logout.StateDelivered,
		301: logout.StateRetrying, 400: logout.StateRetrying, 404: logout.StateRetrying, 410: logout.StateRetrying, 429: logout.StateRetrying, 500: logout.StateRetrying,
	} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			t.Parallel()
			s := newStage(t, databasetest.Open(t, databasetest.SQLiteURL(t)), 0, nil)
			h := s.hook(t, "shop", func(c *logout.Client) { c.WebhookEvents = []string{logout.EventSessionEnded} })
			h.Answer(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(status)
				_, _ = w.Write([]byte(`{"error":"invalid_request"}`))
			})
			session := s.login(t, "alice")
			s.join(t, session, "shop")
			out := s.end(t, session)
			if got := states(s.Wait(t.Context(), out.LogoutID, 5*time.Second)); got[want] != 1 {
				t.Errorf("receipts %v, want %s", got, want)
			}
		})
	}
}

// A retry has the same id and another timestamp, signature and user token; and the token of the attempt that failed still works.
func TestUserToken(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		s := newStage(t, db, 0, nil)
		h := s.hook(t, "shop", func(c *logout.Client) {
			c.UserToken = true
			c.WebhookEvents = []string{logout.EventSessionEnded, logout.EventUserUpdated}
		})
		h.Answer(logouttest.Unavailable)
		session := s.login(t, "alice")
		part := s.join(t, session, "shop")
		s.end(t, session)
		received(t, h, 1)
		h.Answer(logouttest.OK)
		until(t, 20*time.Second, "it is sent again", func() bool { return len(h.Received()) == 2 })
		first, second := h.Received()[0], h.Received()[1]
		one, two := fmt.Sprint(first.Data["user_token"]), fmt.Sprint(second.Data["user_token"])
		if first.ID() != second.ID() || one == two || len(one) != 43 {
			t.Errorf("ids %s and %s, tokens %q and %q", first.ID(), second.ID(), one, two)
		}
		for _, m := range []logouttest.Message{first, second} {
			if strings.Contains(string(m.Body), "alice") || m.Data["sid"] != part.SID || verify(t, m, logouttest.WebhookSecret(1)) != nil {
				t.Errorf("the body is %s", m.Body)
			}
		}
		if _, err := s.ExchangeUserToken(t.Context(), "bank", one); !errors.Is(err, logout.ErrNoUserToken) {
			t.Errorf("another client: %v", err)
		}
		for _, token := range []string{one, two} {
			if got, err := s.ExchangeUserToken(t.Context(), "shop", token); err != nil || got.Subject != "alice" || got.SID != part.SID || got.EventID != first.ID() {
				t.Errorf("exchanged for %+v, %v", got, err)
			}
			if _, err := s.ExchangeUserToken(t.Context(), "shop", token); !errors.Is(err, logout.ErrUserTokenUsed) {
				t.Errorf("a second time: %v", err)
			}
		}
		// Of what an event carries only what the app wrote itself, or what is nobody's.
		err := s.Announce(t.Context(), logout.Event{
			Type: logout.EventUserUpdated, Subject: "alice", ClientIDs: []string{"shop"}, Data: map[string]any{"device": "Alice's phone", "metadata": 7, "cause": "x"},
		})
		if err != nil {
			t.Fatal(err)
		}
		m := received(t, h, 3)[2]
		if strings.Contains(strings.ToLower(string(m.Body)), "alice") || m.Data["metadata"] != 7.0 || m.Data["cause"] != "x" || m.Data["sid"] != nil {
			t.Errorf("the body is %s", m.Body)
		}
	})
}

// A client that was deleted cannot be told, for want of its secret; one whose secret cannot be read says so.
func TestWebhookWithoutSecret(t *testing.T) {
	s := newStage(t, databasetest.Open(t, databasetest.SQLiteURL(t)), 0, nil)
	s.hook(t, "shop", func(c *logout.Client) { c.WebhookKeys, c.WebhookEvents = nil, []string{logout.EventSessionEnded} })
	session := s.login(t, "alice")
	s.join(t, session, "shop")
	out := s.end(t, session)
	receipts := s.Wait(t.Context(), out.LogoutID, 5*time.Second)
	if len(receipts) != 1 || receipts[0].State != logout.StateRetrying || !strings.Contains(receipts[0].LastError, "webhook_secrets") {
		t.Errorf("receipts %+v", receipts)
	}
}
