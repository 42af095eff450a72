package logout_test

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/database/databasetest"
	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/logout/logouttest"
)

// A client pulls what it was told, what it should have been told, and what nobody could tell it: each event once, in order.
func TestPull(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		s := newStage(t, db, 1, nil)
		both := s.rps[0].Client()
		h := logouttest.NewHook(t, "rp-0")
		both.WebhookURI, both.WebhookKeys, both.WebhookEvents = h.URL, h.Client().WebhookKeys, []string{logout.EventSessionEnded}
		h.Answer(logouttest.Unavailable)
		s.rps[0].Answer(logouttest.Unavailable)
		asks := logout.Client{ID: "asks", WebhookEvents: []string{logout.EventUserLoggedOut, logout.EventUserDisabled}}
		s.clients.Put(both, logout.Client{ID: "silent"}, asks)
		var sids []string
		for range 3 {
			session := s.login(t, "alice")
			sids = append(sids, s.join(t, session, "rp-0").SID)
			s.join(t, session, "silent")
			s.join(t, session, "asks")
			out := s.end(t, session)
			s.Wait(t.Context(), out.LogoutID, 5*time.Second)
		}
		if err := s.Announce(t.Context(), logout.Event{Type: logout.EventUserDisabled, Subject: "alice", ClientIDs: []string{"asks", "silent", "rp-0"}}); err != nil {
			t.Fatal(err)
		}
		types := func(events []logout.PulledEvent) (types []string) {
			for _, e := range events {
				types = append(types, e.Type)
			}
			return types
		}
		const ended, left, disabled = logout.EventSessionEnded, logout.EventUserLoggedOut, logout.EventUserDisabled
		for client, want := range map[string][]string{"rp-0": {ended, ended, ended}, "silent": {ended, ended, ended}, "asks": {left, left, left, disabled}} {
			page, err := s.Pull(t.Context(), client, "", 100)
			if err != nil || !slices.Equal(types(page.Events), want) || page.More {
				t.Errorf("%s pulls %v, %t, %v; want %v", client, types(page.Events), page.More, err, want)
			}
		}
		until(t, 5*time.Second, "the failures are recorded", func() bool {
			n, err := s.store.List(t.Context(), logout.Filter{ClientID: "rp-0", States: []logout.State{logout.StateRetrying}})
			return err == nil && len(n) == 6
		})
		cursor := ""
		var got []string
		var ids []string
		for {
			page, err := s.Pull(t.Context(), "rp-0", cursor, 2)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range page.Events {
				var sid, sub string
				if json.Unmarshal(e.Data["sid"], &sid) != nil || json.Unmarshal(e.Data["sub"], &sub) != nil || sub != "alice" || e.State != logout.StateRetrying {
					t.Errorf("event %+v", e)
				}
				got, ids = append(got, sid), append(ids, e.ID)
			}
			if page.More != (len(got) == 2) {
				t.Errorf("after %d events more is %t", len(got), page.More)
			}
			if cursor = page.Next; len(page.Events) == 0 {
				break
			}
		}
		if !slices.Equal(got, sids) {
			t.Errorf("sids %v, want %v", got, sids)
		}
		for wrong, cursor := range map[string]string{"another client's": cursor, "nonsense": "x"} {
			if _, err := s.Pull(t.Context(), "silent", cursor, 2); !errors.Is(err, logout.ErrInvalidCursor) {
				t.Errorf("%s cursor: %v", wrong, err)
			}
		}
		known, unknown, err := s.Acknowledge(t.Context(), "rp-0", []string{ids[1], "no", ids[0], ids[1]})
		if err != nil || !slices.Equal(known, ids[:2]) || !slices.Equal(unknown, []string{"no"}) {
			t.Errorf("acknowledged %v, unknown %v, %v", known, unknown, err)
		}
		pending, err := s.PullPending(t.Context(), "rp-0", 100)
		if err != nil || len(pending) != 1 || pending[0].ID != ids[2] {
			t.Errorf("pending %+v, %v; want the third", pending, err)
		}
		for _, r := range list(t, s, logout.Filter{ClientID: "rp-0", States: []logout.State{logout.StateDelivered}}) {
			if !r.Pulled || !r.Receipt().Pulled {
				t.Errorf("receipt %+v, want delivered by pull", r)
			}
		}
		s.rps[0].Answer(logouttest.OK)
		h.Answer(logouttest.OK)
		until(t, 30*time.Second, "the third is told after all, and nothing is left to do", func() bool {
			return len(list(t, s, logout.Filter{ClientID: "rp-0", States: []logout.State{logout.StateDelivered}})) == 6 && jobs(t, db) == 0
		})
		for _, d := range list(t, s, logout.Filter{ClientID: "rp-0"}) {
			if d.Pulled != (d.EventID != ids[2]) {
				t.Errorf("delivery %+v", d)
			}
		}
	})
}

func list(t *testing.T, s *stage, f logout.Filter) []logout.Delivery {
	t.Helper()
	all, err := s.store.List(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// A database that was restored from an older backup has numbers below a cursor that is still around. Going on from there would skip what
// happens next.
func TestPullAfterRestore(t *testing.T) {
	s := newStage(t, databasetest.Open(t, databasetest.SQLiteURL(t)), 0, nil)
	s.clients.Put(logout.Client{ID: "shop"})
	session := s.login(t, "alice")
	s.join(t, session, "shop")
	s.end(t, session)
	page, err := s.Pull(t.Context(), "shop", "", 10)
	if err != nil || len(page.Events) != 1 {
		t.Fatalf("%+v, %v", page, err)
	}
	if again, err := s.Pull(t.Context(), "shop", page.Next, 10); err != nil || len(again.Events) != 0 || again.Next != page.Next {
		t.Errorf("at the end: %+v, %v", again, err)
	}
	for _, query := range []string{"UPDATE logout_deliveries SET number = NULL", "DELETE FROM logout_pulls"} {
		if err := s.db.Writer(t.Context()).Exec(query).Error; err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Pull(t.Context(), "shop", page.Next, 10); !errors.Is(err, logout.ErrInvalidCursor) {
		t.Errorf("a cursor from before: %v", err)
	}
}

// User tokens in what is pulled are as good as those in webhooks.
func TestPullUserTokens(t *testing.T) {
	s := newStage(t, databasetest.Open(t, databasetest.SQLiteURL(t)), 0, nil)
	s.clients.Put(logout.Client{ID: "shop", UserToken: true})
	session := s.login(t, "alice")
	s.join(t, session, "shop")
	s.end(t, session)
	for range 2 { // minted anew at each read
		page, err := s.Pull(t.Context(), "shop", "", 10)
		if err != nil || len(page.Events) != 1 {
			t.Fatalf("%+v, %v", page, err)
		}
		var said struct {
			ID, Type, State, Sub, SID string
			UserToken                 string    `json:"user_token"`
			OccurredAt                time.Time `json:"occurred_at"`
		}
		text, err := json.Marshal(page.Events[0])
		if err != nil || json.Unmarshal(text, &said) != nil {
			t.Fatalf("%s, %v", text, err)
		}
		if said.Sub != "" || said.SID == "" || said.Type != logout.EventSessionEnded || said.State != "unreachable" || said.OccurredAt.IsZero() || said.ID == "" {
			t.Errorf("event %s", text)
		}
		if got, err := s.ExchangeUserToken(t.Context(), "shop", said.UserToken); err != nil || got.Subject != "alice" || got.EventID != said.ID {
			t.Errorf("exchanged for %+v, %v", got, err)
		}
	}
}
