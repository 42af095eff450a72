package audit

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/exeunt-id/exeunt/logout"
)

type memory []Entry

func (m *memory) Record(_ context.Context, e Entry) error {
	*m = append(*m, e)
	return nil
}

type broken struct{ err error }

func (b broken) Record(context.Context, Entry) error { return b.err }

// Strangers can fill a minute of the trail, not the disk; how much was left out is said when there is room again.
func TestTrailBoundsStrangers(t *testing.T) {
	var kept memory
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	trail := NewTrail(&kept, func() time.Time { return now })
	stranger := logout.Actor{Kind: ActorAnonymous, Address: "192.0.2.1"}
	record := func(e Entry) {
		t.Helper()
		if err := trail.Record(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	for range boundPerMinute + 40 {
		record(TokenIgnored(stranger, "shop", "", "", "unknown"))
	}
	record(TokenIgnored(logout.Actor{Kind: "user", ID: "alice"}, "shop", "s1", "", "unknown"))
	if len(kept) != boundPerMinute+1 || kept[len(kept)-1].Subject != "alice" {
		t.Fatalf("%d entries, the last one %+v", len(kept), kept[len(kept)-1])
	}
	now = now.Add(time.Minute)
	kept = nil
	away := errors.New("the database is away")
	trail.store = broken{away}
	if err := trail.Record(t.Context(), LoginFailed(stranger, "", "", "unknown_user")); !errors.Is(err, away) {
		t.Errorf("without a database: %v", err)
	}
	trail.store = &kept
	record(LoginFailed(stranger, "", "", "unknown_user"))
	record(LoginFailed(stranger, "", "", "unknown_user"))
	if len(kept) != 3 || kept[0].Kind != KindUnrecorded || string(kept[0].Detail) != `{"entries":40}` {
		t.Errorf("the next minute begins with %+v", kept)
	}
}

func TestLogoutEntry(t *testing.T) {
	at := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	plan := &logout.Plan{
		LogoutID: "l1", At: at,
		Request: logout.Request{
			Cause: logout.CauseRPInitiated, Actor: logout.Actor{Kind: "user", ID: "alice"}, Target: logout.Target{SessionID: "s1"}, InitiatorClientID: "shop",
		},
		Sessions: []logout.Session{{ID: "s1", Subject: "alice", SecretHash: []byte("secret")}},
		Leaving:  []logout.Participation{{SID: "sid1", ClientID: "shop", Subject: "alice"}, {SID: "sid2", ClientID: "wiki", Subject: "alice"}},
		Deliveries: []logout.Delivery{
			{ClientID: "shop", Channel: logout.ChannelBackchannel, State: logout.StatePending},
			{ClientID: "wiki", Channel: logout.ChannelBackchannel, State: logout.StateUnreachable},
			{ClientID: "shop", Channel: logout.ChannelBackchannel, State: logout.StatePending},
		},
	}
	e := Logout(plan)
	line, err := json.Marshal(e.Line())
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"id":"","at":"2026-01-01T12:00:00Z","kind":"logout","actor":"user","actor_id":"alice","sub":"alice","session_id":"s1","logout_id":"l1",` +
		`"detail":{"cause":"rp_initiated","initiator_client_id":"shop","target":{"session_id":"s1"},"offline_revoked":false,"sessions":1,"participations":2,` +
		`"ended":[{"session_id":"s1","sub":"alice"}],"told":[{"client_id":"shop","channel":"backchannel","state":"pending","count":2},` +
		`{"client_id":"wiki","channel":"backchannel","state":"unreachable","count":1}]}}`
	if string(line) != want {
		t.Errorf("\n got %s\nwant %s", line, want)
	}

	// Many people at once: the entry is about nobody in particular, and stays bounded.
	for range 3 * maxNamed {
		plan.Sessions = append(plan.Sessions, logout.Session{ID: logout.NewID(), Subject: "bob"})
	}
	e = Logout(plan)
	var d logoutDetail
	if err := json.Unmarshal(e.Detail, &d); err != nil {
		t.Fatal(err)
	}
	if e.Subject != "" || e.SessionID != "" || d.Sessions != 3*maxNamed+1 || len(d.Named) != maxNamed {
		t.Errorf("about %q, %d of %d sessions named", e.Subject, len(d.Named), d.Sessions)
	}
}

func TestParseQuery(t *testing.T) {
	now := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	cursor := Cursor{At: now, ID: "x"}
	f, err := ParseQuery(url.Values{
		"since": {"24h"}, "until": {"2026-01-02"}, "kind": {"logout"}, "sub": {"alice"}, "order": {"oldest"}, "cursor": {cursor.String()}, "limit": {"7"},
	}, now)
	want := Filter{Since: now.Add(-24 * time.Hour), Until: now.Add(-12 * time.Hour), Kind: KindLogout, Subject: "alice", Oldest: true, After: cursor, Limit: 7}
	if err != nil || f != want {
		t.Errorf("%+v, %v; want %+v", f, err, want)
	}
	for query, part := range map[string]string{
		"since=yesterday": `since "yesterday" is no time`, "until=2026-13-01": `until "2026-13-01" is no time`, "kind=x": "kind is none of", "sub=%00": "sub is not valid", "sub=%ff": "sub is not valid",
		"order=random": "order is neither", "cursor=x": "cursor is not a cursor", "limit=0": "limit is not", "limit=1001": "limit is not", "since=1h&until=2h": "until is before since",
	} {
		values, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParseQuery(values, now); err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%s: %v, want %q", query, err, part)
		}
	}
}

// Whatever stands in a query, it is refused or can be asked of a database.
func FuzzParseQuery(f *testing.F) {
	f.Add("since=24h&cursor=" + Cursor{At: time.Unix(1, 0), ID: "a"}.String())
	f.Add("kind=logout&limit=3&order=oldest&sub=x&until=2026-01-02T15:04:05Z")
	f.Fuzz(func(t *testing.T, query string) {
		values, _ := url.ParseQuery(query)
		filter, err := ParseQuery(values, time.Unix(1e9, 0))
		if err != nil {
			return
		}
		if !storable(filter.Subject) || !storable(filter.After.ID) || filter.Limit < 1 || filter.Limit > MaxPage {
			t.Errorf("%q became %+v", query, filter)
		}
		if again, err := ParseCursor(filter.After.String()); filter.After != (Cursor{}) && (err != nil || again != filter.After) {
			t.Errorf("cursor %+v came back as %+v, %v", filter.After, again, err)
		}
	})
}
