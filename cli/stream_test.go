package cli_test

import (
	"testing"
	"time"

	"github.com/exeunt-id/exeunt/database/databasetest"
	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider/identity"
	"github.com/exeunt-id/exeunt/provider/signing"
	"github.com/exeunt-id/exeunt/provider/store"
)

func TestStream(t *testing.T) {
	databasetest.EachURL(t, func(t *testing.T, url string) {
		s := newSite(t, url)
		box, err := signing.NewSecretbox([][32]byte{{1}})
		must(t, err)
		streams := store.NewStreams(store.New(s.db, time.Now), box)
		s.run("", "stream", "list").check(t, 0, []string{"No streams."}, nil)
		s.run("", "stream", "status", "shop", "paused").check(t, 1, nil, []string{"client shop has no stream"})
		must(t, streams.Create(t.Context(), identity.Stream{
			ID: logout.NewID(), ClientID: "shop", Method: identity.StreamPush, EndpointURL: "https://receiver.example/", Authorization: streams.Seal("x", "Bearer secret"),
			Status: "enabled", CreatedAt: time.Now(),
		}))
		must(t, streams.Create(t.Context(), identity.Stream{ID: logout.NewID(), ClientID: "wiki", Method: identity.StreamPoll, Status: "enabled", CreatedAt: time.Now()}))
		s.run("", "stream", "list").check(t, 0, []string{"shop", "push", "enabled", "https://receiver.example/", "wiki", "poll"}, nil)
		s.run("", "stream", "list", "--json", "--client", "wiki").check(t, 0, []string{`"client_id":"wiki"`, `"events_delivered":[`, "session-revoked"}, nil)
		s.run("", "stream", "status", "wiki").check(t, 2, nil, []string{"one of enabled, paused, disabled"})
		s.run("", "stream", "status", "wiki", "off").check(t, 2, nil, []string{"the status off is none"})
		s.run("", "stream", "status", "wiki", "paused", "--reason", "until noon").check(t, 0, []string{"The stream of wiki is paused."}, nil)
		s.run("", "stream", "list", "--client", "wiki").check(t, 0, []string{"paused", "until noon"}, nil)
		waiting, err := s.store.Waiting(t.Context(), one(t, streams, "wiki"), logout.SignalStreamUpdated, 10)
		must(t, err)
		if len(waiting) != 1 || waiting[0].ClientID != "wiki" {
			t.Errorf("the receiver is told %+v", waiting)
		}
	})
}

// one returns the id of a client's stream.
func one(t *testing.T, streams *store.Streams, client string) string {
	t.Helper()
	all, err := streams.Streams(t.Context(), client)
	must(t, err)
	if len(all) != 1 {
		t.Fatalf("%d streams of %s", len(all), client)
	}
	return all[0].ID
}
