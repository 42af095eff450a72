package logouttest

import (
	"testing"

	"github.com/exeunt-id/exeunt/logout"
)

func testHealth(t *testing.T, s Opened) {
	for range 2 {
		session := start(t, s, "alice", "shop", "bank")
		p, err := end(t.Context(), s, logout.CauseRedirect, logout.Target{SessionID: session.ID})
		must(t, err)
		_, err = s.Store.Settle(t.Context(), epoch, []logout.Settlement{{Delivery: p.Deliveries[1], State: logout.StateDelivered}})
		must(t, err)
	}
	all, err := s.Store.Health(t.Context())
	must(t, err)
	want := logout.Health{ClientID: "shop", Channel: logout.ChannelBackchannel, Backlog: 2}
	if len(all) != 1 || all[0] != want {
		t.Errorf("health = %+v, want %+v", all, want)
	}
}
